"""Frames: a table, and what its suite asks about it, row for row.

Tables are read unchecked, since a gate has to see broken rows in order to name them.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from augqa.drift import ASPECTS, aspects
from augqa.errors import DataError, RecordError
from augqa.filters import holds_answer, is_question, repetitions
from augqa.overlap import NgramIndex
from augqa.records import Answer, GeneratedContext, QAExample, RoundTripAnswer, context_id
from augqa.scoring import exact_match
from augqa.tables import read_arrow, schema

REAL = ("real", "real")  # (origin, context_origin)
GENERATED = ("generated", "generated")

# Columns computed from a row, which come after those of its record; then `row`, its number.
EXAMPLE_COLUMNS = (
    "n_answers",
    "answers_have_text",
    "answers_at_their_start",
    "context_id_fits",
    "n_question_words",
    "n_answer_words",
    "is_generated",
    "in_reference",
    "in_reference_iff_real",
    "round_trip_f1",
    "round_trip_exact",
    "reader_score",
    "is_question",
    "holds_answer",
    "repeats",
    "n_on_context",
    "context_test_overlap",
    "question_test_overlap",
    *ASPECTS,
)
CONTEXT_COLUMNS = (
    "id_fits_source",
    "source_is_a_seed",
    "text_or_failure",
    "good_text",
    "n_good_words",
    "good_model",
    "good_prompt_tokens",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """What kept pairs are held against, beside the round-trip answers.

    Attributes:
        test_contexts: Word n-grams of the test sets' contexts.
        test_questions: Word n-grams of the test sets' questions.
        min_duplicate_similarity: From which similarity on a question repeats another; None: only
            where they are equal.
    """

    test_contexts: NgramIndex
    test_questions: NgramIndex
    min_duplicate_similarity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A table made ready for its suite.

    Attributes:
        data: The table's columns, then those computed from them, one row a row.
        n_rows: Rows of the table.
        fits: Whether names, types and nullability are those of the record. If not, nothing
            was computed, and only the expectation on the columns can be asked.
    """

    data: pd.DataFrame
    n_rows: int
    fits: bool


