"""What the gate on kept pairs measures of a text, apart from the code that filters.

Each stands on its own and is as plain as can be: the gate is not to believe a filter that errs.
"""

import re
from collections.abc import Sequence

from augqa.looping import run_length
from augqa.scoring import normalize_answer
from augqa.sentences import ASKING_WORDS, ends_as_question, words

_WORD = re.compile(r"\w+")

_POINTERS = ("according to the", "based on the", "this", "in this")
_PASSAGES = frozenset(["passage", "paragraph", "text", "excerpt"])
_TELLING = frozenset(["say", "mention", "state", "describe"])


def asks(question: str) -> bool:
    """Return whether a question ends as one and, where it is in ASCII, has a word that asks."""
    if not ends_as_question(question):
        return False
    return not question.isascii() or any(
        word in ASKING_WORDS for word in _WORD.findall(question.casefold())
    )


def holds_answer(question: str, answer: str) -> bool:
    """Return whether the words of an answer stand in a question in a row, as SQuAD compares."""
    wanted, found = normalize_answer(answer).split(), normalize_answer(question).split()
    return bool(wanted) and any(
        found[start : start + len(wanted)] == wanted
        for start in range(len(found) - len(wanted) + 1)
    )


def names_its_passage(question: str, answer: str) -> bool:
    """Return whether a question says ``this passage`` and the like, or an answer begins so.

    Fewer turns of phrase than the filter knows, and none that it lets pass.
    """
    return _points(question.casefold().split()) or _points(answer.casefold().split()[:4])


def repeated_fraction(text: str) -> float:
    """Return the fraction of a text's words that stand in a run which came before."""
    found = words(text)
    n = run_length(found)
    seen: set[Sequence[str]] = set()
    repeats = [False] * len(found)
    for start in range(len(found) - n + 1):
        run = found[start : start + n]
        if run in seen:
            repeats[start : start + n] = [True] * n
        seen.add(run)
    return sum(repeats) / len(found) if found else 0.0


def is_whole_word(context: str, start: int, end: int) -> bool:
    """Return whether no letter or digit of a word in an alphabet goes on beyond a span."""
    sides = ((start, start - 1), (end - 1, end))
    return not any(
        0 <= outside < len(context)
        and context[inside].isascii()
        and context[outside].isascii()
        and (
            (context[inside].isalpha() and context[outside].isalpha())
            or (context[inside].isdigit() and context[outside].isdigit())
        )
        for inside, outside in sides
    )


def _points(tokens: Sequence[str]) -> bool:
    for place, token in enumerate(tokens):
        noun, following = token.rstrip("?,.:;!'\"”’)"), tokens[place + 1 : place + 2]
        if noun in _PASSAGES and (noun != token or following != ["of"]):
            before = " ".join(tokens[max(0, place - 3) : place])
            if any(before == p or before.endswith(f" {p}") for p in _POINTERS):
                return True
        if noun in _TELLING and tokens[max(0, place - 3) : place] == ["does", "the", "author"]:
            return True
    return False
