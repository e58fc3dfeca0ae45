"""Items that are worked on in batches of like ones, so that a model computes little on padding."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tqdm import tqdm

from augqa.executor.face import B, Executor, Prepared, R, T, Work

# Items of a stream that a model is given: enough that like ones are found among them, few enough to
# lie in memory with their token ids.
BLOCK = 2048


def map_items(
    work: Work[B, Iterable[R]],
    items: Sequence[T],
    *,
    alike: Callable[[T], Any],
    batch_size: int,
    batch_of: Callable[[list[T]], B],
    title: str,
    executor: Executor,
) -> list[R]:
    """Return the result of each item, in the order of the items.

    Args:
        work: What is done to a batch; gives a result an item.
        items: In any order, which does not count where `alike` differs.
        alike: Key of the sort: items that are next to each other by it go together.
        batch_size: Most items of a batch.
        batch_of: Makes the batch of its items, when it is asked for.
        title: Of the progress bar.
        executor: Who works on the batches.

    Raises:
        ExecutorError: As `Executor.map`.
    """
    order = sorted(range(len(items)), key=lambda number: alike(items[number]))
    cut = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    with tqdm(total=len(cut), desc=title, unit="batch", disable=None) as bar:
        done = executor.map(
            work,
            Prepared(cut, lambda chosen: batch_of([items[number] for number in chosen])),
            done=lambda _: bar.update(),
        )
    results: dict[int, R] = {}
    for chosen, batch in zip(cut, done, strict=True):
        results.update(zip(chosen, batch, strict=True))
    return [results[number] for number in range(len(items))]
