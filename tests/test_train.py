"""The stages train, evaluate and answer_round_trip, on a tiny random reader."""

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.tracking import MlflowClient

from augqa.errors import DataError
from augqa.records import Cluster, GoldTexts, Prediction, QAExample, RoundTripAnswer
from augqa.tables import read_table, write_table
from tests.examples import example
from tests.readers import lessons
from tests.tiny import encoder

ROOT = Path(__file__).parents[1]

__all__ = ["encoder"]  # the fixture


class FakeTracking:
    """Keeps what a stage would log."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.epochs: list[tuple[int, float]] = []
        self.evaluations: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def training_run(self, **run: Any) -> Iterator["FakeTracking"]:
        self.runs.append(run)
        yield self

    def log_epoch(self, epoch: int, loss: float) -> None:
        self.epochs.append((epoch, loss))

    def log_evaluation(self, **evaluation: Any) -> None:
        self.evaluations.append(evaluation)


def stage(name: str, tracking: FakeTracking) -> Any:
    """Return the function of a stage script, with `tracking` in the place of MLflow."""
    module = importlib.import_module(f"stages.{name}")
    if hasattr(module, "tracking"):
        module.tracking = tracking  # type: ignore[attr-defined]
    return getattr(module, name)


@pytest.fixture
def project(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with params for the tiny encoder, a training set and two test sets."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["reader"] |= {
        "checkpoint": str(encoder),
        "max_seq_length": 32,
        "doc_stride": 4,
        "threads": 1,
    }
    params["train"] |= {"epochs": 2, "batch_size": 2}
    params["evaluate"] |= {"n_questions": 2}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_table(tmp_path / "blend.parquet", lessons(), QAExample)
    for name in ("squad", "amazon"):
        write_table(tmp_path / f"test/{name}.parquet", lessons(), QAExample)
    absent = {"not_available": ["new_wiki", "nyt", "reddit"], "n_unanswerable": {"squad": 3}}
    (tmp_path / "test/sets.json").write_text(json.dumps(absent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def train(project: Path, name: str = "model", tracking: FakeTracking | None = None) -> str:
    closing: str = stage("train", tracking or FakeTracking())(
        regime="real",
        seed=1,
        blend=project / "blend.parquet",
        pool=project / "blend.parquet",
        model=project / name,
        metrics=project / f"{name}.json",
    )
    return closing


def evaluate(project: Path, tracking: FakeTracking) -> dict[str, Any]:
    for table in (project / "test").glob("*.parquet"):
        # Each question is an article of its own.
        rows = [
            Cluster(id=e.id, context_id=e.context_id, article=e.id)
            for e in read_table(table, QAExample)
        ]
        write_table(project / "clusters" / table.name, rows, Cluster)
    stage("evaluate", tracking)(
        regime="real",
        seed=1,
        model=project / "model",
        test=project / "test",
        clusters=project / "clusters",
        predictions=project / "predictions",
        metrics=project / "evaluate.json",
    )
    metrics: dict[str, Any] = json.loads((project / "evaluate.json").read_text())
    return metrics


def test_train_writes_the_model_its_lineage_and_its_losses(project: Path) -> None:
    tracking = FakeTracking()
    train(project, tracking=tracking)
    lineage = json.loads((project / "model/training.json").read_text())
    metrics = json.loads((project / "model.json").read_text())
    assert len(lineage["run_key"]) == 64
    assert lineage["n_examples"] == metrics["n_examples"] == 5
    assert lineage["regime"] == "real"
    assert lineage["loss_per_epoch"] == metrics["loss_per_epoch"]
    assert tracking.runs[0]["run_key"] == lineage["run_key"]
    assert [epoch for epoch, _ in tracking.epochs] == [1, 2]
    assert not (project / ".cache/train" / lineage["run_key"]).exists()


def test_the_model_card_tells_the_data_and_no_path(project: Path) -> None:
    rows = [*lessons(), example("g1", origin="generated", answer="1818")]
    write_table(project / "blend.parquet", rows, QAExample)
    train(project)
    card = (project / "model/README.md").read_text(encoding="utf-8")
    assert "| real | real | people | 5 |" in card
    assert "| generated | real | people | 1 |" in card
    assert "pipeline_tag: question-answering" in card
    assert str(project.parent) not in card


def test_a_process_that_does_not_lead_writes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    tracking = FakeTracking()
    assert "helped to train" in train(project, tracking=tracking)
    assert not (project / "model").exists()
    assert tracking.runs == []


def test_processes_of_accelerate_launch_train_one_reader_and_write_it_once(project: Path) -> None:
    train(project, "alone")
    launcher = ["accelerate.commands.launch", "--config_file", ROOT / "tools/accelerate.yaml"]
    stage_options = ["--regime", "real", "--seed", "1", "--blend", "blend.parquet"]
    stage_options += ["--pool", "blend.parquet"]
    outs = ["--model", "together", "--metrics", "together.json"]
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            *launcher,
            ROOT / "stages/train.py",
            *stage_options,
            *outs,
        ],
        check=False,
        cwd=project,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("helped to train; the first process writes") == 1
    assert finished.stderr.count("5 examples, 0 cut off") == 1
    losses = [
        json.loads((project / f"{name}.json").read_text())["loss_per_epoch"]
        for name in ("alone", "together")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert {path.name for path in (project / "together").iterdir()} == {
        path.name for path in (project / "alone").iterdir()
    }
    store = MlflowClient(tracking_uri=f"sqlite:///{project}/mlflow.db")
    runs = store.search_runs([e.experiment_id for e in store.search_experiments()])
    # The study that it stands below stays open until summarize.
    trained = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert [run.info.status for run in trained] == ["FINISHED"]


def test_train_gives_the_same_bytes_again(project: Path) -> None:
    train(project, "a")
    shutil.rmtree(project / ".cache")
    train(project, "b")
    for file in (project / "a").iterdir():
        assert file.read_bytes() == (project / "b" / file.name).read_bytes(), file.name


def test_the_run_key_changes_with_the_blend(project: Path) -> None:
    train(project, "a")
    write_table(project / "blend.parquet", lessons()[:4], QAExample)
    train(project, "b")
    keys = [json.loads((project / n / "training.json").read_text())["run_key"] for n in "ab"]
    assert keys[0] != keys[1]


def test_evaluate_measures_a_subset_of_each_set_and_names_the_absent_ones(project: Path) -> None:
    tracking = FakeTracking()
    train(project)
    metrics = evaluate(project, tracking)
    assert set(metrics["sets"]) == {"squad", "amazon"}
    assert metrics["not_available"] == ["new_wiki", "nyt", "reddit"]
    assert metrics["sets"]["squad"]["n_questions"] == 2
    rows = read_table(project / "predictions/squad.parquet", Prediction)
    assert len(rows) == 2
    assert {row.id for row in rows} <= {e.id for e in lessons()}
    assert metrics["n_unanswerable"] == {"squad": 3}
    assert metrics["n_not_english"] == {}
    lineage = json.loads((project / "model/training.json").read_text())
    assert tracking.evaluations[0]["run_key"] == lineage["run_key"]


def test_evaluate_scores_by_further_gold_texts_too(project: Path) -> None:
    train(project)
    before = evaluate(project, FakeTracking())["sets"]["squad"]
    rows = read_table(project / "predictions/squad.parquet", Prediction)
    # What was answered, but not what a gold span says.
    texts = [GoldTexts(id=row.id, texts=(row.text or "none",)) for row in rows]
    write_table(project / "test/golds/squad.parquet", texts, GoldTexts)
    after = evaluate(project, FakeTracking())["sets"]
    answered = [row for row in rows if row.text]
    assert before["exact_match"] < 100
    assert answered
    assert after["squad"]["exact_match"] == 100 * len(answered) / len(rows)
    assert set(after) == {"squad", "amazon"}


def test_evaluate_counts_questions_that_are_not_english(project: Path) -> None:
    row = example("f1", context="玛丽·雪莱写下了这本书。", question="谁写了？", answer="玛丽")
    train(project)
    write_table(project / "test/squad.parquet", [row], QAExample)
    assert evaluate(project, FakeTracking())["n_not_english"] == {"squad": 1}


def test_evaluate_without_any_test_set_is_refused(project: Path) -> None:
    train(project)
    shutil.rmtree(project / "test")
    (project / "test").mkdir()
    with pytest.raises(DataError, match="holds no test set"):
        evaluate(project, FakeTracking())


def round_trip(project: Path, pairs: list[QAExample]) -> list[RoundTripAnswer]:
    write_table(project / "pairs.parquet", pairs, QAExample)
    stage("answer_round_trip", FakeTracking())(
        pairs=project / "pairs.parquet",
        reader=project / "model",
        answers=project / "answers.parquet",
        metrics=project / "round_trip.json",
    )
    return read_table(project / "answers.parquet", RoundTripAnswer)


def test_round_trip_answers_stand_in_the_order_of_the_pairs(project: Path) -> None:
    train(project)
    pairs = [example(f"g{i}", origin="generated", answer="1818") for i in range(3)] + lessons()[::2]
    rows = round_trip(project, pairs)
    assert [row.id for row in rows] == [pair.id for pair in pairs]
    for row, pair in zip(rows, pairs, strict=True):
        assert row.text in pair.context
        assert 0 <= row.f1 <= 100
    assert json.loads((project / "round_trip.json").read_text())["n_pairs"] == len(pairs)


def test_a_question_too_long_for_its_context_is_a_row_without_an_answer(project: Path) -> None:
    train(project)
    pairs = [example("long", question="who " * 126, answer="1818"), *lessons()[:2]]
    rows = round_trip(project, pairs)
    assert [row.id for row in rows] == [pair.id for pair in pairs]
    assert (rows[0].text, rows[0].f1) == ("", 0.0)
    assert rows[0].score < min(row.score for row in rows[1:])
    metrics = json.loads((project / "round_trip.json").read_text())
    assert (metrics["n_pairs"], metrics["n_unanswered"]) == (3, 1)


def test_a_test_question_that_cannot_be_read_scores_nothing_and_counts(project: Path) -> None:
    train(project)
    long = [example(f"long{i}", question="who " * 126, answer="1818") for i in range(2)]
    write_table(project / "test/squad.parquet", long, QAExample)
    metrics = evaluate(project, FakeTracking())
    counts = {"n_questions": 2, "n_articles": 2}
    assert metrics["sets"]["squad"] == {"exact_match": 0.0, "f1": 0.0, **counts}
    assert read_table(project / "predictions/squad.parquet", Prediction) == []
