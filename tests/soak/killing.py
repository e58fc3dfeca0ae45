"""SIGKILL to all processes of `dvc repro` at a random moment, and what must hold afterwards."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from augqa.dvc_healing import remove_cut_rwlock
from tests.pipelines import Project, ScriptedModel
from tests.soak.running import Run

_LLM = ("generate_contexts", "generate_pairs")
_TRACKED = ("train_real@", "train@", "evaluate_real@", "evaluate@")
# What a run leaves beside DVC's outs, and git's and DVC's own files.
_ASIDE = (".git", ".dvc", ".cache", "mlartifacts", "__pycache__")


class Broken(AssertionError):
    """Something that must hold after a kill does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When to kill.

    Attributes:
        stage: The stage that has to be running; None: from the start of `dvc repro` on.
        fraction: Of the time that the stage takes undisturbed; above 1 it is DVC that works.
    """

    stage: str | None
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What a kill met.

    Attributes:
        stage: The last stage that DVC had started; None: none yet.
        seconds: After its start, or that of `dvc repro`.
        n_processes: That were running.
        n_lost: Answers that the server had sent in full, and that were not kept yet.
    """

    stage: str | None
    seconds: float
    n_processes: int
    n_lost: int


def timed_repro(project: Project) -> dict[str, float]:
    """Run `dvc repro`; return the seconds that each stage took, DVC's share included."""
    run = Run(project)
    status = run.process.wait()
    run.reader.join()
    if status != 0:
        raise Broken(f"`dvc repro` gave {status}:\n{run.text()[-6000:]}")
    ends = [*[began for _, began in run.stages[1:]], time.monotonic()]
    return {stage: end - began for (stage, began), end in zip(run.stages, ends, strict=True)}


class Undisturbed:
    """A finished project that stages are forgotten of, and that is killed while it makes them anew.

    Args:
        project: A project in which `dvc repro` has run to its end.
        model: What it asks.
        seconds: What each stage takes, from `timed_repro`.
        max_in_flight: `llm.max_in_flight` of its params.
    """

    def __init__(
        self,
        project: Project,
        model: ScriptedModel,
        seconds: Mapping[str, float],
        *,
        max_in_flight: int,
    ) -> None:
        self.project = project
        self._model = model
        self._seconds = seconds
        self._max_in_flight = max_in_flight
        self._lock = project.lock()
        self._contents = self._read()
        self._n_lost = 0
        self._answered = model.answered.copy()
        self.stages = list(seconds)

    def restored(self) -> None:
        """Say that the project has been put back to what it was at first."""
        self._model.answered.clear()
        self._model.answered.update(self._answered)
        self._n_lost = 0

    def forget(self, stages: Collection[str], *, new_store: bool = False) -> None:
        """Take away what some stages have made: outs, lock, DVC's caches, responses.

        Args:
            stages: Their names.
            new_store: Whether the MLflow store is to be made anew, too.
        """
        folder, lock = self.project.folder, self.project.lock()
        for stage in stages:
            lock.pop(stage, None)
            for out in self._lock[stage]["outs"]:
                _remove(folder / out["path"])
        text = yaml.safe_dump({"schema": "2.0", "stages": lock}, sort_keys=False)
        (folder / "dvc.lock").write_text(text, encoding="utf-8")
        others = set(self._lock) - set(stages)
        for md5 in self._objects(stages) - self._objects(others):
            _remove(folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:])
        _remove(folder / ".dvc/cache/runs")
        _remove(folder / ".cache/features")
        if any(stage in _LLM for stage in stages):
            _remove(folder / ".cache/llm")
            self._model.answered.clear()
            self._n_lost = 0
        if new_store:
            for name in ("mlflow.db", "mlartifacts"):
                _remove(folder / name)

    def kill(self, moment: Moment) -> Killed | None:
        """Run `dvc repro` and kill it; None where it was done before the moment came.

        Raises:
            Broken: If a process lives on, or an answer that was kept is asked for again.
        """
        before = self._model.answered.copy()
        run = Run(self.project)
        if moment.stage is None:
            fits, wait_s = True, moment.fraction * _START_S
        else:
            fits = run.wait_for(moment.stage)
            wait_s = moment.fraction * self._seconds[moment.stage]
        if fits and wait_s > 0:
            run.ended.wait(wait_s)
        if not fits or run.ended.is_set():
            self._finish(run)
            self._see_requests(before)
            return None
        n_processes = len(run.processes())
        stage, began = run.stages[-1] if run.stages else (None, run.began)
        seconds = time.monotonic() - began
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        run.reader.join()
        self._see_no_process(run)
        self._heal()
        # What was on its way is sent by now, to nobody.
        time.sleep(2 * self._model.delay_s)
        n_lost = self._see_requests(before)
        return Killed(stage=stage, seconds=seconds, n_processes=n_processes, n_lost=n_lost)

    def _heal(self) -> None:
        """Do as `augqa run` does: DVC writes two files in place, and a kill may cut them short."""
        remove_cut_rwlock(self.project.folder)
        path = self.project.folder / "dvc.lock"
        try:
            cut = not isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
        except yaml.YAMLError:
            cut = True
        if cut:
            path.write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")

    def complete(self) -> None:
        """Run `dvc repro` to its end, and see that nothing tells of the kills.

        Raises:
            Broken: If something does.
        """
        before = self._model.answered.copy()
        self._finish(Run(self.project))
        self._see_requests(before)
        lock = self.project.lock()
        for stage, entry in self._lock.items():
            if _without_time(lock.get(stage)) != _without_time(entry):
                raise Broken(f"dvc.lock has another {stage}: {lock.get(stage)}, not {entry}")
        found = self._read()
        for path in sorted(found.keys() | self._contents.keys()):
            if found.get(path) != self._contents.get(path):
                raise Broken(f"{path}: {found.get(path)}, undisturbed {self._contents.get(path)}")
        with closing(sqlite3.connect(self.project.folder / "mlflow.db")) as db:
            left = db.execute("SELECT name FROM runs WHERE status = 'RUNNING'").fetchall()
        if left:
            raise Broken(f"MLflow has runs that run for ever: {left}")
        if any((self.project.folder / ".cache/train").glob("*")):
            raise Broken("a checkpoint of a finished training is left")

    def _finish(self, run: Run) -> None:
        status = run.process.wait()
        run.reader.join()
        if status != 0:
            raise Broken(f"`dvc repro` gave {status} after a kill:\n{run.text()[-6000:]}")
        self._see_no_process(run)

    def _see_no_process(self, run: Run) -> None:
        until = time.monotonic() + _LAST_BREATH_S
        while (living := run.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        if living:
            raise Broken(f"processes live on: {living}")

    def _see_requests(self, before: Mapping[str, int]) -> int:
        """See that of what was answered before only what was lost is answered again.

        Returns the number of answers that were sent and are not kept.
        """
        answered = self._model.answered
        repeated = [body for body in before if answered[body] > before[body]]
        if len(repeated) > self._n_lost:
            raise Broken(f"{len(repeated)} answers that were kept, at most, were asked for again")
        n_lost = len(answered) - self._n_kept() if answered else 0
        if not 0 <= n_lost <= self._max_in_flight:
            raise Broken(
                f"{len(answered)} answers were sent, {n_lost} of them are not kept, and"
                f" {self._max_in_flight} may be on their way at once"
            )
        self._n_lost = n_lost
        return n_lost

    def _n_kept(self) -> int:
        """Count the responses in a copy: whoever opens the file itself would mend it."""
        folder = self.project.folder / ".cache/llm"
        with tempfile.TemporaryDirectory() as aside:
            for path in folder.glob("responses.sqlite*"):
                shutil.copyfile(path, Path(aside) / path.name)
            copy = Path(aside) / "responses.sqlite"
            if not copy.is_file():
                return 0
            with closing(sqlite3.connect(copy)) as db:
                made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'responses'")
                if made.fetchone() is None:
                    return 0
                (n_kept,) = db.execute("SELECT count(*) FROM responses").fetchone()
        return int(n_kept)

    def _read(self) -> dict[str, str]:
        """Return the md5 of each file of the project, by its path."""
        folder = self.project.folder
        found = {}
        for root, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name not in _ASIDE]
            for name in files:
                path = Path(root, name)
                if name != "dvc.lock" and not name.startswith("mlflow.db"):
                    digest = hashlib.md5(_timeless(path.read_bytes())).hexdigest()
                    found[str(path.relative_to(folder))] = digest
        return found

    def _objects(self, stages: Collection[str]) -> set[str]:
        """Return what DVC's cache holds of the outs of some stages."""
        found = set()
        for stage in stages:
            for out in self._lock[stage]["outs"]:
                found.add(out["md5"])
                if out["md5"].endswith(".dir"):
                    md5 = out["md5"]
                    listing = self.project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
                    if listing.is_file():
                        found |= {entry["md5"] for entry in json.loads(listing.read_text())}
        return found


