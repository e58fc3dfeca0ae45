"""Streams that are taken some items at a time."""

from augqa.blocks import blocks


def test_items_come_in_lists_of_so_many_and_the_last_may_be_shorter() -> None:
    assert list(blocks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(blocks(range(4), 2)) == [[0, 1], [2, 3]]
    assert list(blocks([], 2)) == []


def test_a_block_is_read_when_it_is_asked_for() -> None:
    left = iter(range(5))
    assert [next(blocks(left, 2)), next(left)] == [[0, 1], 2]
