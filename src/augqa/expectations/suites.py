"""Suites: one promise an expectation, built from plain values."""

from augqa.drift import ASPECTS, Profile
from augqa.expectations import asked as gxe
from augqa.expectations import promises
from augqa.expectations.asked import ExpectationSuite
from augqa.expectations.example_columns import GENERATED, REAL, own_measures
from augqa.expectations.frames import CONTEXT_COLUMNS
from augqa.filters import Settings, promises_in_force
from augqa.records import GeneratedContext

# Share of the pairs that should look as asked before any filter; below it the generator, not
# a pair, is at fault. Our choice.
MOSTLY = 0.9


def pool_suite() -> ExpectationSuite:
    """What data/prepared/pool.parquet promises; held against the contexts of the test sets."""
    by = ("blend", "train")
    return ExpectationSuite(
        name="pool",
        expectations=[
            *promises.on_examples(by=by, origins=(REAL,)),
            promises.at_least_one_row(by=by),
            promises.question_unique(by=by),
            promises.expectation(
                gxe.ExpectColumnValuesToBeInSet,
                "context_not_in_test",
                "No context or question stands in a test set, nor, by"
                " prepare.max_test_overlap_fraction, nearly: a score on what the reader was"
                " trained on says nothing.",
                by=("train", "evaluate"),
                column="in_reference",
                value_set=[False],
            ),
        ],
    )


def contexts_suite(*, max_words: int, max_failed_fraction: float) -> ExpectationSuite:
    """What data/generated/contexts.parquet promises; held against the seed questions."""
    return ExpectationSuite(
        name="contexts",
        expectations=[
            promises.columns(GeneratedContext, CONTEXT_COLUMNS, by=("generate_pairs", "blend")),
            promises.at_least_one_row(by=("generate_pairs",)),
            promises.id_unique(by=("generate_pairs", "blend")),
            promises.holds(
                "id_names_seed",
                "An id is the seed's id, /c and a number: the ids of pairs and of context-only"
                " examples are made from it.",
                by=("generate_pairs", "blend"),
                column="id_fits_source",
            ),
            promises.holds(
                "source_is_a_seed",
                "Each context was written for a seed question: its question and answer are"
                " looked up by that id.",
                by=("generate_pairs", "blend"),
                column="source_is_a_seed",
            ),
            promises.expectation(
                gxe.ExpectColumnValuesToBeNull,
                "failures_within_limit",
                "At most llm.max_failed_fraction of the requests failed: what is left still"
                " stands for all seeds.",
                by=("generate_pairs", "blend"),
                column="failure",
                # 9 digits: 1 - 0.1 and the like must not miss a share that is just enough.
                mostly=round(1 - max_failed_fraction, 9),
            ),
            promises.holds(
                "text_where_no_failure",
                "A context that did not fail has text: a question is asked about it.",
                by=("generate_pairs", "blend"),
                column="text_or_failure",
            ),
            promises.expectation(
                gxe.ExpectColumnValuesToBeBetween,
                "words_within_limit",
                "A context has at most generate_contexts.max_words words: the prompts for pairs"
                " and the method itself count on that length.",
                by=("generate_pairs",),
                column="n_good_words",
                max_value=max_words,
            ),
            promises.expectation(
                gxe.ExpectColumnValuesToBeUnique,
                "text_not_repeated",
                "No two contexts are the same text: a repeated one adds cost but no example.",
                by=("blend",),
                severity="warning",
                column="good_text",
            ),
            promises.expectation(
                gxe.ExpectColumnValuesToMatchRegex,
                "model_named",
                "A context names the model as the server gave it: the report says who wrote.",
                by=("summarize",),
                severity="warning",
                column="good_model",
                regex=r"\S",
            ),
            promises.expectation(
                gxe.ExpectColumnValuesToBeBetween,
                "tokens_counted",
                "A context counts the tokens of its prompt: cost is the sum of them.",
                by=("summarize",),
                severity="warning",
                column="good_prompt_tokens",
                min_value=1,
            ),
            promises.prompt_hashed(by=("generate_pairs", "blend")),
        ],
    )


def pairs_suite(
    *, max_answer_words: int, min_question_words: int, max_question_words: int
) -> ExpectationSuite:
    """What data/generated/pairs.parquet promises; held against the seed questions.

    Lengths are warnings here: filter_pairs drops what is too long, one by one.
    """
    by = ("answer_round_trip", "filter_pairs")
    return ExpectationSuite(
        name="pairs",
        expectations=[
            *promises.on_examples(by=by, origins=(GENERATED, ("generated", "real"))),
            *promises.on_pairs(),
            promises.at_least_one_row(by=by),
            promises.holds(
                "id_begins_with_seed",
                "An id begins with the id of its seed question: a pair can be traced to what it"
                " was made from.",
                by=("blend", "summarize"),
                column="in_reference",
            ),
            promises.expectation(
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
            promises.expectation(
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
            promises.expectation(
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
) -> ExpectationSuite:
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
    return ExpectationSuite(
        name="kept",
        expectations=[
            *promises.on_examples(by=by, origins=origins, more=tuple(own_measures(settings))),
            *promises.on_pairs(),
            promises.at_least_one_row(by=by),
            promises.holds(
                "round_trip_answered",
                "The round-trip reader answered each pair: none was kept unread.",
                by=("blend", "summarize"),
                column="in_reference",
            ),
            promises.question_unique(by=("blend", "train")),
            *(
                promises.of_filter(promise, bounds)
                for promise, bounds in promises_in_force(settings).items()
            ),
            *(
                promises.no_drift(aspect, real[aspect], param=param, threshold=threshold)
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
) -> ExpectationSuite:
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
            promises.expectation(
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
    return ExpectationSuite(
        name=f"blend-{regime}",
        expectations=[
            *promises.on_examples(by=by, origins=origins),
            promises.at_least_one_row(by=by)
            if n_examples is None
            else promises.expectation(
                gxe.ExpectTableRowCountToBeBetween,
                "row_count",
                "There are as many examples as blend asks for: size must not confound what is"
                " compared.",
                by=("train", "summarize"),
                min_value=n_examples,
                max_value=n_examples,
            ),
            *share,
            promises.holds(
                "pool_id_if_real",
                "An example has an id of the pool exactly if its question and context are real:"
                " no generated one passes for real, no real one came past the gate on the pool.",
                by=("train", "summarize"),
                column="in_reference_iff_real",
            ),
            *([] if repeats else [promises.question_unique(by=by)]),
            promises.holds(
                "answer_is_whole_words",
                "A real question on a generated context has its answer there as whole words: 10 is"
                " no answer that stands in 1066.",
                by=by,
                column="whole_words_if_context_only",
            ),
        ],
    )
