"""The executor that is this process."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic

from augqa.executor.face import B, R, Work, nothing
from augqa.executor.kept import Kept, KeptResults, hash_of
from augqa.executor.worker import outcome_of, result_of


@dataclass(frozen=True, slots=True)
class Local:
    """Works on batches in this process, on as many threads as the work allows.

    A batch that fails ends it with what the work raised.

    Attributes:
        kept: Where results of works that ask for it are kept aside; None: nowhere.
    """

    kept: KeptResults | None = None

    def map(
        self, work: Work[B, R], batches: Sequence[B], *, done: Callable[[int], object] = nothing
    ) -> list[R]:
        """Return the result of each batch, in their order; see `Executor`."""
        if self.kept is not None and work.is_kept:
            work = _Keeping(work, self.kept.of(work.key()))
        with work.session() as run:

            def one(number: int) -> R:
                result = run(batches[number])
                done(number)
                return result

            if work.n_at_once == 1 or len(batches) <= 1:
                return [one(number) for number in range(len(batches))]
            with ThreadPoolExecutor(work.n_at_once) as pool:
                return list(pool.map(one, range(len(batches))))


@dataclass(frozen=True, slots=True)
class _Keeping(Generic[B, R]):
    """A work that takes a result from where it was kept, or keeps it there; one batch at a time."""

    work: Work[B, R]
    kept: Kept
    n_at_once: int = 1
    is_kept: bool = True

    def key(self) -> str:
        return self.work.key()

    @contextmanager
    def session(self) -> Iterator[Callable[[B], R]]:
        with self.work.session() as run:

            def look_or_run(batch: B) -> R:
                name = hash_of(pickle.dumps(batch, protocol=5))
                found = self.kept.get(name)
                if found is not None:
                    known: R = result_of(found)
                    return known
                result = run(batch)
                self.kept.put(name, outcome_of(result))
                return result

            yield look_or_run


LOCAL = Local()
