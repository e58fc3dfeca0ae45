"""The whole pipeline under DVC: ten examples, a scripted language model, a tiny reader."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pipelines import Project, ScriptedModel, new_project, scripted_model, small_params
from tests.secrets import CANARY, Arguments, leaks
from tests.soak.killing import Undisturbed, chain, timed_repro
from tests.test_export import LOADS


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with scripted_model() as serving:
        yield serving


@pytest.fixture(scope="module")
def arguments() -> Arguments:
    """Return the command lines of all processes while the project was made."""
    return Arguments()


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel, arguments: Arguments
) -> Undisturbed:
    """Return a project in which `dvc repro` has run once."""
    params = small_params(model.url)
    made = new_project(tmp_path_factory.mktemp("project"), params)
    with arguments.watched():
        seconds = timed_repro(made)
    made.run("git", "add", "--all")
    made.run("git", "commit", "--quiet", "--message", "results")
    return Undisturbed(made, model, seconds, max_in_flight=params["llm"]["max_in_flight"])


@pytest.fixture(scope="module")
def project(undisturbed: Undisturbed) -> Project:
    return undisturbed.project


def test_the_pipeline_ends_with_a_summary_of_every_regime_and_set(project: Project) -> None:
    summary = project.metrics("metrics/summary.json")
    assert set(summary["regimes"]) == {"real", "mix"}
    for sets in summary["regimes"].values():
        assert set(sets) == {"squad", "amazon"}
        for scores in sets.values():
            assert set(scores) == {"exact_match", "f1", "n_questions"}
            assert scores["n_questions"] == 2
    assert summary["not_available"] == ["new_wiki", "nyt", "reddit"]


def test_each_pair_that_is_not_kept_has_a_row_that_says_why(project: Project) -> None:
    # Each of eight contexts gives one pair whose answer stands in it and one whose answer does not.
    generated = project.folder / "data" / "generated"
    pairs = pq.read_table(generated / "pairs.parquet").to_pylist()
    rejected = pq.read_table(generated / "pairs_rejected.parquet").to_pylist()
    assert [pair["answers"][0]["text"] for pair in pairs] == ["Anna Berg"] * 8
    assert [row["reason"] for row in rejected] == ["answer_not_a_span"] * 8


def test_quality_is_measured_beside_real_data_and_pairs_are_shown(project: Project) -> None:
    quality = project.metrics("metrics/quality.json")
    assert set(quality["contexts"]["sets"]) == {"real", "generated", "kept"}
    assert set(quality["two_sample_auc"]["contexts"]) == {"real", "squad", "amazon"}
    # The two contexts of this test set do not make five folds.
    assert quality["two_sample_auc"]["contexts"]["amazon"]["kept"] is None
    # Each generated context holds its seed's answer, and so does that of any other town.
    assert quality["seed_questions"]["shuffled"]["seed_answer_fraction"] == 1.0
    cards = (project.folder / "report" / "pairs.html").read_text(encoding="utf-8")
    n_kept = project.metrics("metrics/filter_pairs.json")["n_kept"]
    assert cards.count('<span class="soft">kept</span>') == n_kept
    assert cards.count('<article class="card g') >= 8


def test_predictions_have_a_text_for_each_question(project: Project) -> None:
    folder = project.folder / "data" / "predictions" / "mix-1"
    assert {path.stem for path in folder.glob("*.parquet")} == {"squad", "amazon"}
    assert {path.stem for path in (folder / "scores").iterdir()} == {"squad", "amazon"}
    table = pq.read_table(folder / "amazon.parquet")
    assert table.schema.names == ["id", "text"]
    assert table.num_rows == 2


def test_the_mix_has_its_size_and_its_fraction(project: Project) -> None:
    metrics = project.metrics("metrics/blend/mix.json")
    assert (metrics["n_examples"], metrics["n_generated"]) == (6, 3)


def test_a_second_repro_runs_nothing_and_leaves_git_clean(project: Project) -> None:
    assert project.stages_run("dvc", "repro") == []
    assert "up to date" in project.run("dvc", "status")
    assert project.run("git", "status", "--porcelain") == ""


def test_the_key_is_in_no_file_and_no_argument_of_a_whole_run(
    project: Project, model: ScriptedModel, arguments: Arguments
) -> None:
    assert model.keys == {CANARY}
    for name in ("mlflow.db", ".cache/llm", "report/index.html", ".dvc/cache", ".git"):
        assert (project.folder / name).exists()
    assert leaks(project.folder) == []
    assert any(b"python" in program for program in arguments.programs)
    assert arguments.with_key == []


def test_what_is_exported_loads_offline(project: Project, tmp_path: Path) -> None:
    project.run("augqa", "export", str(tmp_path / "out"))
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", LOADS, str(tmp_path / "out"), str(tmp_path / "cache")],
        env=project.env | offline,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["as_squad"]
    kept = pq.read_table(project.folder / "data/filtered/kept.parquet").to_pylist()
    assert [row["id"] for row in found["rows"]] == [row["id"] for row in kept]
    assert set(found["readers"]) == {"real-1", "mix-1"}
    assert project.run("git", "status", "--porcelain") == ""


def test_the_command_that_explain_prints_makes_the_number_again(undisturbed: Undisturbed) -> None:
    project = undisturbed.project
    scores = project.metrics("metrics/evaluate/mix-1.json")
    told = project.run("augqa", "explain", "mix", "squad")
    assert f"F1 {scores['sets']['squad']['f1']:.2f}" in told
    command = told.rstrip().splitlines()[-1].split()
    lock = project.lock()
    undisturbed.forget(["train@mix-1", "evaluate@mix-1"])
    assert project.stages_run(*command) == ["train@mix-1", "evaluate@mix-1"]
    assert project.metrics("metrics/evaluate/mix-1.json") == scores
    assert project.lock() == lock
    project.run("git", "checkout", "--", "dvc.lock")  # its stages stand in another order
    # No summarize follows: its inputs are what they were.
    assert project.stages_run("dvc", "repro") == []
    with closing(sqlite3.connect(project.folder / "mlflow.db")) as db:
        assert db.execute("SELECT name FROM runs WHERE status = 'RUNNING'").fetchall() == []


def test_ten_kills_in_a_row_leave_no_trace(
    undisturbed: Undisturbed, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `make soak` kills every stage; here those that pay, train, track and conclude.
    monkeypatch.setattr(model, "delay_s", 0.4)
    stages = ["generate_contexts", "blend@mix", "train@mix-1", "summarize"]
    killed = chain(undisturbed, stages, n_kills=10, seed=1)
    assert len(killed) == 10
    assert sum(one.n_processes > 1 for one in killed) >= 5


def test_another_fraction_runs_only_what_depends_on_it(project: Project) -> None:
    ran = project.stages_run("dvc", "exp", "run", "-S", "blend.mix.generated_fraction=0.25")
    assert ran == [
        "blend@mix",
        "validate_blend@mix",
        "train@mix-1",
        "evaluate@mix-1",
        "summarize",
    ]
    assert project.metrics("metrics/blend/mix.json")["n_generated"] == 2
