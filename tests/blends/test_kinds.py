"""Kinds of recipes: sizes, nesting, independence of file order, and clear refusals."""

from functools import partial
from typing import Any

import pytest

from augqa.blends import KINDS, Blend, Materials, Sizes, original_id
from augqa.errors import BlendError
from augqa.records import QAExample, Rejection, RoundTripAnswer
from tests.examples import example, generated_context


def pair(id_: str, **fields: Any) -> QAExample:
    return example(id_, origin="generated", context_origin="generated", **fields)


REAL = [example(f"r{n}") for n in range(20)]
RESERVE = [example(f"v{n}") for n in range(10)]
GENERATED = [pair(f"g{n}") for n in range(12)]
SIZES = Sizes(n_pool=20, n_reserve=10)

TABLES: dict[str, list[Any]] = {
    "pool": REAL,
    "reserve": RESERVE,
    "kept": GENERATED,
    "pairs": [*GENERATED, pair("bad"), pair("leaked")],
    "rejected": [
        Rejection(id="bad", reason="not_round_trip_consistent"),
        Rejection(id="leaked", reason="context_in_test_set"),
    ],
    "round_trip_answers": [
        *(RoundTripAnswer(id=f"g{n}", text="1818", score=1.0, f1=0.0) for n in range(12)),
        RoundTripAnswer(id="bad", text="", score=0.0, f1=0.0),
        RoundTripAnswer(id="leaked", text="1818", score=1.0, f1=0.0),
    ],
}


def make(kind: str, seed: int = 1, tables: dict[str, list[Any]] = TABLES, **knobs: Any) -> Blend:
    of = Materials("mine", {name: partial(list, rows) for name, rows in tables.items()})
    entry = KINDS.get(kind)
    return entry.make(of, entry.knobs.model_validate({"kind": kind, **knobs}), seed)


def asked(kind: str, **knobs: Any) -> tuple[int | None, int | None]:
    entry = KINDS.get(kind)
    return entry.asked(entry.knobs.model_validate({"kind": kind, **knobs}), SIZES)


def ids(blend: Blend) -> set[str]:
    return {e.id for e in blend.examples}


def n_generated(blend: Blend) -> int:
    return sum(e.origin == "generated" for e in blend.examples)


@pytest.mark.parametrize(
    ("kind", "knobs"),
    [
        ("real", {"n_examples": None}),
        ("real", {"n_examples": 7}),
        ("generated", {"n_examples": 5}),
        ("mix", {"n_examples": 10, "generated_fraction": 0.25}),
        ("augment", {"n_real": 8, "generated_per_real": 0.5}),
        ("real_longer", {"copies_per_real": 0.5}),
        ("real_longer", {"n_real": 6, "copies_per_real": 2.5}),
        ("real_more", {"reserve_per_real": 0.25}),
        ("real_more", {"reserve_per_real": None}),
        ("copies", {"copies_per_real": 1.0}),
        ("pseudo_label", {"generated_per_real": 0.5}),
        ("unfiltered", {"generated_per_real": 0.5}),
    ],
)
def test_a_training_set_is_as_large_as_its_kind_says(kind: str, knobs: dict[str, Any]) -> None:
    made = make(kind, **knobs)
    n, n_of_them_generated = asked(kind, **knobs)
    assert len(made.examples) == n
    if n_of_them_generated is not None:
        assert n_generated(made) == n_of_them_generated


@pytest.mark.parametrize("kind", KINDS.names())
def test_each_kind_is_its_own_literal_and_tells_what_it_is(kind: str) -> None:
    entry = KINDS.get(kind)
    assert entry.knobs.model_fields["kind"].annotation.__args__ == (kind,)  # type: ignore[union-attr]
    assert entry.about


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, 0), (0.25, 2), (0.5, 5), (0.75, 8), (1.0, 10)]
)
def test_a_mix_has_its_size_whatever_its_fraction(fraction: float, expected: int) -> None:
    # round(2.5) is 2 and round(7.5) is 8: halves go to the even number
    made = make("mix", n_examples=10, generated_fraction=fraction)
    assert len(made.examples) == 10
    assert n_generated(made) == expected


def test_generated_examples_nest_as_the_fraction_grows() -> None:
    def chosen(fraction: float) -> set[str]:
        made = make("mix", n_examples=10, generated_fraction=fraction)
        return {e.id for e in made.examples if e.origin == "generated"}

    assert chosen(0.25) < chosen(0.5) < chosen(1.0)


def test_sizes_of_real_data_nest() -> None:
    assert ids(make("real", n_examples=5)) < ids(make("real", n_examples=10))


def test_each_training_seed_draws_its_own() -> None:
    knobs = {"n_examples": 10, "generated_fraction": 0.5}
    assert ids(make("mix", seed=1, **knobs)) != ids(make("mix", seed=2, **knobs))


def test_a_draw_does_not_depend_on_the_order_of_the_tables() -> None:
    turned = {name: rows[::-1] for name, rows in TABLES.items()}
    knobs = {"n_examples": 10, "generated_fraction": 0.5}
    assert make("mix", **knobs).examples == make("mix", tables=turned, **knobs).examples


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({"generated_per_real": 0.5}, 10),
        ({"generated_per_real": 0.25}, 5),
        ({"generated_per_real": None}, 12),
        ({"generated_per_real": None, "generated_share": 0.5}, 6),
    ],
)
def test_augment_takes_all_real_and_its_share_of_generated(
    knobs: dict[str, Any], expected: int
) -> None:
    made = make("augment", **knobs)
    assert {e.id for e in REAL} < ids(made)
    assert n_generated(made) == expected


