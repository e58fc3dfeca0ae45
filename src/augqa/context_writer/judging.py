"""Whether a context is worth keeping: its seed's answer is there, and it does not go in a loop."""

from collections import Counter
from dataclasses import dataclass

from augqa.sentences import word_spans
from augqa.spans import content_words, locate_answer

_SEQUENCE_WORDS = 4
# Above it a text goes in a loop: of 2,067 contexts of SQuAD dev, none repeats as much.
MAX_REPEATED_FRACTION = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Verdict:
    """What speaks for a context; the greater one is the better.

    Attributes:
        answer_kept: Whether the seed's answer is a span of it.
        sound: Whether it goes without a loop.
        similarity: Share of the question's content words that are in it.
    """

    answer_kept: bool
    sound: bool
    similarity: float

    @property
    def good(self) -> bool:
        """Return whether no further try is needed."""
        return self.answer_kept and self.sound


def verdict(text: str, *, question: str, answer: str) -> Verdict:
    """Judge a context by the seed it was written for."""
    asked = content_words(question)
    shared = len(asked & content_words(text)) / len(asked) if asked else 0.0
    return Verdict(
        answer_kept=locate_answer(text, answer, question=question) is not None,
        sound=not loops(text),
        similarity=shared,
    )


def repeated_fraction(text: str) -> float:
    """Return the share of a text's four-word sequences that stood in it before; 0 for few words."""
    words = [text[start:end].casefold() for start, end in word_spans(text)]
    sequences = Counter(
        tuple(words[i : i + _SEQUENCE_WORDS]) for i in range(len(words) - _SEQUENCE_WORDS + 1)
    )
    total = sequences.total()
    return (total - len(sequences)) / total if total else 0.0


def loops(text: str) -> bool:
    """Return whether a text says the same over and over."""
    return repeated_fraction(text) > MAX_REPEATED_FRACTION
