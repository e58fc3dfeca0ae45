"""Distractors: what stands beside a context, and what stays as it was."""

import dataclasses

import pytest

from augqa.blends import KINDS, Materials, sized
from augqa.blends.distracting import with_distractors
from augqa.blends.recipes import GeneratedRecipe
from augqa.records import QAExample, context_id
from tests.examples import example

NAMES = ("Ada", "Byron", "Clara", "Dora", "Emil", "Fanny", "Grace", "Hugo")


def pair(name: str, *, seed: str | None = None, context: str | None = None) -> QAExample:
    made = example(
        f"{seed or name}/c1/p0",
        context=context or f"In Geneva {name} wrote a novel.",
        question="Who wrote a novel?",
        answer=name,
        origin="generated",
        context_origin="generated",
    )
    return dataclasses.replace(made, method="cloze")


PAIRS = [pair(name) for name in NAMES]


def parts(row: QAExample) -> list[str]:
    return row.context.split("\n")


def test_each_context_stands_once_among_n_others_and_its_answer_is_found_there() -> None:
    made, rejected = with_distractors(PAIRS, n=3, seed=1)
    assert rejected == []
    assert [row.id for row in made] == [row.id for row in PAIRS]
    for before, after in zip(PAIRS, made, strict=True):
        assert len(set(parts(after))) == 4
        assert set(parts(after)) <= {row.context for row in PAIRS}
        assert before.context in parts(after)
        (answer,) = after.answers
        assert after.context[answer.start :].startswith(answer.text)
        assert answer.text == before.answers[0].text
        assert after.context_id == context_id(after.context)
        assert after.method == "cloze+distractors"


def test_the_place_among_the_others_is_drawn() -> None:
    made, _ = with_distractors(PAIRS, n=2, seed=1)
    places = {parts(after).index(before.context) for before, after in zip(PAIRS, made, strict=True)}
    assert places == {0, 1, 2}


def test_none_leave_the_examples_as_they_are() -> None:
    assert with_distractors(PAIRS, n=0, seed=1) == (PAIRS, [])


def test_a_context_that_holds_the_answer_is_no_distractor() -> None:
    also = pair("Hugo", seed="z", context="Everyone knew ADA, but Hugo did not.")
    for seed in range(20):
        made, _ = with_distractors([*PAIRS[:3], also], n=2, seed=seed)
        assert also.context not in parts(made[0])


def test_another_context_of_the_same_seed_question_is_no_distractor() -> None:
    again = dataclasses.replace(pair("Hugo", seed="Ada"), id="Ada/c2/p0")
    for seed in range(20):
        made, _ = with_distractors([*PAIRS[:3], again], n=2, seed=seed)
        assert again.context not in parts(made[0])


def test_an_example_with_too_few_others_is_rejected_and_says_why() -> None:
    everywhere = pair("wrote", seed="q", context="Someone wrote it.")
    made, rejected = with_distractors([*PAIRS, everywhere], n=2, seed=1)
    assert len(made) == len(PAIRS)
    assert [(row.id, row.reason, row.detail) for row in rejected] == [
        ("q/c1/p0", "too_few_distractors", "0 of 2 contexts without 'wrote'")
    ]


def test_neither_the_order_of_a_table_nor_chance_decides_but_the_seed() -> None:
    first, _ = with_distractors(PAIRS, n=2, seed=1)
    again, _ = with_distractors(PAIRS[::-1], n=2, seed=1)
    other, _ = with_distractors(PAIRS, n=2, seed=2)
    assert again[::-1] == first
    assert other != first


@pytest.mark.parametrize("n", [3, 8])
def test_a_recipe_with_distractors_chooses_the_same_pairs_as_one_without(n: int) -> None:
    def chosen(distractors: int) -> list[str]:
        knobs = GeneratedRecipe(kind="generated", n_examples=n, distractors=distractors)
        of = Materials("generated", {"kept": lambda: PAIRS})
        return [row.id for row in KINDS.get("generated").make(of, knobs, 7).examples]

    assert chosen(2) == chosen(0)
    assert chosen(0) == [
        row.id for row in sized(PAIRS, recipe="g", what="generated", n_examples=n, seed=7).examples
    ]


@pytest.mark.parametrize("name", ["real", "real_longer", "real_more", "copies"])
def test_recipes_of_real_examples_alone_have_no_such_knob(name: str) -> None:
    assert "distractors" not in KINDS.get(name).knobs.model_fields


def test_every_kind_with_generated_examples_has_the_knob() -> None:
    own = {"real", "real_longer", "real_more", "copies"}
    lacking = [
        k.name for k in KINDS if k.name not in own and "distractors" not in k.knobs.model_fields
    ]
    assert lacking == []
