"""What a gate writes and says: the JSON, the pages, the stage, and the page that lists all."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.blends import KINDS
from augqa.errors import DataError, ParamsError
from augqa.expectations import (
    Finding,
    Outcome,
    blend_suite,
    gates_of_blend,
    ids,
    pool_suite,
    run_suite,
)
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import GeneratedContext, QAExample, RoundTripAnswer
from tests.gating import (
    ANSWERED_ELSEWHERE,
    REAL,
    SUITES,
    broken_rows,
    example_row,
    frame_of,
    sound_rows,
    write_rows,
)

ROOT = Path(__file__).parents[1]

# --- What is written --------------------------------------------------------------------------


def test_the_report_is_the_same_bytes_on_each_run(tmp_path: Path) -> None:
    rows, _ = broken_rows("pool")
    written = []
    for name in ("one.json", "two.json"):
        outcome = run_suite(frame_of("pool", rows, tmp_path), pool_suite())
        write_metrics(tmp_path / name, outcome.as_metrics())
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
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
        bound="",
        broken=((0, "a"),),
    )
    report = Outcome(n_rows=10, findings=(finding,)).as_metrics()
    assert (report["success"], report["n_warnings"]) == (True, 1)


def test_ids_of_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no table in this folder"):
        ids(tmp_path)


@pytest.fixture(scope="module")
def stage() -> Any:
    """Return the module stages/validate.py, run in this process: the import is what is slow."""
    return importlib.import_module("stages.validate")


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
    write_rows(
        tmp_path / "seed_questions.parquet", [example_row(f"seed{n}") for n in range(4)], QAExample
    )
    (tmp_path / "test").mkdir()
    asked = example_row("test", question="Where was it printed?")
    write_rows(tmp_path / "test/squad.parquet", [asked], QAExample)
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
    written = {"report": "report.json", "page": "page.html", "table": f"{artefact}.parquet"}
    if artefact == "blend":
        # A folder with a table, and a report, for each training seed.
        paths["reserve"] = "reserve.parquet"
        (project / "blend").mkdir(exist_ok=True)
        (project / "blend.parquet").rename(project / "blend" / "1.parquet")
        written |= {"report": "reports", "page": "pages", "table": "blend"}
    return {name: project / path for name, path in (paths | written).items()}


REFERENCES = {
    "pool": "test",
    "contexts": "seed_questions.parquet",
    "pairs": "seed_questions.parquet",
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


def test_the_training_sets_of_all_seeds_are_held_in_one_process(project: Path) -> None:
    at = held_against("blend", project)
    rows = sound_rows("blend")
    for seed in (1, 2):
        broken = [{**row, "id": rows[0]["id"]} for row in rows]
        write_rows(project / "blend" / f"{seed}.parquet", broken, QAExample)
    knobs = load_params().blend["mix"]
    folders = at["table"], at["reference"], at["reserve"]
    gates = gates_of_blend("mix", *folders, knobs=knobs, seeds=[1, 2])
    outcomes = [run_suite(frame, suite) for _, frame, suite in gates.values()]
    assert [outcome.failures[0].name for outcome in outcomes] == ["id_unique"] * 2


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
            page=project / "page.html",
            regime=regime,
        )


def test_the_command_stops_on_broken_pairs_and_says_where(project: Path) -> None:
    rows = sound_rows("pairs")
    rows[2]["answers"] = ANSWERED_ELSEWHERE
    write_rows(project / "pairs.parquet", rows, QAExample)
    tables = (
        "--artefact",
        "pairs",
        "--table",
        "pairs.parquet",
        "--reference",
        "seed_questions.parquet",
    )
    written = ("--report", "pairs.json", "--page", "gates/pairs.html")
    done = subprocess.run(
        [sys.executable, str(ROOT / "stages/validate.py"), *tables, *written],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    for said in ("answer_at_its_start", "'seed2/c0/p0' (row 2)", "gates/pairs.html"):
        assert said in done.stderr
    report = json.loads((project / "pairs.json").read_text(encoding="utf-8"))
    assert not report["success"]
    assert "seed2/c0/p0" in (project / "gates/pairs.html").read_text(encoding="utf-8")


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
