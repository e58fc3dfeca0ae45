"""The MLflow store: where it lies, how it is made, and what is told where it does not answer."""

import functools
import hashlib
import json
import logging
import os
import re
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from filelock import FileLock

from augqa.address_text import without_secrets
from augqa.errors import AugQAError, TrackingError
from augqa.params import load_params
from augqa.stage import project_root
from augqa.tracking.slim import Metric, MlflowClient, MlflowException, Run

RUN_KEY = "augqa.run_key"
MEAN_SHIFT_F1 = "mean_shift_f1"
NOTE = "mlflow.note.content"

# Longest wait for another worker that is making the store.
_LOCK_TIMEOUT_S = 60
_FILE = "sqlite:///"
_SQL = re.compile(r"(?:postgresql|mysql|mssql|sqlite)(?:\+\w+)?://")

# Columns of the saved view, in the form that the UI itself saves them in.
_COLUMNS = (
    "attributes.`Duration`",
    "tags.`mlflow.source.git.commit`",
    *(
        f"metrics.`{name}`"
        for name in (MEAN_SHIFT_F1, "delta", "delta_low", "delta_high", "training_seconds")
    ),
    *(
        f"params.`{name}`"
        for name in ("recipe.kind", "generated_fraction", "n_real", "n_generated", "writer")
    ),
)
_ABOUT = (
    "One run is the training of one reader: a recipe and a seed. A parent run is a study, closed by"
    " stage summarize with the report attached. `mean_shift_f1` is the mean F1 over the shifts;"
    " `delta` is that of the recipe minus its control's, `delta_low` and `delta_high` its 95 %"
    " interval over trainings and articles. metrics/ in git is the truth; this is a copy for"
    " comparing."
)

log = logging.getLogger("augqa")


def init() -> str:
    """Make the store and the experiment, if they are not there; return its address to show.

    Raises:
        TrackingError: If that fails.
    """
    try:
        experiment_id()
    except AugQAError:  # params.yaml
        raise
    except Exception as error:
        raise TrackingError(
            f"{without_secrets(uri())}: the MLflow store cannot be made or reached: {line(error)}"
            " - check MLFLOW_TRACKING_URI, or unset it for a local store."
        ) from error
    return without_secrets(uri())


def view_address(host: str = "http://127.0.0.1:5000") -> str:
    """Return where the UI shows the saved view of the experiment."""
    # Without the first, a browser that is new to MLflow opens what it has for language models.
    asked = f"workflowType=machine_learning&viewStateShareKey={_view()[0]}"
    return f"{host}/#/experiments/{experiment_id()}/runs?{asked}"


def uri() -> str:
    """Return the tracking address; never a relative one, which a temporary run would lose."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


def client() -> MlflowClient:
    """Return a client of the store."""
    # It tells of each retry; that tracking was given up is told once, here.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    if (fault := _fault_of(uri())) is not None:
        raise TrackingError(f"{without_secrets(uri())}: {fault}")
    return MlflowClient(tracking_uri=uri())


@functools.cache
def _fault_of(address: str) -> str | None:
    """Return why the database of an SQL address cannot be asked; None for any other address.

    Asked once a process, by one try: MLflow makes ten, which wait for 100 seconds together.
    """
    if address.startswith(_FILE) or not _SQL.match(address):
        return None
    from sqlalchemy import create_engine  # noqa: PLC0415 - for these addresses alone
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    try:
        create_engine(address, poolclass=NullPool).connect().close()
    except Exception as error:  # noqa: BLE001 - each driver has its own
        return line(error)
    return None


def lock() -> FileLock:
    """Return the lock under which store, studies and versions are made."""
    # Two workers that make the database at once break one of them.
    return FileLock(project_root() / "mlflow.db.lock", timeout=_LOCK_TIMEOUT_S)


def there() -> bool:
    """Return whether there is a store already; a server is taken to be there."""
    return not uri().startswith(_FILE) or Path(uri().removeprefix(_FILE)).exists()


def experiment_id() -> str:
    """Return the id of the experiment of params.yaml; make store and experiment if need be."""
    name = load_params().tracking.experiment
    with lock():
        _make_store()
        found = client().get_experiment_by_name(name)
        if found is None:
            found = _make_experiment(name)
        key, state = _view()
        tags = {NOTE: _ABOUT, f"mlflow.sharedViewState.{key}": state}
        for tag, value in tags.items():
            if tag not in found.tags:
                client().set_experiment_tag(found.experiment_id, tag, value)
        return str(found.experiment_id)


def latest_run(experiment: str, filter_string: str) -> Run | None:
    """Return the run that was started last of those that a filter lets through."""
    found = client().search_runs(
        [experiment],
        filter_string=filter_string,
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return found[0] if found else None


def _make_store() -> None:
    """Make a new database aside, and put it in place whole.

    A process that is killed while MLflow makes its tables leaves a database that MLflow can neither
    use nor make anew: "table already exists".
    """
    if not uri().startswith(_FILE):
        return
    path = Path(uri().removeprefix(_FILE))
    if path.exists():
        _see_that_it_opens(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.unlink(missing_ok=True)
    made = MlflowClient(tracking_uri=f"{_FILE}{aside}")
    made.search_experiments()
    made._tracking_client.store.engine.dispose()
    aside.replace(path)


def _see_that_it_opens(path: Path) -> None:
    """Open a database as MLflow would, which tries for two minutes where it cannot.

    Raises:
        TrackingError: If it is a folder, may not be read, or is no database.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as db:
            db.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise TrackingError(f"{path}: {error}") from error


def _make_experiment(name: str) -> Any:
    # A server has its own place for artifacts; without one, a relative path is the default.
    served = uri().startswith(("http://", "https://"))
    location = None if served else (project_root() / "mlartifacts").as_uri()
    try:
        client().create_experiment(name, artifact_location=location)
    except MlflowException:
        # On a shared server, someone else may have been first.
        if client().get_experiment_by_name(name) is None:
            raise
    return client().get_experiment_by_name(name)


def _view() -> tuple[str, str]:
    """Return key and content of the saved view: one row a run, the best on top."""
    state = json.dumps(
        {
            "searchFilter": "",
            "orderByKey": f"metrics.`{MEAN_SHIFT_F1}`",
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "selectedColumns": list(_COLUMNS),
        },
        sort_keys=True,
    )
    return hashlib.sha256(state.encode()).hexdigest()[:16], state


def registered_model() -> str:
    """Return the name of the registered model."""
    return f"{load_params().tracking.experiment}-reader"


def now() -> int:
    """Return the time in milliseconds, as MLflow counts it."""
    return int(time.time() * 1000)


def metrics(
    numbers: Mapping[str, float],
    *,
    step: int,
    now: int,
    model_id: str | None = None,
    run_id: str | None = None,
) -> list[Metric]:
    """Return numbers as MLflow takes them, rounded."""
    return [
        Metric(key, round(float(value), 4), now, step, model_id=model_id, run_id=run_id)
        for key, value in sorted(numbers.items())
    ]


def warn(error: Exception) -> None:
    """Tell once that nothing more is logged."""
    log.warning(
        "tracking: MLflow does not answer, so that nothing more is logged there; metrics/ has"
        " all numbers. %s: %s",
        without_secrets(uri()),
        line(error),
    )


def line(error: Exception) -> str:
    """Return an error as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return without_secrets(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")[:200]
