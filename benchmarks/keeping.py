"""What a benchmark has measured stays, so that a stopped run goes on where it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from augqa.metrics import read_metrics, write_metrics


def once(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what was made before, or make it and keep it."""
    if not path.is_file():
        write_metrics(path, make())
    return read_metrics(path)
