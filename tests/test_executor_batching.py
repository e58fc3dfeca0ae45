"""Items in batches of like ones: which go together, and where their results end up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from augqa.executor.batching import map_items
from augqa.executor.local import LOCAL

WORDS = ["three", "a", "seven", "to", "b", "four"]


@dataclass
class Shout:
    """Notes the batches, and says each word loudly."""

    n_at_once: int = 1
    is_kept: bool = False
    seen: list[list[str]] = field(default_factory=list)

    def key(self) -> str:
        return "shout"

    @contextmanager
    def session(self) -> Iterator[Callable[[list[str]], list[str]]]:
        yield self._run

    def _run(self, words: list[str]) -> list[str]:
        self.seen.append(words)
        return [word.upper() for word in words]


def shouted(words: list[str], work: Shout, batch_size: int = 2) -> list[str]:
    return map_items(
        work,
        words,
        alike=lambda word: (len(word), word),
        batch_size=batch_size,
        batch_of=list,
        title="words",
        executor=LOCAL,
    )


@pytest.mark.parametrize("batch_size", [1, 2, 4, 9])
def test_each_item_gets_its_own_result_in_its_place(batch_size: int) -> None:
    assert shouted(WORDS, Shout(), batch_size) == [word.upper() for word in WORDS]


def test_like_items_go_together_whatever_their_order() -> None:
    first, other = Shout(), Shout()
    shouted(WORDS, first)
    shouted(WORDS[::-1], other)
    assert first.seen == other.seen == [["a", "b"], ["to", "four"], ["seven", "three"]]


def test_no_items_are_no_batches() -> None:
    work = Shout()
    assert shouted([], work) == []
    assert work.seen == []
