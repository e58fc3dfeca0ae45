"""Small JSON files of numbers, kept in git."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.files import write_whole

Metrics = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a generator of contexts or pairs has used.

    Attributes:
        metrics: Numbers that are the same in every run, such as tokens.
        line: One line for the log, on what this run did.
    """

    metrics: Mapping[str, Any] = field(default_factory=dict)
    line: str = ""


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write JSON with sorted keys and floats of 4 decimals, so that a git diff is a finding.

    Raises:
        DataError: If it cannot be written; the former file then stays.
        ValueError: If a value is NaN or infinite: a broken run must not look like a result.
    """
    text = json.dumps(
        _rounded(metrics), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False
    )
    write_whole(path, text + "\n")


class _Read(dict[str, Any]):
    """An object of a metrics file that names the file where a key is asked for that it lacks."""

    def __init__(self, path: Path, pairs: Iterable[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self._path = path

    def __missing__(self, key: str) -> Any:
        raise DataError(
            f"{self._path}: has no {key!r}: another version of augqa wrote it, or another hand."
            " Run `augqa run`, which makes it anew."
        )


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a file that `write_metrics` wrote.

    A key that is asked for and is not there, at any depth, is a DataError with the file, too.

    Raises:
        DataError: If the file is missing or is not a JSON object.
    """
    try:
        metrics = json.loads(
            path.read_text(encoding="utf-8"),
            object_pairs_hook=lambda pairs: _Read(path, pairs),
        )
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such metrics file. Run `augqa run`.") from error
    # ValueError: not JSON, not UTF-8, or a number of more than 4,300 digits.
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(metrics, dict):
        raise DataError(f"{path}: holds a {type(metrics).__name__}, not a JSON object")
    return metrics


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
