"""Where a command is called: refused, in one line, outside a project or a git repository."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from augqa.errors import AugQAError
from augqa.programs import asked

# Each of them stands in the folder of a project; one may be missing, and is named then.
_MARKS = ("dvc.yaml", "params.yaml", "profiles")
_PROGRAMS = {
    "dvc": "dvc is not on the path: `source .venv/bin/activate` puts it there",
    "git": "git is not installed, or not on the path: the project needs it",
}


class WrongPlace(AugQAError):
    """A command was called where there is nothing for it to work on."""


def in_project(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that is refused outside the folder of a project.

    Raises:
        WrongPlace: On calling it there.
    """

    @wraps(command)
    def called(*args: Any, **kwargs: Any) -> Any:
        here = Path.cwd()
        if not any((here / mark).exists() for mark in _MARKS):
            above = next((one for one in here.parents if (one / "dvc.yaml").is_file()), None)
            raise WrongPlace(
                f"{here}: no project of augqa is in this folder."
                + (f" It is in {above}: go there." if above else " Go to your clone of it.")
            )
        return command(*args, **kwargs)

    return called


def in_repository(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command of a project that is refused where git keeps nothing: DVC needs a commit.

    Raises:
        WrongPlace: On calling it there.
    """

    @wraps(command)
    def called(*args: Any, **kwargs: Any) -> Any:
        if asked("git", "rev-parse", "--quiet", "--verify", "HEAD").returncode != 0:
            raise WrongPlace(
                f"{Path.cwd()}: git has no commit of this folder, and DVC needs one:"
                " `git init && git add . && git commit -m Start`, or clone the project."
            )
        return command(*args, **kwargs)

    return in_project(called)


def lacking(error: OSError) -> str | None:
    """Return what to do where a program that a command calls is not there; else None."""
    return _PROGRAMS.get(str(error.filename)) if isinstance(error, FileNotFoundError) else None
