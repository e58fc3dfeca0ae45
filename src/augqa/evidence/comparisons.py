"""Recipes against their controls: difference, interval, p and its correction.

Which comparisons are primary is said before the run; all others are exploratory and get an interval
and no star. Holm's correction (1979, Scandinavian Journal of Statistics 6(2)) stands between the
reader of a table and the best of many: first over the primary comparisons, then, for those that
pass, over their shifts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, inf, isnan, sqrt
from typing import Literal

import numpy as np
from scipy import stats

from augqa.evidence.contrast import (
    ALPHA,
    Estimate,
    Scope,
    joint,
    of_recipes,
    target_weights,
)
from augqa.evidence.scores import SHIFTS, Floats, Metric, Study

# Over trainings: `pooled` takes the spread of all recipes together, `own` that of the two alone
# (Welch), `wider` whichever of both gives the wider interval, `paired` that of the differences seed
# by seed.
Intervals = Literal["pooled", "own", "wider", "paired"]

# More ways than this to deal runs to two recipes are not counted out: 10 seeds against 10.
_MAX_DEALS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A comparison that is named before the run.

    Attributes:
        recipe: What is tried.
        against: Its control.
        control: What the control is, to stand behind "against"; None for the words that are known
            for its name.
    """

    recipe: str
    against: str
    control: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A recipe against its control on a target.

    Attributes:
        recipe: What is tried.
        against: Its control.
        target: `SHIFTS` or the name of a set.
        metric: Of the scores.
        primary: Whether it was named before the run; also of the shifts of such a one.
        estimate: The difference.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        p: Of no difference; None where nothing can be said about the recipe.
        corrected_p: After Holm's correction; None for what is exploratory or was not tested.
        corrected_low: Lower end of the interval at the level at which Holm judged, so that it
            leaves 0 out exactly where the corrected p is below 5 %.
        corrected_high: Its upper end.
        smallest_visible: True difference that is found in four studies of five.
        permutation_p: Of the runs dealt anew to the two recipes in every way; a check.
        n_seeds: Trainings of the recipe and of the control.
    """

    recipe: str
    against: str
    target: str
    metric: Metric
    primary: bool
    estimate: Estimate
    low: float
    high: float
    p: float | None
    smallest_visible: float
    permutation_p: float | None
    n_seeds: tuple[int, int]
    corrected_p: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None

    @property
    def difference(self) -> float:
        """Recipe minus control, in points."""
        return self.estimate.value

    @property
    def scope(self) -> Scope:
        """What the interval is about."""
        return self.estimate.scope

    @property
    def shown(self) -> bool:
        """Whether the corrected p says that there is a difference."""
        return self.corrected_p is not None and self.corrected_p < ALPHA

    @property
    def stars(self) -> str:
        """One, two or three for a corrected p below 0.05, 0.01 or 0.001."""
        if self.corrected_p is None:
            return ""
        return "*" * sum(self.corrected_p < level for level in (0.05, 0.01, 0.001))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSpread:
    """How far trainings of one recipe lie apart, pooled over all recipes.

    Attributes:
        std: Standard deviation of a run, in points; None where no recipe has two seeds.
        df: Its degrees of freedom.
        bartlett_p: Of equal variances; None where fewer than two recipes have two seeds, or one
            has no variance at all.
        by_recipe: Standard deviation of each recipe that has two seeds.
    """

    std: float | None
    df: int
    bartlett_p: float | None
    by_recipe: Mapping[str, float]

    @property
    def unequal(self) -> bool:
        """Whether the recipes' variances differ, so that pooling them misleads."""
        return self.bartlett_p is not None and self.bartlett_p < ALPHA

    @property
    def seedless(self) -> bool:
        """Whether every training of a recipe gave the very same score."""
        return self.std is not None and self.std < 1e-9


def intervals_for(spread: SeedSpread, asked: Intervals) -> Intervals:
    """Return what comparisons take: the wider one where recipes are seen to differ in spread."""
    return "wider" if asked == "pooled" and spread.unequal else asked


