"""Command data: brings files of the user's own to data/external."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from augqa.commands.checking import PARAMS, PROFILES, files_of, not_available
from augqa.errors import ParamsError
from augqa.params import load_params
from augqa.sources import import_files
from augqa.stage import project_root
from augqa.terminal import say


def data(folder: Annotated[str, typer.Argument(metavar="DIR")]) -> None:
    """Bring files from DIR to data/external, each one read first."""
    if not folder:
        raise ParamsError("no folder given. Say `make data FROM=DIR`.")
    external = project_root() / "data" / "external"
    params = load_params().data
    # A profile may well be put in force only after its files have been brought.
    asked = [item for p in (PARAMS, *PROFILES.glob("*.yaml")) for item in files_of(p).items()]
    wanted = {file for file, _ in asked}
    brought, left = import_files(
        Path(folder),
        external,
        wanted=wanted,
        training={file for file, name in asked if name == "train"},
        repair=params.repair,
        unanswerable=params.unanswerable,
    )
    for one in brought:
        read = one.reading
        say(f"{one.name}: {read.kind}, {len(read.examples):,} questions")
        if one.origin.name != one.name:
            say(f"  from {one.origin.name}")
        for what, n in sorted(read.repaired.items()):
            say(f"  repaired: {n:,} {what}")
        for reason, n in sorted(Counter(row.reason for row in read.dropped).items()):
            say(f"  dropped: {n:,} {reason}")
        say(f"  sha256: {one.sha256}")
        if one.name not in wanted:
            say(_entry(one.name))
    for name, reason in left.items():
        say(f"not taken: {name}: {reason}")
    for line in not_available(files_of(PARAMS)):
        say(line)
    say(f"{len(brought)} file{' is' if len(brought) == 1 else 's are'} in {external}")
    if any(one.name in wanted for one in brought):
        say("Profile cpu takes SQuAD from there, profile tydi TyDi QA.")


def _entry(file: str) -> str:
    """Return what to put into params.yaml to measure readers on a file."""
    # JSON in ASCII is YAML too, and no foreign name can do anything to the terminal.
    stem = Path(file).name.split(".")[0]
    name = re.sub("[^a-z0-9]+", "_", stem.lower()).strip("_") or "mine"
    return (
        "  to measure readers on it, put this under data.test_sets in params.yaml\n"
        f"    {name}:\n"
        f"      title: {json.dumps(stem.replace('_', ' ').capitalize())}\n"
        "      role: shift\n"
        f"      source: {{kind: file, name: {json.dumps(file)}, sha256: null}}"
    )
