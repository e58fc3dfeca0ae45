"""The face of every writer of contexts: seed questions in, contexts out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from augqa import ids
from augqa.metrics import Usage
from augqa.records import GeneratedContext, QAExample


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextAsk:
    """One context that is asked for.

    Attributes:
        seed: The seed question.
        number: Of the context among those for this seed, from 1.
        style: Its manner: one of ours, or the path of a prompt of the user's own.
    """

    seed: QAExample
    number: int
    style: str

    @property
    def id(self) -> str:
        """Return the id of the context."""
        return ids.generated_context(self.seed.id, self.number)


class ContextWriter(Protocol):
    """Gives contexts.

    Attributes:
        usage: What it has used; complete once its contexts are read.
    """

    usage: Usage

    def contexts(self, seeds: Iterable[QAExample]) -> Iterator[GeneratedContext]:
        """Yield the contexts, failures among them, in the order of the seeds.

        Args:
            seeds: The seed questions; may be gone through more than once.
        """
        ...


class AskedWriter(Protocol):
    """Writes a context for each ask; what chooses among tries builds on it."""

    usage: Usage

    def write(self, asks: Iterable[ContextAsk]) -> Iterator[GeneratedContext]:
        """Yield a context or its failure for each ask, in their order.

        Args:
            asks: May be gone through more than once.
        """
        ...