# What `dvc repro` takes before its first stage, about.
_START_S = 4.0
# Longest wait for the processes of a group that was killed to be gone.
_LAST_BREATH_S = 5.0


def chain(
    undisturbed: Undisturbed,
    stages: Sequence[str],
    *,
    n_kills: int,
    seed: int,
    new_store: bool = False,
) -> list[Killed]:
    """Forget some stages, kill what makes them anew so often in a row, then let it end.

    The kills are spread over the stages in their order; what is done in between stays done.

    Raises:
        Broken: If something that must hold afterwards does not.
    """
    moments = random.Random(seed)
    undisturbed.forget(stages, new_store=new_store)
    found: list[Killed] = []
    while len(found) < n_kills:
        done = undisturbed.project.lock()
        left = [stage for stage in stages if stage not in done]
        wanted = stages[len(found) * len(stages) // n_kills]
        target = wanted if wanted in left else left[0] if left else None
        if target is None:
            undisturbed.forget(stages, new_store=new_store)
            continue
        # One in ten before the first stage: DVC starts, looks at what is there, takes its locks.
        stage = None if moments.random() < 0.1 else target
        killed = undisturbed.kill(Moment(stage=stage, fraction=moments.uniform(0, 1.1)))
        if killed is not None:
            found.append(killed)
    undisturbed.complete()
    return found


def with_what_closes(stage: str) -> list[str]:
    """Return a stage, and `summarize` with those whose study of MLflow it has to close."""
    return [stage, "summarize"] if stage.startswith(_TRACKED) else [stage]


# These two outs of summarize say how long the trainings took, and another one takes another time.
_TIMED = ("metrics/headline.json", "report/index.html")
_TIME = re.compile(rb'(?:"seconds": [\d.]+|[\d,]+ s of training)')


def _timeless(content: bytes) -> bytes:
    return _TIME.sub(b"", content)


def _without_time(entry: Any) -> Any:
    if entry is None:
        return None
    outs = [
        {"path": out["path"]} if out["path"] in _TIMED else out for out in entry.get("outs", [])
    ]
    return {**entry, "outs": outs}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
