"""Gates: a sound table passes, and each way to break it is found and named.

Great Expectations is slow, so that the tables here are broken in all ways at once: one row an
expectation, one run a table, one test an expectation.
"""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from augqa.blends import KINDS, Kind, original_id
from augqa.drift import ASPECTS, profile
from augqa.errors import DataError, ParamsError
from augqa.expectations import (
    Filtered,
    Finding,
    Frame,
    Outcome,
    blend_suite,
    context_frame,
    contexts_suite,
    example_frame,
    ids,
    kept_suite,
    pairs_suite,
    pool_suite,
    run_suite,
)
from augqa.metrics import write_metrics
from augqa.overlap import NgramIndex
from augqa.records import GeneratedContext, QAExample, RoundTripAnswer, context_id
from augqa.tables import schema
from tests.examples import example

ROOT = Path(__file__).parents[1]
Row = dict[str, Any]
Break = Callable[[Row], Row]

# What the pool looks like that kept pairs are held against: like the sound rows.
REAL = profile(
    [
        example(
            context="In 1818 the author of text seed0 wrote a long book.",
            question="When was the book of seed0 written?",
            answer="1818",
        )
    ]
    * 200
)
FILTERED = Filtered(
    test_contexts=NgramIndex(["A text of a test set."], n_words=3),
    test_questions=NgramIndex(["Where is the capital of France?"], n_words=3),
    min_duplicate_similarity=None,
)

LENGTHS = {"max_answer_words": 5, "min_question_words": 3, "max_question_words": 12}
SUITES: Mapping[str, Callable[[], Any]] = {
    "pool": pool_suite,
    "contexts": lambda: contexts_suite(max_words=30, max_failed_fraction=0.0),
    "pairs": lambda: pairs_suite(**LENGTHS),
    "kept": lambda: kept_suite(
        min_round_trip_f1=50.0,
        round_trip_exact_match=True,
        min_reader_score=1.0,
        max_test_overlap_fraction=0.5,
        max_pairs_per_context=1,
        real=REAL,
        max_question_word_drift=0.25,
        max_length_drift=0.5,
        **LENGTHS,
    ),
    "blend": lambda: blend_suite(
        "mix", origins=KINDS.get("mix").origins, n_examples=4, n_generated=2
    ),
}


# --- Sound rows, and one way to break them for each expectation ------------------------------


def example_row(id_: str, origin: str = "real", **changes: Any) -> Row:
    context = f"In 1818 the author of text {id_} wrote a long book."
    row = {
        "id": id_,
        "context": context,
        "question": "When was the book written?",
        "answers": [{"text": "1818", "start": 3}],
        "origin": origin,
        "context_origin": origin,
        "method": None if origin == "real" else "llm",
        "model": None,
        "prompt_sha256": None,
        **changes,
    }
    return {"context_id": context_id(row["context"]), **row}


def context_row(n: int, **changes: Any) -> Row:
    return {
        "id": f"seed{n}/c0",
        "source_id": f"seed{n}",
        "text": f"Text {n} of a language model.",
        "failure": None,
        "model": "small-model",
        "finish_reason": "stop",
        "prompt_tokens": 20,
        "completion_tokens": 30,
        "prompt_sha256": "0" * 64,
        "style": "plain",
        **changes,
    }


def changed(**values: Any) -> Break:
    return lambda row: {**row, **values}


