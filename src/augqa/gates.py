"""Hold a table at its gate: run its expectations, write what came of them, and stop or go on."""

from pathlib import Path

from augqa.errors import ValidationFailed
from augqa.expectations import ExpectationSuite, Frame, run_suite
from augqa.metrics import write_metrics
from augqa.report.gate_page import write_gate_page


def hold(frame: Frame, suite: ExpectationSuite, table: Path, report: Path, page: Path) -> str:
    """Run one gate; return its closing line.

    Args:
        frame: What the expectations are held against.
        suite: The expectations.
        table: Where the rows are from, for messages.
        report: Takes the outcome as JSON.
        page: Takes it as a page.

    Raises:
        ValidationFailed: If a critical expectation does not hold, once both are written.
    """
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
            f" {table} is made from, or change its params, and run `augqa run` again."
        )
    if outcome.warnings:
        shown = "".join(f"\n  warning: {finding}" for finding in outcome.warnings)
        return f"{suite.name}: {n - len(outcome.warnings)} of {n} expectations hold{shown}\n "
    return f"{suite.name}: all {n} expectations hold for {outcome.n_rows} rows"
