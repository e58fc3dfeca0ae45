"""Frames: a table, and what its suite asks about it, row for row.

Tables are read unchecked, since a gate has to see broken rows in order to name them; and a batch of
rows at a time, since a frame has no room for texts: what is asked of them is computed on the way.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from augqa.drift import ASPECTS, aspects
from augqa.errors import DataError, ParamsError
from augqa.expectations.measures import (
    asks,
    holds_answer,
    is_whole_word,
    names_its_passage,
    repeated_fraction,
)
from augqa.filters import Settings, promises_in_force
from augqa.ids import is_generated_context_of, seed_of
from augqa.overlap import HeldOutTexts, similar_texts
from augqa.records import GeneratedContext, QAExample, context_id
from augqa.scoring import exact_match, normalize_answer
from augqa.sentences import ends_as_question, n_words
from augqa.tables import arrow_batches, arrow_schema, read_arrow, schema

REAL = ("real", "real")  # (origin, context_origin)
GENERATED = ("generated", "generated")
CONTEXT_ONLY = ("real", "generated")

# Columns computed from a row, which come after those of its record; then `row`, its number.
EXAMPLE_COLUMNS = (
    "context_has_text",
    "n_answers",
    "answers_have_text",
    "answers_at_their_start",
    "whole_words_if_context_only",
    "context_id_fits",
    "n_question_words",
    "n_answer_words",
    "ends_as_question",
    "origins",
    "is_generated",
    "in_reference",
    "in_reference_iff_real",
    "round_trip_f1",
    "round_trip_exact",
    "reader_score",
    "asks",
    "holds_answer",
    "names_its_passage",
    "repeated_fraction",
    "similarity_to_earlier",
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
# Of a table of examples only these stay in the frame as they are: expectations are about them.
_AS_THEY_ARE = ("id", "context_id", "question", "origin", "context_origin", "method")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """What kept pairs are held against, beside the round-trip answers.

    Attributes:
        held_out: The texts of the test sets.
        settings: Section filter_pairs of the params.
    """

    held_out: HeldOutTexts
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A table made ready for its suite.

    Attributes:
        data: The table's columns, then those computed from them, one row a row. Contexts, answers
            and what else no expectation is about are empty: a row can be looked up by `row`, its
            number in the table.
        n_rows: Rows of the table.
        fits: Whether names, types and nullability are those of the record. If not, nothing
            was computed, and only the expectation on the columns can be asked.
    """

    data: pd.DataFrame
    n_rows: int
    fits: bool


def origins_of(origins: tuple[str, str]) -> str:
    """Return one name for the origins of question and context."""
    return " on ".join(origins)


def own_measures(settings: Settings) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """Return the columns that promises in force bring along, with what measures them.

    Raises:
        ParamsError: If one names a column that neither it nor a frame can measure.
    """
    measures: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
    for promise in promises_in_force(settings):
        if promise.column in (*EXAMPLE_COLUMNS, "row"):
            continue
        if promise.measure is None:
            raise ParamsError(
                f"promise {promise.name!r} of a filter is about column {promise.column!r}, which no"
                " gate knows: give it a `measure`"
            )
        measures[promise.column] = promise.measure
    return measures


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
    measured = own_measures(filtered.settings) if filtered is not None else {}
    answered = _Answered.of(path, round_trip)
    reading = _Reading(frozenset(reference_ids), by, id_of, filtered, answered)
    columns: dict[str, list[Any]] = defaultdict(list)
    similarity = _SimilarityToEarlier()
    n_rows = 0
    for batch in arrow_batches(path):
        computed = reading.computed(batch, first_row=n_rows)
        for name in _AS_THEY_ARE:
            columns[name].append(batch.column(name))
        for name, values in computed.items():
            columns[name].append(_narrow(values))
        if filtered is not None:
            similarity.add(batch)
        if measured:
            rows = batch.to_pylist()
            for name, measure in measured.items():
                columns[name].append(np.asarray([measure(row) for row in rows]))
        n_rows += len(batch)
    joined: dict[str, Any] = {name: _joined(parts) for name, parts in columns.items()}
    if filtered is not None:
        least = filtered.settings["min_duplicate_similarity"]
        joined["similarity_to_earlier"] = similarity.values(least)
        joined["n_on_context"] = similarity.n_on_context()
    nothing = np.full(n_rows, np.nan, np.float32)
    order = [*schema(QAExample).names, *EXAMPLE_COLUMNS, *measured]
    data = pd.DataFrame({name: joined.get(name, nothing) for name in order}, copy=False)
    # Row 0 is the first one, as in pandas, pyarrow and Data Docs.
    data["row"] = np.arange(n_rows)
    return Frame(data=data, n_rows=n_rows, fits=True)


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
    columns = {name: [row[name] for row in rows] for name in schema(GeneratedContext).names}
    columns |= {name: [values[name] for values in added] for name in CONTEXT_COLUMNS}
    data = pd.DataFrame({**columns, "row": range(len(rows))})
    return Frame(data=data, n_rows=len(rows), fits=True)


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


