"""Which share of generated examples is best, and which shares cannot be ruled out.

Two sweeps answer two questions. With a *fixed size* the real examples make room for the generated
ones: what is an example worth? With *fixed real* the generated ones come on top: what should a user
do? The best point of a grid is a poor estimate, since it is the luckiest one as well; a quadratic
through all points is a better one where it fits. Where it does not, the grid is compared point by
point.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial
from typing import Literal

import numpy as np
from scipy import special, stats

from augqa.errors import EvidenceError
from augqa.evidence.contrast import (
    ALPHA,
    Estimate,
    joint,
    lack_of_fit,
    of_recipes,
    t_quantile,
    target_weights,
)
from augqa.evidence.scores import SHIFTS, Floats, Metric, Study

SweepKind = Literal["fixed size", "fixed real"]

_N_GRID = 201
# With more shifts than this their orders are not counted out.
_MAX_ORDERED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Recipes that differ in their ratio alone.

    Attributes:
        name: In tables.
        kind: ``fixed size``: the ratio is the generated fraction; ``fixed real``: generated
            examples a real one.
        points: Ratio of each recipe.
    """

    name: str
    kind: SweepKind
    points: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RatioCurve:
    """Score over the ratio on one target.

    Attributes:
        target: `SHIFTS`, the name of a set, or names of sets.
        recipes: Those of the sweep that have scores, by rising ratio.
        ratios: Of each, shape ``(n_points,)``.
        scores: Mean over seeds of each, in percent, same shape.
        lack_of_fit_p: Of a quadratic; None where there is nothing to test with.
        quadratic: Whether it is shown: it was tested and fits.
        curvature: Of the quadratic, with its error, in points; below 0 there is a best ratio.
        best: Ratio at the top of the quadratic; of the best point where that is not shown.
        kept: Ratios that cannot be ruled out as the best, as ranges; points where no quadratic is
            shown.
        interior: Whether a best ratio strictly between the ends is shown.
        band: Ratio, score, low and high of the quadratic, shape ``(n, 4)``; 95 % over other
            trainings, on these articles. Empty where it is not shown.
    """

    target: str | tuple[str, ...]
    recipes: tuple[str, ...]
    ratios: Floats
    scores: Floats
    lack_of_fit_p: float | None
    quadratic: bool
    curvature: Estimate
    best: float
    kept: tuple[tuple[float, float], ...]
    interior: bool
    band: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The ratio that is best on the other shifts, on the one left out.

    Attributes:
        shift: The one left out.
        recipe: Chosen on the others.
        ratio: Of it.
        gain: Over the smallest ratio, on the shift left out.
    """

    shift: str
    recipe: str
    ratio: float
    gain: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Whether the best ratio moves with the distance of the shift.

    Attributes:
        correlation: Spearman's, of distance and best ratio; None where one of them is constant.
        p: Exact, over all orders; None with more than eight shifts or no correlation.
        lowest_p: The lowest that so many shifts can give.
        n: Shifts with a distance.
    """

    correlation: float | None
    p: float | None
    lowest_p: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioFinding:
    """What one sweep says.

    Attributes:
        sweep: Its points.
        missing: Points without scores.
        overall: Over the mean of the shifts; None with fewer than three points.
        by_shift: On each shift; empty with fewer than three points.
        left_out: Each shift with the ratio that is best on the others; empty with one shift.
        gain: Mean of their gains.
        movement: With the distance of the shift; None where no distance is known.
    """

    sweep: Sweep
    missing: tuple[str, ...]
    overall: RatioCurve | None
    by_shift: Mapping[str, RatioCurve]
    left_out: tuple[LeftOut, ...]
    gain: Estimate | None
    movement: Movement | None


