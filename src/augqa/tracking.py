"""Runs, scores and the champion in MLflow. A copy for comparing: metrics/ stays the truth.

Nothing here may cost a training: what goes wrong is told in one line, and tracking ends there.

`python -m augqa.tracking init` makes the store before several workers ask for it at once.
"""

import argparse
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

# Read by mlflow at import or at the first request. A server that is down must cost a training
# seconds, not the four minutes of mlflow's seven retries; what the user has set stays.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import (
    MAX_ENTITY_KEY_LENGTH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
)

from augqa.errors import AugQAError, TrackingError
from augqa.params import load_params
from augqa.stage import project_root

CHAMPION = "champion"
RUN_KEY = "augqa.run_key"
TEST_DIGEST = "augqa.test_digest"
MODEL_ID = "augqa.model_id"
MEAN_SHIFT_F1 = "mean_shift_f1"

# Longest wait for another worker that is making the store or choosing the champion.
_LOCK_TIMEOUT_S = 60

Scores = Mapping[str, Mapping[str, float]]

log = logging.getLogger("augqa")


class TrackedRun:
    """A run that takes numbers, and that gives up quietly once the store does not answer.

    Attributes:
        run_id: Id of the MLflow run; None if there is none.
    """

    def __init__(self) -> None:
        self.run_id: str | None = None
        self._given_up = False

    def log_epoch(self, epoch: int, loss: float) -> None:
        """Log the mean training loss of an epoch."""
        self.log_metrics({"loss": loss}, step=epoch)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers at a step of the run."""
        with self.attempt():
            if self.run_id is not None:
                _client().log_batch(self.run_id, metrics=_metrics(metrics, step=step, now=_now()))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run the body unless given up; on an error warn once and give up."""
        if self._given_up:
            self.run_id = None
        try:
            yield
        except Exception as error:  # noqa: BLE001 - hours of training are worth more than a run
            self.run_id, self._given_up = None, True
            _warn(error)


@contextmanager
def training_run(
    *,
    run_key: str,
    regime: str,
    seed: int,
    params: Mapping[str, Any],
    blend: Path,
    n_examples: int,
) -> Iterator[TrackedRun]:
    """Hold an MLflow run open around a training.

    Args:
        run_key: Name of the training: equal inputs, equal key. `log_evaluation` finds it by it.
        regime: Regime of the blend.
        seed: Seed of the training.
        params: What the reader is made and trained with; nested mappings are flattened.
        blend: The training set. Its md5, which is DVC's, is the digest of the run's dataset.
        n_examples: Examples in the blend.

    Yields:
        What takes the numbers of each epoch. It takes them too, and drops them, when the store
        does not answer.
    """
    run = TrackedRun()
    with run.attempt():
        run.run_id = _start_run(
            run_key=run_key,
            regime=regime,
            seed=seed,
            params={**_flat(params), "regime": regime, "seed": seed, "n_examples": n_examples},
        )
        _client().log_inputs(run.run_id, datasets=[_dataset(blend, n_examples=n_examples)])
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        with run.attempt():
            if run.run_id is not None:
                _client().set_terminated(run.run_id, status=status)


