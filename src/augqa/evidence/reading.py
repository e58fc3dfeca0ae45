"""Evidence read back from the metrics that `as_metrics` gave: for a page without the scores."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from math import inf
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from augqa.errors import DataError
from augqa.evidence.comparisons import Comparison
from augqa.evidence.gathering import Evidence
from augqa.evidence.ratio import RatioCurve


def evidence_of(metrics: Mapping[str, Any], *, where: str) -> Evidence:
    """Return the evidence that metrics hold.

    An infinite number was written as None: where no number may be missing it is infinite again,
    downwards for a lower end.

    Args:
        metrics: What `as_metrics` gave, through JSON.
        where: Name of the file, for messages.

    Raises:
        DataError: If a part is missing or of another kind: of another version of this project.
    """
    found = _record(Evidence, metrics, where)
    if not isinstance(found, Evidence):
        raise DataError(f"{where}: no evidence in it")
    return found


def _record(kind: type, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise _fault(where, kind.__name__, values)
    hints = get_type_hints(kind)
    parts = {}
    for one in fields(kind):
        if one.name not in values:
            raise DataError(
                f"{where}: no {one.name!r} in it. It is of another version: run `dvc repro`."
            )
        parts[one.name] = _value(hints[one.name], values[one.name], f"{where}, {one.name}")
    made = kind(**parts)
    if isinstance(made, Comparison) and made.corrected_p is not None:
        # It was judged, so that its corrected interval has ends: what is missing is infinite.
        made = replace(
            made,
            corrected_low=-inf if made.corrected_low is None else made.corrected_low,
            corrected_high=inf if made.corrected_high is None else made.corrected_high,
        )
    if isinstance(made, RatioCurve):
        # No row of four is no row in JSON.
        made = replace(made, band=made.band.reshape(-1, 4))
    return made


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _one_of(inner, value, where)
    if origin is Literal:
        if value not in inner:
            raise _fault(where, " or ".join(map(str, inner)), value)
        return value
    if origin is tuple:
        return _tuple(inner, value, where)
    if origin is np.ndarray:
        return np.array(_of_type(list, value, where), dtype=np.float64)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        items = _of_type(dict, value, where)
        return {key: _value(inner[1], item, f"{where}, {key}") for key, item in items.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if value not in list(kind):
            raise _fault(where, " or ".join(kind), value)
        return kind(value)
    if kind is float:
        if value is None:
            return -inf if where.endswith(", low") else inf
        return float(_of_type((int, float), value, where))
    return _of_type(kind, value, where)


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    left = [kind for kind in kinds if kind is not NoneType]
    if len(left) > 1:
        # A text, or several: JSON tells them apart.
        left = [kind for kind in left if (get_origin(kind) is tuple) == isinstance(value, list)]
    return _value(left[0], value, where)


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    items = _of_type(list, value, where)
    kinds = [inner[0]] * len(items) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(items):
        raise _fault(where, f"{len(kinds)} values", value)
    return tuple(
        _value(kind, item, f"{where}, {n}")
        for n, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


def _of_type(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _fault(where, getattr(kind, "__name__", "a number"), value)
    return value


def _fault(where: str, expected: str, value: Any) -> DataError:
    found = repr(value)
    return DataError(
        f"{where}: expected {expected}, found {found[:80]}. It is of another version, or was"
        " changed by hand: run `dvc repro`."
    )
