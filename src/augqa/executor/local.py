"""The executor that is this process."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from augqa.executor.face import B, R, Work, nothing


class Local:
    """Works on batches in this process, on as many threads as the work allows.

    A batch that fails ends it with what the work raised.
    """

    def map(
        self, work: Work[B, R], batches: Sequence[B], *, done: Callable[[int], object] = nothing
    ) -> list[R]:
        """Return the result of each batch, in their order; see `Executor`."""
        with work.session() as run:

            def one(number: int) -> R:
                result = run(batches[number])
                done(number)
                return result

            if work.n_at_once == 1 or len(batches) <= 1:
                return [one(number) for number in range(len(batches))]
            with ThreadPoolExecutor(work.n_at_once) as pool:
                return list(pool.map(one, range(len(batches))))


LOCAL = Local()
