"""A stream of items, taken some at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def blocks(items: Iterable[T], n: int) -> Iterator[list[T]]:
    """Yield the items in lists of `n`, each read when it is asked for; the last may be shorter."""
    left = iter(items)
    while block := list(islice(left, n)):
        yield block
