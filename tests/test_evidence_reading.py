"""Evidence that was written and read back shows the same."""

import json
from dataclasses import replace
from typing import Any

import pytest

from augqa.errors import DataError
from augqa.evidence import Evidence, Plan, Planned, as_metrics, gather
from augqa.evidence.reading import evidence_of
from tests import example_pages, test_evidence_gathering
from tests.studies import golden, level_study


def through_json(found: Evidence) -> Any:
    return json.loads(json.dumps(as_metrics(found)))


def one_article() -> Evidence:
    # A set of one article: the standard error is infinite, and the interval has no end.
    of = level_study({"mix": [50.0, 51.0], "real": [40.0, 41.0]}, n_articles=1)
    return gather(of, Plan(baseline="real", primary=(Planned(recipe="mix", against="real"),)))


STUDIES = {
    "example": lambda: example_pages.evidence(example_pages.study()),
    "all parts": lambda: gather(test_evidence_gathering.made(), test_evidence_gathering.PLAN),
    "nothing planned": lambda: gather(golden(), Plan(baseline="real")),
    "one seed": lambda: gather(
        level_study({"mix": [50.0], "real": [40.0]}),
        Plan(baseline="real", primary=(Planned(recipe="mix", against="real"),)),
    ),
    "one article": one_article,
    "no control": lambda: gather(
        level_study({"mix": [50.0, 51.0], "real": [40.0, 40.5]}),
        Plan(baseline="real", primary=(Planned(recipe="mix", against="real_more"),)),
    ),
}


@pytest.mark.parametrize("name", STUDIES)
def test_what_was_written_is_read_back(name: str) -> None:
    found = STUDIES[name]()
    back = evidence_of(through_json(found), where="evidence.json")
    assert as_metrics(back) == as_metrics(found)
    assert back.primary == found.primary  # infinite ends included
    assert back.exploratory == found.exploratory


def test_intervals_without_end_are_among_what_is_read_back() -> None:
    # What the test above relies on.
    (first,) = one_article().primary
    assert first.overall is not None
    assert first.overall.corrected_low == -float("inf")


def without(found: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != key}


def test_a_missing_part_is_named_with_its_place() -> None:
    metrics = through_json(gather(golden(), Plan(baseline="real")))
    with pytest.raises(DataError, match=r"evidence\.json: no 'headline' in it"):
        evidence_of(without(metrics, "headline"), where="evidence.json")
    metrics["exploratory"][0] = without(metrics["exploratory"][0], "difference") | {"target": 7}
    with pytest.raises(DataError, match=r"exploratory, 0, target: expected str, found 7"):
        evidence_of(metrics, where="evidence.json")


@pytest.mark.parametrize(
    ("key", "value"), [("recipes", {}), ("edges", [{"kind": "odd", "words": ""}]), ("headline", 1)]
)
def test_a_part_of_another_kind_is_refused(key: str, value: Any) -> None:
    metrics = through_json(gather(golden(), Plan(baseline="real"))) | {key: value}
    with pytest.raises(DataError, match=f"evidence, {key}.* expected"):
        evidence_of(metrics, where="evidence")


def test_the_page_of_evidence_read_back_is_the_same_page() -> None:
    study = example_pages.study()
    found = example_pages.evidence(study)
    back = evidence_of(through_json(found), where="evidence.json")
    pages = [example_pages.report_page(study=study, evidence=one) for one in (found, back)]
    assert pages[0] == pages[1]


def test_evidence_of_a_study_is_not_that_of_another() -> None:
    # What the tests above rely on: a change is seen.
    found = gather(golden(), Plan(baseline="real"))
    assert as_metrics(replace(found, headline="other")) != as_metrics(found)