@dataclass(frozen=True, slots=True)
class _Answered:
    """The round-trip answers to the rows of a table, read once and looked up by row.

    Attributes:
        places: For each row of the table its place in `answers`, null where there is none.
        answers: Columns text, score and f1.
    """

    places: pa.Int32Array
    answers: pa.Table

    @classmethod
    def of(cls, path: Path, round_trip: Path | None) -> "_Answered | None":
        if round_trip is None:
            return None
        answers = read_arrow(round_trip, columns=["id", "text", "score", "f1"])
        asked = read_arrow(path, columns=["id"]).column("id").combine_chunks()
        places = pc.index_in(asked, value_set=answers.column("id").combine_chunks())
        return cls(places, answers.drop_columns(["id"]))

    def rows(self, first: int, count: int) -> dict[str, list[Any]]:
        """Return text, score and f1 for `count` rows, None where there is no answer."""
        taken = self.answers.take(self.places.slice(first, count))
        return {name: taken.column(name).to_pylist() for name in taken.schema.names}


@dataclass(slots=True)
class _Reading:
    """Computes the columns of a batch of rows; what is asked of contexts once for each."""

    reference: frozenset[str]
    by: Literal["id", "context_id", "source"]
    id_of: Callable[[str], str]
    filtered: Filtered | None
    answered: _Answered | None
    _contexts: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)

    def computed(self, batch: pa.RecordBatch, *, first_row: int) -> dict[str, list[Any]]:
        encoded = batch.column("context").dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        # Those of the batch before are remembered: pairs on one context may lie in both.
        self._contexts = {
            text: self._contexts.get(text) or self._of_context(text) for text in texts
        }
        measures = [self._contexts[text] for text in texts]
        contexts = [texts[place] for place in encoded.indices.to_pylist()]
        of_context = [measures[place] for place in encoded.indices.to_pylist()]
        questions = batch.column("question").to_pylist()
        answers = [
            [answer for answer in row or () if answer is not None]
            for row in batch.column("answers").to_pylist()
        ]
        first = [row[0]["text"] if row else "" for row in answers]
        origins = list(
            zip(
                batch.column("origin").to_pylist(),
                batch.column("context_origin").to_pylist(),
                strict=True,
            )
        )
        known = self._known(batch, first_row)
        computed = {
            "context_has_text": [of["has_text"] for of in of_context],
            "n_answers": [len(row) for row in answers],
            "answers_have_text": [all(a["text"].strip() for a in row) for row in answers],
            "answers_at_their_start": [
                all(_stands_in(context, **a) for a in row)
                for context, row in zip(contexts, answers, strict=True)
            ],
            "whole_words_if_context_only": [
                origin != CONTEXT_ONLY
                or all(is_whole_word(context, a["start"], a["start"] + len(a["text"])) for a in row)
                for context, row, origin in zip(contexts, answers, origins, strict=True)
            ],
            "context_id_fits": [
                own == of["context_id"]
                for own, of in zip(batch.column("context_id").to_pylist(), of_context, strict=True)
            ],
            "n_question_words": [n_words(question) for question in questions],
            "n_answer_words": [
                max((n_words(a["text"]) for a in row), default=0) for row in answers
            ],
            "ends_as_question": [ends_as_question(question) for question in questions],
            "origins": list(map(origins_of, origins)),
            "is_generated": [int(origin == GENERATED) for origin in origins],
            "in_reference": known,
            "in_reference_iff_real": [
                found == (origin == REAL) for found, origin in zip(known, origins, strict=True)
            ],
        }
        if self.answered is not None:
            read = self.answered.rows(first_row, len(batch))
            computed |= {
                "round_trip_f1": _floats(read["f1"]),
                "round_trip_exact": [
                    bool(own) and text is not None and exact_match(own, text) == 100
                    for own, text in zip(first, read["text"], strict=True)
                ],
                "reader_score": _floats(read["score"]),
            }
        if self.filtered is not None:
            held_out = self.filtered.held_out
            computed |= _of_kept(held_out, of_context, questions, answers, first)
        return computed

    def _of_context(self, text: str) -> dict[str, Any]:
        measures: dict[str, Any] = {
            "has_text": bool(text.strip()),
            "context_id": context_id(text),
        }
        if self.filtered is not None:
            measures["repeated"] = repeated_fraction(text)
            measures["overlap"] = self.filtered.held_out.contexts.shared_fraction(text)
            measures["kind"] = aspects(context=text, question="", answer="")["context_length"]
        return measures

    def _known(self, batch: pa.RecordBatch, first_row: int) -> list[bool]:
        if self.answered is not None:
            return list(self.answered.places.slice(first_row, len(batch)).is_valid().to_pylist())
        if self.by == "source":
            return [seed_of(id_) in self.reference for id_ in batch.column("id").to_pylist()]
        keys = batch.column(self.by).to_pylist()
        if self.by == "id":
            keys = list(map(self.id_of, keys))
        return [key in self.reference for key in keys]


