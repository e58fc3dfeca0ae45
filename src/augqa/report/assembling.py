"""From the files of the stages to everything that is shown: one record, then the files of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augqa import metric_forms as forms
from augqa.blends import Recipe
from augqa.evidence import Evidence, Study, as_metrics, gather
from augqa.metrics import Metrics, write_metrics
from augqa.params import Params
from augqa.question_generator import question_generator_title
from augqa.records import GeneratedContext, Prediction, QAExample, QuestionScore, SampledPair
from augqa.report import results
from augqa.report.files import Inputs, Measured, Numbers, Outputs
from augqa.report.findings import Findings, findings_metrics, findings_of
from augqa.report.page import Provenance, cost_of, page
from augqa.report.pairs import DisputedQuestion, disputed_questions, pairs_page
from augqa.report.plots import by_generated_fraction, f1_by_set, funnel, question_words
from augqa.report.quality import quality_of
from augqa.report.results import BASELINE, Gate, Results, Step, gate, needed, step, summary_metrics
from augqa.report.table import report_text
from augqa.report.template import write_page
from augqa.study.headline import headline
from augqa.study.planning import cost_per_pair, plan_of, size_edges
from augqa.study.reading import mentioned_articles, read_study, run_folder
from augqa.tables import iterate_table, read_table
from augqa.test_sets import (
    FileSource,
    ReportedSet,
    SampleSource,
    Source,
    published_as,
    reported_sets,
)
from augqa.timing import seconds_of

# Test questions to look at on which the two recipes of the headline differ most. # our choice
_N_DISPUTED = 20


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
        disputed: Test questions to look at.
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
    disputed: tuple[DisputedQuestion, ...]


def assemble(params: Params, at: Inputs) -> Assembled:
    """Read what every recipe in force measured, and say what it shows.

    Runs without scores are named in the evidence as failed; folders may hold files of recipes that
    are no longer in force, which are left alone.

    Raises:
        DataError: If a file is missing, or two do not belong together.
        EvidenceError: If runs cannot be compared.
    """
    test_sets = sets_in_order(params, at.measured)
    study = read_study(
        at.predictions,
        at.clusters,
        recipes=recipes_of(params),
        seeds=params.training_seeds,
        test_sets=test_sets,
    )
    mentioned = {}
    if params.study.mentioned_articles:
        texts = (row.text for row in iterate_table(at.written, GeneratedContext))
        mentioned = mentioned_articles(study, texts)
    made = assemble_study(params, at.measured, study, mentioned)
    return replace(
        made,
        sampled_pairs=tuple(read_table(at.sampled_pairs, SampledPair)),
        disputed=tuple(_disputed(at, study, made.evidence)),
    )


def assemble_study(
    params: Params,
    at: Measured,
    study: Study,
    mentioned: Mapping[str, NDArray[np.bool_]],
    *,
    unfinished: bool = False,
) -> Assembled:
    """Say what the scores of a study show, without texts of its test sets and pairs.

    Args:
        params: Its params.
        at: What the stages measured.
        study: Its scores.
        mentioned: For each set whether a generated context mentions each article.
        unfinished: Whether recipes without scores may lack their other numbers as well.

    Raises:
        DataError: If a file is missing, or two do not belong together.
        EvidenceError: If runs cannot be compared.
    """
    # Of each of these there must be the size of its training set and its gates.
    measured = {
        name: study.seeds[name] if unfinished else params.training_seeds
        for name in recipes_of(params)
        if name in study.seeds or not unfinished
    }
    sizes = {name: forms.read_form(at.blends / f"{name}.json", forms.Blend) for name in measured}
    found, run_keys = _results(params, at, study.seeds, sizes)
    evidence = _evidence(params, at, study, sizes=sizes, found=found, mentioned=mentioned)
    steps = _steps(at)
    return Assembled(
        results=found,
        evidence=evidence,
        said=findings_of(evidence, stress=found.stress),
        headline=headline(evidence, n_kept=steps[-1].n),
        run_keys=run_keys,
        provenance=_provenance(params, trained_on=published_as(_content(at).get("train"))),
        steps=steps,
        gates=_gates(at, measured),
        quality=forms.read_form(at.quality, forms.Quality),
        sampled_pairs=(),
        disputed=(),
    )


def report_page(
    made: Assembled,
    *,
    pairs_page: str | None,
    commit: str | None = None,
    date: str | None = None,
) -> str:
    """Return the report page; the arguments are those of `page`."""
    n_trainings = sum(len(row.runs) for row in made.results.regimes)
    return page(
        made.results,
        made.evidence,
        provenance=made.provenance,
        cost=cost_of(made.steps, n_trainings=n_trainings),
        steps=made.steps,
        gates=made.gates,
        quality=quality_of(made.quality),
        pairs_page=pairs_page,
        commit=commit,
        date=date,
    )


def write_results(made: Assembled, to: Outputs) -> str:
    """Write summary, evidence, headline, plots and pages; return the text for a terminal.

    How long the trainings took stands in the text alone: files that git or dvc.lock hold have the
    same bytes on a slower machine.
    """
    shown = report_page(made, pairs_page=to.cases.name)
    write_numbers(made, to)
    write_page(to.report, shown)
    write_page(to.cases, pairs_page(made.sampled_pairs, made.disputed))
    text = report_text(
        made.results,
        made.said,
        sample=made.provenance.sample,
        trained_on=made.provenance.trained_on,
        reader=made.provenance.reader,
    )
    return "\n".join([text, *_time_words(made.run_keys)])


def write_numbers(made: Assembled, to: Numbers) -> None:
    """Write summary, evidence, headline and plots."""
    write_metrics(to.summary, summary_metrics(made.results))
    write_metrics(
        to.evidence, {"evidence": as_metrics(made.evidence), "words": findings_metrics(made.said)}
    )
    write_metrics(to.headline, made.headline)
    for name, records in (
        ("f1_by_set", f1_by_set(made.results)),
        ("generated_fraction", by_generated_fraction(made.results)),
        ("funnel", funnel(made.steps)),
        ("question_words", question_words(made.quality)),
    ):
        write_metrics(to.plots / f"{name}.json", {name: records})


def _time_words(run_keys: Mapping[str, Sequence[str]]) -> list[str]:
    keys = [key for of_recipe in run_keys.values() for key in of_recipe]
    known = [seconds for key in keys if (seconds := seconds_of(key)) is not None]
    if not known:
        return []
    elsewhere = len(keys) - len(known)
    left_out = f"; {elsewhere} more were made elsewhere" if elsewhere else ""
    return [f"{len(known)} trainings took {sum(known):,.0f} s here{left_out}"]


def recipes_of(params: Params) -> dict[str, Recipe]:
    """Return the recipes in force, the baseline first."""
    return {name: params.blend[name] for name in (BASELINE, *params.regimes)}


def _content(at: Measured) -> Mapping[str, str]:
    content: Mapping[str, str] = needed(
        forms.read_form(at.prepare, forms.Prepared), "content", str(at.prepare)
    )
    return content


def sets_in_order(params: Params, at: Measured) -> tuple[ReportedSet, ...]:
    """Return the test sets of the params, those whose content is published by its name."""
    return tuple(reported_sets(params.data.test_sets, _content(at)))


def _results(
    params: Params,
    at: Measured,
    seeds: Mapping[str, Iterable[int]],
    sizes: Mapping[str, Metrics],
) -> tuple[Results, dict[str, tuple[str, ...]]]:
    """Return the results of the runs that have scores, and the keys of their trainings."""
    evaluations = {
        name: {
            seed: forms.read_form(at.evaluations / f"{name}-{seed}.json", forms.Evaluation)
            for seed in of_recipe
        }
        for name, of_recipe in seeds.items()
    }
    found = results.gather(
        evaluations,
        sizes,
        seeds=params.training_seeds,
        test_sets=sets_in_order(params, at),
    )
    run_keys = {
        name: tuple(
            needed(run, "run_key", f"evaluation of {name}, seed {seed}")
            for seed, run in by_seed.items()
        )
        for name, by_seed in evaluations.items()
    }
    return found, run_keys


def _disputed(at: Inputs, study: Study, evidence: Evidence) -> list[DisputedQuestion]:
    """Return test questions on which the two recipes of the headline differ most."""
    if not evidence.primary or evidence.primary[0].overall is None:
        return []
    planned = evidence.primary[0].planned
    recipes = planned.recipe, planned.against
    questions: dict[str, Sequence[QAExample]] = {}
    scores: dict[str, dict[str, list[float]]] = {recipe: {} for recipe in recipes}
    answers: dict[str, dict[str, list[str]]] = {recipe: {} for recipe in recipes}
    for name in study.sets:
        by_id = {row.id: row for row in read_table(at.test / f"{name}.parquet", QAExample)}
        ids: list[str] = []
        for recipe in recipes:
            folders = [run_folder(at.predictions, recipe, seed) for seed in study.seeds[recipe]]
            runs = [read_table(run / f"{name}.parquet", QuestionScore) for run in folders]
            ids = [row.id for row in runs[0]]
            scores[recipe][name] = [fmean(row.f1 for row in of) for of in zip(*runs, strict=True)]
            said = read_table(folders[0].parent / f"{name}.parquet", Prediction)
            texts = {row.id: row.text for row in said}
            answers[recipe][name] = [texts[id_] for id_ in ids]
        questions[name] = [by_id[id_] for id_ in ids]
    return disputed_questions(questions, scores, answers, recipes=recipes, n=_N_DISPUTED)


def _evidence(
    params: Params,
    at: Measured,
    study: Study,
    *,
    sizes: Mapping[str, Metrics],
    found: Results,
    mentioned: Mapping[str, NDArray[np.bool_]],
) -> Evidence:
    plan = plan_of(
        study,
        params.study,
        recipes=recipes_of(params),
        training_sets=sizes,
        seeds=params.training_seeds,
        baseline=BASELINE,
        not_available=[n for n in found.not_available if found.of(n).role == "shift"],
        cost_per_pair=cost_per_pair(
            forms.read_form(at.contexts, forms.Contexts),
            forms.read_form(at.pairs, forms.Pairs),
            n_kept=needed(forms.read_form(at.filters, forms.Filtered), "n_kept", str(at.filters)),
        ),
        mentioned=mentioned,
        quality=forms.read_form(at.quality, forms.Quality),
    )
    said = gather(study, plan)
    return replace(said, edges=(*said.edges, *size_edges(plan.primary, sizes)))


def _steps(at: Measured) -> tuple[Step, ...]:
    hidden = ["test", "content", "n_repaired"]
    return (
        step(
            "seed questions",
            forms.read_form(at.prepare, forms.Prepared),
            count="n_seed_questions",
            hidden=hidden,
        ),
        step(
            "contexts",
            forms.read_form(at.contexts, forms.Contexts),
            count="n_contexts",
            dropped="n_failed",
        ),
        step(
            "pairs", forms.read_form(at.pairs, forms.Pairs), count="n_pairs", dropped="n_rejected"
        ),
        step(
            "kept pairs",
            forms.read_form(at.filters, forms.Filtered),
            count="n_kept",
            dropped="n_rejected",
        ),
    )


def _gates(at: Measured, seeds: Mapping[str, Iterable[int]]) -> tuple[Gate, ...]:
    checked = {name: [name] for name in ("pool", "contexts", "pairs", "kept")} | {
        f"blend-{name}": [f"blend-{name}/{seed}" for seed in of_recipe]
        for name, of_recipe in seeds.items()
    }
    return tuple(
        gate(
            artefact,
            {
                f"gates/{name}.html": forms.read_form(at.gates / f"{name}.json", forms.Gate)
                for name in names
            },
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
        licences=params.data.licences(),
    )


def _words(source: Source) -> str:
    """Return where data comes from, in words."""
    match source:
        case SampleSource():
            return "the project's own sample"
        case FileSource():
            return f"the user's file {source.name}"
    return f"{source.path} ({source.config or 'default'}, {source.split}) of the hub"
