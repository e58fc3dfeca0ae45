"""Suites: one promise an expectation, built from plain values."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import great_expectations as gx
import great_expectations.expectations as gxe

from augqa.drift import ASPECTS, Profile
from augqa.expectations.frames import (
    CONTEXT_COLUMNS,
    EXAMPLE_COLUMNS,
    GENERATED,
    REAL,
    origins_of,
    own_measures,
)
from augqa.filters import Bounds, Promise, Settings, promises_in_force
from augqa.records import GeneratedContext, QAExample

Severity = Literal["critical", "warning"]

# Share of the pairs that should look as asked before any filter; below it the generator, not
# a pair, is at fault. Our choice.
MOSTLY = 0.9


def pool_suite() -> gx.ExpectationSuite:
    """What data/prepared/pool.parquet promises; held against the contexts of the test sets."""
    by = ("blend", "train")
    return gx.ExpectationSuite(
        name="pool",
        expectations=[
            *_example_promises(by=by, origins=(REAL,)),
            _at_least_one_row(by=by),
            _question_unique(by=by),
            _promise(
                gxe.ExpectColumnValuesToBeInSet,
                "context_not_in_test",
                "No context is also one of a test set: a score on a context that the reader was"
                " trained on says nothing.",
                by=("train", "evaluate"),
                column="in_reference",
                value_set=[False],
            ),
        ],
    )


def contexts_suite(*, max_words: int, max_failed_fraction: float) -> gx.ExpectationSuite:
    """What data/generated/contexts.parquet promises; held against the seed questions."""
    return gx.ExpectationSuite(
        name="contexts",
        expectations=[
            _columns(GeneratedContext, CONTEXT_COLUMNS, by=("generate_pairs", "blend")),
            _at_least_one_row(by=("generate_pairs",)),
            _id_unique(by=("generate_pairs", "blend")),
            _true(
                "id_names_seed",
                "An id is the seed's id, /c and a number: the ids of pairs and of context-only"
                " examples are made from it.",
                by=("generate_pairs", "blend"),
                column="id_fits_source",
            ),
            _true(
                "source_is_a_seed",
                "Each context was written for a seed question: its question and answer are"
                " looked up by that id.",
                by=("generate_pairs", "blend"),
                column="source_is_a_seed",
            ),
            _promise(
                gxe.ExpectColumnValuesToBeNull,
                "failures_within_limit",
                "At most llm.max_failed_fraction of the requests failed: what is left still"
                " stands for all seeds.",
                by=("generate_pairs", "blend"),
                column="failure",
                # 9 digits: 1 - 0.1 and the like must not miss a share that is just enough.
                mostly=round(1 - max_failed_fraction, 9),
            ),
            _true(
                "text_where_no_failure",
                "A context that did not fail has text: a question is asked about it.",
                by=("generate_pairs", "blend"),
                column="text_or_failure",
            ),
            _promise(
                gxe.ExpectColumnValuesToBeBetween,
                "words_within_limit",
                "A context has at most generate_contexts.max_words words: the prompts for pairs"
                " and the method itself count on that length.",
                by=("generate_pairs",),
                column="n_good_words",
                max_value=max_words,
            ),
            _promise(
                gxe.ExpectColumnValuesToBeUnique,
                "text_not_repeated",
                "No two contexts are the same text: a repeated one adds cost but no example.",
                by=("blend",),
                severity="warning",
                column="good_text",
            ),
            _promise(
                gxe.ExpectColumnValuesToMatchRegex,
                "model_named",
                "A context names the model as the server gave it: the report says who wrote.",
                by=("summarize",),
                severity="warning",
                column="good_model",
                regex=r"\S",
            ),
            _promise(
                gxe.ExpectColumnValuesToBeBetween,
                "tokens_counted",
                "A context counts the tokens of its prompt: cost is the sum of them.",
                by=("summarize",),
                severity="warning",
                column="good_prompt_tokens",
                min_value=1,
            ),
            _prompt_hashed(by=("generate_pairs", "blend")),
        ],
    )


def pairs_suite(
    *, max_answer_words: int, min_question_words: int, max_question_words: int
) -> gx.ExpectationSuite:
    """What data/generated/pairs.parquet promises; held against the seed questions.

    Lengths are warnings here: filter_pairs drops what is too long, one by one.
    """
    by = ("answer_round_trip", "filter_pairs")
    return gx.ExpectationSuite(
        name="pairs",
        expectations=[
            *_example_promises(by=by, origins=(GENERATED, ("generated", "real"))),
            *_pair_promises(),
            _at_least_one_row(by=by),
            _true(
                "id_begins_with_seed",
                "An id begins with the id of its seed question: a pair can be traced to what it"
                " was made from.",
                by=("blend", "summarize"),
                column="in_reference",
            ),
            _promise(
                gxe.ExpectColumnValuesToBeBetween,
                "question_words_mostly_within_filter",
                "At least 9 in 10 questions have filter_pairs.min_question_words to"
                " max_question_words words: filter_pairs drops the others.",
                by=("filter_pairs",),
                severity="warning",
                column="n_question_words",
                min_value=min_question_words,
                max_value=max_question_words,
                mostly=MOSTLY,
            ),
            _promise(
                gxe.ExpectColumnValuesToBeBetween,
                "answer_words_mostly_within_filter",
                "At least 9 in 10 answers have at most filter_pairs.max_answer_words words:"
                " filter_pairs drops the others.",
                by=("filter_pairs",),
                severity="warning",
                column="n_answer_words",
                max_value=max_answer_words,
                mostly=MOSTLY,
            ),
            _promise(
                gxe.ExpectColumnValuesToBeInSet,
                "question_mark_mostly",
                "At least 9 in 10 questions end with a question mark, as those of the test sets"
                " do: fewer means that the generator writes something else.",
                by=("train",),
                severity="warning",
                column="ends_as_question",
                value_set=[True],
                mostly=MOSTLY,
            ),
        ],
    )


def kept_suite(
    *,
    settings: Settings,
    real: Profile,
    max_question_word_drift: float,
    max_length_drift: float,
) -> gx.ExpectationSuite:
    """What data/filtered/kept.parquet promises: what each filter does, and what follows.

    It is held against the round-trip answers, the test sets, and the profile `real` of real
    examples. Drift from that profile is a warning: whether it harms is what the study asks.

    Args:
        settings: Section filter_pairs of the params.
        real: Shares of the real examples.
        max_question_word_drift: Divergence of question words from which on to warn, in nats.
        max_length_drift: That of lengths.
    """
    by = ("blend", "train")
    origins = (GENERATED, ("generated", "real"))
    return gx.ExpectationSuite(
        name="kept",
        expectations=[
            *_example_promises(by=by, origins=origins, more=tuple(own_measures(settings))),
            *_pair_promises(),
            _at_least_one_row(by=by),
            _true(
                "round_trip_answered",
                "The round-trip reader answered each pair: none was kept unread.",
                by=("blend", "summarize"),
                column="in_reference",
            ),
            _question_unique(by=("blend", "train")),
            *(
                _of_filter(promise, bounds)
                for promise, bounds in promises_in_force(settings).items()
            ),
            *(
                _no_drift(aspect, real[aspect], param=param, threshold=threshold)
                for aspect in ASPECTS
                for param, threshold in [
                    ("max_question_word_drift", max_question_word_drift)
                    if aspect == "question_word"
                    else ("max_length_drift", max_length_drift)
                ]
            ),
        ],
    )


def blend_suite(
    regime: str,
    *,
    origins: tuple[tuple[str, str], ...],
    n_examples: int | None,
    n_generated: int | None,
    repeats: bool = False,
) -> gx.ExpectationSuite:
    """What each table in data/blends/<regime> promises; held against the pool.

    Args:
        regime: Name of the recipe.
        origins: Origins of question and context that its kind allows.
        n_examples: Rows it must have; None for any number above 0.
        n_generated: How many of them are generated; None where the recipe leaves it open.
        repeats: Whether a question may stand on a context several times.
    """
    by = ("train",)
    share = []
    if n_generated is not None:
        share = [
            _promise(
                gxe.ExpectColumnSumToBeBetween,
                "n_generated_as_asked",
                "As many examples are generated as blend asks for: the ratio is what the regimes"
                " are compared by.",
                by=("train", "summarize"),
                column="is_generated",
                min_value=n_generated,
                max_value=n_generated,
            )
        ]
    return gx.ExpectationSuite(
        name=f"blend-{regime}",
        expectations=[
            *_example_promises(by=by, origins=origins),
            _at_least_one_row(by=by)
            if n_examples is None
            else _promise(
                gxe.ExpectTableRowCountToBeBetween,
                "row_count",
                "There are as many examples as blend asks for: size must not confound what is"
                " compared.",
                by=("train", "summarize"),
                min_value=n_examples,
                max_value=n_examples,
            ),
            *share,
            _true(
                "pool_id_if_real",
                "An example has an id of the pool exactly if its question and context are real:"
                " no generated one passes for real, no real one came past the gate on the pool.",
                by=("train", "summarize"),
                column="in_reference_iff_real",
            ),
            *([] if repeats else [_question_unique(by=by)]),
            _true(
                "answer_is_whole_words",
                "A real question on a generated context has its answer there as whole words: 10 is"
                " no answer that stands in 1066.",
                by=by,
                column="whole_words_if_context_only",
            ),
        ],
    )


def _of_filter(promise: Promise, bounds: Bounds) -> gxe.Expectation:
    if bounds.equals is not None:
        return _promise(
            gxe.ExpectColumnValuesToBeInSet,
            promise.name,
            promise.text,
            by=promise.relied_on_by,
            column=promise.column,
            value_set=[bounds.equals],
        )
    return _promise(
        gxe.ExpectColumnValuesToBeBetween,
        promise.name,
        promise.text,
        by=promise.relied_on_by,
        column=promise.column,
        min_value=bounds.minimum,
        max_value=bounds.maximum if bounds.below is None else bounds.below,
        strict_max=bounds.below is not None,
    )


def _example_promises(
    *, by: tuple[str, ...], origins: tuple[tuple[str, str], ...], more: tuple[str, ...] = ()
) -> list[gxe.Expectation]:
    return [
        _columns(QAExample, (*EXAMPLE_COLUMNS, *more), by=by),
        _id_unique(by=by),
        _promise(
            gxe.ExpectColumnValuesToMatchRegex,
            "id_not_blank",
            "Each example has an id: subsets are chosen by a hash of it, drops named by it.",
            by=by,
            column="id",
            regex=r"\S",
        ),
        _true(
            "context_not_blank",
            "Each context has text: an answer is looked for in it.",
            by=by,
            column="context_has_text",
        ),
        _promise(
            gxe.ExpectColumnValuesToMatchRegex,
            "question_not_blank",
            "Each question has text: the reader is asked it.",
            by=by,
            column="question",
            regex=r"\S",
        ),
        _promise(
            gxe.ExpectColumnValuesToBeBetween,
            "answer_present",
            "Each example has an answer: there is nothing to learn or compare without one.",
            by=by,
            column="n_answers",
            min_value=1,
        ),
        _true(
            "answer_not_blank",
            "Each answer has text: white space alone has no token to label.",
            by=by,
            column="answers_have_text",
        ),
        _true(
            "answer_at_its_start",
            "Each answer stands in its context at its start: the reader's labels are made from"
            " that offset.",
            by=by,
            column="answers_at_their_start",
        ),
        _true(
            "context_id_fits",
            "context_id is the hash of the context: repeated questions and test contexts are"
            " found by it.",
            by=by,
            column="context_id_fits",
        ),
        _promise(
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


def _pair_promises() -> list[gxe.Expectation]:
    return [
        _promise(
            gxe.ExpectColumnValuesToBeBetween,
            "one_answer",
            "Each pair has one answer: the round-trip answer is compared with it alone.",
            by=("answer_round_trip", "filter_pairs"),
            column="n_answers",
            max_value=1,
        ),
        _promise(
            gxe.ExpectColumnValuesToNotBeNull,
            "method_named",
            "Each pair says how it was generated: the report counts pairs by method.",
            by=("summarize",),
            column="method",
        ),
    ]


def _no_drift(
    aspect: str, shares: Mapping[str, float], *, param: str, threshold: float
) -> gxe.Expectation:
    total = sum(shares.values())  # not quite 1 once rounded in a file
    return _promise(
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


def _columns(
    record: type[Any], computed: tuple[str, ...], *, by: tuple[str, ...]
) -> gxe.Expectation:
    names = [field.name for field in dataclasses.fields(record)]
    return _promise(
        gxe.ExpectTableColumnsToMatchOrderedList,
        "columns",
        f"The columns are those of {record.__name__}, in their order, type and nullability: no"
        " reader takes another table.",
        by=by,
        column_list=[*names, *computed, "row"],
    )


def _at_least_one_row(*, by: tuple[str, ...]) -> gxe.Expectation:
    return _promise(
        gxe.ExpectTableRowCountToBeBetween,
        "row_count",
        "There is at least one row: nothing can be made from an empty table.",
        by=by,
        min_value=1,
    )


def _id_unique(*, by: tuple[str, ...]) -> gxe.Expectation:
    return _promise(
        gxe.ExpectColumnValuesToBeUnique,
        "id_unique",
        "No id stands twice: rows of other tables are looked up by it.",
        by=by,
        column="id",
    )


def _question_unique(*, by: tuple[str, ...]) -> gxe.Expectation:
    return _promise(
        gxe.ExpectCompoundColumnsToBeUnique,
        "question_unique",
        "No question is asked twice about the same context: a repeated example weighs double.",
        by=by,
        column_list=["context_id", "question"],
    )


def _prompt_hashed(*, by: tuple[str, ...]) -> gxe.Expectation:
    return _promise(
        gxe.ExpectColumnValuesToMatchRegex,
        "prompt_hashed",
        "prompt_sha256 is a SHA-256 in hex: it says which prompt an example goes back to.",
        by=by,
        severity="warning",
        column="prompt_sha256",
        regex="^[0-9a-f]{64}$",
    )


def _true(name: str, promise: str, *, by: tuple[str, ...], column: str) -> gxe.Expectation:
    return _promise(
        gxe.ExpectColumnValuesToBeInSet, name, promise, by=by, column=column, value_set=[True]
    )


def _promise(
    kind: type[gxe.Expectation],
    name: str,
    promise: str,
    *,
    by: tuple[str, ...],
    severity: Severity = "critical",
    **kwargs: Any,
) -> gxe.Expectation:
    return kind(
        description=promise,
        severity=severity,
        meta={"name": name, "relied_on_by": list(by)},
        **kwargs,
    )