def seed_spread(
    study: Study, *, target: str | Sequence[str] = SHIFTS, metric: Metric = "f1"
) -> SeedSpread:
    """Return the pooled spread over training seeds, and whether it may be pooled.

    Source: Bartlett 1937, Proceedings of the Royal Society A 160.
    """
    scores = study.run_means(metric) @ target_weights(study, target)
    groups = {
        recipe: scores[study.recipe_of_run == n]
        for n, (recipe, seeds) in enumerate(study.seeds.items())
        if len(seeds) > 1
    }
    df = sum(len(group) - 1 for group in groups.values())
    by_recipe = {recipe: float(group.std(ddof=1)) for recipe, group in groups.items()}
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups.values())
    p = None
    if len(groups) > 1 and min(by_recipe.values()) > 0:
        p = float(stats.bartlett(*groups.values()).pvalue)
    return SeedSpread(
        std=float(np.sqrt(squares / df)) if df else None,
        df=df,
        bartlett_p=None if p is None or isnan(p) else p,
        by_recipe=by_recipe,
    )


def compare(
    study: Study,
    recipe: str,
    against: str,
    *,
    target: str = SHIFTS,
    metric: Metric = "f1",
    primary: bool = False,
    n_primary: int = 1,
    intervals: Intervals = "pooled",
) -> Comparison:
    """Return a comparison, not corrected yet.

    Args:
        study: The study.
        recipe: What is tried.
        against: Its control.
        target: `SHIFTS` or the name of a set.
        metric: Of the scores.
        primary: Whether it was named before the run.
        n_primary: How many were: the smallest visible effect is that of the strictest step of
            Holm's correction.
        intervals: From which spread over seeds. Where the two recipes have none of their own, or
            no two seeds in common, the pooled one stands in.

    Raises:
        EvidenceError: If a recipe has no scores, or there is no such set.
    """
    weights = target_weights(study, target)
    coefficients = np.zeros((1, len(study.seeds), len(study.sets)))
    coefficients[0, study.index(recipe)] += weights
    coefficients[0, study.index(against)] -= weights
    estimate = joint(study, coefficients, metric=metric).combine(np.ones(1))
    if intervals == "paired":
        estimate = (
            from_paired_seeds(study, recipe, against, target=target, metric=metric) or estimate
        )
    elif intervals != "pooled" and estimate.scope == "recipes":
        own = from_own_spread(study, recipe, against, target=target, metric=metric)
        if own is not None and intervals == "own":
            estimate = own
        elif own is not None:
            estimate = max(estimate, own, key=lambda one: one.interval()[1])
    low, high = estimate.interval()
    return Comparison(
        recipe=recipe,
        against=against,
        target=target,
        metric=metric,
        primary=primary,
        estimate=estimate,
        low=low,
        high=high,
        p=estimate.p if estimate.scope == "recipes" else None,
        smallest_visible=estimate.smallest_visible(ALPHA / n_primary),
        permutation_p=permutation_p(study, recipe, against, target=target, metric=metric),
        n_seeds=(len(study.seeds[recipe]), len(study.seeds[against])),
    )


def from_own_spread(
    study: Study, recipe: str, against: str, *, target: str = SHIFTS, metric: Metric = "f1"
) -> Estimate | None:
    """Return a difference with its error from the two recipes' own variances over seeds.

    For where variances differ and the pooled one misleads (Welch 1947, Biometrika 34). None where
    one of the two has a single training.
    """
    both = study.only({name: study.seeds[name] for name in (recipe, against)})
    scores = both.run_means(metric) @ target_weights(study, target)
    runs = [scores[both.recipe_of_run == place] for place in range(2)]
    if min(len(one) for one in runs) < 2:
        return None
    trainings = [(float(one.var(ddof=1)) / len(one), len(one) - 1.0) for one in runs]
    return _apart(both, trainings, target=target, metric=metric)


def from_paired_seeds(
    study: Study, recipe: str, against: str, *, target: str = SHIFTS, metric: Metric = "f1"
) -> Estimate | None:
    """Return a difference with its error from the differences seed by seed.

    Recipes of one training seed draw the same real examples and begin with the same head: what that
    does to both leaves their difference alone (common random numbers). Over the seeds that both
    have, and the articles of these runs; None where they have fewer than two in common.
    """
    common = sorted(set(study.seeds[recipe]) & set(study.seeds[against]))
    if len(common) < 2:
        return None
    both = study.only({recipe: common, against: common})
    ours, theirs = (both.run_means(metric) @ target_weights(study, target)).reshape(2, -1)
    trainings = [(float((ours - theirs).var(ddof=1)) / len(common), len(common) - 1.0)]
    return _apart(both, trainings, target=target, metric=metric)


