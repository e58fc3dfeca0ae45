"""Frames: a table, and what its suite asks about it, row for row.

Tables are read unchecked, since a gate has to see broken rows in order to name them; and a batch of
rows at a time, since a frame has no room for texts: what is asked of them is computed on the way.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from augqa.errors import DataError
from augqa.expectations.example_columns import (
    EXAMPLE_COLUMNS,
    Answered,
    ColumnsOfExamples,
    Filtered,
)
from augqa.expectations.similarity import SimilarityToEarlier
from augqa.ids import is_generated_context_of
from augqa.processes import over_rows
from augqa.records import GeneratedContext, QAExample
from augqa.sentences import n_words
from augqa.tables import arrow_batches, arrow_schema, count_rows, read_arrow, schema

CONTEXT_COLUMNS = (
    "id_fits_source",
    "source_is_a_seed",
    "text_or_failure",
    "good_text",
    "n_good_words",
    "good_model",
    "good_prompt_tokens",
)
# Of a table of examples only these stay in the frame as they are: expectations are about them.
_AS_THEY_ARE = ("id", "context_id", "question", "origin", "context_origin", "method")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A table made ready for its suite.

    Attributes:
        data: The table's columns, then those computed from them, one row a row. Contexts, answers
            and what else no expectation is about are empty: a row can be looked up by `row`, its
            number in the table.
        n_rows: Rows of the table.
        n_columns: Columns of the table, which come first.
        fits: Whether names, types and nullability are those of the record. If not, nothing
            was computed, and only the expectation on the columns can be asked.
    """

    data: pd.DataFrame
    n_rows: int
    n_columns: int
    fits: bool


@dataclass(frozen=True, slots=True)
class ComputeRows:
    """Computes the columns of some rows of a table, joined."""

    path: Path
    reading: ColumnsOfExamples

    def __call__(self, rows: range) -> dict[str, NDArray[Any]]:
        """Return the columns by name; none where the table has no rows."""
        parts: dict[str, list[NDArray[Any]]] = defaultdict(list)
        measured, first_row = self.reading.own_measures(), rows.start
        for batch in arrow_batches(self.path, rows=rows):
            computed = self.reading.computed(batch, first_row=first_row)
            for name, values in computed.items():
                parts[name].append(_narrow(values))
            if measured:
                plain = batch.to_pylist()
                for name, measure in measured.items():
                    parts[name].append(np.asarray([measure(row) for row in plain]))
            first_row += len(batch)
        return {name: np.concatenate(of) for name, of in parts.items()}


def example_frame(
    path: Path,
    *,
    reference_ids: Collection[str] = (),
    by: Literal["id", "context_id", "source"] = "id",
    round_trip: Path | None = None,
    filtered: Filtered | None = None,
    id_of: Callable[[str], str] = str,
) -> Frame:
    """Read a table of QAExample without refusing broken rows.

    Args:
        path: The table.
        reference_ids: Ids that column `in_reference` looks for: of pool examples, of test
            contexts, or of seed questions.
        by: What is looked for: the example's id, its context's id, or the id of its source
            question, with which the id of a generated example begins.
        round_trip: Table of round-trip answers; a pair without one has no F1 and no reader score in
            its row either, and is not in the reference.
        filtered: What the filters promise is measured against it.
        id_of: Gives the id that a row is looked for by: a copy goes by that of its original.

    Raises:
        DataError: If a file is missing or is not Parquet.
    """
    if not _fits(path, QAExample):
        return _misfit(path, QAExample, EXAMPLE_COLUMNS)
    answered = Answered.of(path, round_trip)
    reading = ColumnsOfExamples(frozenset(reference_ids), by, id_of, filtered, answered)
    columns: dict[str, list[Any]] = defaultdict(list)
    similarity = SimilarityToEarlier()
    n_rows = count_rows(path)
    # What is asked of other tables is little: a second process would take longer to start.
    for rows, computed in over_rows(
        ComputeRows(path, reading), n_rows, n_processes=1 if filtered is None else None
    ):
        for name, values in computed.items():
            columns[name].append(values)
        for batch in arrow_batches(path, rows=rows):
            for name in _AS_THEY_ARE:
                columns[name].append(batch.column(name))
            if filtered is not None:
                similarity.add(batch)
    joined: dict[str, Any] = {name: _joined(parts) for name, parts in columns.items()}
    if filtered is not None:
        least = filtered.settings["min_duplicate_similarity"]
        joined["similarity_to_earlier"] = similarity.values(least)
        joined["n_on_context"] = similarity.n_on_context()
    nothing = np.full(n_rows, np.nan, np.float32)
    own = schema(QAExample).names
    order = [*own, *EXAMPLE_COLUMNS, *reading.own_measures()]
    data = pd.DataFrame({name: joined.get(name, nothing) for name in order}, copy=False)
    # Row 0 is the first one, as in pandas, pyarrow and Data Docs.
    data["row"] = np.arange(n_rows)
    return Frame(data=data, n_rows=n_rows, n_columns=len(own), fits=True)


