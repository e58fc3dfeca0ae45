"""Commands on experiments: sweep, compare, gather."""

import json
import re
import shlex
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from augqa.commands.checking import PARAMS
from augqa.dvc_healing import remove_cut_rwlock
from augqa.errors import AugQAError, DataError, ParamsError
from augqa.files import write_whole
from augqa.params import load_params
from augqa.params_text import with_value
from augqa.programs import asked
from augqa.report.experiments import ExperimentRow, compared_lines, experiment_rows
from augqa.report.findings import findings_of
from augqa.report.results import BASELINE
from augqa.report.table import findings_lines
from augqa.terminal import say
from augqa.yaml_text import cut, read_text

CLUSTERS = Path("data/prepared/clusters")
_POLL_S = 5.0


class SweepFailed(AugQAError):
    """An experiment of a sweep failed; the others are kept."""


def sweep(
    key: Annotated[str, typer.Argument(help="such as blend.mix.generated_fraction")],
    values: Annotated[list[str], typer.Argument(help="one experiment each")],
    workers: Annotated[int, typer.Option(min=0, max=2, help="of a queue; 0: one by one")] = 0,
    dry_run: Annotated[bool, typer.Option(help="print the commands alone")] = False,
) -> None:
    """Run one experiment a value of a param, after the baseline; name those that fail."""
    names = {value: experiment_name(key, value) for value in values}
    if len(set(names.values())) != len(values):
        raise ParamsError(f"{key}: a value stands twice in {', '.join(values)}")
    _check(key, values)
    commands = [["dvc", "repro"], *_commands(key, names, workers)]
    say("\n".join(shlex.join(command) for command in commands))
    if dry_run:
        return
    remove_cut_rwlock()
    # Two workers would both run a stage that is not finished yet.
    if subprocess.run(["dvc", "repro"], check=False).returncode != 0:
        raise SweepFailed("the baseline failed, and its message stands above: no experiment ran")
    there = _names()
    failed = [] if workers else _one_by_one(key, names, there)
    if workers:
        failed = _queued(key, names, there, workers)
    if failed:
        raise SweepFailed(
            f"{len(failed)} of {len(values)} experiments failed: {', '.join(failed)}. The others"
            " are kept; `augqa gather` reports them and names these"
        )
    say(f"{len(values)} experiments are there: `augqa compare`, `augqa gather`")


def compare() -> None:
    """Print what a person wants to know of all experiments: scores, differences, what changed."""
    say("\n".join(compared_lines(_experiments())))


def gather() -> None:
    """Put the workspace and all experiments into one study, and say what it shows."""
    # DVC takes a second to import, and the other commands do not need it.
    from augqa.report.experiments import gathered_evidence  # noqa: PLC0415
    from augqa.study.experiments import fetched, together  # noqa: PLC0415

    rows = _experiments()
    # The workspace and the commit below the experiments are a row each, too.
    rows = [row for row in rows if not row.is_baseline]
    failed = [row.name for row in rows if row.state == "Failed"]
    revs: dict[str, str | None] = {"": None}
    revs |= {row.name: row.rev for row in rows if row.state in (None, "Success")}
    params = load_params()
    with fetched(revs) as found:
        study = together(found)
        named = [f"experiment {name}" for name in failed]
        study = replace(study, missing=(*study.missing, *named))
        if not any(recipe == BASELINE for recipe, _ in study.runs):
            raise DataError("the workspace has no scores of recipe real. Run `augqa run` first.")
        evidence = gathered_evidence(study, params, clusters=CLUSTERS)
    stress = [name for name, entry in params.data.test_sets.items() if entry.role == "stress"]
    say("\n".join(findings_lines(findings_of(evidence, stress=stress))))


def experiment_name(key: str, value: str) -> str:
    """Return the name of an experiment, fit for git: the last part of the key, and the value."""
    name = re.sub(r"[^\w.-]+", "-", f"{key.rpartition('.')[2]}-{value}").strip("-.")
    return name.replace("..", "-").replace("_", "-")


def _check(key: str, values: list[str]) -> None:
    """Look at the params of every experiment before any of them runs."""
    load_params()
    text = read_text(PARAMS)
    with TemporaryDirectory(prefix="augqa-sweep-") as folder:
        path = Path(folder) / PARAMS.name
        for value in values:
            write_whole(path, with_value(text, key, value))
            try:
                load_params(path)
            except ParamsError as error:
                said = str(error).replace(str(path), str(PARAMS))
                raise ParamsError(f"with {cut(f'{key}={value}')}: {said}") from error


def _commands(key: str, names: dict[str, str], workers: int) -> list[list[str]]:
    how = "--queue" if workers else "--temp"
    commands = [
        ["dvc", "exp", "run", how, "--name", name, "-S", f"{key}={value}"]
        for value, name in names.items()
    ]
    return [*commands, ["dvc", "queue", "start", "-j", str(workers)]] if workers else commands


def _one_by_one(key: str, names: dict[str, str], there: set[str]) -> list[str]:
    failed = []
    for (value, name), command in zip(names.items(), _commands(key, names, 0), strict=True):
        if name in there:
            say(f"{name} is there already; `dvc exp remove {name}` to run it again")
        elif subprocess.run(command, check=False).returncode != 0:
            failed.append(f"{name} ({key}={value})")
    return failed


def _queued(key: str, names: dict[str, str], there: set[str], workers: int) -> list[str]:
    wanted = {value: name for value, name in names.items() if name not in there}
    *commands, start = _commands(key, wanted, workers)
    for command in commands:
        if subprocess.run(command, check=False).returncode != 0:
            raise SweepFailed(f"`{shlex.join(command)}` failed: its message stands above")
    if wanted and subprocess.run(start, check=False).returncode != 0:
        raise SweepFailed("the queue did not start: its message stands above")
    while True:
        states = _queue_states()
        if not any(states.get(name) in ("Queued", "Running") for name in wanted.values()):
            break
        time.sleep(_POLL_S)
    return [
        f"{name} ({key}={value})"
        for value, name in wanted.items()
        if states.get(name) != "Success" and name not in _names()
    ]


def _queue_states() -> dict[str, str]:
    """Return the state of each task of the queue by the name of its experiment."""
    done = asked("dvc", "queue", "status")
    states = {}
    for line in done.stdout.splitlines():
        words = line.split()
        known = {"Queued", "Running", "Success", "Failed"} & set(words)
        # Task, name, time of creation, state.
        if len(words) >= 3 and known:
            states[words[1]] = known.pop()
    return states


def _names() -> set[str]:
    return set(asked("dvc", "exp", "list", "--name-only").stdout.split())


def _experiments() -> list[ExperimentRow]:
    told = asked("dvc", "exp", "show", "--json")
    try:
        return experiment_rows(json.loads(told.stdout))
    # ValueError: no JSON. The others: not in the form of the locked DVC.
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        why = told.stderr.strip() or "DVC said nothing that can be read"
        raise DataError(f"the experiments cannot be read: {cut(why, 400)}") from None
