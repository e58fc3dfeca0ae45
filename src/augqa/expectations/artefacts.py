"""What each artefact is held against: its frame and its suite, from files and settings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa.blends import KINDS, Recipe, Sizes, may_repeat, original_id
from augqa.errors import ParamsError
from augqa.expectations.asked import ExpectationSuite
from augqa.expectations.example_columns import Filtered
from augqa.expectations.frames import Frame, context_frame, example_frame, ids
from augqa.expectations.suites import (
    blend_suite,
    contexts_suite,
    kept_suite,
    pairs_suite,
    pool_suite,
)
from augqa.metrics import read_metrics
from augqa.overlap import HeldOutTexts, NearTest
from augqa.records import QAExample
from augqa.tables import arrow_schema, iterate_rows, iterate_tables, schema

ARTEFACTS = ("pool", "contexts", "pairs", "kept", "blend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What of params.yaml the suites hold tables against.

    Attributes:
        pool: `max_test_overlap_fraction` and `test_overlap_words` of section `prepare`.
        filters: Section `filter_pairs`.
        drift: Section `gates`.
        max_words: Most words that were asked for in a context.
        max_failed_fraction: Share of the contexts that may have failed.
    """

    pool: Mapping[str, Any]
    filters: Mapping[str, Any]
    drift: Mapping[str, float]
    max_words: int
    max_failed_fraction: float


def gate_of(
    artefact: str,
    table: Path,
    reference: Path,
    *,
    bounds: Bounds,
    test: Path | None = None,
    profile: Path | None = None,
) -> tuple[Frame, ExpectationSuite]:
    """Return a table made ready, and what it promises; not of a blend.

    Args:
        artefact: One of `ARTEFACTS`.
        table: The table.
        reference: What it is held against: test sets, seed questions or round-trip answers.
        bounds: What of params.yaml it is held against.
        test: Folder of the test sets; of ``kept`` alone.
        profile: Profile of the real pool; of ``kept`` alone.

    Raises:
        ParamsError: If the artefact is unknown, or lacks what it is held against.
    """
    match artefact:
        case "pool":
            leaked = _leaked(table, reference, **bounds.pool)
            return example_frame(table, reference_ids=leaked, by="id"), pool_suite()
        case "contexts":
            suite = contexts_suite(
                max_words=bounds.max_words, max_failed_fraction=bounds.max_failed_fraction
            )
            return context_frame(table, seed_ids=ids(reference)), suite
        case "pairs":
            keys = ("max_answer_words", "min_question_words", "max_question_words")
            suite = pairs_suite(**{key: bounds.filters[key] for key in keys})
            return example_frame(table, reference_ids=ids(reference), by="source"), suite
        case "kept" if test is not None and profile is not None:
            held_out = HeldOutTexts.of(
                iterate_tables(test, QAExample), n_words=bounds.filters["test_overlap_words"]
            )
            filtered = Filtered(held_out=held_out, settings=bounds.filters)
            suite = kept_suite(settings=bounds.filters, real=read_metrics(profile), **bounds.drift)
            return example_frame(table, round_trip=reference, filtered=filtered), suite
    raise ParamsError(
        f"--artefact is {artefact!r}: it must be one of {', '.join(ARTEFACTS)}; a blend needs its"
        " --regime and --reserve, kept --test and --profile"
    )


def _leaked(
    pool: Path, test: Path, *, max_test_overlap_fraction: float | None, test_overlap_words: int
) -> set[str]:
    """Return the ids of the rows of a pool that stand in a test set too, or nearly."""
    if not arrow_schema(pool).equals(schema(QAExample), check_metadata=False):  # its frame says so
        return set()
    test_contexts, near = ids(test, "context_id"), None
    if max_test_overlap_fraction is not None:
        held_out = HeldOutTexts.of(iterate_tables(test, QAExample), n_words=test_overlap_words)
        near = NearTest(held_out, most=max_test_overlap_fraction)
    rows = iterate_rows(pool, needed=("id", "context_id", "context", "question"))
    return {
        row["id"]
        for row in rows
        if row["context_id"] in test_contexts
        or (near is not None and near.reason(row["context_id"], row["context"], row["question"]))
    }


def gates_of_blend(
    regime: str, folder: Path, pool: Path, reserve: Path, *, knobs: Recipe, seeds: Collection[int]
) -> dict[int, tuple[Path, Frame, ExpectationSuite]]:
    """Return, for each training seed, the table of a recipe made ready, and what it promises."""
    kind = KINDS.get(knobs.kind)
    real, reserved = ids(pool), ids(reserve)
    n_examples, n_generated = kind.asked(knobs, Sizes(n_pool=len(real), n_reserve=len(reserved)))
    suite = blend_suite(
        regime,
        origins=kind.origins,
        n_examples=n_examples,
        n_generated=n_generated,
        repeats=may_repeat(kind, knobs),
    )
    allowed = real | reserved if kind.takes_reserve else real
    tables = {seed: folder / f"{seed}.parquet" for seed in seeds}
    return {
        seed: (table, example_frame(table, reference_ids=allowed, id_of=original_id), suite)
        for seed, table in tables.items()
    }
