"""Tracking: what a run holds, who is champion, and that no fault of it costs a training."""

import hashlib
import logging
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from augqa import tracking
from augqa.errors import TrackingError
from augqa.tracking import store
from augqa.tracking.runs import lineage, start_run
from tests.tracked import (
    client,
    empty_store,
    evaluate,
    project,
    runs,
    scores,
    train,
    versions,
)

__all__ = ["empty_store", "project"]  # fixtures


def test_a_run_holds_what_it_was_made_from_and_its_losses(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "brisk-vole")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0123abc")
    monkeypatch.setenv("DVC_STAGE", "train@mix-7")
    train(project)
    (run,) = runs(project)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "brisk-vole mix-7"
    tags = run.data.tags
    assert (tags["augqa.run_key"], tags["regime"], tags["seed"]) == ("k1", "mix", "7")
    assert tags["dvc.exp_name"] == "brisk-vole"
    assert tags["dvc.baseline_rev"] == "0123abc"
    assert tags["dvc.stage"] == "train@mix-7"
    assert run.data.params["nested.deep"] == "0.5"
    made = {key: run.data.params[key] for key in ("n_real", "n_generated", "generated_fraction")}
    assert made == {"n_real": "45", "n_generated": "15", "generated_fraction": "0.25"}
    assert run.data.params["recipe.kind"] == "mix"
    assert run.data.params["recipe.generated_fraction"] == "0.5"
    assert run.data.params["writer"] == "SmolLM2-135M-Instruct"
    assert run.data.params["question_method"] == "hybrid"
    assert run.data.params["filter.max_answer_words"] == "10"
    assert run.data.params["data"] == "sample/train.json"
    assert run.data.metrics["training_seconds"] >= 0
    assert run.data.params["n_examples"] == "60"
    assert 0 < len(run.data.params["checkpoint"]) < 10_000
    losses = client(project).get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in losses] == [(0, 2.0), (1, 1.0)]
    (blend,) = run.inputs.dataset_inputs
    assert blend.dataset.name == "mix.parquet"
    assert blend.dataset.digest == hashlib.md5(b"a blend").hexdigest()


