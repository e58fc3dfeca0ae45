"""Small JSON files of numbers, kept in git."""

import json
from collections.abc import Mapping
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


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a file that `write_metrics` wrote.

    Raises:
        DataError: If the file is missing or is not a JSON object.
    """
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such metrics file. Run `dvc repro`.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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
