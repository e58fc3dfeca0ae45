"""Hold a table against what its consumers rely on; stop the pipeline where it fails."""

from pathlib import Path
from typing import Annotated

import typer

from augqa.errors import ValidationFailed
from augqa.expectations import Bounds, ExpectationSuite, Frame, gate_of, gates_of_blend, run_suite
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.report.gate_page import write_gate_page
from augqa.stage import Input, Name, OptionalInput, Output, run


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
    if artefact == "blend" and regime is not None and reserve is not None:
        gates = gates_of_blend(
            regime,
            table,
            reference,
            reserve,
            knobs=params.blend[regime],
            seeds=params.training_seeds,
        )
        closings = [
            held(frame, suite, own, report / f"{seed}.json", page / f"{seed}.html")
            for seed, (own, frame, suite) in gates.items()
        ]
        return "; ".join(dict.fromkeys(closings))
    bounds = Bounds(
        filters=params.filter_pairs.model_dump(),
        drift=dict(params.gates),
        max_words=params.generate_contexts.max_words,
        max_failed_fraction=params.llm.max_failed_fraction,
    )
    frame, suite = gate_of(artefact, table, reference, bounds=bounds, test=test, profile=profile)
    return held(frame, suite, table, report, page)


def held(frame: Frame, suite: ExpectationSuite, table: Path, report: Path, page: Path) -> str:
    """Run one gate; return its closing line."""
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
