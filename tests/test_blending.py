"""Regimes: sizes, nesting, independence of file order, and clear refusals."""

import pytest

from augqa.blending import augment, context_only, mix, sized
from augqa.errors import BlendError
from augqa.records import QAExample
from tests.examples import example, generated_context

REAL = [example(f"r{n}") for n in range(20)]
GENERATED = [example(f"g{n}", origin="generated", context_origin="generated") for n in range(12)]


def ids(examples: tuple[QAExample, ...]) -> set[str]:
    return {e.id for e in examples}


def n_generated(examples: tuple[QAExample, ...]) -> int:
    return sum(e.origin == "generated" for e in examples)


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, 0), (0.25, 2), (0.5, 5), (0.75, 8), (1.0, 10)]
)
def test_a_mix_has_its_size_whatever_its_fraction(fraction: float, expected: int) -> None:
    # round(2.5) is 2 and round(7.5) is 8: halves go to the even number
    made = mix(REAL, GENERATED, n_examples=10, generated_fraction=fraction, seed=1)
    assert len(made.examples) == 10
    assert n_generated(made.examples) == expected


def test_generated_examples_nest_as_the_fraction_grows() -> None:
    def chosen(fraction: float) -> set[str]:
        made = mix(REAL, GENERATED, n_examples=10, generated_fraction=fraction, seed=1)
        return {e.id for e in made.examples if e.origin == "generated"}

    assert chosen(0.25) < chosen(0.5) < chosen(1.0)


@pytest.mark.parametrize(
    ("regime", "per_real", "expected"),
    [
        ("augment", 0.5, 10),
        ("augment_half", 0.25, 5),
        ("augment", None, 12),
        ("augment_half", None, 6),
    ],
)
def test_augment_takes_all_real_and_its_share_of_generated(
    regime: str, per_real: float | None, expected: int
) -> None:
    made = augment(REAL, GENERATED, regime=regime, generated_per_real=per_real, seed=1)
    assert ids(tuple(REAL)) < ids(made.examples)
    assert n_generated(made.examples) == expected


def test_half_an_augmentation_lies_inside_the_whole() -> None:
    half = augment(REAL, GENERATED, regime="augment_half", generated_per_real=None, seed=1)
    whole = augment(REAL, GENERATED, regime="augment", generated_per_real=None, seed=1)
    assert ids(half.examples) < ids(whole.examples)


def test_every_candidate_is_chosen_or_dropped_with_a_reason() -> None:
    made = mix(REAL, GENERATED, n_examples=10, generated_fraction=0.0, seed=1)
    assert ids(made.examples) | {d.id for d in made.dropped} == {e.id for e in REAL + GENERATED}
    assert {d.reason for d in made.dropped} == {"not_chosen"}


def test_too_few_examples_are_refused_with_both_numbers() -> None:
    with pytest.raises(BlendError, match="13 generated examples asked for, but there are only 12"):
        sized(GENERATED, regime="generated", kind="generated", n_examples=13, seed=1)
    with pytest.raises(BlendError, match="20 generated examples asked for"):
        augment(REAL, GENERATED, regime="augment", generated_per_real=1.0, seed=1)


def test_no_example_at_all_is_refused() -> None:
    with pytest.raises(BlendError, match="there is no generated example"):
        sized([], regime="generated", kind="generated", n_examples=None, seed=1)


def test_context_only_puts_the_real_answer_on_the_generated_context() -> None:
    made, rejected = context_only(
        [generated_context("In 1818, MARY SHELLEY published it.")], [example()]
    )
    assert rejected == []
    assert made[0].answers[0].text == "MARY SHELLEY"
    assert made[0].answers[0].start == 9
    assert (made[0].origin, made[0].context_origin) == ("real", "generated")


def test_context_only_rejects_a_context_without_the_answer() -> None:
    made, rejected = context_only(
        [
            generated_context("It was published in 1818."),
            generated_context("", id_="q1/c1", failure="empty"),
        ],
        [example()],
    )
    assert made == []
    assert [(r.id, r.reason) for r in rejected] == [
        ("q1/c0", "answer_not_in_context"),
        ("q1/c1", "empty"),
    ]


def test_a_seed_s_answer_is_no_part_of_a_word_or_number_of_the_context() -> None:
    seed = example("q1", context="10 men came.", question="How many men came?", answer="10")
    made, dropped = context_only([generated_context("In 1066 they came.")], [seed])
    assert (made, [row.reason for row in dropped]) == ([], ["answer_not_in_context"])
    ((found,), _) = context_only([generated_context("In 1066 came 10 men.")], [seed])
    assert found.answers[0].start == 13
