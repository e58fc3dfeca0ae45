"""A model's scores: on its run, and on the version that the registry has of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.explaining import md5_of_outs, read_lock
from augqa.lineage import md5
from augqa.params import load_params
from augqa.tracking.runs import end_run, start_run
from augqa.tracking.slim import MlflowException, RunTag, mlflow
from augqa.tracking.store import (
    MEAN_SHIFT_F1,
    NOTE,
    RUN_KEY,
    client,
    experiment_id,
    latest_run,
    lock,
    metrics,
    now,
    registered_model,
    there,
    uri,
    warn,
)

CHAMPION = "champion"
_ABOUT = (
    "Readers that were measured. The weights stay with DVC; a version names them by md5. The alias"
    " champion moves to another recipe only where the study says that it is better for sure."
)
TEST_DIGEST = "augqa.test_digest"
MODEL_ID = "augqa.model_id"
DVC_MD5 = "dvc.md5"

Scores = Mapping[str, Mapping[str, float]]


def log_evaluation(
    *, run_key: str, regime: str, seed: int, scores: Scores, model: Path, test: Path
) -> None:
    """Log a model's scores to its run, and register it.

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
        experiment = experiment_id()
        found = latest_run(experiment, f"tags.`{RUN_KEY}` = '{run_key}'")
        if found is not None:
            run_id = str(found.info.run_id)
        else:
            run_id = start_run(run_key=run_key, regime=regime, seed=seed, params={})
            client().set_tag(run_id, "augqa.restored", "true")
            end_run(run_id)
        digest = asked_digest(test, scores)
        numbers = {
            f"{name}/{set_name}": value
            for set_name, values in scores.items()
            for name, value in values.items()
        }
        shifts = [scores[name]["f1"] for name in _shifts() if name in scores]
        if shifts:
            numbers[MEAN_SHIFT_F1] = sum(shifts) / len(shifts)
        at = now()
        client().log_batch(
            run_id,
            metrics=metrics(numbers, step=0, now=at),
            tags=[RunTag(TEST_DIGEST, digest), RunTag("augqa.model", str(model))],
        )
        tags = {
            RUN_KEY: run_key,
            "regime": regime,
            "seed": str(seed),
            "augqa.model": str(model),
            TEST_DIGEST: digest,
        }
        if md5_of_model := dvc_md5(model):
            tags[DVC_MD5] = md5_of_model
        if shifts:
            tags[MEAN_SHIFT_F1] = f"{numbers[MEAN_SHIFT_F1]:.4f}"
        with lock():
            model_id = _register(experiment, run_id, tags, title=f"{regime}-{seed}")
        # The same numbers at the same moment: one point in the run, and one at the model.
        client().log_batch(
            run_id,
            metrics=metrics(numbers, step=0, now=at, model_id=model_id, run_id=run_id),
        )
    except Exception as error:  # noqa: BLE001 - the scores are written already
        warn(error)


def run_ids(keys: Sequence[str]) -> dict[str, str]:
    """Return the latest run of each training by its key; none where the store does not answer."""
    found: dict[str, str] = {}
    if not there():
        return found
    try:
        experiment = experiment_id()
        for key in keys:
            run = latest_run(experiment, f"tags.`{RUN_KEY}` = '{key}'")
            if run is not None:
                found[key] = str(run.info.run_id)
    except Exception as error:  # noqa: BLE001 - the rest is known without it
        warn(error)
        return {}
    return found


def asked_digest(test: Path, scores: Scores) -> str:
    """Return a digest of what was asked: the test tables and how many questions of each."""
    asked = {
        "tables": {
            path.relative_to(test).as_posix(): md5(path) for path in sorted(test.rglob("*.parquet"))
        },
        "n_questions": {name: values["n_questions"] for name, values in scores.items()},
        # Another seed asks other questions, but only where not all are asked.
        "seed": (own := load_params().evaluate).n_questions and own.seed,
    }
    return hashlib.md5(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _shifts() -> list[str]:
    return [name for name, entry in load_params().data.test_sets.items() if entry.role == "shift"]


def dvc_md5(path: Path, lock_file: Path = Path("dvc.lock")) -> str | None:
    """Return the md5 that dvc.lock has of an out: what `dvc pull` brings it back by.

    None where DVC has not made it.
    """
    try:
        return md5_of_outs(read_lock(lock_file)).get(path.as_posix())
    except DataError:
        return None


def _about(tags: Mapping[str, str]) -> str:
    found = f"md5 {tags[DVC_MD5]} in dvc.lock" if DVC_MD5 in tags else "not in dvc.lock"
    return (
        f"Reader of recipe {tags['regime']}, training seed {tags['seed']}. The weights are"
        f" {tags['augqa.model']} ({found}): `git checkout` of the run's commit, then `dvc pull"
        f" {tags['augqa.model']}`."
    )


def _register(experiment_id: str, run_id: str, tags: Mapping[str, str], *, title: str) -> str:
    """Make a version for the run key, or bring its tags up to date; return its model's id."""
    name = registered_model()
    version = next((v for v in versions() if v.tags.get(RUN_KEY) == tags[RUN_KEY]), None)
    if version is None:
        mlflow.set_tracking_uri(uri())
        logged = mlflow.create_external_model(
            name=title,
            experiment_id=experiment_id,
            source_run_id=run_id,
            model_type="extractive-qa",
            tags={**tags, NOTE: _about(tags)},
        )
        version = client().create_model_version(
            name,
            source=f"models:/{logged.model_id}",
            run_id=run_id,
            model_id=logged.model_id,
            await_creation_for=10,
            description=_about(tags),
            # A version that is looked up again does not tell its model otherwise.
            tags={**tags, MODEL_ID: logged.model_id},
        )
    else:
        for key, value in tags.items():
            client().set_model_version_tag(name, version.version, key, value)
        if MEAN_SHIFT_F1 in version.tags and MEAN_SHIFT_F1 not in tags:
            client().delete_model_version_tag(name, version.version, MEAN_SHIFT_F1)
    return str(version.tags[MODEL_ID])


def versions() -> Sequence[Any]:
    """Return every registered version."""
    name = registered_model()
    try:
        client().create_registered_model(name, description=_ABOUT)
    except MlflowException as error:
        if "ALREADY_EXISTS" not in error.error_code:
            raise
    found, token = [], None
    while True:
        page = client().search_model_versions(f"name = '{name}'", page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found
