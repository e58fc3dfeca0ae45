"""Commands that run the pipeline: run, grow."""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from augqa import metric_forms as forms
from augqa.commands.checking import PARAMS, check
from augqa.dvc_healing import RWLOCK, remove_cut_rwlock, set_cut_lock_aside
from augqa.errors import AugQAError, DataError, ParamsError
from augqa.files import write_whole
from augqa.params import load_params
from augqa.params_text import with_value
from augqa.programs import asked
from augqa.terminal import say
from augqa.yaml_text import read_text

FILTER_METRICS = Path("metrics/filter_pairs.json")
EVIDENCE = Path("metrics/evidence.json")
PAGE = Path("report/index.html")

# What `dvc repro` says of a stage before it runs it, or instead.
_RUNNING = re.compile(r"Running stage '([^']+)':")
_SKIPPED = re.compile(r"Stage '([^']+)' (?:didn't change, skipping|is cached)")
# Its hints, its copy of the command line, of 300 characters, and what it mends behind a run that
# was killed bury what a stage says.
_NOISE = re.compile(
    r"> |WARNING: Process '.*' with \(Pid \d+\), in RWLock-file |Updating lock file"
    r"|To track the changes|To enable auto staging|Use `dvc push`"
    r"|\s*git add |\s*dvc config core\.autostage|$"
)
# What it says where another one holds what it needs.
_BUSY = re.compile(r"is busy, it is being blocked by|Unable to acquire lock")
# What it says of a dvc.lock that a kill has cut short: DVC does not write it aside.
_CUT_SHORT = re.compile(r"'(?:\./)?dvc\.lock' (?:validation failed|is invalid)")


class RunFailed(AugQAError):
    """A stage of the pipeline stopped; what it said stands above."""


def run(
    targets: Annotated[
        list[str] | None, typer.Argument(help="stages to bring up to date; all by default")
    ] = None,
) -> None:
    """Run what params.yaml asks for, as `dvc repro` does, and tell how far it is."""
    check()
    n_stages = len(_stages())
    started, n_seen, n_run = time.monotonic(), 0, 0
    process = subprocess.Popen(
        ["dvc", "repro", *(targets or [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = process.stdout
    if lines is None:
        raise RunFailed("`dvc repro` gave no output")
    busy = False
    for line in lines:
        busy = busy or bool(_BUSY.search(line))
        if (found := _RUNNING.match(line)) or (found := _SKIPPED.match(line)):
            n_seen += 1
            if line.startswith("Running"):
                n_run += 1
                say(f"[stage {n_seen} of {n_stages}] {found.group(1)}")
        elif not _NOISE.match(line):
            say(line, nl=False)
        sys.stdout.flush()
    status = process.wait()
    if status != 0 and busy:
        raise RunFailed(
            "another `dvc repro` or `augqa run` is at work in this folder: let it end, then run"
            " again. Nothing is lost"
        )
    if status != 0:
        raise RunFailed(
            f"a stage stopped after {_minutes(started)}; its message stands above. What is done is"
            " kept: the next run goes on from there"
        )
    done = f"{n_run} stages ran" if n_run else "everything is up to date"
    if not targets and EVIDENCE.is_file() and PAGE.is_file():
        # It loads SciPy, and what waits for a stage need not.
        from augqa.report.table import closing_lines  # noqa: PLC0415

        sample = load_params().data.train.kind == "sample"
        closing = closing_lines(forms.read_form(EVIDENCE, forms.Evidence), sample=sample)
        say("\n" + "\n".join([*closing, "", f"{done}, {_minutes(started)}: {PAGE}"]))
    else:
        say(f"{done}, {_minutes(started)}")


def _stages() -> list[str]:
    """Return the stages, once what a kill has cut short is out of DVC's way."""
    if remove_cut_rwlock():
        say(f"{RWLOCK} was cut short when a run was killed, and nobody is at work: it is removed")
    command = ("dvc", "stage", "list", "--name-only")
    listed = asked(*command)
    if listed.returncode != 0 and _CUT_SHORT.search(listed.stderr):
        say(
            f"dvc.lock was cut short when a run was killed: it is {set_cut_lock_aside()} now, and"
            " what the last commit does not know runs again"
        )
        listed = asked(*command)
    return listed.stdout.split()


def _minutes(started: float) -> str:
    seconds = round(time.monotonic() - started)
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def grow() -> None:
    """Add seed questions until filter_pairs.target_kept pairs are kept, or none is left."""
    if load_params().filter_pairs.model_dump()["target_kept"] is None:
        raise ParamsError("filter_pairs.target_kept is null: say there how many pairs to keep")
    while True:
        remove_cut_rwlock()
        before = _written_at(FILTER_METRICS)
        # What it says goes to the terminal, as if it had been called by hand.
        status = subprocess.run(["dvc", "repro", "filter_pairs"], check=False)
        if status.returncode == 0:
            found = forms.read_form(FILTER_METRICS, forms.Filtered)
            n_seed_questions = load_params().prepare.n_seed_questions
            say(
                f"{found['n_kept']} pairs kept from {n_seed_questions} seed questions. Now"
                " `augqa run`; commit params.yaml with what it gives."
            )
            return
        # Numbers of a former run say nothing about this one.
        of_this_run = _written_at(FILTER_METRICS) not in (None, before)
        needed = (
            forms.read_form(FILTER_METRICS, forms.Filtered).get("n_seed_questions_needed")
            if of_this_run
            else None
        )
        if needed is None:
            raise DataError(
                "filter_pairs stopped, and more seeds do not help: its message stands above"
            )
        text = read_text(PARAMS)
        write_whole(PARAMS, with_value(text, "prepare.n_seed_questions", needed))
        say(f"prepare.n_seed_questions is now {needed}")


def _written_at(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None