ANSWERED_ELSEWHERE = [{"text": "1818", "start": 4}]
EXAMPLE_BREAKS: Mapping[str, Break] = {
    "id_not_blank": changed(id=" "),
    "context_not_blank": changed(context=" \n"),
    "question_not_blank": changed(question="  "),
    "answer_present": changed(answers=[]),
    "answer_not_blank": changed(answers=[{"text": " ", "start": 2}]),
    "answer_at_its_start": changed(answers=ANSWERED_ELSEWHERE),
    "context_id_fits": changed(context_id="0123456789abcdef"),
    "origin": changed(context_origin="copied"),
}
ASKED_AGAIN = changed(
    context="The same 1818.",
    context_id=context_id("The same 1818."),
    question="When was the same book written?",
)
REPEATED: Mapping[str, Sequence[Break]] = {
    "id_unique": (changed(id="twice"), changed(id="twice")),
    "question_unique": (ASKED_AGAIN, ASKED_AGAIN),
}
PAIR_BREAKS: Mapping[str, Break] = {
    "one_answer": changed(answers=[{"text": "1818", "start": 3}] * 2),
    "method_named": changed(method=None),
}
BREAKS: Mapping[str, Mapping[str, Break | Sequence[Break]]] = {
    "pool": {
        **EXAMPLE_BREAKS,
        **REPEATED,
        "context_not_in_test": changed(
            context="A text of a test set.", context_id=context_id("A text of a test set.")
        ),
    },
    "contexts": {
        "id_unique": (changed(id="twice/c0"), changed(id="twice/c0")),
        "id_names_seed": changed(id="seed1/context"),
        "source_is_a_seed": lambda row: {**row, "source_id": "nobody", "id": "nobody/c0"},
        "failures_within_limit": changed(failure="truncated", text=""),
        "text_where_no_failure": changed(text=" "),
        "words_within_limit": changed(text="word " * 31),
        "text_not_repeated": (changed(text="Again."), changed(text="Again.")),
        "model_named": changed(model=None),
        "tokens_counted": changed(prompt_tokens=0),
        "prompt_hashed": changed(prompt_sha256="none"),
    },
    "pairs": {
        **EXAMPLE_BREAKS,
        **PAIR_BREAKS,
        "id_unique": (changed(id="seed0/twice"), changed(id="seed0/twice")),
        "id_begins_with_seed": changed(id="nobody/c0/p0"),
    },
    "kept": {
        **EXAMPLE_BREAKS,
        **PAIR_BREAKS,
        **REPEATED,
        "round_trip_answered": changed(id="unread"),
        "round_trip_agrees": changed(id="wrong"),
        "reader_score_within_filter": changed(id="guessed"),
        "is_a_question": changed(question="When was? No question here"),
        "answer_not_in_question": changed(question="Was it in 1818 then?"),
        # As that of the first sound row, with the same answer.
        "question_not_repeated": changed(question="When was the book of seed0 written?"),
        "round_trip_exact": changed(id="inexact"),
        "pairs_per_context_within_filter": (
            changed(context="Shared: 1818.", context_id=context_id("Shared: 1818.")),
            changed(context="Shared: 1818.", context_id=context_id("Shared: 1818.")),
        ),
        "context_not_in_test": changed(
            context="A text of a test set.", context_id=context_id("A text of a test set.")
        ),
        "question_not_in_test": changed(question="Where is the capital of France?"),
        "question_words_within_filter": changed(question="Two words?"),
        "answer_words_within_filter": changed(
            answers=[{"text": "1818 the author of text seed0", "start": 3}]
        ),
    },
    "blend": {
        **EXAMPLE_BREAKS,
        **REPEATED,
        "pool_id_if_real": changed(origin="generated", context_origin="generated"),
    },
}
# About the whole table, each with a run of its own.
DRIFT = {f"{aspect}_drift" for aspect in ASPECTS}
WHOLE_TABLE = {"columns", "row_count", "n_generated_as_asked"} | DRIFT
MOSTLY = {
    "question_words_mostly_within_filter",
    "answer_words_mostly_within_filter",
    "question_mark_mostly",
}


