"""Programs that are asked for a word: git and dvc."""

import subprocess
from pathlib import Path

_PATIENCE_S = 30.0


def asked(
    *command: str, cwd: Path | None = None, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; return its exit status and what it said, as text in any case.

    Raises:
        OSError: If it is not there, or `cwd` is not.
        subprocess.TimeoutExpired: If it takes longer than `timeout_s`.
    """
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout_s,
    )


def git(*arguments: str, cwd: Path | None = None) -> str | None:
    """Return what git says of a folder; None where it is not there, or has nothing to say of it."""
    try:
        done = asked("git", *arguments, cwd=cwd, timeout_s=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def committed(path: Path) -> bytes | None:
    """Return what the last commit has of a file below the current folder; None if nothing.

    Raises:
        OSError: If git is not there.
    """
    done = subprocess.run(["git", "show", f"HEAD:./{path}"], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None
