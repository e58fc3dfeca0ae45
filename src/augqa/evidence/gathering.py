"""Everything that a study says, gathered into one record that a report only has to show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import isfinite
from typing import Any

import numpy as np

from augqa.evidence.champion import Champion, champion
from augqa.evidence.comparisons import (
    Comparison,
    Intervals,
    Planned,
    SeedSpread,
    compare,
    corrected,
    intervals_for,
    seed_spread,
)
from augqa.evidence.contrast import target_weights
from augqa.evidence.curves import Curve, Price, Worth, fit_curve, price, worth
from augqa.evidence.edges import Edge, EdgeKind, study_edges
from augqa.evidence.leakage import Leakage, leakage
from augqa.evidence.plan import Plan, check
from augqa.evidence.ratio import RatioFinding, ratio_finding
from augqa.evidence.robustness_line import RobustnessLine, robustness_line
from augqa.evidence.scores import METRICS, SHIFTS, Floats, Metric, Study
from augqa.evidence.verdict import Verdict, verdict
from augqa.evidence.words import (
    curve_words,
    leakage_words,
    listed,
    number,
    price_words,
    ratio_finding_words,
    robustness_words,
    worth_words,
)

_INTERVALS: Mapping[Intervals, str] = {
    "own": "Each interval is from the spread over seeds of its two recipes alone, as it was asked"
    " for before the run; where one of them had one training, from the pooled spread.",
    "paired": "Each difference and interval is from the differences of its two recipes seed by"
    " seed, as it was asked for before the run, over the seeds that both have; where these are"
    " fewer than two, from the pooled spread.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A score over training seeds.

    Attributes:
        mean: In percent.
        std: Sample standard deviation; None for a single seed.
        runs: Each seed's score.
    """

    mean: float
    std: float | None
    runs: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeScores:
    """One line of the results table.

    Attributes:
        recipe: Its name.
        seeds: Training seeds.
        scores: By metric and target: `SHIFTS` first where there is a shift, then each set.
    """

    recipe: str
    seeds: tuple[int, ...]
    scores: Mapping[Metric, Mapping[str, Spread]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryComparison:
    """A comparison that was named before the run.

    Attributes:
        planned: As named.
        overall: On the mean over the shifts, corrected; None where it could not be made.
        by_shift: On each shift: corrected where `overall` passed, else without a corrected p.
        verdict: In words.
    """

    planned: Planned
    overall: Comparison | None
    by_shift: tuple[Comparison, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Everything that a report shows; whatever is a sentence is there in words.

    Attributes:
        headline: One sentence on the first primary comparison.
        recipes: The results table.
        primary: As planned.
        exploratory: All others: each recipe against the baseline, and primary comparisons by exact
            match and on sets that are no shift.
        smallest_visible: True difference on the headline that is found in four studies of five,
            by the surest of its comparisons; None with one seed, or where nothing is compared.
        spread: Over training seeds, on the headline by metric.
        curves: Of real sizes, F1, by target; empty with fewer than three sizes.
        worths: What generated pairs are worth, on the headline.
        prices: Where a cost is known, the price of a real example below which annotating is
            cheaper, by recipe.
        lines: Of effective robustness, by target.
        ratios: What each sweep says.
        champion: Whether it moves; None where none was asked for.
        leakage: On mentioned and other articles, for each primary comparison.
        edges: What limits the study.
        remarks: What all but the comparisons say, in words, a sentence each.
    """

    headline: str
    recipes: tuple[RecipeScores, ...]
    primary: tuple[PrimaryComparison, ...]
    exploratory: tuple[Comparison, ...]
    smallest_visible: float | None
    spread: Mapping[Metric, SeedSpread]
    curves: Mapping[str, Curve]
    worths: tuple[Worth, ...]
    prices: Mapping[str, Price]
    lines: Mapping[str, RobustnessLine]
    ratios: tuple[RatioFinding, ...]
    champion: Champion | None
    leakage: tuple[Leakage, ...]
    edges: tuple[Edge, ...]
    remarks: tuple[str, ...]


def gather(study: Study, plan: Plan) -> Evidence:
    """Return everything that a study says.

    Raises:
        EvidenceError: If more than three comparisons are primary or one is named twice, the
            baseline has no scores, or a part of the plan does not fit the study.
    """
    check(study, plan)
    has_shift = bool(study.shifts)
    targets = [SHIFTS, *study.sets] if has_shift else list(study.sets)
    spreads = {metric: _spread(study, metric) for metric in METRICS}
    intervals = {metric: intervals_for(one, plan.intervals) for metric, one in spreads.items()}
    primary = _primary(study, plan, spreads["f1"])
    named = [(one.recipe, one.against) for one in plan.primary]
    against_baseline = [
        (recipe, plan.baseline) for recipe in study.recipes if recipe != plan.baseline
    ]
    exploratory = tuple(
        compare(study, recipe, against, target=target, metric=metric, intervals=intervals[metric])
        for recipe, against in dict.fromkeys([*against_baseline, *named])
        if {recipe, against} <= set(study.seeds)
        for metric in METRICS
        for target in targets
        # Primary comparisons stand for themselves on the targets they were named for.
        if not (
            (recipe, against) in named
            and metric == "f1"
            and (target == SHIFTS or target in study.shifts)
        )
    )
    over_shifts = [one.overall for one in primary if one.overall is not None]
    over_shifts += [one for one in exploratory if one.target == SHIFTS and one.metric == "f1"]
    visible = [one.smallest_visible for one in over_shifts if one.scope == "recipes"]
    curves, lines = _curves(study, plan, targets)
    worths = _worths(study, plan, curves)
    prices = {
        one.recipe: price(one, cost_per_pair=cost)
        for one in worths
        if (cost := plan.generated[one.recipe].cost_per_pair) is not None
    }
    ratios = tuple(ratio_finding(study, sweep, distances=plan.distances) for sweep in plan.sweeps)
    best = (
        champion(study, plan.champion, candidates=plan.candidates, intervals=plan.intervals)
        if plan.champion is not None and has_shift
        else None
    )
    leaks = tuple(
        leak
        for one in primary
        if one.overall is not None and plan.mentioned
        for leak in leakage(study, one.planned.recipe, one.planned.against, plan.mentioned)
    )
    edges = study_edges(
        study,
        not_available=plan.not_available,
        expected=plan.expected,
        spread=spreads["f1"],
        planned=plan.primary,
        compared=over_shifts,
        intervals=plan.intervals,
    )
    nothing = [edge.words for edge in edges if edge.kind is EdgeKind.NOTHING_PLANNED]
    return Evidence(
        headline=_headline(primary[0]) if primary else nothing[0],
        recipes=tuple(_recipe(study, recipe, targets) for recipe in study.recipes),
        primary=primary,
        exploratory=exploratory,
        smallest_visible=min(visible) if visible else None,
        spread=spreads,
        curves=curves,
        worths=worths,
        prices=prices,
        lines=lines,
        ratios=ratios,
        champion=best,
        leakage=leaks,
        edges=edges,
        remarks=(
            *_size_remarks(study, plan, curves, lines, worths, prices),
            *(words for ratio in ratios for words in ratio_finding_words(ratio)),
            *([best.sentence] if best is not None else []),
            *(leakage_words(leak) for leak in leaks if leak.target == SHIFTS),
            *([_INTERVALS[plan.intervals]] if plan.intervals in _INTERVALS else []),
        ),
    )


def as_metrics(found: Any) -> Any:
    """Return a record as what JSON can hold: an infinite number becomes None."""
    if is_dataclass(found):
        return {one.name: as_metrics(getattr(found, one.name)) for one in fields(found)}
    if isinstance(found, Mapping):
        return {str(key): as_metrics(value) for key, value in found.items()}
    if isinstance(found, np.ndarray):
        return as_metrics(found.tolist())
    if isinstance(found, list | tuple):
        return [as_metrics(value) for value in found]
    if isinstance(found, float):
        return found if isfinite(found) else None
    return found


def _headline(first: PrimaryComparison) -> str:
    return f"{first.planned.recipe}: {first.verdict.sentence}"


def _spread(study: Study, metric: Metric) -> SeedSpread:
    # Without a shift there is no headline: then over all sets.
    target = SHIFTS if study.shifts else tuple(study.sets)
    return seed_spread(study, target=target, metric=metric)


def _primary(study: Study, plan: Plan, spread: SeedSpread) -> tuple[PrimaryComparison, ...]:
    n_primary = len(plan.primary)

    def made(planned: Planned, target: str) -> Comparison | None:
        if not study.shifts or not {planned.recipe, planned.against} <= set(study.seeds):
            return None
        return compare(
            study,
            planned.recipe,
            planned.against,
            target=target,
            primary=True,
            n_primary=n_primary,
            intervals=intervals_for(spread, plan.intervals),
        )

    overall = [made(planned, SHIFTS) for planned in plan.primary]
    parts = {
        n: [one for shift in study.shifts if (one := made(planned, shift)) is not None]
        for n, planned in enumerate(plan.primary)
    }
    judged, by_shift = corrected(overall, parts)
    return tuple(
        PrimaryComparison(
            planned=planned,
            overall=one,
            by_shift=tuple(by_shift[n]),
            verdict=verdict(planned, one, study=study, spread=spread),
        )
        for n, (planned, one) in enumerate(zip(plan.primary, judged, strict=True))
    )


def _curves(
    study: Study, plan: Plan, targets: Sequence[str]
) -> tuple[dict[str, Curve], dict[str, RobustnessLine]]:
    sizes = {recipe: n for recipe, n in plan.real_sizes.items() if recipe in study.seeds}
    if len(sizes) < 3:
        return {}, {}
    curves = {target: fit_curve(study, sizes, target=target) for target in targets}
    home = study.with_role("home")
    lines = {
        target: robustness_line(study, list(sizes), home=home[0], target=target)
        for target in targets
        if home and (target == SHIFTS or target in study.shifts)
    }
    return curves, lines


def _worths(study: Study, plan: Plan, curves: Mapping[str, Curve]) -> tuple[Worth, ...]:
    curve = curves.get(SHIFTS)
    if curve is None or not curve.fits:
        return ()
    return tuple(
        worth(study, curve, recipe, n_real=sizes.n_real, n_generated=sizes.n_generated)
        for recipe, sizes in plan.generated.items()
        if recipe in study.seeds and sizes.n_generated
    )


def _recipe(study: Study, recipe: str, targets: Sequence[str]) -> RecipeScores:
    row = study.recipe_of_run == study.index(recipe)
    scores: dict[Metric, dict[str, Spread]] = {}
    for metric in METRICS:
        runs = study.run_means(metric)[row]
        scores[metric] = {
            target: _spread_of(runs @ target_weights(study, target)) for target in targets
        }
    return RecipeScores(recipe=recipe, seeds=study.seeds[recipe], scores=scores)


def _spread_of(runs: Floats) -> Spread:
    return Spread(
        mean=float(runs.mean()),
        std=float(runs.std(ddof=1)) if len(runs) > 1 else None,
        runs=tuple(runs.tolist()),
    )


def _size_remarks(
    study: Study,
    plan: Plan,
    curves: Mapping[str, Curve],
    lines: Mapping[str, RobustnessLine],
    worths: Sequence[Worth],
    prices: Mapping[str, Price],
) -> list[str]:
    remarks = []
    gone = [name for name in (*plan.real_sizes, *plan.generated) if name not in study.seeds]
    if gone:
        remarks.append(
            f"Without scores, and so neither on the curve of real sizes nor held against it:"
            f" {listed(gone)}."
        )
    if SHIFTS in curves:
        remarks.append(curve_words(curves[SHIFTS]))
    elif plan.real_sizes:
        remarks.append(
            f"No curve of real sizes: of {number(len(plan.real_sizes), 0)} sizes fewer than three"
            " have scores on a shift."
        )
    for one in worths:
        remarks.append(worth_words(one))
        if one.recipe in prices:
            remarks.append(price_words(prices[one.recipe], cost_per_real=plan.cost_per_real))
    if SHIFTS in lines:
        remarks += [robustness_words(lines[SHIFTS], one.recipe) for one in worths]
    return remarks
