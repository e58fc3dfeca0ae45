"""Command report: makes the page anew from numbers that were kept."""

from pathlib import Path
from typing import Annotated

import typer

from augqa.errors import DataError
from augqa.params import load_kept_params
from augqa.programs import git
from augqa.report.assembling import Assembled, report_page
from augqa.report.kept import assemble_kept
from augqa.report.template import write_page
from augqa.terminal import say

PAGE, CASES = "report.html", "pairs.html"


def report(
    folder: Annotated[
        Path, typer.Argument(help="a kept study, such as docs/results/NAME", metavar="STUDY")
    ],
) -> None:
    """Make STUDY/report.html anew from its params, scores and metrics: nothing is trained."""
    if not (folder / "metrics").is_dir():
        raise DataError(
            f"{folder}: no kept study: there is no folder metrics in it. `augqa results NAME` keeps"
            " a finished run."
        )
    made = assemble_kept(load_kept_params(folder / "params.yaml"), folder)
    say(f"{write_report(folder, made)}")


def write_report(folder: Path, made: Assembled) -> Path:
    """Write the page of a kept study into its folder; return where it is."""
    commit, date = last_change(folder / "metrics")
    cases = CASES if (folder / CASES).is_file() else None
    write_page(folder / PAGE, report_page(made, pairs_page=cases, commit=commit, date=date))
    return folder / PAGE


def last_change(folder: Path) -> tuple[str | None, str | None]:
    """Return the commit that last changed a folder, short, and its date.

    None where git does not know: outside a repository, and for what is not committed yet.
    """
    told = git("status", "--porcelain", "--", ".", cwd=folder)
    if told is None or told:
        return None, None
    words = (git("log", "-1", "--format=%h %cs", "--", ".", cwd=folder) or "").split()
    return (words[0], words[1]) if len(words) == 2 else (None, None)
