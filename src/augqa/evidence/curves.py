"""The curve of real sizes, and what it makes comparable: pairs, examples, prices.

Form of the curve: the error, 100 minus the score, is a power of the number of real examples, so
that each doubling takes off the same fraction of it. It rises, stays below 100, needs two numbers,
and the error of learning from n examples has been found to follow a power over orders of magnitude
(Hestness et al. 2017, arXiv:1712.00409; with a floor that more data does not go below, Rosenfeld et
al. 2020, arXiv:1909.12673). Where the power alone does not fit and there are four sizes or more,
the floor is fitted as well. A log-linear curve would need as many numbers and rise without end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, inf, log
from typing import Literal

import numpy as np
from scipy import special
from scipy.optimize import least_squares

from augqa.errors import EvidenceError
from augqa.evidence.contrast import (
    ALPHA,
    Scope,
    lack_of_fit,
    of_recipes,
    target_weights,
)
from augqa.evidence.scores import SHIFTS, Floats, Metric, Study

Form = Literal["power", "power with a floor"]

# The curve is looked at from a 64th of the smallest size measured to 64 times the largest; what
# lies beyond is unbounded for every purpose.
_REACH = 64.0
_N_GRID = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Score over the number of real examples.

    Attributes:
        target: `SHIFTS` or the name of a set.
        metric: Of the scores.
        form: Of the curve.
        recipes: Whose scores it is fitted to.
        sizes: Real examples of each, shape ``(n_sizes,)``, rising.
        scores: Mean over seeds of each, in percent, same shape.
        theta: Logarithm of the error above the floor at `centre`, its slope over the logarithm of
            the size, and the floor, in percent.
        centre: Geometric mean of the sizes.
        pull: How much each parameter moves with each score, shape ``(n_parameters, n_sizes)``.
        lack_of_fit_p: Of scores that lie no further from the curve than noise explains; None where
            there is nothing to test with.
    """

    target: str
    metric: Metric
    form: Form
    recipes: tuple[str, ...]
    sizes: Floats
    scores: Floats
    theta: tuple[float, float, float]
    centre: float
    pull: Floats
    lack_of_fit_p: float | None

    @property
    def fits(self) -> bool:
        """Whether the scores lie no further from it than noise explains."""
        return self.lack_of_fit_p is None or self.lack_of_fit_p >= ALPHA

    def at(self, sizes: Floats) -> Floats:
        """Return the score at sizes, in percent."""
        a, b, floor = self.theta
        values: Floats = 100 - floor - np.exp(a + b * np.log(sizes / self.centre))
        return values

    def pull_at(self, sizes: Floats) -> Floats:
        """Return how much the curve moves with each score, shape ``(n, n_sizes)``."""
        x = np.log(sizes / self.centre)
        return _gradient(x, *self.theta[:2], floor=self.form != "power") @ self.pull

    def size_of(self, score: float) -> float:
        """Return the size at which the curve reaches a score; infinite above where it ends."""
        a, b, floor = self.theta
        error = 100 - floor - score
        if error <= 0 or b >= 0:
            return inf
        power = (log(error) - a) / b
        return inf if power > 300 else self.centre * exp(power)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What the generated pairs of a recipe are worth in real examples.

    Attributes:
        recipe: It has `n_real` real examples and `n_generated` generated pairs.
        n_real: See there.
        n_generated: See there.
        real_examples: Further real examples with which the curve reaches its score; infinite where
            it never does.
        low: Lower end of the 95 % interval, in real examples; minus the real ones the recipe has
            where there is no lower end.
        high: Upper end; infinite where there is none.
        scope: What the interval is about.
        measured: Smallest and largest number of real examples that were measured.
    """

    recipe: str
    n_real: int
    n_generated: int
    real_examples: float
    low: float
    high: float
    scope: Scope
    measured: tuple[float, float]

    @property
    def per_pair(self) -> tuple[float, float, float]:
        """Real examples that one pair is worth: estimate, low, high."""
        n = self.n_generated
        return self.real_examples / n, self.low / n, self.high / n

    @property
    def extrapolated(self) -> bool:
        """Whether the estimate lies outside the sizes measured."""
        return self.outside(self.real_examples)

    def outside(self, real_examples: float) -> bool:
        """Return whether so many further real examples lie outside the sizes measured."""
        smallest, largest = self.measured
        # The sizes measured are whole numbers: the last digits of a float are not outside.
        size = self.n_real + real_examples
        return not smallest * (1 - 1e-9) <= size <= largest * (1 + 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Whether generating is cheaper than annotating.

    Attributes:
        break_even: Price of a real example at which both cost the same; below it annotating is
            cheaper. Infinite where the pairs are worth no real example.
        low: It is not below this: annotating is cheaper under it for certain.
        high: It is not above this: generating is cheaper over it; infinite where that is not so.
    """

    break_even: float
    low: float
    high: float