def ratio_curve(
    study: Study,
    points: Mapping[str, float],
    *,
    target: str | Sequence[str] = SHIFTS,
    metric: Metric = "f1",
) -> RatioCurve:
    """Return the score over the ratio, and the ratios that cannot be ruled out.

    With a quadratic that fits, a ratio is ruled out where the slope at it is not 0; an end, where
    the curve rises from it or the other end is above it. Of the points of a grid, one is ruled out
    where another is above it, corrected for how many others there are (multiple comparisons with
    the best, Hsu 1981, Annals of Statistics 9(5)).

    Args:
        study: The study.
        points: Ratio of each recipe.
        target: `SHIFTS`, the name of a set, or names of sets to take the mean over.
        metric: Of the scores.

    Raises:
        EvidenceError: If there are fewer than three points, or two of one ratio.
    """
    ordered = sorted(points.items(), key=lambda item: item[1])
    ratios = np.array([ratio for _, ratio in ordered], dtype=np.float64)
    if len(ratios) < 3 or (np.diff(ratios) == 0).any():
        raise EvidenceError(
            "a sweep needs three different ratios or more, found "
            + (", ".join(f"{recipe}: {ratio:g}" for recipe, ratio in ordered) or "none")
        )
    rows = [study.index(recipe) for recipe, _ in ordered]
    weights = target_weights(study, target)
    scores = of_recipes(study, weights, metric=metric)
    y, n_seeds = scores.values[rows], study.n_seeds[rows].astype(np.float64)
    design = _powers(ratios)
    pull = np.asarray(np.linalg.solve(design.T * n_seeds @ design, design.T * n_seeds), np.float64)
    p = lack_of_fit(scores.at(rows), y - design @ (pull @ y), design @ pull, n_seeds)

    def over(coefficients: Floats) -> Floats:
        # From weights of the points to weights of all recipes.
        full = np.zeros((*coefficients.shape[:-1], len(study.seeds)))
        full[..., rows] = coefficients
        return full

    curvature = scores.combine(over(pull[2]))
    fits = p is not None and p >= ALPHA
    grid = np.linspace(ratios[0], ratios[-1], _N_GRID)
    band = np.zeros((0, 4))
    if fits:
        line = _powers(grid) @ pull
        _, se, df = scores.combine_all(over(line), articles=False)
        half = special.stdtrit(df, 1 - ALPHA / 2) * se
        values = line @ y
        band = np.stack([grid, values, values - half, values + half], axis=1)
        best = float(grid[values.argmax()])
        bends = curvature.interval()[1] < 0
        if bends:
            _, b, c = pull @ y
            best = float(np.clip(-b / (2 * c), ratios[0], ratios[-1]))
        mask = _not_ruled_out(
            lambda w: scores.combine_all(over(w)), pull, grid, convex=curvature.interval()[0] > 0
        )
        mask[int(np.abs(grid - best).argmin())] = True  # the best guess is never ruled out
        kept = _ranges(grid, mask)
        interior = bends and not (mask[0] or mask[-1])
    else:
        best = float(ratios[y.argmax()])
        kept = tuple(
            (float(ratios[n]), float(ratios[n]))
            for n in range(len(ratios))
            if not _worse_than_another(lambda w: scores.combine_all(over(w)), n, len(ratios))
        )
        interior = False
    return RatioCurve(
        target=target if isinstance(target, str) else tuple(target),
        recipes=tuple(recipe for recipe, _ in ordered),
        ratios=ratios,
        scores=y,
        lack_of_fit_p=p,
        quadratic=fits,
        curvature=curvature,
        best=best,
        kept=kept,
        interior=interior,
        band=band,
    )


def ratio_finding(
    study: Study,
    sweep: Sweep,
    *,
    distances: Mapping[str, float] | None = None,
    metric: Metric = "f1",
) -> RatioFinding:
    """Return what a sweep says, overall and by shift.

    Args:
        study: The study.
        sweep: Its points; those without scores are left out and named.
        distances: How far each shift lies from home, on any scale.
        metric: Of the scores.
    """
    points = {recipe: ratio for recipe, ratio in sweep.points.items() if recipe in study.seeds}
    missing = tuple(recipe for recipe in sweep.points if recipe not in points)
    if len(points) < 3 or not study.shifts:
        return RatioFinding(
            sweep=sweep,
            missing=missing,
            overall=None,
            by_shift={},
            left_out=(),
            gain=None,
            movement=None,
        )
    by_shift = {
        shift: ratio_curve(study, points, target=shift, metric=metric) for shift in study.shifts
    }
    left_out, gain = one_shift_left_out(
        study,
        lambda others: nearest_point(ratio_curve(study, points, target=others, metric=metric)),
        against=min(points, key=lambda recipe: points[recipe]),
        metric=metric,
    )
    known = {shift: distances[shift] for shift in by_shift if distances and shift in distances}
    return RatioFinding(
        sweep=sweep,
        missing=missing,
        overall=ratio_curve(study, points, metric=metric),
        by_shift=by_shift,
        left_out=tuple(
            LeftOut(shift=shift, recipe=recipe, ratio=points[recipe], gain=estimate)
            for shift, recipe, estimate in left_out
        ),
        gain=gain,
        movement=movement(known, {shift: by_shift[shift].best for shift in known})
        if len(known) > 1
        else None,
    )