def example_frame(
    path: Path,
    *,
    reference_ids: Collection[str] = (),
    by: Literal["id", "context_id", "source"] = "id",
    round_trip: Mapping[str, RoundTripAnswer] | None = None,
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
        round_trip: Round-trip answers by pair id; a pair without one has no F1 and no reader
            score in its row either.
        filtered: What the filters promise is computed anew against it.
        id_of: Gives the id that a row is looked for by: a copy goes by that of its original.

    Raises:
        DataError: If the file is missing or is not Parquet.
    """
    ids = frozenset(reference_ids)
    repeated, n_on_context = _across_rows(path, filtered)

    def known(row: dict[str, Any]) -> bool:
        if by == "source":
            return any(source in ids for source in _prefixes(row["id"]))
        return (id_of(row["id"]) if by == "id" else row[by]) in ids

    def computed(row: dict[str, Any]) -> dict[str, Any]:
        context, answers = row["context"], [a for a in row["answers"] or () if a is not None]
        answered = round_trip.get(row["id"]) if round_trip is not None else None
        origins = (row["origin"], row["context_origin"])
        return {
            "n_answers": len(answers),
            "answers_have_text": all(a["text"].strip() for a in answers),
            "answers_at_their_start": all(_stands_in(context, **a) for a in answers),
            "context_id_fits": row["context_id"] == context_id(context),
            "n_question_words": len(row["question"].split()),
            "n_answer_words": max((len(a["text"].split()) for a in answers), default=0),
            "is_generated": int(origins == GENERATED),
            "in_reference": known(row),
            "in_reference_iff_real": known(row) == (origins == REAL),
            "round_trip_f1": answered.f1 if answered is not None else None,
            "round_trip_exact": bool(answers)
            and answered is not None
            and exact_match(answers[0]["text"], answered.text) == 100,
            "reader_score": answered.score if answered is not None else None,
            "is_question": is_question(row["question"]),
            "holds_answer": any(holds_answer(row["question"], a["text"]) for a in answers),
            "repeats": row["id"] in repeated,
            "n_on_context": n_on_context[row["context_id"]],
            "context_test_overlap": filtered and filtered.test_contexts.shared_fraction(context),
            "question_test_overlap": filtered
            and filtered.test_questions.shared_fraction(row["question"]),
            **aspects(
                context=context,
                question=row["question"],
                answer=answers[0]["text"] if answers else "",
            ),
        }

    return _frame(path, QAExample, computed, EXAMPLE_COLUMNS)


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
            "id_fits_source": re.fullmatch(re.escape(row["source_id"]) + r"/c\d+", row["id"])
            is not None,
            # A passage of a document was written for nobody.
            "source_is_a_seed": row["source_id"] in ids or not written,
            "text_or_failure": not good or bool(row["text"].strip()),
            "good_text": row["text"] if good else None,
            "n_good_words": len(row["text"].split()) if good else None,
            "good_model": row["model"] or "" if good and written else None,
            "good_prompt_tokens": row["prompt_tokens"] if good and written else None,
        }

    return _frame(path, GeneratedContext, computed, CONTEXT_COLUMNS)


def ids(path: Path, column: str = "id") -> frozenset[str]:
    """Return the values of one text column of a table, or of every table in a folder.

    Raises:
        DataError: If there is no table, or one lacks the column.
    """
    paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise DataError(f"{path}: no table in this folder. Run `dvc repro`, which makes them.")
    found: set[str] = set()
    for table_path in paths:
        table = read_arrow(table_path)
        if column not in table.schema.names:
            raise DataError(
                f"{table_path}: no column {column!r}, only {table.schema.names}."
                " Run `dvc repro` to make it again."
            )
        found.update(table.column(column).to_pylist())
    return frozenset(found)


def _across_rows(path: Path, filtered: Filtered | None) -> tuple[frozenset[str], Counter[str]]:
    """Return the ids of pairs that repeat an earlier one, and the number of rows a context."""
    table = read_arrow(path)
    if filtered is None or not table.schema.equals(schema(QAExample), check_metadata=False):
        return frozenset(), Counter()
    rows = table.to_pylist()
    pairs: dict[str, QAExample] = {}
    for row in rows:
        try:
            answers = tuple(Answer(**answer) for answer in row["answers"])
            pairs.setdefault(row["id"], QAExample(**{**row, "answers": answers}))
        except RecordError:
            continue  # other expectations name this row, and it repeats nothing
    found = repetitions(
        list(pairs.values()), min_duplicate_similarity=filtered.min_duplicate_similarity
    )
    return frozenset(row.id for row in found), Counter(row["context_id"] for row in rows)


def _frame(
    path: Path,
    record: type[Any],
    computed: Callable[[dict[str, Any]], dict[str, Any]],
    computed_columns: tuple[str, ...],
) -> Frame:
    table = read_arrow(path)
    fits = bool(table.schema.equals(schema(record), check_metadata=False))
    if fits:
        rows = table.to_pylist()
        columns = {name: [row[name] for row in rows] for name in table.schema.names}
        added = [computed(row) for row in rows]
        for name in computed_columns:
            columns[name] = [values[name] for values in added]
    else:
        # A column of another type goes by another name, so that the columns tell all.
        right = list(schema(record))
        columns = {
            field.name if field in right else _described(field): [None] * table.num_rows
            for field in table.schema
        }
        columns |= {name: [None] * table.num_rows for name in computed_columns}
    # Row 0 is the first one, as in pandas and pyarrow.
    data = pd.DataFrame({**columns, "row": range(table.num_rows)})
    return Frame(data=data, n_rows=table.num_rows, fits=fits)


def _described(field: Any) -> str:
    return f"{field.name}: {field.type}{', may be null' if field.nullable else ''}"


def _stands_in(context: str, *, text: str, start: int) -> bool:
    return start >= 0 and bool(text) and context[start : start + len(text)] == text


def _prefixes(id_: str) -> Iterable[str]:
    """Yield what stands before each slash of an id."""
    return (id_[:n] for n, character in enumerate(id_) if character == "/")