def log_evaluation(
    *, run_key: str, regime: str, seed: int, scores: Scores, model: Path, test: Path
) -> None:
    """Log a model's scores to its run, register it, and let the champion be the best.

    The run is the latest one of `run_key`. Where there is none (the model came from
    ``dvc pull``), a new one is opened. The weights stay with DVC: the registered version only
    names them. The same `run_key` again is the same version with its new scores.

    Args:
        run_key: Name of the training that made the model.
        regime: Regime it was trained on.
        seed: Seed of its training.
        scores: ``exact_match``, ``f1`` (percent) and ``n_questions`` of each test set.
        model: Folder of the model.
        test: Folder of the test sets. Only versions measured on equal ones are compared.
    """
    try:
        experiment_id = _experiment_id()
        client = _client()
        found = client.search_runs(
            [experiment_id],
            filter_string=f"tags.`{RUN_KEY}` = '{run_key}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        if found:
            run_id = found[0].info.run_id
        else:
            run_id = _start_run(run_key=run_key, regime=regime, seed=seed, params={})
            client.set_tag(run_id, "augqa.restored", "true")
            client.set_terminated(run_id)
        digest = asked_digest(test, scores)
        numbers = {
            f"{name}/{set_name}": value
            for set_name, values in scores.items()
            for name, value in values.items()
        }
        shifts = [scores[name]["f1"] for name in _shifts() if name in scores]
        if shifts:
            numbers[MEAN_SHIFT_F1] = sum(shifts) / len(shifts)
        now = _now()
        client.log_batch(
            run_id,
            metrics=_metrics(numbers, step=0, now=now),
            tags=[RunTag(TEST_DIGEST, digest), RunTag("augqa.model", str(model))],
        )
        tags = {
            RUN_KEY: run_key,
            "regime": regime,
            "seed": str(seed),
            "augqa.model": str(model),
            TEST_DIGEST: digest,
        }
        if shifts:
            tags[MEAN_SHIFT_F1] = f"{numbers[MEAN_SHIFT_F1]:.4f}"
        with _lock():
            model_id = _register(experiment_id, run_id, tags, title=f"{regime}-{seed}")
            _choose_champion(digest)
        # The same numbers at the same moment: one point in the run, and one at the model.
        client.log_batch(
            run_id,
            metrics=_metrics(numbers, step=0, now=now, model_id=model_id, run_id=run_id),
        )
    except Exception as error:  # noqa: BLE001 - the scores are written already
        _warn(error)


def asked_digest(test: Path, scores: Scores) -> str:
    """Return a digest of what was asked: the test tables and how many questions of each."""
    asked = {
        "tables": {
            path.relative_to(test).as_posix(): _md5(path)
            for path in sorted(test.rglob("*.parquet"))
        },
        "n_questions": {name: values["n_questions"] for name, values in scores.items()},
        # Another seed asks other questions, but only where not all are asked.
        "seed": (own := load_params().evaluate).n_questions and own.seed,
    }
    return hashlib.md5(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _shifts() -> list[str]:
    return [name for name, entry in load_params().data.test_sets.items() if entry.role == "shift"]


def init() -> str:
    """Make the store and the experiment, if they are not there; return its address to show.

    Raises:
        TrackingError: If that fails.
    """
    try:
        _experiment_id()
    except AugQAError:  # params.yaml
        raise
    except Exception as error:
        raise TrackingError(
            f"{_shown(_uri())}: the MLflow store cannot be made or reached: {_line(error)}"
            " - check MLFLOW_TRACKING_URI, or unset it for a local store."
        ) from error
    return _shown(_uri())


def _uri() -> str:
    """Return the tracking address; never a relative one, which a temporary run would lose."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


def _client() -> MlflowClient:
    # It tells of each retry; that tracking was given up is told once, here.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=_uri())


def _lock() -> FileLock:
    # Two workers that make the database at once break one of them.
    return FileLock(project_root() / "mlflow.db.lock", timeout=_LOCK_TIMEOUT_S)


def _experiment_id() -> str:
    """Return the id of the experiment of params.yaml; make store and experiment if need be."""
    name = load_params().tracking.experiment
    with _lock():
        client = _client()
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        # A server has its own place for artifacts; without one, a relative path is the default.
        served = _uri().startswith(("http://", "https://"))
        location = None if served else (project_root() / "mlartifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            # On a shared server, someone else may have been first.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
            return str(experiment.experiment_id)


def _start_run(*, run_key: str, regime: str, seed: int, params: Mapping[str, Any]) -> str:
    tags = {RUN_KEY: run_key, "regime": regime, "seed": str(seed), **_lineage()}
    name = f"{regime}-{seed}"
    if "dvc.exp_name" in tags:
        name = f"{tags['dvc.exp_name']} {name}"
    experiment_id = _experiment_id()
    client = _client()
    run_id = str(client.create_run(experiment_id, tags=tags, run_name=name).info.run_id)
    entries = [
        Param(key[:MAX_ENTITY_KEY_LENGTH], str(value)[:MAX_PARAM_VAL_LENGTH])
        for key, value in sorted(params.items())
    ]
    for first in range(0, len(entries), MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(run_id, params=entries[first : first + MAX_PARAMS_TAGS_PER_BATCH])
    return run_id


def _lineage() -> dict[str, str]:
    """Return tags that lead from a run to code and experiment, where they are known."""
    tags = {
        "mlflow.source.name": sys.argv[0],
        "mlflow.source.type": "LOCAL",
    }
    for tag, variable in (
        ("dvc.exp_name", "DVC_EXP_NAME"),
        ("dvc.baseline_rev", "DVC_EXP_BASELINE_REV"),
        ("dvc.stage", "DVC_STAGE"),
    ):
        if value := os.environ.get(variable):
            tags[tag] = value
    commit = _git("rev-parse", "HEAD")
    if commit:
        # What the pipeline itself writes into git does not make the code another one.
        changed = _git(
            "status", "--porcelain", "--untracked-files=no", "--", ".", ":!metrics", ":!dvc.lock"
        )
        tags |= {
            "git.commit": commit,
            "mlflow.source.git.commit": commit,
            "git.dirty": str(bool(changed)).lower(),
        }
    return tags


def _git(*arguments: str) -> str:
    """Return what git says of the folder the stage runs in; nothing outside a repository.

    That folder, not `project_root()`: a temporary experiment has a checkout of its own.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _dataset(blend: Path, *, n_examples: int) -> DatasetInput:
    return DatasetInput(
        Dataset(
            name=blend.name,
            digest=_md5(blend),
            source_type="local",
            source=json.dumps({"uri": str(blend)}),
            profile=json.dumps({"num_rows": n_examples}),
        ),
        tags=[InputTag("mlflow.data.context", "training")],
    )


def _register(experiment_id: str, run_id: str, tags: Mapping[str, str], *, title: str) -> str:
    """Make a version for the run key, or bring its tags up to date; return its model's id."""
    client, name = _client(), _registered_model()
    version = next((v for v in _versions() if v.tags.get(RUN_KEY) == tags[RUN_KEY]), None)
    if version is None:
        mlflow.set_tracking_uri(_uri())
        logged = mlflow.create_external_model(
            name=title,
            experiment_id=experiment_id,
            source_run_id=run_id,
            model_type="extractive-qa",
            tags=dict(tags),
        )
        version = client.create_model_version(
            name,
            source=f"models:/{logged.model_id}",
            run_id=run_id,
            model_id=logged.model_id,
            await_creation_for=10,
            # A version that is looked up again does not tell its model otherwise.
            tags={**tags, MODEL_ID: logged.model_id},
        )
    else:
        for key, value in tags.items():
            client.set_model_version_tag(name, version.version, key, value)
        if MEAN_SHIFT_F1 in version.tags and MEAN_SHIFT_F1 not in tags:
            client.delete_model_version_tag(name, version.version, MEAN_SHIFT_F1)
    return str(version.tags[MODEL_ID])


def _choose_champion(digest: str) -> None:
    """Give the alias to the best version measured on these test sets; of equals, the first."""
    measured = [
        version
        for version in _versions()
        if version.tags.get(TEST_DIGEST) == digest and MEAN_SHIFT_F1 in version.tags
    ]
    if not measured:
        return
    best = max(measured, key=lambda v: (float(v.tags[MEAN_SHIFT_F1]), -int(v.version)))
    _client().set_registered_model_alias(_registered_model(), CHAMPION, best.version)


def _versions() -> Sequence[Any]:
    client, name = _client(), _registered_model()
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if "ALREADY_EXISTS" not in error.error_code:
            raise
    found, token = [], None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found


def _registered_model() -> str:
    return f"{load_params().tracking.experiment}-reader"


def _now() -> int:
    """Return the time in milliseconds, as MLflow counts it."""
    return int(time.time() * 1000)


def _metrics(
    numbers: Mapping[str, float],
    *,
    step: int,
    now: int,
    model_id: str | None = None,
    run_id: str | None = None,
) -> list[Metric]:
    return [
        Metric(key, float(value), now, step, model_id=model_id, run_id=run_id)
        for key, value in sorted(numbers.items())
    ]


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _md5(path: Path) -> str:
    """Return the md5 of a file, which is what dvc.lock says of it."""
    return hashlib.md5(path.read_bytes()).hexdigest()


def _warn(error: Exception) -> None:
    log.warning(
        "tracking: MLflow does not answer, so that nothing more is logged there; metrics/ has"
        " all numbers. %s: %s",
        _shown(_uri()),
        _line(error),
    )


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return _shown(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")[:200]


def _shown(text: str) -> str:
    """Return `text` without the user name and password that an address in it may hold."""
    return re.sub(r"//[^/@\s]+@", "//", text)


def main() -> None:
    """Run `python -m augqa.tracking init`."""
    parser = argparse.ArgumentParser(prog="python -m augqa.tracking")
    parser.add_argument("command", choices=["init"], help="make the store and the experiment")
    parser.parse_args()
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells each migration
    try:
        uri = init()
    except AugQAError as error:
        sys.exit(f"tracking: error: {error}")
    sys.stderr.write(f"tracking: {uri} is ready\n")


if __name__ == "__main__":
    main()
