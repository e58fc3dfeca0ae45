"""The shipped corpus is what the README of data/sample says."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from augqa.formats import read_examples
from augqa.params import load_params
from augqa.records import QAExample
from augqa.test_sets import SampleSource
from tests.examples import SETS

SAMPLE = Path("data/sample")


@pytest.fixture(scope="module")
def sets() -> dict[str, list[QAExample]]:
    sources = load_params().data.sources()
    return {
        name: list(read_examples(SAMPLE / source.name).examples)
        for name, source in sources.items()
        if isinstance(source, SampleSource)
    }


def contexts(examples: list[QAExample]) -> set[str]:
    return {example.context for example in examples}


def test_every_set_is_there(sets: dict[str, list[QAExample]]) -> None:
    assert set(sets) == {"train", *SETS}


def test_the_training_set_has_200_contexts_and_1200_questions(
    sets: dict[str, list[QAExample]],
) -> None:
    assert len(contexts(sets["train"])) >= 200
    assert len(sets["train"]) >= 1200


@pytest.mark.parametrize("name", SETS)
def test_a_test_set_has_12_contexts_and_48_questions(
    sets: dict[str, list[QAExample]], name: str
) -> None:
    assert len(contexts(sets[name])) >= 12
    assert len(sets[name]) >= 48


@pytest.mark.parametrize("name", SETS)
def test_people_differ_on_half_the_questions_of_a_test_set(
    sets: dict[str, list[QAExample]], name: str
) -> None:
    differing = [e for e in sets[name] if len({a.text for a in e.answers}) > 1]
    assert all(len(e.answers) == 3 for e in differing)
    assert len(differing) >= len(sets[name]) / 2


def test_no_context_is_in_two_sets(sets: dict[str, list[QAExample]]) -> None:
    for one, other in combinations(sets, 2):
        assert not contexts(sets[one]) & contexts(sets[other])


def test_ids_are_unique_over_all_sets(sets: dict[str, list[QAExample]]) -> None:
    ids = [e.id for examples in sets.values() for e in examples]
    assert len(ids) == len(set(ids))


def test_no_question_is_asked_twice_on_one_context(sets: dict[str, list[QAExample]]) -> None:
    asked = [(e.context, e.question.lower()) for examples in sets.values() for e in examples]
    assert len(asked) == len(set(asked))


def test_an_answer_is_made_of_whole_words(sets: dict[str, list[QAExample]]) -> None:
    cut = [
        (e.id, answer.text)
        for examples in sets.values()
        for e in examples
        for answer in e.answers
        if not re.search(
            rf"(?<!\w){re.escape(answer.text)}(?!\w)",
            e.context[max(0, answer.start - 1) : answer.start + len(answer.text) + 1],
        )
    ]
    assert cut == []
