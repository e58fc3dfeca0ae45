"""Hold a table against what its readers rely on; stop the pipeline where it fails."""

from pathlib import Path
from typing import Annotated

import typer

from augqa.blends import KINDS, Sizes, may_repeat, original_id
from augqa.errors import ParamsError, ValidationFailed
from augqa.expectations import (
    ARTEFACTS,
    ExpectationSuite,
    Filtered,
    Frame,
    blend_suite,
    context_frame,
    contexts_suite,
    example_frame,
    ids,
    kept_suite,
    pairs_suite,
    pool_suite,
    run_suite,
)
from augqa.metrics import read_metrics, write_metrics
from augqa.overlap import HeldOutTexts
from augqa.params import load_params
from augqa.records import QAExample
from augqa.report.gate_page import write_gate_page
from augqa.stage import Input, Name, OptionalInput, Output, run
from augqa.tables import iterate_tables


def validate(
    artefact: Name,
    table: Input,
    reference: Input,
    report: Output,
    page: Output,
    test: OptionalInput = None,
    profile: OptionalInput = None,
    reserve: OptionalInput = None,
    regime: Annotated[str | None, typer.Option()] = None,
) -> str:
    """Write what came of each expectation, as JSON and as a page; then stop if one is critical."""
    params = load_params()
    lengths = params.filter_pairs.model_dump(
        include={"max_answer_words", "min_question_words", "max_question_words"}
    )
    match artefact:
        case "pool":
            test_contexts = ids(reference, "context_id")
            frame = example_frame(table, reference_ids=test_contexts, by="context_id")
            suite = pool_suite()
        case "contexts":
            frame = context_frame(table, seed_ids=ids(reference))
            suite = contexts_suite(
                max_words=params.generate_contexts.max_words,
                max_failed_fraction=params.llm.max_failed_fraction,
            )
        case "pairs":
            frame = example_frame(table, reference_ids=ids(reference), by="source")
            suite = pairs_suite(**lengths)
        case "kept" if test is not None and profile is not None:
            settings = params.filter_pairs.model_dump()
            held_out = HeldOutTexts.of(
                iterate_tables(test, QAExample), n_words=settings["test_overlap_words"]
            )
            filtered = Filtered(held_out=held_out, settings=settings)
            frame = example_frame(table, round_trip=reference, filtered=filtered)
            suite = kept_suite(settings=settings, real=read_metrics(profile), **dict(params.gates))
        case "blend" if regime is not None and reserve is not None:
            knobs = params.blend[regime]
            kind = KINDS.get(knobs.kind)
            pool, reserved = ids(reference), ids(reserve)
            n_examples, n_generated = kind.asked(
                knobs, Sizes(n_pool=len(pool), n_reserve=len(reserved))
            )
            suite = blend_suite(
                regime,
                origins=kind.origins,
                n_examples=n_examples,
                n_generated=n_generated,
                repeats=may_repeat(kind, knobs),
            )
            real = pool | reserved if kind.takes_reserve else pool
            closings = [
                _held(
                    example_frame(own, reference_ids=real, id_of=original_id),
                    suite,
                    table=own,
                    report=report / f"{seed}.json",
                    page=page / f"{seed}.html",
                )
                for seed in params.training_seeds
                for own in [table / f"{seed}.parquet"]
            ]
            return "; ".join(dict.fromkeys(closings))
        case _:
            raise ParamsError(
                f"--artefact is {artefact!r} and --regime {regime!r}: the artefact must be one of"
                f" {', '.join(ARTEFACTS)}; a blend needs its regime and --reserve, kept --test and"
                " --profile"
            )

    return _held(frame, suite, table=table, report=report, page=page)


def _held(frame: Frame, suite: ExpectationSuite, *, table: Path, report: Path, page: Path) -> str:
    outcome = run_suite(frame, suite)
    write_metrics(report, outcome.as_metrics())
    write_gate_page(
        page, name=suite.name, table=table, n_rows=outcome.n_rows, findings=outcome.findings
    )
    n = len(outcome.findings)
    if outcome.failures:
        raise ValidationFailed(
            f"{table}: {len(outcome.failures)} of {n} expectations do not hold:\n"
            + "".join(f"  {finding}\n" for finding in outcome.failures)
            + f"The rows are on the page {page}, the counts in {report}. Mend what"
            f" {table} is made from, or change its params, and run `dvc repro` again."
        )
    if outcome.warnings:
        shown = "".join(f"\n  warning: {finding}" for finding in outcome.warnings)
        return f"{suite.name}: {n - len(outcome.warnings)} of {n} expectations hold{shown}\n "
    return f"{suite.name}: all {n} expectations hold for {outcome.n_rows} rows"


if __name__ == "__main__":
    run(validate)
