"""Commands that put data and params in place: data, profile, check."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from augqa.errors import ParamsError
from augqa.params import load_params
from augqa.sources import SETS, import_files
from augqa.stage import project_root

PROFILES = Path("profiles")
PARAMS = Path("params.yaml")


def data(folder: Annotated[str, typer.Argument(metavar="DIR")]) -> None:
    """Bring SQuAD-format files from DIR to data/external, each one checked first."""
    if not folder:
        raise ParamsError("no folder given. Say `make data FROM=DIR`.")
    external = project_root() / "data" / "external"
    found = import_files(Path(folder), external)
    for name in SETS:
        typer.echo(f"{name:9} {found.get(name, 'not available')}")
    typer.echo(
        f"{len(found)} sets in {external}. Pin them with these SHA-256 in data.files, set"
        " data.source to files (profile cpu does both for real SQuAD)."
    )


def profile(name: str) -> None:
    """Put profiles/NAME.yaml in force as params.yaml, after it has been checked."""
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise ParamsError(f"no profile {name!r}: choose one of {known}")
    load_params(path)
    if PARAMS.is_file() and _is_only_here(PARAMS):
        raise ParamsError(
            "params.yaml has changes of yours that stand neither in git nor in a profile, and this"
            " would overwrite them: commit them, or copy the file to profiles/ under a new name"
        )
    shutil.copyfile(path, PARAMS)
    typer.echo(f"params.yaml is now profile {name}")


def check() -> None:
    """Look at params.yaml before DVC does: every fault at once, and what a run would do."""
    params = load_params()
    regimes = ["real", *params.regimes]
    n_trainings = len(regimes) * len(params.training_seeds)
    typer.echo(
        f"{PARAMS} is sound: {len(regimes)} recipes ({', '.join(regimes)}),"
        f" {len(params.training_seeds)} training seeds, so {n_trainings} trainings"
    )
    llm = params.llm
    if llm.provider != "embedded" and not os.environ.get(llm.api_key_env):
        raise ParamsError(
            f"llm.api_key_env: the environment variable {llm.api_key_env} is empty; export the key"
            f" of {llm.base_url or 'the provider'} there"
        )


def _is_only_here(path: Path) -> bool:
    """Return whether a file's content is neither a profile's nor the one git has."""
    content = path.read_bytes()
    if any(content == profile.read_bytes() for profile in PROFILES.glob("*.yaml")):
        return False
    committed = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"], capture_output=True, check=False
    )
    return committed.returncode != 0 or committed.stdout != content
