"""Gates: a sound table passes, and each way to break it is found and named.

Great Expectations is slow, so that the tables here are broken in all ways at once: one row an
expectation, one run a table, one test an expectation.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augqa.blends import KINDS, Kind, original_id
from augqa.expectations import blend_suite, contexts_suite, example_frame, pool_suite, run_suite
from augqa.records import GeneratedContext, QAExample
from augqa.tables import schema
from tests.gating import (
    BREAKS,
    DRIFT,
    FILTERED,
    MOSTLY,
    SETTINGS,
    SUITES,
    WHOLE_TABLE,
    broken_rows,
    context_row,
    example_row,
    outcome_of,
    sound_rows,
    suite_of_kept,
    write_rows,
)


@pytest.fixture(scope="module")
def findings_on_broken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    @cache
    def run(artefact: str) -> Any:
        rows, places = broken_rows(artefact)
        return outcome_of(artefact, rows, tmp_path_factory.mktemp(artefact)), places

    return run


# --- One test an expectation ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("artefact", "expectation"),
    [(artefact, name) for artefact, breaks in BREAKS.items() for name in breaks],
)
def test_a_broken_row_is_found_and_named(
    artefact: str, expectation: str, findings_on_broken: Callable[[str], Any]
) -> None:
    findings, places = findings_on_broken(artefact)
    finding = findings[expectation]
    assert not finding.success
    named = {int(row.rsplit("(row ", 1)[1].removesuffix(")")) for row in finding.rows}
    assert places[expectation] <= named
    assert not named & set(range(len(sound_rows(artefact))))


@pytest.mark.parametrize("artefact", list(SUITES))
def test_each_expectation_has_a_test_that_breaks_it(artefact: str) -> None:
    names = {e.meta["name"] for e in SUITES[artefact]().expectations}
    assert names - WHOLE_TABLE - MOSTLY == set(BREAKS[artefact])


def test_an_empty_table_fails(tmp_path: Path) -> None:
    finding = outcome_of("kept", [], tmp_path)["row_count"]
    assert (finding.success, finding.observed) == (False, 0)


def test_pairs_that_the_filter_would_mostly_drop_are_a_warning(tmp_path: Path) -> None:
    wrong = {
        "question": "Write it",
        "answers": [{"text": "1818 the author of text seed0", "start": 3}],
    }
    rows = sound_rows("pairs", 8) + [
        example_row(f"seed{n}/c0/p0", "generated", **wrong) for n in range(10, 12)
    ]
    findings = outcome_of("pairs", rows, tmp_path)
    for name in MOSTLY:
        assert (findings[name].success, findings[name].severity) == (False, "warning")
        assert findings[name].n_unexpected == 2


def test_pairs_unlike_real_ones_are_a_warning_that_says_how_far(tmp_path: Path) -> None:
    rows = [
        {
            **row,
            "question": f"Who wrote the book of seed{n}?",
            "context": row["context"] + " It rained." * 120,
        }
        for n, row in enumerate(sound_rows("kept"))
    ]
    findings = outcome_of("kept", rows, tmp_path)
    drifted = {name for name in DRIFT if not findings[name].success}
    assert drifted == {"question_word_drift", "context_length_drift"}
    # All are asked with who, which 1 of 209 in the profile are: ln 209.
    assert findings["question_word_drift"].observed == pytest.approx(5.3423)
    assert {findings[name].severity for name in DRIFT} == {"warning"}
    assert "question_word_drift: found 5.3423. The question words diverge" in str(
        findings["question_word_drift"]
    )


def test_a_question_may_come_near_another_only_up_to_the_filter_s_similarity(
    tmp_path: Path,
) -> None:
    path = write_rows(tmp_path / "table.parquet", sound_rows("kept"), QAExample)
    strict = dataclasses.replace(FILTERED, settings={**SETTINGS, "min_duplicate_similarity": 0.5})
    nearest = example_frame(path, filtered=strict).data["similarity_to_earlier"]
    assert [value >= 0.5 for value in nearest] == [False, True, True, True]
    # The answers are the same; where they and the contexts differ, no question is compared.
    rows = [
        row | {"answers": [{"text": str(n), "start": 0}]}
        for n, row in enumerate(sound_rows("kept"))
    ]
    path = write_rows(tmp_path / "other.parquet", rows, QAExample)
    assert not example_frame(path, filtered=strict).data["similarity_to_earlier"].any()


def test_more_pairs_than_the_target_are_told(tmp_path: Path) -> None:
    suite = suite_of_kept({**SETTINGS, "target_kept": 3})
    finding = outcome_of("kept", sound_rows("kept"), tmp_path, suite)["within_target"]
    assert (finding.n_unexpected, finding.rows) == (1, ("'seed3/c0/p0' (row 3)",))
    suite = suite_of_kept({**SETTINGS, "target_kept": 4})
    assert outcome_of("kept", sound_rows("kept"), tmp_path, suite)["within_target"].success


@pytest.mark.parametrize(
    ("artefact", "name", "bound"),
    [
        ("pool", "answer_present", "at least 1"),
        ("pool", "context_not_blank", ""),  # the promise says it
        ("pool", "origin", "real on real"),
        ("pairs", "origin", "generated on generated or generated on real"),
        (
            "pairs",
            "question_words_mostly_within_filter",
            "from 3 to 12, for at least 90% of the rows",
        ),
        ("pairs", "question_mark_mostly", "for at least 90% of the rows"),
        ("kept", "question_not_repeated", "below 1.0"),
        ("kept", "question_word_drift", "at most 0.25"),
        ("blend", "row_count", "exactly 4"),
    ],
)
def test_a_bound_is_said_in_words(
    artefact: str, name: str, bound: str, findings_on_broken: Callable[[str], Any]
) -> None:
    findings, _ = findings_on_broken(artefact)
    assert findings[name].bound == bound


def test_what_was_found_is_said_in_words(findings_on_broken: Callable[[str], Any]) -> None:
    findings, _ = findings_on_broken("pool")
    assert findings["columns"].found.startswith("id, context_id, context, question")
    assert findings["row_count"].found == "17"
    assert findings["context_not_blank"].found == "1 row breaks it, 5.9% of all"
    assert findings["answer_at_its_start"].found == "5 rows break it, 29.4% of all"
    assert dataclasses.replace(findings["row_count"], observed=12_345).found == "12,345"
    assert dataclasses.replace(findings["row_count"], observed=None).found == "nothing to measure"


@pytest.mark.parametrize("artefact", list(SUITES))
def test_the_columns_that_were_found_are_those_of_the_table(artefact: str, tmp_path: Path) -> None:
    record = GeneratedContext if artefact == "contexts" else QAExample
    findings = outcome_of(artefact, sound_rows(artefact), tmp_path)
    assert findings["columns"].observed == schema(record).names


def test_a_filter_that_is_off_promises_nothing() -> None:
    off = {
        "drop_passage_dependent": False,
        "drop_garbled": False,
        "min_content_words": None,
        "max_repeated_fraction": None,
        "round_trip_exact_match": False,
        "min_reader_score": None,
        "max_pairs_per_context": None,
        "target_kept": None,
    }
    names = {e.meta["name"] for e in suite_of_kept({**SETTINGS, **off}).expectations}
    assert {e.meta["name"] for e in suite_of_kept(SETTINGS).expectations} - names == {
        "is_well_formed",
        "tells_what_it_is_about",
        "stands_alone",
        "does_not_loop",
        "round_trip_exact",
        "reader_score_within_filter",
        "pairs_per_context_within_filter",
        "within_target",
    }


def test_a_share_of_failures_that_is_just_allowed_passes(tmp_path: Path) -> None:
    rows = [context_row(n) for n in range(9)] + [context_row(9, failure="empty", text="")]
    suite = contexts_suite(max_words=30, max_failed_fraction=0.1)
    assert outcome_of("contexts", rows, tmp_path, suite)["failures_within_limit"].success


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop_columns(["question"]), "answers"),
        (lambda t: t.append_column("n", pa.array([1] * len(t))), "n: int64, may be null"),
        (
            lambda t: t.set_column(0, "id", pa.array([None] * len(t), pa.string())),
            "id: string, may be null",
        ),
    ],
)
def test_a_table_of_another_schema_fails_on_its_columns_alone(
    change: Callable[[pa.Table], pa.Table], told: str, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "table.parquet", sound_rows("pool"), QAExample)
    pq.write_table(change(pq.read_table(path)), path)
    outcome = run_suite(example_frame(path), pool_suite())
    (finding,) = outcome.failures
    assert (finding.name, outcome.n_rows) == ("columns", 4)
    assert told in finding.observed


# --- Blends -----------------------------------------------------------------------------------


def test_a_blend_of_another_size_or_share_fails(tmp_path: Path) -> None:
    rows = [*sound_rows("blend"), example_row("q9")]
    suite = blend_suite("mix", origins=KINDS.get("mix").origins, n_examples=4, n_generated=3)
    findings = outcome_of("blend", rows, tmp_path, suite)
    assert (findings["row_count"].success, findings["row_count"].observed) == (False, 5)
    share = findings["n_generated_as_asked"]
    assert (share.success, share.observed) == (False, 2)


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)
def test_a_blend_allows_the_origins_of_its_kind_alone(kind: Kind) -> None:
    suite = blend_suite("mine", origins=kind.origins, n_examples=None, n_generated=None)
    (origin,) = [e for e in suite.expectations if e.meta["name"] == "origin"]
    assert set(origin.kwargs["value_set"]) == {" on ".join(pair) for pair in kind.origins}


def test_a_copy_goes_by_the_id_of_its_original(tmp_path: Path) -> None:
    rows = [example_row("q1"), example_row("q1/copy1"), example_row("q9/copy1")]
    path = write_rows(tmp_path / "blend.parquet", rows, QAExample)
    frame = example_frame(path, reference_ids={"q1"}, id_of=original_id)
    assert frame.data["in_reference_iff_real"].tolist() == [True, True, False]