def context_frame(path: Path, *, seed_ids: Collection[str]) -> Frame:
    """Read a table of GeneratedContext without refusing broken rows.

    Columns `good_*` are empty where the row is a failure, so that nothing is asked of it.

    Raises:
        DataError: If the file is missing or is not Parquet.
    """
    ids = frozenset(seed_ids)

    def computed(row: dict[str, Any]) -> dict[str, Any]:
        good = row["failure"] is None
        written = row["origin"] == "generated"
        return {
            "id_fits_source": is_generated_context_of(row["id"], row["source_id"]),
            # A passage of a document was written for nobody.
            "source_is_a_seed": row["source_id"] in ids or not written,
            "text_or_failure": not good or bool(row["text"].strip()),
            "good_text": row["text"] if good else None,
            "n_good_words": n_words(row["text"]) if good else None,
            "good_model": row["model"] or "" if good and written else None,
            "good_prompt_tokens": row["prompt_tokens"] if good and written else None,
        }

    if not _fits(path, GeneratedContext):
        return _misfit(path, GeneratedContext, CONTEXT_COLUMNS)
    rows = read_arrow(path).to_pylist()
    added = [computed(row) for row in rows]
    own = schema(GeneratedContext).names
    columns = {name: [row[name] for row in rows] for name in own}
    columns |= {name: [values[name] for values in added] for name in CONTEXT_COLUMNS}
    data = pd.DataFrame({**columns, "row": range(len(rows))})
    return Frame(data=data, n_rows=len(rows), n_columns=len(own), fits=True)


def ids(path: Path, column: str = "id") -> frozenset[str]:
    """Return the values of one text column of a table, or of every table in a folder.

    Raises:
        DataError: If there is no table, or one lacks the column.
    """
    paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise DataError(f"{path}: no table in this folder. Run `augqa run`, which makes them.")
    found: set[str] = set()
    for table_path in paths:
        table = read_arrow(table_path)
        if column not in table.schema.names:
            raise DataError(
                f"{table_path}: no column {column!r}, only {table.schema.names}."
                " Run `augqa run` to make it again."
            )
        found.update(table.column(column).to_pylist())
    return frozenset(found)


def _fits(path: Path, record: type[Any]) -> bool:
    return bool(arrow_schema(path).equals(schema(record), check_metadata=False))


def _misfit(path: Path, record: type[Any], computed_columns: Sequence[str]) -> Frame:
    # A column of another type goes by another name, so that the columns tell all.
    table, right = read_arrow(path), list(schema(record))
    names = [field.name if field in right else _described(field) for field in table.schema]
    columns = {name: [None] * table.num_rows for name in [*names, *computed_columns]}
    data = pd.DataFrame({**columns, "row": range(table.num_rows)})
    return Frame(data=data, n_rows=table.num_rows, n_columns=len(names), fits=False)


def _narrow(values: Sequence[Any]) -> NDArray[Any]:
    """Return values as an array without an object for each; texts, of a few kinds, stay objects."""
    array = np.asarray(values) if values else np.empty(0)
    if array.dtype.kind == "U":
        return np.asarray(values, object)
    return array.astype(np.int32) if array.dtype.kind == "i" else array


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], pa.Array):
        return pd.Series(pa.chunked_array(parts).to_pandas(), dtype="str")
    return np.concatenate(parts)


def _described(field: Any) -> str:
    return f"{field.name}: {field.type}{', may be null' if field.nullable else ''}"
