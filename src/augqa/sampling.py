"""Seeded choice that depends on the ids alone, not on the order of a file."""

import hashlib
from collections.abc import Iterable

from augqa.records import QAExample


def rank(id_: str, *, seed: int) -> str:
    """Return the sort key of an id: sorting by it is a seeded shuffle of any set of ids."""
    return hashlib.sha256(f"{seed}:{id_}".encode()).hexdigest()


def shuffled(examples: Iterable[QAExample], *, seed: int) -> list[QAExample]:
    """Return the examples in seeded order, whatever order they come in.

    The first n of them are a subset of the first n + 1: smaller choices nest in larger ones.
    """
    return sorted(examples, key=lambda example: rank(example.id, seed=seed))


def choose(ids: Iterable[str], n: int | None, *, seed: int) -> list[str]:
    """Return `n` of the ids (all for None), in seeded order; fewer where there are fewer."""
    return sorted(ids, key=lambda id_: rank(id_, seed=seed))[:n]
