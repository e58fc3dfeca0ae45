"""What params name a model by: a path is told from a name, and found wherever a stage runs."""

import os
from pathlib import Path

from augqa.errors import CheckpointError
from augqa.stage import project_root


def find_path(named: str | Path, *, param: str) -> Path | None:
    """Return the file or folder that a param names, or None if it is no path but a name.

    A relative path is looked for in the working directory and then in the repository:
    `dvc exp run --temp` and `--queue` run a stage in another folder, where what git and DVC do not
    know is missing.

    Args:
        named: What the param says.
        param: Its name, for messages.

    Raises:
        CheckpointError: If it looks like a path, and nothing is there.
    """
    path = Path(named).expanduser()
    places = [path] if path.is_absolute() else [path, project_root() / path]
    found = next((place for place in places if place.exists()), None)
    if found is not None:
        return found
    if isinstance(named, Path) or _looks_like_path(named):
        where = " or ".join(str(place.absolute()) for place in places)
        raise CheckpointError(f"{param} {str(named)!r}: no such folder or file here ({where})")
    return None


def _looks_like_path(named: str) -> bool:
    """Tell a path from a name such as org/model: a path is never asked of the hub."""
    first, separator, _ = named.partition(os.sep)
    if not separator:
        return named.endswith((".gguf", ".safetensors", ".xml")) or first in (".", "..", "~")
    return first.startswith((".", "~")) or not first or _is_folder(first)


def _is_folder(first: str) -> bool:
    return any((place / first).is_dir() for place in (Path(), project_root()))