def _apart(
    both: Study, trainings: Sequence[tuple[float, float]], *, target: str, metric: Metric
) -> Estimate:
    """Return how far two recipes lie apart.

    Args:
        both: A study of nothing else.
        trainings: Variances from trainings with their degrees of freedom; articles are added.
        target: `SHIFTS` or the name of a set.
        metric: Of the scores.
    """
    sign = np.array([1.0, -1.0])
    scored = of_recipes(both, target_weights(both, target), metric=metric)
    parts = [*trainings, *((float(sign @ part @ sign), df) for part, df in scored.articles)]
    total = sum(variance for variance, _ in parts)
    share = sum(variance**2 / df for variance, df in parts)
    return Estimate(
        value=float(sign @ scored.values),
        se=sqrt(total),
        df=total**2 / share if 0 < share < inf else 1.0,
        scope="recipes",
    )


def permutation_p(
    study: Study, recipe: str, against: str, *, target: str = SHIFTS, metric: Metric = "f1"
) -> float | None:
    """Return the exact two-sided p over every way to deal the runs to the two recipes.

    It cannot go below 0.10, 0.029 and 0.008 with 3, 4 and 5 seeds, and does not count that articles
    are drawn: a check, not the test. None where there are too many ways.
    """
    scores = study.run_means(metric) @ target_weights(study, target)
    ours = scores[study.recipe_of_run == study.index(recipe)]
    theirs = scores[study.recipe_of_run == study.index(against)]
    both = np.concatenate([ours, theirs])
    if comb(len(both), len(ours)) > _MAX_DEALS:
        return None
    deals = np.array(list(combinations(range(len(both)), len(ours))))
    first = both[deals].mean(axis=1)
    differences = np.abs(first - (both.sum() - first * len(ours)) / len(theirs))
    # The deal that happened is among them: it must not miss itself by a rounding error.
    return float((differences >= abs(ours.mean() - theirs.mean()) - 1e-9).mean())


def holm(p: Sequence[float]) -> tuple[Floats, Floats]:
    """Return p after Holm's correction, and the level at which each was judged.

    The level is the one of an interval that leaves 0 out exactly where the corrected p is below
    5 %: 5 % divided by what the correction multiplied p with.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.arange(len(values), 0, -1, dtype=np.float64)
    stepwise = np.maximum.accumulate(steps * values[order])
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(values[order] > 0, stepwise / values[order], steps)
    corrected, levels = np.empty_like(values), np.empty_like(values)
    corrected[order] = np.minimum(stepwise, 1.0)
    levels[order] = ALPHA / factors
    return corrected, levels


def corrected(
    primary: Sequence[Comparison | None], shifts: Mapping[int, Sequence[Comparison]]
) -> tuple[list[Comparison | None], dict[int, list[Comparison]]]:
    """Return the primary comparisons and their shifts, corrected.

    Args:
        primary: As planned; None for one that could not be made. It counts in the correction all
            the same, or failing runs would make the others look better.
        shifts: The comparisons on single shifts, by place of their primary comparison.

    Returns:
        Both, with corrected p and intervals: over the primary comparisons, and over all shifts of
        those that passed. Shifts of the others are not tested.
    """
    values = [1.0 if one is None or one.p is None else one.p for one in primary]
    adjusted, levels = holm(values)
    judged = [
        None if one is None else _judged(one, float(adjusted[n]), float(levels[n]))
        for n, one in enumerate(primary)
    ]
    passed = [n for n, one in enumerate(judged) if one is not None and one.shown]
    below = [(n, one) for n in passed for one in shifts.get(n, ())]
    found: dict[int, list[Comparison]] = {
        n: list(members) for n, members in shifts.items() if n not in passed
    }
    adjusted, levels = holm([1.0 if one.p is None else one.p for _, one in below])
    for (n, one), p, level in zip(below, adjusted, levels, strict=True):
        # Not surer than the comparison that it is a part of.
        over = float(max(p, _corrected_p(judged, n)))
        widened = min(float(level), ALPHA * (one.p or 0) / over) if one.p else float(level)
        found.setdefault(n, []).append(_judged(one, over, widened))
    return judged, found


def _corrected_p(judged: Sequence[Comparison | None], place: int) -> float:
    one = judged[place]
    return 1.0 if one is None or one.corrected_p is None else one.corrected_p


def _judged(one: Comparison, p: float, level: float) -> Comparison:
    if one.p is None:
        return one
    low, high = one.estimate.interval(level)
    return replace(one, corrected_p=p, corrected_low=low, corrected_high=high)
