"""The reserve shares nothing with the pool, and a pool of its own size does not change with it."""

import pytest

from augqa.errors import DataError
from augqa.records import QAExample
from augqa.reserve import divide
from tests.examples import example

# 30 contexts with 1, 2 or 3 questions.
EXAMPLES = {
    f"q{n}-{i}": example(f"q{n}-{i}", context=f"Mary Shelley wrote number {n}.")
    for n in range(30)
    for i in range(n % 3 + 1)
}


def contexts(ids: list[str], examples: dict[str, QAExample] = EXAMPLES) -> set[str]:
    return {examples[id_].context_id for id_ in ids}


@pytest.mark.parametrize("n_pool", [10, None])
@pytest.mark.parametrize("n_reserve", [1, 5, 11])
def test_pool_and_reserve_share_no_context(n_pool: int | None, n_reserve: int) -> None:
    found = divide(EXAMPLES, n_pool=n_pool, n_reserve=n_reserve, seed=13)
    assert len(found.reserve) == n_reserve
    assert len(found.pool) == (n_pool or len(EXAMPLES) - n_reserve - len(found.beside_reserve))
    assert not contexts(found.pool) & contexts([*found.reserve, *found.beside_reserve])


@pytest.mark.parametrize("n_reserve", [0, 7])
def test_a_pool_with_a_size_of_its_own_does_not_change(n_reserve: int) -> None:
    without = divide(EXAMPLES, n_pool=10, n_reserve=0, seed=13)
    assert divide(EXAMPLES, n_pool=10, n_reserve=n_reserve, seed=13).pool == without.pool


@pytest.mark.parametrize("n_pool", [10, None])
def test_a_smaller_reserve_begins_a_larger_one(n_pool: int | None) -> None:
    small, large = (divide(EXAMPLES, n_pool=n_pool, n_reserve=n, seed=13) for n in (4, 9))
    assert large.reserve[:4] == small.reserve


def test_without_a_reserve_a_pool_of_all_is_all_in_seeded_order() -> None:
    found = divide(EXAMPLES, n_pool=None, n_reserve=0, seed=13)
    assert found.pool == divide(EXAMPLES, n_pool=len(EXAMPLES), n_reserve=0, seed=13).pool
    assert (found.reserve, found.beside_reserve) == ([], [])


def test_a_pool_of_all_loses_less_than_one_context_beside_the_reserve() -> None:
    for n in range(1, 30):
        found = divide(EXAMPLES, n_pool=None, n_reserve=n, seed=13)
        assert len(contexts(found.beside_reserve)) <= 1
        assert contexts(found.beside_reserve) <= contexts(found.reserve)


def test_the_order_of_the_file_does_not_matter() -> None:
    reverse = dict(reversed(EXAMPLES.items()))
    for n_pool in (10, None):
        assert divide(EXAMPLES, n_pool=n_pool, n_reserve=8, seed=13) == divide(
            reverse, n_pool=n_pool, n_reserve=8, seed=13
        )


def test_a_reserve_that_cannot_be_had_says_how_large_it_may_be() -> None:
    with pytest.raises(DataError, match=r"n_reserve is 50, but beside a pool of 10 only \d+"):
        divide(EXAMPLES, n_pool=10, n_reserve=50, seed=13)
    with pytest.raises(DataError, match="n_reserve is 60, which leaves nothing of 60"):
        divide(EXAMPLES, n_pool=None, n_reserve=60, seed=13)
