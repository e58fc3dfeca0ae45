"""What lies beside the weights of a model that was trained here, and is read before it is used."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from augqa.errors import AugQAError
from augqa.files import write_whole

R = TypeVar("R")


def write_record(path: Path, record: Any) -> None:
    """Write a record as JSON.

    Raises:
        DataError: If it cannot be written.
    """
    write_whole(path, json.dumps(asdict(record), indent=2, sort_keys=True) + "\n")


def read_record(path: Path, kind: type[R], *, refused: type[AugQAError], absent: str) -> R:
    """Read a record that `write_record` wrote.

    Args:
        path: The file.
        kind: The record, a dataclass.
        refused: The error to raise.
        absent: What to say where there is no such file.

    Raises:
        AugQAError: `refused`, if the file is missing or damaged.
    """
    if not path.is_file():
        raise refused(absent)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return kind(**{each.name: values[each.name] for each in fields(kind)})  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError) as error:
        raise refused(f"{path}: damaged: {error}. Train it again.") from error


def check_form(folder: Path, *, trained_on: str, asked_in: str, refused: type[AugQAError]) -> None:
    """Refuse a model that was trained on another form of prompt than it would be asked in.

    Args:
        folder: Of the model.
        trained_on: Hash of the form that it was trained on.
        asked_in: Hash of the form of this version.
        refused: The error to raise.

    Raises:
        AugQAError: `refused`, if the two differ.
    """
    if trained_on != asked_in:
        raise refused(
            f"{folder}: was trained on another prompt form ({trained_on[:12]}) than this version"
            f" asks in ({asked_in[:12]}). Train it again."
        )
