"""What is computed of each row of a table of examples: what its suite asks about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augqa.drift import ASPECTS, aspects
from augqa.errors import ParamsError
from augqa.expectations.measures import (
    asks,
    holds_answer,
    is_whole_word,
    names_its_passage,
    repeated_fraction,
)
from augqa.filters import Settings, promises_in_force
from augqa.ids import seed_of
from augqa.overlap import HeldOutTexts
from augqa.records import context_id
from augqa.scoring import exact_match
from augqa.sentences import ends_as_question, n_words
from augqa.tables import read_arrow

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """What kept pairs are held against, beside the round-trip answers.

    Attributes:
        held_out: The texts of the test sets.
        settings: Section filter_pairs of the params.
    """

    held_out: HeldOutTexts
    settings: Settings


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


@dataclass(frozen=True, slots=True)
class Answered:
    """The round-trip answers to the rows of a table, read once and looked up by row.

    Attributes:
        places: For each row of the table its place in `answers`, null where there is none.
        answers: Columns text, score and f1.
    """

    places: pa.Int32Array
    answers: pa.Table

    @classmethod
    def of(cls, path: Path, round_trip: Path | None) -> "Answered | None":
        """Read the answers to the rows of a table; None without a table of them."""
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
class ColumnsOfExamples:
    """Computes the columns of a batch of rows; what is asked of contexts once for each."""

    reference: frozenset[str]
    by: Literal["id", "context_id", "source"]
    id_of: Callable[[str], str]
    filtered: Filtered | None
    answered: Answered | None
    _contexts: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)

    def computed(self, batch: pa.RecordBatch, *, first_row: int) -> dict[str, list[Any]]:
        """Return the columns of a batch, whose first row has the number `first_row`."""
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

    def own_measures(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """Return the columns that filters bring along, with what measures them."""
        return {} if self.filtered is None else own_measures(self.filtered.settings)

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


def _floats(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _stands_in(context: str, *, text: str, start: int) -> bool:
    return start >= 0 and bool(text) and context[start : start + len(text)] == text
