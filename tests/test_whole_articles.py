"""Which questions are asked: whole articles of every size, the same ones whatever the order."""

from itertools import pairwise

import pytest

from augqa.whole_articles import whole_articles


def questions(*sizes: int) -> dict[str, str]:
    return {f"{a}-{q}": f"article {a}" for a, size in enumerate(sizes) for q in range(size)}


SET = questions(*(10 * n for n in range(1, 33)))  # 5,280 questions on 32 articles


@pytest.mark.parametrize("n", [1, 100, 1000, 5279])
def test_articles_are_taken_whole_until_there_are_enough(n: int) -> None:
    chosen = whole_articles(SET, n, seed=13)
    taken = {SET[id_] for id_ in chosen}
    assert chosen == [id_ for id_, article in SET.items() if article in taken]
    assert n <= len(chosen) < n + 320  # the largest article


def test_none_and_more_than_there_are_take_all() -> None:
    assert whole_articles(SET, None, seed=1) == list(SET)
    assert whole_articles(SET, 10_000, seed=1) == list(SET)


def test_a_smaller_choice_nests_in_a_larger_one() -> None:
    choices = [set(whole_articles(SET, n, seed=5)) for n in (50, 500, 1500, 4000)]
    assert all(small < large for small, large in pairwise(choices))


@pytest.mark.parametrize("seed", range(8))
def test_the_choice_has_small_and_large_articles_as_the_set_has(seed: int) -> None:
    chosen = whole_articles(SET, 2640, seed=seed)
    n_articles = len({SET[id_] for id_ in chosen})
    # Mean size of an article is 165 in the set.
    assert 150 < len(chosen) / n_articles < 185


def test_the_order_of_the_file_does_not_matter_and_the_seed_does() -> None:
    backwards = dict(reversed(SET.items()))
    assert set(whole_articles(SET, 900, seed=3)) == set(whole_articles(backwards, 900, seed=3))
    assert len({tuple(whole_articles(SET, 900, seed=seed)) for seed in range(6)}) > 3


def test_a_set_without_questions_gives_none() -> None:
    assert whole_articles({}, 5, seed=1) == []
    assert whole_articles(questions(3), 1, seed=1) == ["0-0", "0-1", "0-2"]
