"""Whether a context is worth keeping: its seed's answer is there, and it does not go in a loop.

A reader may be asked, too: whether it finds the answer there.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augqa.executor.local import LOCAL
from augqa.records import QAExample
from augqa.scoring import f1
from augqa.sentences import word_spans
from augqa.spans import content_words, locate_answer

if TYPE_CHECKING:
    from augqa.executor.face import Executor
    from augqa.reader import Reader

_SEQUENCE_WORDS = 4
# Above it a text goes in a loop: of 2,067 contexts of SQuAD dev, none repeats as much.
MAX_REPEATED_FRACTION = 0.2
_MIN_ANSWER_F1 = 50.0  # percent; as filter_pairs.min_round_trip_f1 has it in every profile


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Verdict:
    """What speaks for a context; the greater one is the better.

    Attributes:
        answer_kept: Whether the seed's answer is a span of it.
        sound: Whether it goes without a loop.
        answered: Whether a reader finds the answer in it; true where none is asked.
        similarity: Share of the question's content words that are in it.
    """

    answer_kept: bool
    sound: bool
    answered: bool
    similarity: float

    @property
    def good(self) -> bool:
        """Return whether no further try is needed."""
        return self.answer_kept and self.sound and self.answered


def verdict(text: str, *, question: str, answer: str) -> Verdict:
    """Judge a context by the seed it was written for; no reader is asked."""
    asked = content_words(question)
    shared = len(asked & content_words(text)) / len(asked) if asked else 0.0
    return Verdict(
        answer_kept=locate_answer(text, answer, question=question) is not None,
        sound=not loops(text),
        answered=True,
        similarity=shared,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedReader:
    """Tells in which contexts a reader finds their seed's answer.

    Attributes:
        reader: Who is asked.
        executor: Who lets it read.
    """

    reader: "Reader"
    executor: "Executor" = LOCAL

    def answers(self, seeds: Sequence[QAExample], texts: Sequence[str]) -> list[bool]:
        """Return for each text whether the reader's answer to its seed question has F1 50 or more.

        Raises:
            ReaderError: If the reader gives logits that are not finite.
        """
        questions = [seed.question for seed in seeds]
        found = self.reader.answer_texts(questions, texts, executor=self.executor)
        return [
            f1(seed.answers[0].text, answer.text) >= _MIN_ANSWER_F1
            for seed, answer in zip(seeds, found, strict=True)
        ]


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
