"""What real examples look like in lengths and question words: a profile to see drift against.

It imports nothing that takes long, since each gate reads it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from augqa.records import QAExample
from augqa.sentences import n_words

QUESTION_WORDS = ("what", "who", "when", "where", "which", "why", "how many", "how", "other")

# Lower edges of the bins, in words (see `augqa.sentences.n_words`).
_LENGTHS: Mapping[str, tuple[int, ...]] = {
    "question_length": (0, 6, 9, 12, 16, 21),
    "answer_length": (0, 2, 3, 4, 6, 11),
    "context_length": (0, 50, 80, 110, 140, 180, 250),
}
ASPECTS = ("question_word", *_LENGTHS)

# For each aspect the share of each kind.
Profile = Mapping[str, Mapping[str, float]]

_ASKED = re.compile(
    r"\b(?:(how (?:many|much))|(who|whom|whose)|(what|when|where|which|why|how))\b", re.IGNORECASE
)


def question_word(question: str) -> str:
    """Return which of `QUESTION_WORDS` is the first in a question.

    ``whom`` and ``whose`` count as who, ``how much`` as how many.
    """
    match = _ASKED.search(question)
    if match is None:
        return "other"
    how_many, who, word = match.groups()
    return "how many" if how_many else "who" if who else word.lower()


def question_word_fractions(questions: Iterable[str]) -> dict[str, float]:
    """Return the fraction of questions for each of `QUESTION_WORDS`."""
    counts = Counter(map(question_word, questions))
    total = counts.total()
    return {word: counts[word] / total if total else 0.0 for word in QUESTION_WORDS}


def aspects(*, context: str, question: str, answer: str) -> dict[str, str]:
    """Return of which kind an example is in each of `ASPECTS`.

    Example: a question of seven words is ``6 to 8`` in ``question_length``.
    """
    return {
        "question_word": question_word(question),
        "question_length": _bin("question_length", question),
        "answer_length": _bin("answer_length", answer),
        "context_length": _bin("context_length", context),
    }


def profile(examples: Iterable[QAExample]) -> dict[str, dict[str, float]]:
    """Return the share of each kind of example in each of `ASPECTS`; they add up to 1.

    Each kind counts once more than it occurs, or by a thousandth of the examples if that is more,
    so that one not seen has a share above 0: a divergence from 0 would be infinite.
    """
    counts: dict[str, Counter[str]] = {aspect: Counter() for aspect in ASPECTS}
    for example in examples:
        found = aspects(
            context=example.context, question=example.question, answer=example.answers[0].text
        )
        for aspect, kind in found.items():
            counts[aspect][kind] += 1
    shares = {}
    for aspect, counted in counts.items():
        kinds = _kinds(aspect)
        more = max(1, counted.total() / 1000)
        total = counted.total() + len(kinds) * more
        shares[aspect] = {kind: (counted[kind] + more) / total for kind in kinds}
    return shares


def _kinds(aspect: str) -> list[str]:
    if aspect == "question_word":
        return list(QUESTION_WORDS)
    edges = _LENGTHS[aspect]
    return [_label(edges, number) for number in range(len(edges))]


def _bin(aspect: str, text: str) -> str:
    edges = _LENGTHS[aspect]
    n = n_words(text)
    return _label(edges, sum(edge <= n for edge in edges) - 1)


def _label(edges: tuple[int, ...], number: int) -> str:
    first = edges[number]
    if number == len(edges) - 1:
        return f"{first} or more"
    last = edges[number + 1] - 1
    return f"{first} to {last}" if last > first else str(first)
