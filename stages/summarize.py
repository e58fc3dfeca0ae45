"""Show the results: one table over regimes and test sets, its plots and the report page."""

import logging

from augqa.metrics import read_metrics, write_metrics
from augqa.params import Params, load_params
from augqa.question_generator import question_generator_title
from augqa.records import SampledPair
from augqa.report.page import Provenance, page
from augqa.report.plots import by_generated_fraction, f1_by_set, funnel, question_words
from augqa.report.quality import quality_tables
from augqa.report.results import BASELINE, gate, gather, needed, step, summary_metrics
from augqa.report.table import report_text
from augqa.report.template import write_page
from augqa.stage import Input, Output, run
from augqa.tables import read_table
from augqa.test_sets import FileSource, SampleSource, Source, published_as, reported_sets

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
    prepared = read_metrics(prepare)
    content = needed(prepared, "content", str(prepare))
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
        test_sets=reported_sets(params.data.test_sets, content),
    )
    steps = [
        step(
            "seed questions",
            prepared,
            count="n_seed_questions",
            hidden=["test", "content", "n_repaired"],
        ),
        step("contexts", read_metrics(contexts), count="n_contexts", dropped="n_failed"),
        step("pairs", read_metrics(pairs), count="n_pairs", dropped="n_rejected"),
        step("kept pairs", read_metrics(filters), count="n_kept", dropped="n_rejected"),
    ]
    checked = {name: [name] for name in ("pool", "contexts", "pairs", "kept")} | {
        f"blend-{regime}": [f"blend-{regime}/{seed}" for seed in params.training_seeds]
        for regime in regimes
    }
    passed = [
        gate(
            artefact,
            {f"gates/{name}.html": read_metrics(gates / f"{name}.json") for name in names},
        )
        for artefact, names in checked.items()
    ]
    measured = read_metrics(quality)
    tables = quality_tables(measured)
    shown = read_table(sampled_pairs, SampledPair)
    provenance = _provenance(params, trained_on=published_as(content.get("train")))

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
    text = report_text(
        found,
        sample=provenance.sample,
        trained_on=provenance.trained_on,
        reader=provenance.reader,
    )
    log.info("\n%s\n", text)
    return f"{len(regimes)} regimes on {len(found.n_questions)} test sets; the page is {report}"


def _provenance(params: Params, *, trained_on: str | None) -> Provenance:
    own = params.generate_pairs
    return Provenance(
        source=_words(params.data.train),
        sample=params.data.train.kind == "sample",
        trained_on=trained_on,
        reader=params.reader.checkpoint,
        language_model=params.llm.model,
        provider=params.llm.provider,
        question_generator=question_generator_title(
            own.method, own.own(own.method), llm=params.llm.model
        ),
    )


def _words(source: Source) -> str:
    """Return where data comes from, in words."""
    match source:
        case SampleSource():
            return "the project's own sample"
        case FileSource():
            return f"the user's file {source.name}"
    return f"{source.path} ({source.config or 'default'}, {source.split}) of the hub"


if __name__ == "__main__":
    run(summarize)
