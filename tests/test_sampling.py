"""Seeded choices: independent of order, nested."""

from augqa.sampling import choose


def test_a_choice_depends_on_the_ids_not_on_their_order() -> None:
    names = [str(n) for n in range(100)]
    assert choose(names, 10, seed=1) == choose(reversed(names), 10, seed=1)


def test_a_smaller_choice_lies_inside_a_larger_one() -> None:
    names = [str(n) for n in range(100)]
    assert set(choose(names, 10, seed=1)) < set(choose(names, 30, seed=1))


def test_another_seed_chooses_otherwise() -> None:
    names = [str(n) for n in range(100)]
    assert choose(names, 10, seed=1) != choose(names, 10, seed=2)
