"""Say what the scores show: evidence, headline, one table, its plots and the report page."""

import logging

from augqa.params import load_params
from augqa.report.assembling import assemble, write_results
from augqa.report.files import Inputs, Measured, Outputs
from augqa.stage import Input, Output, run
from augqa.tracking.studies import Closing, close_study

log = logging.getLogger("augqa")


def summarize(
    predictions: Input,
    clusters: Input,
    written: Input,
    test: Input,
    evaluations: Input,
    blends: Input,
    gates: Input,
    prepare: Input,
    contexts: Input,
    pairs: Input,
    filters: Input,
    quality: Input,
    sampled_pairs: Input,
    summary: Output,
    evidence: Output,
    headline: Output,
    plots: Output,
    report: Output,
    cases: Output,
) -> str:
    """Read what every recipe in force scored; write what it shows; log the table."""
    measured = Measured(evaluations, blends, gates, prepare, contexts, pairs, filters, quality)
    at = Inputs(measured, predictions, clusters, written, test, sampled_pairs)
    made = assemble(load_params(), at)
    to = Outputs(summary, evidence, headline, plots, report, cases)
    text = write_results(made, to)
    close_study(
        Closing(
            evidence=made.evidence,
            run_keys=made.run_keys,
            headline=made.headline,
            files=[report, cases, evidence],
        )
    )
    log.info("\n%s\n", text)
    n_sets = len(made.results.n_questions)
    return f"{len(made.results.regimes)} recipes on {n_sets} test sets"


if __name__ == "__main__":
    run(summarize)
