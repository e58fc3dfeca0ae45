"""Tables of records on disk: Parquet, one fixed schema a record, equal bytes for equal rows.

Only this module reads and writes Parquet.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import (
    Any,
    Generic,
    Literal,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import pyarrow as pa
import pyarrow.parquet as pq

from augqa.errors import DataError, RecordError
from augqa.files import whole_file, writing

R = TypeVar("R")

# ValueError: a text that is not UTF-8; OverflowError: a day after the year 9999.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError)

# Rows that are held in memory at once, and read at once. Fixed, so that equal rows give equal
# bytes however they come.
_ROWS_A_GROUP = 1024

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


class TableWriter(Generic[R]):
    """A table that is written as its rows come, in bounded memory.

    with TableWriter(path, Prediction) as table:
        table.write(row)

    The file is put in place whole, at the end of the block: an error or a crash leaves the former
    one or none. Equal rows give equal bytes.
    """

    def __init__(self, path: Path, record: type[R]) -> None:
        self._path = path
        self._schema = schema(record)
        self._group: list[dict[str, Any]] = []
        self._n_groups = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            partial = stack.enter_context(whole_file(self._path))
            with writing(self._path):
                self._writer = pq.ParquetWriter(partial, self._schema, compression="zstd")
            stack.push(self._finish)
            self._stack = stack.pop_all()
        return self

    def write(self, row: R) -> None:
        """Add a row."""
        self._group.append(dataclasses.asdict(typing.cast("Any", row)))
        if len(self._group) == _ROWS_A_GROUP:
            self._flush()

    def write_all(self, rows: Iterable[R]) -> None:
        """Add rows in their order."""
        for row in rows:
            self.write(row)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def _finish(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            with suppress(OSError):  # what went wrong before says more
                self._writer.close()
            return
        try:
            # An empty table has one empty group.
            if self._group or not self._n_groups:
                self._flush()
        except DataError:
            with suppress(OSError):
                self._writer.close()
            raise
        with writing(self._path):
            self._writer.close()

    def _flush(self) -> None:
        table = pa.Table.from_pylist(self._group, schema=self._schema)
        with writing(self._path):
            self._writer.write_table(table)
        self._group.clear()
        self._n_groups += 1


def write_table(path: Path, rows: Iterable[R], record: type[R]) -> None:
    """Write `rows` in their order, as they come. Equal rows give equal bytes.

    The file is put in place whole: a crash leaves the former one or none.
    """
    with TableWriter(path, record) as table:
        table.write_all(rows)


def read_table(path: Path, record: type[R]) -> list[R]:
    """Read all rows of a table.

    Raises:
        DataError: If the file is missing, is not Parquet, or is of another schema.
        RecordError: If a row breaks the rules of `record`.
    """
    return list(iterate_table(path, record))


def iterate_table(path: Path, record: type[R], *, rows: range | None = None) -> Iterator[R]:
    """Read the rows of a table one after the other, in bounded memory; with `rows` these alone.

    Raises:
        DataError: If the file is missing, is not Parquet, or is of another schema.
        RecordError: If a row breaks the rules of `record`.
    """
    build = _builder(record)
    with _open_as(path, record) as file:
        try:
            for batch in _batches(file, rows):
                yield from map(build, batch.to_pylist())
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error
        except _UNREADABLE as error:
            raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def iterate_tables(folder: Path, record: type[R]) -> Iterator[R]:
    """Read the rows of every table in a folder, in the order of their names.

    Raises:
        DataError: If there is no table in it, or as `iterate_table` does.
    """
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise DataError(f"{folder}: no table in this folder. Run `augqa run`, which makes them.")
    for path in paths:
        yield from iterate_table(path, record)


def copy_rows(source: Path, path: Path, record: type[Any], *, keep: Callable[[int], bool]) -> None:
    """Write the rows of a table that are to be kept, in their order, without building records.

    The bytes are those of `write_table` for the same rows, and the file is put in place whole, too.

    Args:
        source: The table.
        path: The table to write.
        record: What a row of both is.
        keep: Whether to keep a row, by its number from 0.

    Raises:
        DataError: If `source` is missing, is not Parquet, or is of another schema.
    """
    expected = schema(record)
    try:
        with (
            whole_file(path) as partial,
            _open_as(source, record) as file,
            pq.ParquetWriter(partial, expected, compression="zstd") as writer,
        ):
            waiting = expected.empty_table()
            n_read = n_groups = 0
            for batch in file.iter_batches(batch_size=_ROWS_A_GROUP):
                wanted = [keep(row) for row in range(n_read, n_read + len(batch))]
                n_read += len(batch)
                chosen = batch.filter(pa.array(wanted, pa.bool_()))
                part = pa.Table.from_batches([chosen]).cast(expected)
                waiting = pa.concat_tables([waiting, part])
                if len(waiting) >= _ROWS_A_GROUP:
                    writer.write_table(waiting.slice(0, _ROWS_A_GROUP).combine_chunks())
                    waiting, n_groups = waiting.slice(_ROWS_A_GROUP), n_groups + 1
            if len(waiting) or not n_groups:  # an empty table has one empty group
                writer.write_table(waiting.combine_chunks())
    except _UNREADABLE as error:
        raise DataError(f"{source}: cannot be copied to {path}: {error}") from error


class Anew(Generic[R]):
    """Rows that are read anew each time they are gone through: they may not fit in the memory."""

    def __init__(self, read: Callable[[], Iterator[R]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[R]:
        return self._read()


def count_rows(path: Path) -> int:
    """Return the number of rows of a table.

    Raises:
        DataError: If the file is missing or is not Parquet.
    """
    with _open(path) as file:
        n_rows: int = file.metadata.num_rows
    return n_rows


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such table. Run `augqa run`, which makes it, or `dvc pull`."
        ) from error
    except _UNREADABLE as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def _open_as(path: Path, record: type[Any]) -> pq.ParquetFile:
    file, expected = _open(path), schema(record)
    if not file.schema_arrow.equals(expected, check_metadata=False):
        found = file.schema_arrow.names
        file.close()
        raise DataError(
            f"{path}: not a table of {record.__name__}: its columns are {found}, expected"
            f" {expected.names}. Run `augqa run` to make it again."
        )
    return file


def arrow_schema(path: Path) -> pa.Schema:
    """Return the schema of a table as it stands.

    Raises:
        DataError: If the file is missing or is not Parquet.
    """
    with _open(path) as file:
        return file.schema_arrow


def arrow_batches(path: Path, *, rows: range | None = None) -> Iterator[pa.RecordBatch]:
    """Read a table as it stands, its rows unchecked, in bounded memory; with `rows` these alone.

    Raises:
        DataError: If the file is missing or is not Parquet.
    """
    with _open(path) as file:
        try:
            yield from _batches(file, rows)
        except _UNREADABLE as error:
            raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def read_arrow(path: Path, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table as it stands, its rows unchecked.

    Args:
        path: The table.
        columns: Those to read; None for all.

    Raises:
        DataError: If the file is missing or is not Parquet.
    """
    with _open(path) as file:
        try:
            return file.read(columns=None if columns is None else list(columns))
        except _UNREADABLE as error:
            raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def _batches(file: pq.ParquetFile, rows: range | None) -> Iterator[pa.RecordBatch]:
    """Read batches of rows in their order; groups in which none of `rows` lies are not read."""
    if rows is None:
        rows = range(file.metadata.num_rows)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    starts = list(accumulate(sizes, initial=0))
    groups = [
        n for n, size in enumerate(sizes) if starts[n] < rows.stop and starts[n] + size > rows.start
    ]
    start = starts[groups[0]] if groups else 0
    for batch in file.iter_batches(batch_size=_ROWS_A_GROUP, row_groups=groups):
        first, last = max(rows.start - start, 0), min(rows.stop - start, len(batch))
        if first < last:
            yield batch.slice(first, last - first)
        start += len(batch)


