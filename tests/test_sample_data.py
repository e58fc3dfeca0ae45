"""The shipped corpus is what the README of data/sample says."""

from itertools import combinations
from pathlib import Path

import pytest

from augqa.records import SHIFTS, QAExample
from augqa.sources import SETS, find_set
from augqa.squad import read_squad

SAMPLE = Path("data/sample")


@pytest.fixture(scope="module")
def sets() -> dict[str, list[QAExample]]:
    found = {name: find_set(SAMPLE, name) for name in SETS}
    return {name: read_squad(path) for name, path in found.items() if path is not None}


def contexts(examples: list[QAExample]) -> set[str]:
    return {example.context for example in examples}


def test_every_set_is_there(sets: dict[str, list[QAExample]]) -> None:
    assert set(sets) == set(SETS)


def test_the_training_set_has_60_contexts_and_300_questions(
    sets: dict[str, list[QAExample]],
) -> None:
    assert len(contexts(sets["train"])) >= 60
    assert len(sets["train"]) >= 300


@pytest.mark.parametrize("name", ["squad", *SHIFTS])
def test_a_test_set_has_12_contexts_and_48_questions(
    sets: dict[str, list[QAExample]], name: str
) -> None:
    assert len(contexts(sets[name])) >= 12
    assert len(sets[name]) >= 48


@pytest.mark.parametrize("name", ["squad", *SHIFTS])
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