def test_a_run_names_the_commit_and_whether_code_was_changed(project: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        done = subprocess.run(
            ["git", *identity, *arguments], check=True, capture_output=True, text=True, cwd=project
        )
        return done.stdout.strip()

    (project / "metrics").mkdir()
    (project / "metrics/prepare.json").write_text("{}", encoding="utf-8")
    git("init", "-q")
    git("add", "params.yaml", "metrics")
    git("commit", "-q", "-m", "first")
    # What a stage before this one wrote is no change of the code.
    (project / "metrics/prepare.json").write_text('{"n": 1}', encoding="utf-8")
    assert lineage()["git.commit"] == git("rev-parse", "HEAD")
    assert lineage()["git.dirty"] == "false"
    with (project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert lineage()["git.dirty"] == "true"


def test_a_training_that_fails_leaves_a_failed_run_and_its_own_error(project: Path) -> None:
    def failing() -> None:
        with tracking.training_run(
            run_key="k1",
            regime="mix",
            seed=7,
            params={},
            blend=project / "mix.parquet",
            n_examples=1,
        ):
            raise ZeroDivisionError("no examples")

    with pytest.raises(ZeroDivisionError, match="no examples"):
        failing()
    assert [run.info.status for run in runs(project)] == ["FAILED"]


def test_artifacts_lie_under_the_project_wherever_the_stage_runs(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("temporary")
    (elsewhere / "params.yaml").write_bytes((project / "params.yaml").read_bytes())
    monkeypatch.chdir(elsewhere)
    assert tracking.init() == f"sqlite:///{project}/mlflow.db"
    experiment = client(project).get_experiment_by_name("augqa")
    assert experiment is not None
    assert experiment.artifact_location == f"file://{project}/mlartifacts"
    assert [path.name for path in elsewhere.iterdir()] == ["params.yaml"]


def test_scores_go_to_the_run_of_the_training(project: Path) -> None:
    train(project)
    evaluate(project, "k1", scores(60.0))
    (run,) = runs(project)
    assert run.data.metrics["f1/nyt"] == 50.0
    assert run.data.metrics["exact_match/squad"] == 45.0
    assert run.data.metrics["n_questions/reddit"] == 52
    assert run.data.metrics["mean_shift_f1"] == 60.0
    assert len(client(project).get_metric_history(run.info.run_id, "f1/nyt")) == 1


def test_a_model_from_elsewhere_gets_a_run_of_its_own(project: Path) -> None:
    evaluate(project, "from dvc pull", scores(60.0))
    (run,) = runs(project)
    assert run.data.tags["augqa.restored"] == "true"
    assert run.data.metrics["mean_shift_f1"] == 60.0


def test_measuring_a_model_again_makes_no_second_version(project: Path) -> None:
    evaluate(project, "k1", scores(60.0))
    evaluate(project, "k1", scores(61.0))
    (version,) = versions(project)
    assert version.tags["mean_shift_f1"] == "61.0000"
    assert len(runs(project)) == 1


def test_a_version_copies_no_weights(project: Path) -> None:
    evaluate(project, "k1", scores(60.0))
    files = [path for path in (project / "mlartifacts").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["MLmodel"]
    (version,) = versions(project)
    model = client(project).get_logged_model(version.tags["augqa.model_id"])
    assert {m.key: m.value for m in model.metrics or []}["mean_shift_f1"] == 60.0


def test_no_shift_at_hand_means_no_champion(project: Path) -> None:
    evaluate(project, "k1", {"squad": scores(60.0)["squad"]})
    (version,) = versions(project)
    assert "mean_shift_f1" not in version.tags
    assert version.aliases == []


def test_a_version_names_the_md5_that_dvc_pull_brings_it_back_by(project: Path) -> None:
    lock = {"stages": {"train@mix-7": {"outs": [{"path": "data/models/mix-7", "md5": "abc.dir"}]}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    evaluate(project, "k1", scores(60.0))
    (version,) = versions(project)
    assert version.tags["dvc.md5"] == "abc.dir"
    assert "dvc pull data/models/mix-7" in version.description


# --- Faults -----------------------------------------------------------------------------------


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "augqa"]


def test_a_broken_store_is_one_line_and_the_training_goes_on(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project / "mlflow.db").write_bytes(b"this is no database" * 100)
    with caplog.at_level(logging.WARNING, "augqa"):
        train(project)
    (message,) = warnings(caplog)
    assert "\n" not in message
    assert "metrics/ has all numbers" in message
    evaluate(project, "k1", scores(60.0))


@pytest.mark.parametrize("epochs_after", [0, 2])
def test_a_store_that_fails_in_mid_training_is_one_line(
    epochs_after: int, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "augqa"),
        tracking.training_run(
            run_key="k1",
            regime="mix",
            seed=7,
            params={},
            blend=project / "mix.parquet",
            n_examples=1,
        ) as run,
    ):
        run.log_epoch(0, 2.0)
        run.run_id = "0" * 32  # no such run
        for epoch in range(epochs_after):
            run.log_epoch(1 + epoch, 1.0)
    assert len(warnings(caplog)) == 1


def test_a_server_that_is_down_is_not_waited_for(project: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens: refused at once
        taken.bind(("127.0.0.1", 0))
        env = {
            **os.environ,
            "MLFLOW_TRACKING_URI": f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}",
        }
        code = (
            "from pathlib import Path; from augqa import tracking\n"
            "with tracking.training_run(run_key='k', regime='mix', seed=1, params={},"
            " blend=Path('mix.parquet'), n_examples=1) as run:\n"
            "    run.log_epoch(0, 1.0)\n"
            "print('trained')"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,  # MLflow's own retries take four minutes.
        )
    assert done.stdout == "trained\n"
    assert done.stderr.count("tracking: MLflow does not answer") == 1
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_two_workers_make_the_store_at_once(project: Path) -> None:
    (project / "mlflow.db").unlink()
    command = [sys.executable, "-m", "augqa.tracking", "init"]
    workers = [
        subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ends = [(worker.communicate()[1], worker.returncode) for worker in workers]
    for said, code in ends:
        assert code == 0, said
        assert said == f"tracking: sqlite:///{project}/mlflow.db is ready\n"
    assert runs(project) == []
    assert not list(project.glob("*.partial"))


def test_init_says_what_is_wrong(project: Path) -> None:
    (project / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(TrackingError, match=r"mlflow\.db: file is not a database"):
        tracking.init()


def test_a_store_whose_making_was_killed_is_made_anew(project: Path) -> None:
    (project / "mlflow.db").unlink()
    # As a kill among MLflow's migrations leaves it: some tables are there, others not.
    with closing(sqlite3.connect(project / "mlflow.db.partial")) as half:
        half.execute("CREATE TABLE jobs (id INTEGER)")
        half.commit()
    train(project)
    assert [run.info.status for run in runs(project)] == ["FINISHED"]


def test_a_run_that_a_kill_left_open_is_closed_by_the_next_of_its_key(project: Path) -> None:
    start_run(run_key="k1", regime="mix", seed=7, params={})
    start_run(run_key="other", regime="mix", seed=8, params={})
    train(project, "k1")
    statuses = sorted((run.data.tags["augqa.run_key"], run.info.status) for run in runs(project))
    assert statuses == [("k1", "FINISHED"), ("k1", "KILLED"), ("other", "RUNNING")]


def test_a_store_that_cannot_be_opened_is_not_waited_for(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow opens a store by tries that last two minutes together.
    monkeypatch.setattr(store, "MlflowClient", None)
    (project / "mlflow.db").unlink()
    (project / "mlflow.db").mkdir()
    with pytest.raises(TrackingError, match=r"mlflow\.db: unable to open database file"):
        store.experiment_id()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("sqlite+pysqlite:////no/such/folder/mlflow.db", "unable to open database file"),
        (
            "mysql+nodriver://me:s3cret@127.0.0.1:1/db",
            "Can't load plugin",
        ),
    ],
)
def test_a_database_that_cannot_be_asked_is_asked_once_and_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    # MLflow asks ten times, with growing pauses.
    monkeypatch.setattr(store, "MlflowClient", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError, match=says) as caught:
        store.experiment_id()
    assert "s3cret" not in str(caught.value)
    assert str(project) not in str(caught.value)


def test_a_database_server_that_says_nothing_is_given_up(project: Path) -> None:
    pytest.importorskip("psycopg", reason="the extra `remote` is not installed")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        done = subprocess.run(
            [sys.executable, "-m", "augqa.tracking", "init"],
            cwd=project,
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": (
                    f"postgresql+psycopg://me:s3cret@127.0.0.1:{silent.getsockname()[1]}/mlflow"
                ),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=90,  # psycopg's own patience is 130 s, MLflow's ten times that
        )
    assert done.returncode == 1
    assert "timeout" in done.stderr
    assert "s3cret" not in done.stderr