def sound_rows(artefact: str, n: int = 4) -> list[Row]:
    if artefact == "contexts":
        return [context_row(i) for i in range(n)]
    if artefact == "pool":
        return [example_row(f"q{i}") for i in range(n)]
    if artefact == "blend":
        pairs = [example_row(f"seed{i}/c0/p0", "generated") for i in range(n // 2)]
        return [example_row(f"q{i}") for i in range(n - n // 2)] + pairs
    if artefact == "kept":
        return [kept_row(i) for i in range(n)]
    return [example_row(f"seed{i}/c0/p0", "generated") for i in range(n)]


def kept_row(n: int) -> Row:
    question = f"When was the book of seed{n} written?"
    return example_row(f"seed{n}/c0/p0", "generated", question=question)


def broken_rows(artefact: str) -> tuple[list[Row], dict[str, set[int]]]:
    """Return a table with sound rows first, and the broken rows of each expectation."""
    rows = sound_rows(artefact)
    places: dict[str, set[int]] = {}
    n = 100
    for name, breaks in BREAKS[artefact].items():
        for broken in breaks if isinstance(breaks, Sequence) else [breaks]:
            if artefact == "contexts":
                sound = context_row(n)
            elif artefact in ("pool", "blend"):
                sound = example_row(f"q{n}")
            elif artefact == "kept":
                sound = kept_row(n)
            else:
                sound = example_row(f"seed{n}/c0/p0", "generated")
            places.setdefault(name, set()).add(len(rows))
            rows.append(broken(sound))
            n += 1
    return rows, places


def write_rows(path: Path, rows: Iterable[Row], record: type[Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema(record)), path)
    return path


def frame_of(artefact: str, rows: Sequence[Row], folder: Path) -> Frame:
    record = GeneratedContext if artefact == "contexts" else QAExample
    path = write_rows(folder / "table.parquet", rows, record)
    seeds = {f"seed{n}" for n in range(200)}
    match artefact:
        case "contexts":
            return context_frame(path, seed_ids=seeds)
        case "pool":
            test_contexts = {context_id("A text of a test set.")}
            return example_frame(path, reference_ids=test_contexts, by="context_id")
        case "pairs":
            return example_frame(path, reference_ids=seeds, by="source")
        case "kept":
            answers = {
                row["id"]: RoundTripAnswer(
                    id=row["id"],
                    text="1819" if row["id"] == "inexact" else "1818",
                    score=0.9 if row["id"] == "guessed" else 1.0,
                    f1=49.9 if row["id"] == "wrong" else 80.0,
                )
                for row in rows
                if row["id"] != "unread"
            }
            return example_frame(path, reference_ids=answers, round_trip=answers, filtered=FILTERED)
        case _:
            return example_frame(path, reference_ids={f"q{n}" for n in range(200)})


def outcome_of(
    artefact: str, rows: Sequence[Row], folder: Path, suite: Any = None
) -> dict[str, Finding]:
    outcome = run_suite(frame_of(artefact, rows, folder), suite or SUITES[artefact]())
    return {finding.name: finding for finding in outcome.findings}


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


@pytest.mark.parametrize("artefact", SUITES)
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
    strict = dataclasses.replace(FILTERED, min_duplicate_similarity=0.5)
    repeats = example_frame(path, filtered=strict).data["repeats"]
    assert list(repeats) == [False, True, True, True]


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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_blend_allows_the_origins_of_its_kind_alone(kind: Kind) -> None:
    suite = blend_suite("mine", origins=kind.origins, n_examples=None, n_generated=None)
    (origin,) = [e for e in suite.expectations if e.meta["name"] == "origin"]
    assert set(origin.value_pairs_set) == set(kind.origins)


def test_a_copy_goes_by_the_id_of_its_original(tmp_path: Path) -> None:
    rows = [example_row("q1"), example_row("q1/copy1"), example_row("q9/copy1")]
    path = write_rows(tmp_path / "blend.parquet", rows, QAExample)
    frame = example_frame(path, reference_ids={"q1"}, id_of=original_id)
    assert frame.data["in_reference_iff_real"].tolist() == [True, True, False]


# --- What is written --------------------------------------------------------------------------


def test_the_report_is_the_same_bytes_on_each_run_and_keeps_one_run_of_pages(
    tmp_path: Path,
) -> None:
    rows, _ = broken_rows("pool")
    written = []
    for name in ("one.json", "two.json"):
        outcome = run_suite(
            frame_of("pool", rows, tmp_path), pool_suite(), data_docs=tmp_path / "docs"
        )
        write_metrics(tmp_path / name, outcome.as_metrics())
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert len(list((tmp_path / "docs" / "validations").rglob("*.html"))) == 1
    report = json.loads(written[0])
    assert (report["success"], report["n_rows"]) == (False, len(rows))
    assert report["expectations"]["answer_present"] == {
        "severity": "critical",
        "success": False,
        "unexpected_count": 1,
        "unexpected_fraction": round(1 / len(rows), 4),
        "unexpected_rows": ["'q103' (row 7)"],
    }


def test_a_warning_alone_does_not_fail_a_gate() -> None:
    finding = Finding(
        name="n",
        promise="p",
        relied_on_by=(),
        success=False,
        severity="warning",
        n_unexpected=1,
        fraction=0.1,
        observed=None,
        rows=("'a' (row 0)",),
    )
    report = Outcome(n_rows=10, findings=(finding,)).as_metrics()
    assert (report["success"], report["n_warnings"]) == (True, 1)


def test_data_docs_that_cannot_be_written_are_one_plain_error(tmp_path: Path) -> None:
    (tmp_path / "docs").write_text("a file stands here", encoding="utf-8")
    with pytest.raises(DataError, match="Data Docs cannot be written"):
        run_suite(
            frame_of("pool", sound_rows("pool"), tmp_path),
            pool_suite(),
            data_docs=tmp_path / "docs",
        )


def test_ids_of_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no table in this folder"):
        ids(tmp_path)


@pytest.fixture(scope="module")
def stage() -> Any:
    """Return the module stages/validate.py, run in this process: the import is what is slow."""
    spec = importlib.util.spec_from_file_location("validate_stage", ROOT / "stages/validate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with params.yaml and sound tables, each with what it is held against."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["blend"]["mix"] = {"kind": "mix", "n_examples": 4, "generated_fraction": 0.5}
    params["filter_pairs"] |= {"max_answer_words": 5, "min_round_trip_f1": 50.0}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for name in SUITES:
        record = GeneratedContext if name == "contexts" else QAExample
        write_rows(tmp_path / f"{name}.parquet", sound_rows(name), record)
    write_rows(tmp_path / "seeds.parquet", [example_row(f"seed{n}") for n in range(4)], QAExample)
    (tmp_path / "test").mkdir()
    write_rows(tmp_path / "test/squad.parquet", [example_row("test")], QAExample)
    answers = [
        {"id": row["id"], "text": "1818", "score": 1.0, "f1": 100.0} for row in sound_rows("kept")
    ]
    write_rows(tmp_path / "answers.parquet", answers, RoundTripAnswer)
    write_metrics(tmp_path / "profile.json", REAL)
    write_rows(tmp_path / "reserve.parquet", [], QAExample)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def held_against(artefact: str, project: Path) -> dict[str, Path]:
    """Return the options with which the stage validates one table."""
    paths = {"reference": REFERENCES[artefact]}
    if artefact == "kept":
        paths |= {"test": "test", "profile": "profile.json"}
    written = {"report": "report.json", "data_docs": "docs", "table": f"{artefact}.parquet"}
    if artefact == "blend":
        # A folder with a table, and a report, for each training seed.
        paths["reserve"] = "reserve.parquet"
        (project / "blend").mkdir(exist_ok=True)
        (project / "blend.parquet").rename(project / "blend" / "1.parquet")
        written |= {"report": "reports", "table": "blend"}
    return {name: project / path for name, path in (paths | written).items()}


REFERENCES = {
    "pool": "test",
    "contexts": "seeds.parquet",
    "pairs": "seeds.parquet",
    "kept": "answers.parquet",
    "blend": "pool.parquet",
}


@pytest.mark.parametrize("artefact", SUITES)
def test_the_stage_holds_each_table_against_its_reference(
    artefact: str, stage: Any, project: Path
) -> None:
    closing = stage.validate(
        artefact=artefact,
        **held_against(artefact, project),
        regime="mix" if artefact == "blend" else None,
    )
    assert "expectations hold for 4 rows" in closing
    report = project / ("reports/1.json" if artefact == "blend" else "report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["success"]


def test_the_stage_reports_a_warning_and_goes_on(stage: Any, project: Path) -> None:
    rows = [{**row, "question": "Write the year down"} for row in sound_rows("pairs")]
    write_rows(project / "pairs.parquet", rows, QAExample)
    closing = stage.validate(artefact="pairs", **held_against("pairs", project))
    assert "warning: question_mark_mostly: broken by 4 rows" in closing


def test_the_stage_names_drift_from_real_data_and_goes_on(stage: Any, project: Path) -> None:
    rows = [{**row, "question": f"Who wrote book {n}?"} for n, row in enumerate(sound_rows("kept"))]
    write_rows(project / "kept.parquet", rows, QAExample)
    closing = stage.validate(artefact="kept", **held_against("kept", project))
    assert "warning: question_word_drift: found " in closing
    report = json.loads((project / "report.json").read_text(encoding="utf-8"))
    assert report["success"]
    assert not report["expectations"]["question_word_drift"]["success"]


def test_the_gate_on_kept_pairs_needs_test_sets_and_profile(stage: Any, project: Path) -> None:
    options = held_against("kept", project)
    del options["profile"]
    with pytest.raises(ParamsError, match="kept --test and --profile"):
        stage.validate(artefact="kept", **options)


@pytest.mark.parametrize(
    ("artefact", "regime"), [("pearls", None), ("blend", None), ("blend", "mix")]
)
def test_a_name_that_is_none_is_refused(
    artefact: str, regime: str | None, stage: Any, project: Path
) -> None:
    with pytest.raises(ParamsError, match=r"--artefact is|--regime is"):
        stage.validate(
            artefact=artefact,
            table=project / "pool.parquet",
            reference=project / "pool.parquet",
            report=project / "report.json",
            data_docs=project / "docs",
            regime=regime,
        )


def test_the_command_stops_on_broken_pairs_and_says_where(project: Path) -> None:
    rows = sound_rows("pairs")
    rows[2]["answers"] = ANSWERED_ELSEWHERE
    write_rows(project / "pairs.parquet", rows, QAExample)
    tables = ("--artefact", "pairs", "--table", "pairs.parquet", "--reference", "seeds.parquet")
    written = ("--report", "pairs.json", "--data-docs", "docs/pairs")
    done = subprocess.run(
        [sys.executable, str(ROOT / "stages/validate.py"), *tables, *written],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    for said in ("answer_at_its_start", "'seed2/c0/p0' (row 2)", "docs/pairs/index.html"):
        assert said in done.stderr
    report = json.loads((project / "pairs.json").read_text(encoding="utf-8"))
    assert not report["success"]
    assert (project / "docs/pairs/index.html").is_file()
    (page,) = (project / "docs/pairs/validations").rglob("*.html")
    assert "seed2/c0/p0" in page.read_text(encoding="utf-8")


# --- The page on the gates --------------------------------------------------------------------


def promises() -> dict[str, list[Any]]:
    suites = {name: list(build().expectations) for name, build in SUITES.items()}
    for kind in KINDS:
        known = {e.meta["name"] for e in suites["blend"]}
        of_regime = blend_suite(
            kind.name, origins=kind.origins, n_examples=1, n_generated=None
        ).expectations
        assert {e.meta["name"] for e in of_regime} <= known
    return suites


def test_the_page_lists_each_expectation_in_the_words_of_the_code() -> None:
    page = (ROOT / "docs/gates.md").read_text(encoding="utf-8")
    listed = {line for line in page.splitlines() if line.startswith("| `")}
    expected = {
        f"| `{table}` | `{e.meta['name']}` | {getattr(e.severity, 'value', e.severity)}"
        f" | {e.description} | {', '.join(e.meta['relied_on_by'])} |"
        for table, expectations in promises().items()
        for e in expectations
    }
    assert listed == expected


def test_there_are_at_least_twenty_expectations() -> None:
    names = {e.meta["name"] for suite in promises().values() for e in suite}
    assert len(names) >= 20
