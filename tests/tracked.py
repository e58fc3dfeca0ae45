"""A project with an MLflow store of its own, for the tests of tracking."""

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from augqa import tracking

ROOT = Path(__file__).parents[1]
PARAMS = {"epochs": 3, "checkpoint": "x" * 10_000, "nested": {"deep": 0.5}}


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database without an experiment: its migrations take seconds, its copy none."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project of its own, with a blend and a test set."""
    # Set, then deleted: mlflow sets it too, and this way it is gone after the test.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    for variable in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "profiles/embedded.yaml").read_bytes())
    shutil.copy(empty_store, tmp_path)
    (tmp_path / "mix.parquet").write_bytes(b"a blend")
    (tmp_path / "test").mkdir()
    (tmp_path / "test/squad.parquet").write_bytes(b"questions")
    return tmp_path


def client(project: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{project}/mlflow.db")


def runs(project: Path, tag: str = "augqa.run_key") -> list[Any]:
    mlflow = client(project)
    experiment = mlflow.get_experiment_by_name("augqa")
    assert experiment is not None
    everything = mlflow.search_runs([experiment.experiment_id])
    return [run for run in everything if tag in run.data.tags]


def studies(project: Path) -> list[Any]:
    return runs(project, "augqa.study")


def training(project: Path, run_key: str) -> AbstractContextManager[tracking.TrackedRun]:
    return tracking.training_run(
        run_key=run_key,
        regime="mix",
        seed=7,
        params=PARAMS,
        blend=project / "mix.parquet",
        n_examples=60,
        n_generated=15,
    )


def train(project: Path, run_key: str = "k1", *, n_epochs: int = 2) -> None:
    with training(project, run_key) as run:
        for epoch in range(n_epochs):
            run.log_epoch(epoch, 2.0 - epoch)


def scores(shift_f1: float, n_questions: int = 52) -> dict[str, dict[str, float]]:
    per_set = {"squad": 90.0, "nyt": shift_f1 - 10, "reddit": shift_f1 + 10}
    return {
        name: {"exact_match": f1 / 2, "f1": f1, "n_questions": n_questions}
        for name, f1 in per_set.items()
    }


def evaluate(project: Path, run_key: str, of: Mapping[str, Mapping[str, float]]) -> None:
    tracking.log_evaluation(
        run_key=run_key,
        regime="mix",
        seed=7,
        scores=of,
        model=Path("data/models/mix-7"),
        test=project / "test",
    )


def champion(project: Path) -> str:
    version = client(project).get_model_version_by_alias("augqa-reader", "champion")
    return str(version.tags["augqa.run_key"])


def versions(project: Path) -> list[Any]:
    return list(client(project).search_model_versions("name = 'augqa-reader'"))
