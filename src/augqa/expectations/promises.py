"""Promises that several tables make, each as an expectation with a name and its reason."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from augqa.expectations import asked as gxe
from augqa.expectations.asked import Expectation, Severity
from augqa.expectations.example_columns import EXAMPLE_COLUMNS, origins_of
from augqa.filters import Bounds, Promise
from augqa.records import QAExample


def of_filter(promise: Promise, bounds: Bounds) -> Expectation:
    """Return what a filter promises of the pairs that it kept."""
    if bounds.equals is not None:
        return expectation(
            gxe.ExpectColumnValuesToBeInSet,
            promise.name,
            promise.text,
            by=promise.relied_on_by,
            column=promise.column,
            value_set=[bounds.equals],
        )
    return expectation(
        gxe.ExpectColumnValuesToBeBetween,
        promise.name,
        promise.text,
        by=promise.relied_on_by,
        column=promise.column,
        min_value=bounds.minimum,
        max_value=bounds.maximum if bounds.below is None else bounds.below,
        strict_max=bounds.below is not None,
    )


def on_examples(
    *, by: tuple[str, ...], origins: tuple[tuple[str, str], ...], more: tuple[str, ...] = ()
) -> list[Expectation]:
    """Return what every table of examples promises."""
    return [
        columns(QAExample, (*EXAMPLE_COLUMNS, *more), by=by),
        id_unique(by=by),
        expectation(
            gxe.ExpectColumnValuesToMatchRegex,
            "id_not_blank",
            "Each example has an id: subsets are chosen by a hash of it, drops named by it.",
            by=by,
            column="id",
            regex=r"\S",
        ),
        holds(
            "context_not_blank",
            "Each context has text: an answer is looked for in it.",
            by=by,
            column="context_has_text",
        ),
        expectation(
            gxe.ExpectColumnValuesToMatchRegex,
            "question_not_blank",
            "Each question has text: the reader is asked it.",
            by=by,
            column="question",
            regex=r"\S",
        ),
        expectation(
            gxe.ExpectColumnValuesToBeBetween,
            "answer_present",
            "Each example has an answer: there is nothing to learn or compare without one.",
            by=by,
            column="n_answers",
            min_value=1,
        ),
        holds(
            "answer_not_blank",
            "Each answer has text: white space alone has no token to label.",
            by=by,
            column="answers_have_text",
        ),
        holds(
            "answer_at_its_start",
            "Each answer stands in its context at its start: the reader's labels are made from"
            " that offset.",
            by=by,
            column="answers_at_their_start",
        ),
        holds(
            "context_id_fits",
            "context_id is the hash of the context: repeated questions and test contexts are"
            " found by it.",
            by=by,
            column="context_id_fits",
        ),
        expectation(
            gxe.ExpectColumnValuesToBeInSet,
            "origin",
            "Question and context come from where the table says, real or generated: the ratio"
            " of a blend is counted by it.",
            by=by,
            # Not the expectation on pairs of columns, which looks at one row after the other.
            column="origins",
            value_set=list(map(origins_of, origins)),
        ),
    ]


def on_pairs() -> list[Expectation]:
    """Return what every table of generated pairs promises beside that."""
    return [
        expectation(
            gxe.ExpectColumnValuesToBeBetween,
            "one_answer",
            "Each pair has one answer: the round-trip answer is compared with it alone.",
            by=("answer_round_trip", "filter_pairs"),
            column="n_answers",
            max_value=1,
        ),
        expectation(
            gxe.ExpectColumnValuesToNotBeNull,
            "method_named",
            "Each pair says how it was generated: the report counts pairs by method.",
            by=("summarize",),
            column="method",
        ),
    ]


def no_drift(
    aspect: str, shares: Mapping[str, float], *, param: str, threshold: float
) -> Expectation:
    """Return that the shares of an aspect diverge from real ones by `threshold` nats at most."""
    total = sum(shares.values())  # not quite 1 once rounded in a file
    return expectation(
        gxe.ExpectColumnKLDivergenceToBeLessThan,
        f"{aspect}_drift",
        f"The {aspect.replace('_', ' ')}s diverge from those of the real pool by at most"
        f" gates.{param}: more means that the reader learns from another kind of data.",
        by=("train",),
        severity="warning",
        column=aspect,
        partition_object={
            "values": list(shares),
            "weights": [share / total for share in shares.values()],
        },
        threshold=threshold,
    )


def columns(record: type[Any], computed: tuple[str, ...], *, by: tuple[str, ...]) -> Expectation:
    """Return that a frame has the columns of its record, then those computed from them."""
    names = [field.name for field in dataclasses.fields(record)]
    return expectation(
        gxe.ExpectTableColumnsToMatchOrderedList,
        "columns",
        f"The columns are those of {record.__name__}, in their order, type and nullability: no"
        " reader takes another table.",
        by=by,
        column_list=[*names, *computed, "row"],
    )


def at_least_one_row(*, by: tuple[str, ...]) -> Expectation:
    """Return that a table is not empty."""
    return expectation(
        gxe.ExpectTableRowCountToBeBetween,
        "row_count",
        "There is at least one row: nothing can be made from an empty table.",
        by=by,
        min_value=1,
    )


def id_unique(*, by: tuple[str, ...]) -> Expectation:
    """Return that no id stands twice."""
    return expectation(
        gxe.ExpectColumnValuesToBeUnique,
        "id_unique",
        "No id stands twice: rows of other tables are looked up by it.",
        by=by,
        column="id",
    )


def question_unique(*, by: tuple[str, ...]) -> Expectation:
    """Return that no question stands twice on a context."""
    return expectation(
        gxe.ExpectCompoundColumnsToBeUnique,
        "question_unique",
        "No question is asked twice about the same context: a repeated example weighs double.",
        by=by,
        column_list=["context_id", "question"],
    )


def prompt_hashed(*, by: tuple[str, ...]) -> Expectation:
    """Return that each row names its prompt by a hash."""
    return expectation(
        gxe.ExpectColumnValuesToMatchRegex,
        "prompt_hashed",
        "prompt_sha256 is a SHA-256 in hex: it says which prompt an example goes back to.",
        by=by,
        severity="warning",
        column="prompt_sha256",
        regex="^[0-9a-f]{64}$",
    )


def holds(name: str, promise: str, *, by: tuple[str, ...], column: str) -> Expectation:
    """Return that a column is true in every row."""
    return expectation(
        gxe.ExpectColumnValuesToBeInSet, name, promise, by=by, column=column, value_set=[True]
    )


def expectation(
    kind: str,
    name: str,
    promise: str,
    *,
    by: tuple[str, ...],
    severity: Severity = "critical",
    **kwargs: Any,
) -> Expectation:
    """Return an expectation that a page and a message can name.

    Args:
        kind: Of Great Expectations.
        name: Of the promise.
        promise: In words, with its reason.
        by: Stages that rely on it.
        severity: Whether the pipeline stops where it does not hold.
        **kwargs: What `kind` takes.
    """
    return Expectation(
        kind=kind,
        description=promise,
        severity=severity,
        meta={"name": name, "relied_on_by": list(by)},
        kwargs=kwargs,
    )