def fit_curve(
    study: Study, sizes: Mapping[str, int], *, target: str = SHIFTS, metric: Metric = "f1"
) -> Curve:
    """Fit the curve of real sizes by weighted least squares: each mean weighs as its seeds.

    Args:
        study: The study.
        sizes: Real examples of each recipe that has nothing else.
        target: `SHIFTS` or the name of a set.
        metric: Of the scores.

    Raises:
        EvidenceError: If there are fewer than three sizes, two are equal, or one is not above 0.
    """
    ordered = sorted(sizes.items(), key=lambda item: item[1])
    n = np.array([size for _, size in ordered], dtype=np.float64)
    if len(n) < 3 or n[0] <= 0 or (np.diff(n) == 0).any():
        raise EvidenceError(
            "a curve of real sizes needs three different ones or more, each above 0, found "
            + (", ".join(f"{recipe}: {size}" for recipe, size in ordered) or "none")
        )
    recipes = tuple(recipe for recipe, _ in ordered)
    rows = [study.index(recipe) for recipe in recipes]
    points = of_recipes(study, target_weights(study, target), metric=metric).at(rows)
    scores = points.values
    weights = study.n_seeds[rows].astype(np.float64)
    centre = float(np.exp(np.log(n).mean()))
    theta, pull, gradient = _fitted(scores, n, weights, centre, floor=False)
    form: Form = "power"

    def misfit() -> float | None:
        x = np.log(n / centre)
        residuals = scores - (100 - theta[2] - np.exp(theta[0] + theta[1] * x))
        return lack_of_fit(points, residuals, gradient @ pull, weights)

    p = misfit()
    if p is not None and p < ALPHA and len(n) > 3:
        form = "power with a floor"
        theta, pull, gradient = _fitted(scores, n, weights, centre, floor=True)
        p = misfit()
    return Curve(
        target=target,
        metric=metric,
        form=form,
        recipes=recipes,
        sizes=n,
        scores=scores,
        theta=theta,
        centre=centre,
        pull=pull,
        lack_of_fit_p=p,
    )


def worth(study: Study, curve: Curve, recipe: str, *, n_real: int, n_generated: int) -> Worth:
    """Return what the generated pairs of a recipe are worth in real examples.

    The interval holds every size whose score on the curve cannot be told from the recipe's: the
    inversion of a test, as by Fieller (1954, Journal of the Royal Statistical Society B 16). It
    is unbounded where the curve is too flat to tell.

    Raises:
        EvidenceError: If the recipe has no scores, or is one of the curve's.
    """
    if recipe in curve.recipes or n_generated < 1 or n_real < 0:
        raise EvidenceError(
            f"recipe {recipe} with {n_real} real examples and {n_generated} generated pairs cannot"
            " be held against the curve of real sizes"
        )
    scores = of_recipes(study, target_weights(study, curve.target), metric=curve.metric)
    place = study.index(recipe)
    grid = np.exp(np.linspace(log(curve.sizes[0] / _REACH), log(curve.sizes[-1] * _REACH), _N_GRID))

    def away(sizes: Floats) -> tuple[Floats, Floats]:
        # Distance from the curve, and how much of it noise explains, at each size.
        weights = _against(study, curve, place, sizes)
        _, se, df = scores.combine_all(weights)
        return scores.values[place] - curve.at(sizes), special.stdtrit(df, 1 - ALPHA / 2) * se

    size = curve.size_of(float(scores.values[place]))
    if grid[0] < size < grid[-1]:
        # The estimate is a point of the grid: an interval narrower than a step is found too.
        grid = np.unique(np.append(grid, size))
    gap, reach = away(grid)
    kept = np.flatnonzero(np.abs(gap) <= reach)
    low, high = size, size
    if kept.size:
        low = 0.0 if kept[0] == 0 else _crossing(away, grid, int(kept[0]) - 1)
        last = int(kept[-1])
        high = inf if last == len(grid) - 1 else _crossing(away, grid, last)
    else:  # the estimate lies beyond the grid, or at its very end
        low, high = (0.0, grid[0]) if size < grid[0] else (grid[-1], inf)
    weights = _against(study, curve, place, curve.sizes[:1])[0]
    return Worth(
        recipe=recipe,
        n_real=n_real,
        n_generated=n_generated,
        real_examples=size - n_real,
        low=min(low, size) - n_real,
        high=max(high, size) - n_real,
        scope=scores.combine(weights).scope,
        measured=(float(curve.sizes[0]), float(curve.sizes[-1])),
    )