def test_half_an_augmentation_lies_inside_the_whole() -> None:
    half = make("augment", generated_per_real=None, generated_share=0.5)
    assert ids(half) < ids(make("augment", generated_per_real=None))


def test_real_longer_repeats_each_real_example_as_often_as_any_other() -> None:
    made = make("real_longer", copies_per_real=1.5)
    n_of = [sum(original_id(e.id) == real.id for e in made.examples) for real in REAL]
    assert sorted(set(n_of)) == [2, 3]
    assert len(ids(made)) == 50
    assert {e.question for e in made.examples} == {"Who wrote Frankenstein?"}


def test_copies_say_nothing_new_but_otherwise() -> None:
    made = make("copies", copies_per_real=3.0)
    questions = {e.question for e in made.examples if e.id not in {r.id for r in REAL}}
    assert questions == {
        "who wrote Frankenstein",
        "Who wrote Franknestein?",
        "Who wrote Frankenstein?",  # no short word to leave out
    }


def test_real_more_takes_of_the_reserve_and_no_other_kind_may() -> None:
    assert ids(make("real_more", reserve_per_real=None)) == {e.id for e in REAL + RESERVE}
    assert [kind.name for kind in KINDS if kind.takes_reserve] == ["real_more"]


def test_unfiltered_takes_what_the_filters_drop_but_for_test_text() -> None:
    made = make("unfiltered", generated_per_real=None)
    assert "bad" in ids(made)
    assert "leaked" not in ids(made)


def test_a_pseudo_label_is_the_round_trip_reader_s_answer() -> None:
    made = make("pseudo_label", generated_per_real=None)
    labelled = [e for e in made.examples if e.origin == "generated"]
    assert {e.answers[0].text for e in labelled} == {"1818"}
    assert [(d.id, d.reason) for d in made.dropped] == [("bad", "reader_has_no_answer")]


def test_every_candidate_is_chosen_or_dropped_with_a_reason() -> None:
    made = make("mix", n_examples=10, generated_fraction=0.0)
    assert ids(made) | {d.id for d in made.dropped} == {e.id for e in REAL + GENERATED}
    assert {d.reason for d in made.dropped} == {"not_chosen"}


def test_too_few_examples_are_refused_with_both_numbers() -> None:
    with pytest.raises(BlendError, match="13 generated examples asked for, but there are only 12"):
        make("generated", n_examples=13)
    with pytest.raises(BlendError, match="20 generated examples asked for"):
        make("augment", generated_per_real=1.0)


def test_no_example_at_all_is_refused_with_what_to_change() -> None:
    with pytest.raises(BlendError, match="there is no generated example"):
        make("generated", tables={"kept": []}, n_examples=None)
    with pytest.raises(BlendError, match=r"prepare\.n_reserve"):
        make("real_more", tables={"pool": REAL, "reserve": []}, reserve_per_real=None)


def test_a_table_that_was_not_given_is_named() -> None:
    with pytest.raises(BlendError, match="recipe mine needs --kept"):
        make("generated", tables={"pool": REAL}, n_examples=None)


def test_context_only_takes_seed_questions_on_their_contexts() -> None:
    tables: dict[str, list[Any]] = {
        "contexts": [
            generated_context("In 1818, MARY SHELLEY published it."),
            generated_context("It was published in 1818.", id_="q1/c1"),
            generated_context("", id_="q1/c2", failure="empty"),
        ],
        "seed_questions": [example()],
    }
    made = make("context_only", tables=tables, n_examples=None)
    (only,) = made.examples
    assert (only.answers[0].text, only.answers[0].start) == ("MARY SHELLEY", 9)
    assert (only.origin, only.context_origin) == ("real", "generated")
    assert [(r.id, r.reason) for r in made.dropped] == [
        ("q1/c1", "answer_not_in_context"),
        ("q1/c2", "empty"),
    ]


def test_context_only_finds_whole_words_alone() -> None:
    # "10" is not in "1066".
    tables: dict[str, list[Any]] = {
        "contexts": [generated_context("The battle of 1066 was lost.")],
        "seed_questions": [example(context="It took 10 days.", question="How long?", answer="10")],
    }
    with pytest.raises(BlendError, match="no context-only example"):
        make("context_only", tables=tables, n_examples=None)


def test_a_question_only_blend_takes_pairs_on_real_contexts() -> None:
    on_real = example("q1/real/p0", origin="generated", context_origin="real")
    tables = {"kept": [*GENERATED, on_real]}
    assert ids(make("question_only", tables=tables, n_examples=None)) == {"q1/real/p0"}


def test_a_grade_is_a_knob_of_whatever_takes_pairs() -> None:
    grade = {"kind": "truncated", "max_context_words": 3}
    made = make("mix", n_examples=4, generated_fraction=0.5, grade=grade)
    methods = {e.method for e in made.examples if e.origin == "generated"}
    assert methods == {"None+truncated"}