def iterate_rows(
    path: Path,
    *,
    needed: Sequence[str],
    either: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Read some columns of anybody's Parquet file, as plain values, in bounded memory.

    Args:
        path: The file.
        needed: Columns that it must have.
        either: Columns of which it must have one.
        optional: Columns that are read where it has them.

    Raises:
        DataError: If the file is not Parquet, cannot be read, or lacks a column.
    """
    with _open(path) as file:
        found = file.schema_arrow.names
        missing = [name for name in needed if name not in found]
        if either and not set(either) & set(found):
            missing.append(either[0])
        if missing:
            raise DataError(
                f"{path}: no column {missing[0]!r}; it has {', '.join(found) or 'none'}"
            )
        columns = [name for name in (*needed, *either, *optional) if name in found]
        try:
            for batch in file.iter_batches(batch_size=_ROWS_A_GROUP, columns=columns):
                yield from batch.to_pylist()
        except _UNREADABLE as error:
            raise DataError(f"{path}: not a readable Parquet file: {error}") from error


def _builder(record: type[R]) -> Callable[[dict[str, Any]], R]:
    """Return what rebuilds a record, and the records inside it, from plain values."""
    tuples: dict[str, Callable[[Any], Any] | None] = {}
    for name, hint in get_type_hints(record).items():
        if get_origin(hint) is tuple:
            inner = get_args(hint)[0]
            nested = dataclasses.is_dataclass(inner)
            tuples[name] = _builder(typing.cast("type[Any]", inner)) if nested else None

    def build(row: dict[str, Any]) -> R:
        for name, inner in tuples.items():
            row[name] = tuple(row[name] if inner is None else map(inner, row[name]))
        return record(**row)

    return build
