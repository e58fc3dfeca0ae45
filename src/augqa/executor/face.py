"""What is done to batches, and who does it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar, overload

B = TypeVar("B")
R = TypeVar("R")
T = TypeVar("T")
B_contra = TypeVar("B_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Work(Protocol[B_contra, R_co]):
    """Something that is done to batches one by one, each without regard to the others.

    It holds its model and can be pickled: each worker takes it once. Equal batches give equal
    bytes, wherever they are worked on, on processors of the same kind.
    """

    @property
    def n_at_once(self) -> int:
        """How many batches one process may take at once, each on a thread of its own."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether results are kept aside in one's own process, too: where a batch takes seconds."""
        ...

    def key(self) -> str:
        """Return a hash of all that a result depends on, but for the batch."""
        ...

    def session(self) -> AbstractContextManager[Callable[[B_contra], R_co]]:
        """Make ready what all batches share; gives the function that takes a batch."""
        ...


class Executor(Protocol):
    """Who works on batches."""

    def map(
        self, work: Work[B, R], batches: Sequence[B], *, done: Callable[[int], object] = ...
    ) -> list[R]:
        """Return the result of each batch, in the order of `batches`.

        Args:
            work: What is done to each.
            batches: May be prepared when asked for, more than once, from several threads.
            done: Called with the number of a batch when its result is there.

        Raises:
            ExecutorError: If a batch failed, or the workers were lost for good.
            AugQAError: Where it works in this process, what the work itself raises.
        """
        ...


def nothing(_number: int) -> None:
    """Take no notice of a batch that is done."""


class Prepared(Sequence[B], Generic[T, B]):
    """Batches that are prepared when they are asked for, so that they never lie there all at once.

    Args:
        items: What each is prepared from.
        prepare: Prepares one.
    """

    def __init__(self, items: Sequence[T], prepare: Callable[[T], B]) -> None:
        self._items = items
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, number: int) -> B: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[B]: ...
    def __getitem__(self, number: int | slice) -> B | Sequence[B]:
        if isinstance(number, slice):
            return Prepared(self._items[number], self._prepare)
        return self._prepare(self._items[number])
