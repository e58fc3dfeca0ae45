"""The face of every question generator: passages in, one proposal a passage out, in their order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

from augqa.metrics import Usage
from augqa.records import Origin
from augqa.sentences import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A context that pairs are asked on.

    Attributes:
        id: Id of the generated context, or of the first seed on the real one and ``/r``.
        text: The context.
        origin: Where it comes from.
    """

    id: str
    text: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question and an answer as a generator gave them.

    Attributes:
        question: The question.
        answer: The answer, which may not be a span of the context.
        start: Offset of the answer in the passage, where the generator knows it.
        window: Part of the passage that the generator read, where it did not read all.
    """

    question: str
    answer: str
    start: int | None = None
    window: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A part of a generator's output that is no draft, and why, in snake_case."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a generator drafted for one passage.

    Attributes:
        passage: The passage.
        drafts: Its question-answer drafts, in the generator's order.
        refusals: What came back beside them.
        model: Served name of the model; None where no model did it.
        prompt_sha256: Hash of the prompt template; None without one.
    """

    passage: Passage
    drafts: tuple[Draft, ...]
    refusals: tuple[Refusal, ...] = ()
    model: str | None = None
    prompt_sha256: str | None = None


class QuestionGenerator(Protocol):
    """Drafts question-answer pairs.

    Attributes:
        usage: What it has used; complete once its proposals are read.
    """

    usage: Usage

    def propose(self, passages: Iterable[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order.

        Args:
            passages: May be gone through more than once.
        """
        ...


def in_turn(parts: Iterable[Sequence[Draft]]) -> tuple[Draft, ...]:
    """Merge the drafts of a passage's windows, one of each in turn: a limit favours none."""
    return tuple(draft for turn in zip_longest(*parts) for draft in turn if draft is not None)