def one_shift_left_out(
    study: Study,
    choose: Callable[[tuple[str, ...]], str],
    *,
    against: str,
    metric: Metric = "f1",
) -> tuple[list[tuple[str, str, Estimate]], Estimate | None]:
    """Choose a recipe on all shifts but one and measure it on that one, for each in turn.

    It takes the luck of questions out of the choice, not that of trainings: the same readers are
    chosen and reported.

    Args:
        study: The study.
        choose: Returns the recipe chosen on the shifts given.
        against: What the gain is over.
        metric: Of the scores.

    Returns:
        For each shift the recipe chosen on the others and its gain there, and the mean gain. Both
        empty with fewer than two shifts.
    """
    shifts = study.shifts
    if len(shifts) < 2:
        return [], None
    names = list(study.sets)
    base = study.index(against)
    coefficients = np.zeros((len(shifts), len(study.seeds), len(names)))
    chosen = []
    for row, shift in enumerate(shifts):
        chosen.append(choose(tuple(name for name in shifts if name != shift)))
        coefficients[row, study.index(chosen[-1]), names.index(shift)] += 1
        coefficients[row, base, names.index(shift)] -= 1
    gains = joint(study, coefficients, metric=metric)
    own = np.eye(len(shifts))
    return [
        (shift, recipe, gains.combine(own[row]))
        for row, (shift, recipe) in enumerate(zip(shifts, chosen, strict=True))
    ], gains.combine(np.full(len(shifts), 1 / len(shifts)))


def nearest_point(curve: RatioCurve) -> str:
    """Return the recipe whose ratio is nearest to the best one."""
    return curve.recipes[int(np.abs(curve.ratios - curve.best).argmin())]


def movement(distances: Mapping[str, float], best: Mapping[str, float]) -> Movement:
    """Return the rank correlation of distance and best ratio, with the p over all orders."""
    names = list(distances)
    n = len(names)
    x = stats.rankdata([distances[name] for name in names])
    y = stats.rankdata([best[name] for name in names])
    lowest = min(1.0, 2 / factorial(n))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Movement(correlation=None, p=None, lowest_p=lowest, n=n)
    correlation = float(np.corrcoef(x, y)[0, 1])
    p = None
    if n <= _MAX_ORDERED:
        orders = np.array(list(permutations(y)))
        every = (orders - y.mean()) @ (x - x.mean()) / (n * x.std() * y.std())
        p = float((np.abs(every) >= abs(correlation) - 1e-9).mean())
    return Movement(correlation=correlation, p=p, lowest_p=lowest, n=n)


def _powers(values: Floats) -> Floats:
    return np.stack([np.ones_like(values), values, values**2], axis=1)


def _slopes(values: Floats) -> Floats:
    return np.stack([np.zeros_like(values), np.ones_like(values), 2 * values], axis=1)


# From weights of the points, (m, n_points), to values, standard errors and degrees of freedom.
_Combine = Callable[[Floats], tuple[Floats, Floats, Floats]]


def _not_ruled_out(combine: _Combine, pull: Floats, grid: Floats, *, convex: bool) -> list[bool]:
    slope, se, df = combine(_slopes(grid) @ pull)
    reach = special.stdtrit(df, 1 - ALPHA / 2) * se
    # A curve that bends upwards for certain has its top at an end.
    mask = [not convex and bool(abs(s) <= r) for s, r in zip(slope, reach, strict=True)]
    ends = _powers(grid[[0, -1]]) @ pull
    rise, rise_se, rise_df = combine((ends[1] - ends[0])[None])
    apart = t_quantile(1 - ALPHA / 2, float(rise_df[0])) * float(rise_se[0])
    mask[0] = bool(slope[0] <= reach[0] and rise[0] <= apart)
    mask[-1] = bool(slope[-1] >= -reach[-1] and rise[0] >= -apart)
    return mask


def _worse_than_another(combine: _Combine, place: int, n: int) -> bool:
    others = np.eye(n)[[other for other in range(n) if other != place]]
    gap, se, df = combine(others - np.eye(n)[place])
    reach = special.stdtrit(df, 1 - ALPHA / (n - 1)) * se
    return bool((gap > reach).any())


def _ranges(grid: Floats, mask: Sequence[bool]) -> tuple[tuple[float, float], ...]:
    # Half a step wider than the points of the grid that are kept: the change lies between two.
    half = float(grid[1] - grid[0]) / 2
    found: list[tuple[float, float]] = []
    start: int | None = None
    for n, inside in enumerate([*mask, False]):
        if inside and start is None:
            start = n
        elif not inside and start is not None:
            low, high = float(grid[start]) - half, float(grid[n - 1]) + half
            found.append((max(low, float(grid[0])), min(high, float(grid[-1]))))
            start = None
    return tuple(found)
