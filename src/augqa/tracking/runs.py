"""A training as a run of MLflow: what it is made from, its losses, how it ended."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.lineage import md5
from augqa.params import load_params
from augqa.params_text import dotted
from augqa.programs import git
from augqa.timing import keep_seconds
from augqa.tracking.slim import (
    MAX_ENTITY_KEY_LENGTH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
    Dataset,
    DatasetInput,
    InputTag,
    Param,
)
from augqa.tracking.store import (
    RUN_KEY,
    client,
    experiment_id,
    latest_run,
    lock,
    metrics,
    now,
    warn,
)

# Names the study that a parent run holds: the experiment of DVC, or the workspace.
STUDY = "augqa.study"
PARENT = "mlflow.parentRunId"
# open: trainings still join it. Its status says only whether one is at work, since nobody knows
# whether summarize will run: a training that gives the same bytes again is followed by none.
STUDY_STATE = "augqa.study_state"


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

    def log_metrics(self, numbers: Mapping[str, float], step: int) -> None:
        """Log numbers at a step of the run."""
        with self.attempt():
            if self.run_id is not None:
                client().log_batch(self.run_id, metrics=metrics(numbers, step=step, now=now()))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run the body unless given up; on an error warn once and give up."""
        if self._given_up:
            self.run_id = None
        try:
            yield
        except Exception as error:  # noqa: BLE001 - hours of training are worth more than a run
            self.run_id, self._given_up = None, True
            warn(error)


@contextmanager
def training_run(
    *,
    run_key: str,
    regime: str,
    seed: int,
    params: Mapping[str, Any],
    blend: Path,
    n_examples: int,
    n_generated: int = 0,
) -> Iterator[TrackedRun]:
    """Hold an MLflow run open around a training.

    Args:
        run_key: Name of the training: equal inputs, equal key. `log_evaluation` finds it by it.
        regime: Regime of the blend.
        seed: Seed of the training.
        params: What the reader is made and trained with; nested mappings are flattened.
        blend: The training set. Its md5, which is DVC's, is the digest of the run's dataset.
        n_examples: Examples in the blend.
        n_generated: Those of them that are not real through and through.

    Yields:
        What takes the numbers of each epoch. It takes them too, and drops them, when the store
        does not answer.
    """
    run = TrackedRun()
    with run.attempt():
        run.run_id = start_run(
            run_key=run_key,
            regime=regime,
            seed=seed,
            params={
                **dotted(params),
                **_made_from(regime),
                "regime": regime,
                "seed": seed,
                "n_examples": n_examples,
                "n_real": n_examples - n_generated,
                "n_generated": n_generated,
                "generated_fraction": round(n_generated / n_examples, 4) if n_examples else 0.0,
            },
        )
        client().log_inputs(run.run_id, datasets=[_dataset(blend, n_examples=n_examples)])
    status, started = "FAILED", time.monotonic()
    try:
        yield run
        status, seconds = "FINISHED", time.monotonic() - started
        run.log_metrics({"training_seconds": round(seconds, 1)}, step=0)
        with contextlib.suppress(DataError):
            keep_seconds(run_key, seconds)
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        with run.attempt():
            if run.run_id is not None:
                end_run(run.run_id, status=status)


def end_run(run_id: str, *, status: str = "FINISHED") -> None:
    """Close a run; its study rests where no other training of it is at work."""
    client().set_terminated(run_id, status=status)
    run = client().get_run(run_id)
    parent = run.data.tags.get(PARENT)
    if parent is None:
        return
    at_work = f"tags.`{PARENT}` = '{parent}' and attributes.status = 'RUNNING'"
    with lock():
        if not client().search_runs([run.info.experiment_id], at_work, max_results=1):
            client().set_terminated(parent)


def start_run(*, run_key: str, regime: str, seed: int, params: Mapping[str, Any]) -> str:
    """Open a run below the study's; close those that a killed process of this key left open."""
    tags = {RUN_KEY: run_key, "regime": regime, "seed": str(seed), **lineage()}
    name = f"{regime}-{seed}"
    if "dvc.exp_name" in tags:
        name = f"{tags['dvc.exp_name']} {name}"
    experiment = experiment_id()
    left_open = f"tags.`{RUN_KEY}` = '{run_key}' and attributes.status = 'RUNNING'"
    for lost in client().search_runs([experiment], filter_string=left_open):
        client().set_terminated(lost.info.run_id, status="KILLED")
    with lock():
        tags[PARENT] = study_run(experiment)
        run_id = str(client().create_run(experiment, tags=tags, run_name=name).info.run_id)
        client().update_run(tags[PARENT], status="RUNNING")
    entries = [
        Param(key[:MAX_ENTITY_KEY_LENGTH], str(value)[:MAX_PARAM_VAL_LENGTH])
        for key, value in sorted(params.items())
    ]
    for first in range(0, len(entries), MAX_PARAMS_TAGS_PER_BATCH):
        client().log_batch(run_id, params=entries[first : first + MAX_PARAMS_TAGS_PER_BATCH])
    return run_id


def study_run(experiment: str) -> str:
    """Return the open parent run of the study at hand; open one if there is none.

    A study is what one `dvc exp run` or `dvc repro` makes: it stays open until summarize closes it,
    also over a stop and a new start. Whoever calls holds the lock.
    """
    name = os.environ.get("DVC_EXP_NAME", "workspace")
    found = latest_run(experiment, f"tags.`{STUDY}` = '{name}'")
    if found is not None and found.data.tags.get(STUDY_STATE) == "open":
        return str(found.info.run_id)
    tags = {STUDY: name, STUDY_STATE: "open", **lineage()}
    made = client().create_run(experiment, tags=tags, run_name=f"study {name}")
    return str(made.info.run_id)


def _made_from(recipe: str) -> dict[str, Any]:
    """Return the params that tell a recipe from another in the UI's table."""
    params = load_params()
    knobs = params.blend[recipe].model_dump() if recipe in params.blend else {}
    return {
        **dotted(knobs, "recipe."),
        **dotted(params.filter_pairs.model_dump(), "filter."),
        "writer": params.llm.model,
        "question_method": params.generate_pairs.method,
        "data": "/".join(
            str(value)
            for value in params.data.train.model_dump(exclude={"license", "citation"}).values()
        ),
    }


def lineage() -> dict[str, str]:
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
    return git(*arguments) or ""


def _dataset(blend: Path, *, n_examples: int) -> DatasetInput:
    return DatasetInput(
        Dataset(
            name=blend.name,
            digest=md5(blend),
            source_type="local",
            source=json.dumps({"uri": str(blend)}),
            profile=json.dumps({"num_rows": n_examples}),
        ),
        tags=[InputTag("mlflow.data.context", "training")],
    )