def _of_kept(
    held_out: HeldOutTexts,
    of_context: Sequence[Mapping[str, Any]],
    questions: Sequence[str],
    answers: Sequence[Sequence[Mapping[str, Any]]],
    first: Sequence[str],
) -> dict[str, list[Any]]:
    kinds = [
        aspects(context="", question=question, answer=answer)
        for question, answer in zip(questions, first, strict=True)
    ]
    return {
        "asks": [asks(question) for question in questions],
        "holds_answer": [
            any(holds_answer(question, a["text"]) for a in row)
            for question, row in zip(questions, answers, strict=True)
        ],
        "names_its_passage": [
            names_its_passage(question, answer)
            for question, answer in zip(questions, first, strict=True)
        ],
        "repeated_fraction": [
            max(of["repeated"], repeated_fraction(question))
            for of, question in zip(of_context, questions, strict=True)
        ],
        "context_test_overlap": [of["overlap"] for of in of_context],
        "question_test_overlap": [
            held_out.questions.shared_fraction(question) for question in questions
        ],
        **{
            aspect: [
                of["kind"] if aspect == "context_length" else kind[aspect]
                for of, kind in zip(of_context, kinds, strict=True)
            ]
            for aspect in ASPECTS
        },
    }


class _SimilarityToEarlier:
    """How similar each question is to the nearest earlier one of its context or its answer."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}  # normalized questions, numbered
        self._text_of: list[int] = []
        # Contexts and answers, numbered; an answer that is missing is one of its own.
        self._groups: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._group_of: tuple[list[int], list[int]] = ([], [])

    def add(self, batch: pa.RecordBatch) -> None:
        rows = zip(
            batch.column("question").to_pylist(),
            batch.column("context_id").to_pylist(),
            batch.column("answers").to_pylist(),
            strict=True,
        )
        for question, own_context_id, answers in rows:
            text = normalize_answer(question)
            self._text_of.append(self._texts.setdefault(text, len(self._texts)))
            answer = answers[0] if answers else None
            keys = (own_context_id, normalize_answer(answer["text"]) if answer else None)
            for known, of, key in zip(self._groups, self._group_of, keys, strict=True):
                of.append(
                    len(self._text_of) * -1 if key is None else known.setdefault(key, len(known))
                )

    def values(self, min_similarity: float | None) -> NDArray[np.float64]:
        """Return the similarity of each row, 0 to 1; one below `min_similarity` may be 0.

        None for it: only of equal questions, which are of 1.
        """
        texts = np.asarray(self._text_of)
        nearest = np.zeros(len(texts))
        alike: Mapping[int, Sequence[tuple[int, float]]] = {}
        if min_similarity is not None:
            alike = similar_texts(list(self._texts), self._shared(texts), min_similarity)
        for of in self._group_of:
            first: dict[tuple[int, int], int] = {}
            for row, (group, text) in enumerate(zip(of, self._text_of, strict=True)):
                if first.setdefault((group, text), row) < row:
                    nearest[row] = 1.0
            for (group, text), row in first.items():
                for other, value in alike.get(text, ()):
                    if first.get((group, other), row) < row:
                        nearest[row] = max(nearest[row], value)
                    # A later row that asks the same is of 1 already.
        return nearest

    def n_on_context(self) -> NDArray[np.int64]:
        """Return how many rows have the context of each row."""
        numbers = np.asarray(self._group_of[0], np.int64)
        return np.bincount(numbers)[numbers] if len(numbers) else numbers

    def _shared(self, texts: NDArray[np.int64]) -> Iterator[list[int]]:
        """Yield the distinct questions of each context and of each answer that has several."""
        for of in self._group_of:
            groups = np.asarray(of)
            order = np.lexsort((texts, groups))
            starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[:1]] - 1))
            for part in np.split(order, starts[1:]):
                distinct = np.unique(texts[part])
                if len(distinct) > 1:
                    yield distinct.tolist()


def _fits(path: Path, record: type[Any]) -> bool:
    return bool(arrow_schema(path).equals(schema(record), check_metadata=False))


def _misfit(path: Path, record: type[Any], computed_columns: Sequence[str]) -> Frame:
    # A column of another type goes by another name, so that the columns tell all.
    table, right = read_arrow(path), list(schema(record))
    names = [field.name if field in right else _described(field) for field in table.schema]
    columns = {name: [None] * table.num_rows for name in [*names, *computed_columns]}
    data = pd.DataFrame({**columns, "row": range(table.num_rows)})
    return Frame(data=data, n_rows=table.num_rows, fits=False)


def _narrow(values: Sequence[Any]) -> Any:
    """Return values as an array without an object for each; texts, of a few kinds, stay objects."""
    array = np.asarray(values) if values else np.empty(0)
    if array.dtype.kind == "U":
        return np.asarray(values, object)
    return array.astype(np.int32) if array.dtype.kind == "i" else array


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], pa.Array):
        return pd.Series(pa.chunked_array(parts).to_pandas(), dtype="str")
    return np.concatenate(parts)


def _floats(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _described(field: Any) -> str:
    return f"{field.name}: {field.type}{', may be null' if field.nullable else ''}"


def _stands_in(context: str, *, text: str, start: int) -> bool:
    return start >= 0 and bool(text) and context[start : start + len(text)] == text