def price(found: Worth, *, cost_per_pair: float) -> Price:
    """Return the price of a real example below which annotating is cheaper than generating.

    Args:
        found: What the pairs are worth.
        cost_per_pair: Of one generated pair that was kept, in money.
    """
    cost = cost_per_pair * found.n_generated

    def of(real_examples: float) -> float:
        return cost / real_examples if real_examples > 0 else inf

    return Price(break_even=of(found.real_examples), low=of(found.high), high=of(found.low))


def _gradient(x: Floats, a: float, b: float, *, floor: bool) -> Floats:
    error = np.exp(a + b * x)
    columns = [-error, -error * x] + ([-np.ones_like(x)] if floor else [])
    return np.stack(columns, axis=1)


def _fitted(
    scores: Floats, sizes: Floats, weights: Floats, centre: float, *, floor: bool
) -> tuple[tuple[float, float, float], Floats, Floats]:
    # Parameters, how they move with the scores, and how the curve moves with them.
    x = np.log(sizes / centre)
    error = np.maximum(100 - scores, 1e-3)  # a reader without any error has no logarithm
    slope, start = np.polyfit(x, np.log(error), 1)
    roots = np.sqrt(weights)

    def curve(theta: Floats) -> Floats:
        values: Floats = 100 - np.exp(theta[0] + theta[1] * x) - (theta[2] if floor else 0.0)
        return values

    def residuals(theta: Floats) -> Floats:
        return roots * (curve(theta) - scores)

    def jacobian(theta: Floats) -> Floats:
        return roots[:, None] * _gradient(x, theta[0], theta[1], floor=floor)

    first = [start, slope]
    bounds = ([-inf, -inf], [inf, inf])
    if floor:
        # Half of the best reader's error is a floor to begin with.
        lowest = float(error.min())
        slope, start = np.polyfit(x, np.log(error - lowest / 2), 1)
        first = [start, slope, lowest / 2]
        bounds = ([-inf, -inf, 0.0], [inf, inf, 100.0])
    theta = least_squares(residuals, first, jac=jacobian, bounds=bounds, x_scale="jac").x
    gradient = _gradient(x, theta[0], theta[1], floor=floor)
    # The pseudo-inverse: a floor that lies at its bound, or a flat curve, is no error here.
    pull = np.linalg.pinv(gradient.T * weights @ gradient) @ (gradient.T * weights)
    parameters = (float(theta[0]), float(theta[1]), float(theta[2]) if floor else 0.0)
    return parameters, pull, gradient


def _against(study: Study, curve: Curve, place: int, sizes: Floats) -> Floats:
    # Weights of the recipes' scores in the distance of one from the curve, (n, n_recipes).
    weights = np.zeros((len(sizes), len(study.seeds)))
    weights[:, place] = 1
    weights[:, [study.index(recipe) for recipe in curve.recipes]] -= curve.pull_at(sizes)
    return weights


def _crossing(away: Callable[[Floats], tuple[Floats, Floats]], grid: Floats, place: int) -> float:
    # Where between two points of the grid noise begins or ceases to explain the distance.
    gap, reach = away(grid[place : place + 2])
    inner = np.abs(gap) - reach
    share = float(inner[0] / (inner[0] - inner[1])) if inner[0] != inner[1] else 0.0
    return float(np.exp(np.log(grid[place]) + share * np.log(grid[place + 1] / grid[place])))
