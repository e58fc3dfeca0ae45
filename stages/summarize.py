"""Show the results: one table over regimes and test sets, its plots and the report page."""

import logging

from augqa.metrics import read_metrics, write_metrics
from augqa.params import Params, load_params
from augqa.records import SampledPair
from augqa.report.page import Provenance, page, write_page
from augqa.report.plots import by_generated_fraction, f1_by_set, funnel, question_words
from augqa.report.quality import quality_tables
from augqa.report.results import BASELINE, gate, gather, step, summary_metrics
from augqa.report.table import report_text
from augqa.stage import Input, Output, run
from augqa.tables import read_table

log = logging.getLogger("augqa")


def summarize(
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
    plots: Output,
    report: Output,
) -> str:
    """Read what every regime in force measured; write summary, plots and page; log the table."""
    params = load_params()
    # The folders may hold files of regimes that are no longer in force.
    regimes = [BASELINE, *params.regimes]
    found = gather(
        {
            regime: [
                read_metrics(evaluations / f"{regime}-{seed}.json")
                for seed in params.training_seeds
            ]
            for regime in regimes
        },
        {regime: read_metrics(blends / f"{regime}.json") for regime in regimes},
        seeds=params.training_seeds,
    )
    steps = [
        step("seed questions", read_metrics(prepare), count="n_seeds", hidden=["test"]),
        step("contexts", read_metrics(contexts), count="n_contexts", dropped="n_failed"),
        step("pairs", read_metrics(pairs), count="n_pairs", dropped="n_rejected"),
        step("kept pairs", read_metrics(filters), count="n_kept", dropped="n_rejected"),
    ]
    passed = [
        *(
            gate(name, [read_metrics(gates / f"{name}.json")])
            for name in ("pool", "contexts", "pairs", "kept")
        ),
        *(
            gate(
                f"blend-{regime}",
                [
                    read_metrics(gates / f"blend-{regime}" / f"{seed}.json")
                    for seed in params.training_seeds
                ],
            )
            for regime in regimes
        ),
    ]
    measured = read_metrics(quality)
    tables = quality_tables(measured)
    shown = read_table(sampled_pairs, SampledPair)
    provenance = _provenance(params)

    write_metrics(summary, summary_metrics(found))
    write_metrics(plots / "f1_by_set.json", {"f1_by_set": f1_by_set(found)})
    write_metrics(
        plots / "generated_fraction.json", {"generated_fraction": by_generated_fraction(found)}
    )
    write_metrics(plots / "funnel.json", {"funnel": funnel(steps)})
    write_metrics(plots / "question_words.json", {"question_words": question_words(measured)})
    write_page(
        report,
        page(
            found,
            provenance=provenance,
            steps=steps,
            gates=passed,
            quality=tables,
            sampled_pairs=shown,
        ),
    )
    log.info("\n%s\n", report_text(found, source=provenance.source, reader=provenance.reader))
    return f"{len(regimes)} regimes on {len(found.sets)} test sets; the page is {report}"


def _provenance(params: Params) -> Provenance:
    # What made the pairs: the names of the models, or that there was none.
    generators = {
        "llm": params.llm.model,
        "hybrid": f"rules choose the answer, {params.llm.model} asks for it",
        "cloze": "cloze, by rules",
        "t5": params.generate_pairs.t5.checkpoint,
        "trained": "rules choose the answer, a question generator trained here asks for it",
    }
    return Provenance(
        source=params.data.source,
        reader=params.reader.checkpoint,
        language_model=params.llm.model,
        provider=params.llm.provider,
        question_generator=generators[params.generate_pairs.method],
    )


if __name__ == "__main__":
    run(summarize)
