"""From the files of the stages to everything that is shown: one record, then the files of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augqa.blends import Recipe
from augqa.evidence import Evidence, Study, as_metrics, gather
from augqa.metrics import Metrics, read_metrics, write_metrics
from augqa.params import Params
from augqa.question_generator import question_generator_title
from augqa.records import GeneratedContext, SampledPair
from augqa.report import results
from augqa.report.findings import Findings, findings_metrics, findings_of
from augqa.report.page import Provenance, page
from augqa.report.plots import by_generated_fraction, f1_by_set, funnel, question_words
from augqa.report.quality import quality_tables
from augqa.report.results import BASELINE, Gate, Results, Step, gate, needed, step, summary_metrics
from augqa.report.table import report_text
from augqa.report.template import write_page
from augqa.study.headline import headline
from augqa.study.planning import cost_per_pair, plan_of, size_edges
from augqa.study.reading import mentioned_articles, read_study
from augqa.tables import iterate_table, read_table
from augqa.test_sets import FileSource, SampleSource, Source, published_as, reported_sets
from augqa.timing import seconds_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Where the stages wrote what they measured."""

    predictions: Path
    clusters: Path
    written: Path
    evaluations: Path
    blends: Path
    gates: Path
    prepare: Path
    contexts: Path
    pairs: Path
    filters: Path
    quality: Path
    sampled_pairs: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assembled:
    """Everything that is shown of a run.

    Attributes:
        results: Means by recipe and set.
        evidence: What the scores say.
        said: The same in words.
        headline: The numbers for `dvc exp show`.
        run_keys: Of the trainings, by recipe, in the order of the training seeds.
        provenance: What all of it was made with.
        steps: From seed questions to kept pairs.
        gates: What the gates found.
        quality: What metrics/quality.json holds.
        sampled_pairs: Pairs to look at.
    """

    results: Results
    evidence: Evidence
    said: Findings
    headline: Mapping[str, Any]
    run_keys: Mapping[str, tuple[str, ...]]
    provenance: Provenance
    steps: tuple[Step, ...]
    gates: tuple[Gate, ...]
    quality: Metrics
    sampled_pairs: tuple[SampledPair, ...]


def assemble(params: Params, at: Inputs) -> Assembled:
    """Read what every recipe in force measured, and say what it shows.

    Runs without scores are named in the evidence as failed; folders may hold files of recipes that
    are no longer in force, which are left alone.

    Raises:
        DataError: If a file is missing, or two do not belong together.
        EvidenceError: If runs cannot be compared.
    """
    recipes = {name: params.blend[name] for name in (BASELINE, *params.regimes)}
    prepared = read_metrics(at.prepare)
    content = needed(prepared, "content", str(at.prepare))
    test_sets = reported_sets(params.data.test_sets, content)
    study = read_study(
        at.predictions,
        at.clusters,
        recipes=recipes,
        seeds=params.training_seeds,
        test_sets=test_sets,
    )
    sizes = {name: read_metrics(at.blends / f"{name}.json") for name in recipes}
    evaluations = {
        name: {seed: read_metrics(at.evaluations / f"{name}-{seed}.json") for seed in seeds}
        for name, seeds in study.seeds.items()
    }
    found = results.gather(evaluations, sizes, seeds=params.training_seeds, test_sets=test_sets)
    run_keys = {
        name: tuple(
            needed(run, "run_key", f"evaluation of {name}, seed {seed}")
            for seed, run in by_seed.items()
        )
        for name, by_seed in evaluations.items()
    }
    steps = _steps(prepared, at)
    evidence = _evidence(params, at, study, recipes=recipes, sizes=sizes, found=found)
    return Assembled(
        results=found,
        evidence=evidence,
        said=findings_of(evidence, stress=found.stress),
        headline=headline(
            evidence,
            n_kept=steps[-1].n,
            seconds=[seconds_of(key) for keys in run_keys.values() for key in keys],
        ),
        run_keys=run_keys,
        provenance=_provenance(params, trained_on=published_as(content.get("train"))),
        steps=steps,
        gates=_gates(params, at, recipes),
        quality=read_metrics(at.quality),
        sampled_pairs=tuple(read_table(at.sampled_pairs, SampledPair)),
    )


def write_results(
    made: Assembled, *, summary: Path, evidence: Path, headline: Path, plots: Path, report: Path
) -> str:
    """Write summary, evidence, headline, plots and page; return the text for a terminal."""
    shown = page(
        made.results,
        said=made.said,
        provenance=made.provenance,
        steps=made.steps,
        gates=made.gates,
        quality=quality_tables(made.quality),
        sampled_pairs=made.sampled_pairs,
    )
    write_metrics(summary, summary_metrics(made.results))
    write_metrics(
        evidence, {"evidence": as_metrics(made.evidence), "words": findings_metrics(made.said)}
    )
    write_metrics(headline, made.headline)
    for name, records in (
        ("f1_by_set", f1_by_set(made.results)),
        ("generated_fraction", by_generated_fraction(made.results)),
        ("funnel", funnel(made.steps)),
        ("question_words", question_words(made.quality)),
    ):
        write_metrics(plots / f"{name}.json", {name: records})
    write_page(report, shown)
    return report_text(
        made.results,
        made.said,
        sample=made.provenance.sample,
        trained_on=made.provenance.trained_on,
        reader=made.provenance.reader,
    )


def _evidence(
    params: Params,
    at: Inputs,
    study: Study,
    *,
    recipes: Mapping[str, Recipe],
    sizes: Mapping[str, Metrics],
    found: Results,
) -> Evidence:
    mentioned = {}
    if params.study.mentioned_articles:
        texts = (row.text for row in iterate_table(at.written, GeneratedContext))
        mentioned = mentioned_articles(study, texts)
    plan = plan_of(
        study,
        params.study,
        recipes=recipes,
        training_sets=sizes,
        seeds=params.training_seeds,
        baseline=BASELINE,
        not_available=[n for n in found.not_available if found.of(n).role == "shift"],
        cost_per_pair=cost_per_pair(
            read_metrics(at.contexts),
            read_metrics(at.pairs),
            n_kept=needed(read_metrics(at.filters), "n_kept", str(at.filters)),
        ),
        mentioned=mentioned,
    )
    said = gather(study, plan)
    return replace(said, edges=(*said.edges, *size_edges(plan.primary, sizes)))


def _steps(prepared: Metrics, at: Inputs) -> tuple[Step, ...]:
    hidden = ["test", "content", "n_repaired"]
    return (
        step("seed questions", prepared, count="n_seed_questions", hidden=hidden),
        step("contexts", read_metrics(at.contexts), count="n_contexts", dropped="n_failed"),
        step("pairs", read_metrics(at.pairs), count="n_pairs", dropped="n_rejected"),
        step("kept pairs", read_metrics(at.filters), count="n_kept", dropped="n_rejected"),
    )


def _gates(params: Params, at: Inputs, recipes: Mapping[str, Recipe]) -> tuple[Gate, ...]:
    checked = {name: [name] for name in ("pool", "contexts", "pairs", "kept")} | {
        f"blend-{name}": [f"blend-{name}/{seed}" for seed in params.training_seeds]
        for name in recipes
    }
    return tuple(
        gate(
            artefact,
            {f"gates/{name}.html": read_metrics(at.gates / f"{name}.json") for name in names},
        )
        for artefact, names in checked.items()
    )


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
