"""Tables of records on disk: Parquet, one fixed schema a record, equal bytes for equal rows.

Only this module reads and writes Parquet.
"""

import dataclasses
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from augqa.errors import DataError, RecordError

R = TypeVar("R")

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


def _arrow_type(hint: Any) -> tuple[pa.DataType, bool]:
    """Return the Arrow type of a field's type hint, and whether it may be null."""
    if hint in _SCALARS:
        return _SCALARS[hint], False
    origin = get_origin(hint)
    if origin is Literal:
        return pa.string(), False
    if origin in (Union, types.UnionType):
        inner = [arg for arg in get_args(hint) if arg is not type(None)]
        return _arrow_type(inner[0])[0], True
    if origin is tuple:
        return pa.list_(_arrow_type(get_args(hint)[0])[0]), False
    if dataclasses.is_dataclass(hint):
        return pa.struct(list(schema(typing.cast("type[Any]", hint)))), False
    raise TypeError(f"no Arrow type for {hint!r}")


def schema(record: type[Any]) -> pa.Schema:
    """Return the Parquet schema of a record type: its fields, in their order."""
    hints = get_type_hints(record)
    fields = []
    for field in dataclasses.fields(record):
        arrow_type, nullable = _arrow_type(hints[field.name])
        fields.append(pa.field(field.name, arrow_type, nullable=nullable))
    return pa.schema(fields)


def write_table(path: Path, rows: Iterable[R], record: type[R]) -> None:
    """Write `rows` in their order. Equal rows give equal bytes.

    The file is put in place whole: a crash leaves the former one or none.
    """
    plain = [dataclasses.asdict(typing.cast("Any", row)) for row in rows]
    table = pa.Table.from_pylist(plain, schema=schema(record))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)


def read_table(path: Path, record: type[R]) -> list[R]:
    """Read all rows of a table.

    Raises:
        DataError: If the file is missing, is not Parquet, or is of another schema.
        RecordError: If a row breaks the rules of `record`.
    """
    table = read_arrow(path)
    expected = schema(record)
    if not table.schema.equals(expected, check_metadata=False):
        raise DataError(
            f"{path}: not a table of {record.__name__}: its columns are {table.schema.names},"
            f" expected {expected.names}. Run `dvc repro` to make it again."
        )
    try:
        return [_from_plain(row, record) for row in table.to_pylist()]
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def read_arrow(path: Path) -> pa.Table:
    """Read a table as it stands, its rows unchecked.

    Raises:
        DataError: If the file is missing or is not Parquet.
    """
    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such table. Run `dvc repro`, which makes it, or `dvc pull`."
        ) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def _from_plain(row: dict[str, Any], record: type[R]) -> R:
    """Rebuild a record, and the records inside it, from plain values."""
    hints = get_type_hints(record)
    values: dict[str, Any] = {}
    for name, value in row.items():
        hint = hints[name]
        if get_origin(hint) is tuple:
            inner = get_args(hint)[0]
            if dataclasses.is_dataclass(inner):
                value = [_from_plain(item, typing.cast("type[Any]", inner)) for item in value]
            value = tuple(value)
        values[name] = value
    return record(**values)
