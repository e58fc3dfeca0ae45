"""The one estimator of this room: a weighted sum of scores with its variance.

A difference between recipes, a point of a fitted curve and a slope are all weighted sums of the
scores of recipes on sets. Two things are drawn at random: trainings, and articles. Each adds its
part to the variance:

- trainings: the variance of runs around the mean of their recipe, pooled over all recipes, with
  ``sum_r (S_r - 1)`` degrees of freedom;
- articles: ``C/(C-1) sum_c (sum_q d_q - D n_c)^2 / N^2`` on the weighted sum ``d_q`` of the scores
  of question q averaged over seeds, where D is its mean over the N questions and ``n_c`` the
  questions of article c. Source: Miller 2024 (arXiv:2411.00640), section 2.2, with the correction
  for few clusters of Cameron and Miller 2015, Journal of Human Resources 50(2), section II.

Degrees of freedom of the sum are Satterthwaite's (1946, Biometrics Bulletin 2(6)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import brentq

from augqa.errors import EvidenceError
from augqa.evidence.scores import SHIFTS, Articles, Floats, Metric, Study

ALPHA = 0.05
POWER = 0.8

# Of an integral over quantiles: power to six decimals, down to one degree of freedom.
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(200)

# `recipes`: over trainings and articles. `readers`: a recipe had one training, so that the interval
# is about these readers alone, over articles.
Scope = Literal["recipes", "readers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A weighted sum of scores, in points, and how sure it is.

    Attributes:
        value: The sum.
        se: Its standard error; infinite where a set has one article.
        df: Degrees of freedom.
        scope: What the standard error is about.
    """

    value: float
    se: float
    df: float
    scope: Scope

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Return the interval that misses with probability `alpha`."""
        if self.se == inf:
            return -inf, inf
        half = t_quantile(1 - alpha / 2, self.df) * self.se
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided p of no difference; 1 where there is neither a difference nor noise."""
        if self.se == 0:
            return float(self.value == 0)
        return float(2 * special.stdtr(self.df, -abs(self.value) / self.se))

    def smallest_visible(self, alpha: float = ALPHA, power: float = POWER) -> float:
        """Return the smallest true difference that would be seen with probability `power`."""
        return smallest_visible(self.se, self.df, alpha=alpha, power=power)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joint:
    """Several weighted sums with what they have in common.

    Attributes:
        values: Shape ``(n,)``.
        trainings: Their covariance from trainings, shape ``(n, n)``.
        df_trainings: Its degrees of freedom; 0 where no recipe has two seeds.
        articles: Covariance from articles and its degrees of freedom, for each group of sets that
            share none with the others.
        one_seed: Which of them rest on a recipe with one training, shape ``(n,)``.
    """

    values: Floats
    trainings: Floats
    df_trainings: int
    articles: tuple[tuple[Floats, float], ...]
    one_seed: NDArray[np.bool_]

    def combine(self, weights: Floats) -> Estimate:
        """Return a weighted sum of these sums; `weights` has the shape ``(n,)``."""
        value, se, df = self.combine_all(weights[None])
        return Estimate(
            value=float(value[0]),
            se=float(se[0]),
            df=float(df[0]),
            scope="readers" if self.one_seed[weights != 0].any() else "recipes",
        )

    def combine_all(
        self, weights: Floats, *, articles: bool = True
    ) -> tuple[Floats, Floats, Floats]:
        """Return values, standard errors and degrees of freedom, each of the shape ``(m,)``.

        Args:
            weights: Shape ``(m, n)``.
            articles: Whether to count the draw of articles: without it, standard errors are about
                other trainings measured on these articles.
        """
        parts = []
        if self.df_trainings and not self.one_seed[(weights != 0).any(axis=0)].any():
            parts.append((_quadratic(weights, self.trainings), float(self.df_trainings)))
        if articles:
            parts += [(_quadratic(weights, part), df) for part, df in self.articles]
        total = np.zeros(len(weights))
        share = np.zeros(len(weights))
        for variance, df in parts:
            total = total + variance
            share = share + variance**2 / df
        with np.errstate(divide="ignore", invalid="ignore"):
            df_total = np.where(np.isfinite(total) & (share > 0), total**2 / share, 1.0)
        return weights @ self.values, np.sqrt(total), df_total

    def at(self, rows: Sequence[int]) -> "Joint":
        """Return some of the sums."""
        square = np.ix_(rows, rows)
        return Joint(
            values=self.values[rows],
            trainings=self.trainings[square],
            df_trainings=self.df_trainings,
            articles=tuple((part[square], df) for part, df in self.articles),
            one_seed=self.one_seed[rows],
        )


def lack_of_fit(points: Joint, residuals: Floats, fitted: Floats, weights: Floats) -> float | None:
    """Return p of points that lie no further from a fit than trainings and articles explain.

    The weighted sum of squared residuals over what it is expected to be. Without articles and with
    as many seeds a point this is the F test against the spread of repeated runs (Draper and Smith
    1998, Applied Regression Analysis, section 2.1). Articles count too, since another draw of them
    would bend the points otherwise: without them a fit that is right is refused too often.

    Args:
        points: What was fitted.
        residuals: Points minus fit, shape ``(n,)``.
        fitted: How the fit moves with the points, shape ``(n, n)``.
        weights: Of the fit, shape ``(n,)``.

    Returns:
        None where nothing is left to test with: as many parameters as points, a point with one
        training, or runs that do not differ at all.

    Source: Box 1954, Annals of Mathematical Statistics 25(2), theorem 3.1, for the distribution of
        the sum of squares.
    """
    left = len(residuals) - round(float(np.trace(fitted)))
    if left < 1 or not points.df_trainings or points.one_seed.any():
        return None
    maker = np.sqrt(weights)[:, None] * (np.eye(len(residuals)) - fitted)
    parts = [(points.trainings, float(points.df_trainings)), *points.articles]
    spreads = [(maker @ part @ maker.T, df) for part, df in parts]
    expected = float(sum(np.trace(part) for part, _ in spreads))
    if not 0 < expected < inf or not points.trainings.any():
        return None
    total = np.sum([part for part, _ in spreads], axis=0)
    n_free = expected**2 / float((total * total.T).sum())
    df = expected**2 / sum(float(np.trace(part)) ** 2 / df for part, df in spreads)
    f = float((weights * residuals**2).sum()) / expected
    return float(special.fdtrc(n_free, df, f))


def joint(study: Study, coefficients: Floats, *, metric: Metric) -> Joint:
    """Return weighted sums of the scores of recipes on sets.

    Args:
        study: The study.
        coefficients: Shape ``(n, n_recipes, n_sets)``.
        metric: Of the scores.
    """
    n_seeds = study.n_seeds
    runs = study.run_means(metric)
    means = study.mean_over_seeds(runs)
    noise = runs - means[study.recipe_of_run]
    df = int((n_seeds - 1).sum())
    flat = coefficients.reshape(len(coefficients), -1)
    trainings = np.zeros((len(flat), len(flat)))
    if df:
        scaled = coefficients @ (noise.T @ noise / df) / n_seeds[:, None]
        trainings = scaled.reshape(flat.shape) @ flat.T
    used = (coefficients != 0).any(axis=(0, 1))
    names = list(study.sets)
    articles = []
    for group in study.groups():
        members = [names.index(name) for name in group if used[names.index(name)]]
        if members:
            articles.append(_articles(study, coefficients, means, members, metric))
    return Joint(
        values=flat @ means.ravel(),
        trainings=trainings,
        df_trainings=df,
        articles=tuple(articles),
        one_seed=((coefficients != 0).any(axis=2) & (n_seeds == 1)).any(axis=1),
    )


def of_recipes(study: Study, weights: Floats, *, metric: Metric) -> Joint:
    """Return the score of each recipe on a target: a weighted sum over sets.

    Args:
        study: The study.
        weights: Weight of each set, shape ``(n_sets,)``.
        metric: Of the scores.
    """
    return joint(study, np.eye(len(study.seeds))[:, :, None] * weights, metric=metric)


def target_weights(study: Study, target: str | Sequence[str]) -> Floats:
    """Return the weight of each set in a target, shape ``(n_sets,)``.

    Args:
        study: The study.
        target: `SHIFTS`, the name of a set, or names of sets to take the unweighted mean over.

    Raises:
        EvidenceError: If there is no such set.
    """
    if target == SHIFTS:
        wanted: tuple[str, ...] = study.shifts
    else:
        wanted = (target,) if isinstance(target, str) else tuple(target)
    unknown = [name for name in wanted if name not in study.sets]
    if unknown or not wanted:
        raise EvidenceError(
            f"no test set {', '.join(unknown) or 'is a shift'}; there are {', '.join(study.sets)}"
        )
    return np.array([(name in wanted) / len(wanted) for name in study.sets])


def t_quantile(probability: float, df: float) -> float:
    """Return a quantile of Student's t."""
    return float(special.stdtrit(df, probability))


def smallest_visible(se: float, df: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the true difference that a two-sided t test finds with probability `power`.

    The power is that of the noncentral t, as its definition gives it: a normal variable over the
    root of a chi-square one, whose quantiles are integrated over. Libraries give no number far out
    in its tail, where few degrees of freedom lead.
    """
    if se in (0, inf):
        return se
    critical = t_quantile(1 - alpha / 2, df)
    reach = critical * np.sqrt(special.gammaincinv(df / 2, (_NODES + 1) / 2) * 2 / df)

    def missed(shift: float) -> float:
        inside = special.ndtr(reach - shift) - special.ndtr(-reach - shift)
        return float(inside @ _NODE_WEIGHTS / 2 - (1 - power))

    enough = critical + 1
    while missed(enough) > 0:
        enough *= 2
    return float(se * brentq(missed, 0.0, enough))


def _quadratic(weights: Floats, matrix: Floats) -> Floats:
    if not np.isfinite(matrix).all():  # a set of one article
        return np.full(len(weights), inf)
    # A variance below 0 is a rounding error of one that is 0.
    values: Floats = np.maximum(((weights @ matrix) * weights).sum(axis=1), 0.0)
    return values


def _articles(
    study: Study, coefficients: Floats, means: Floats, members: Sequence[int], metric: Metric
) -> tuple[Floats, float]:
    names = list(study.sets)
    rows = _places([study.sets[names[member]] for member in members])
    n_places = 1 + max(int(row.max()) for row in rows)
    deviations = np.zeros((len(coefficients), n_places))
    shares = np.zeros(n_places)
    for member, row in zip(members, rows, strict=True):
        articles = study.sets[names[member]]
        n = articles.n_articles
        if n < 2:
            return np.full((len(coefficients),) * 2, inf), 1.0
        weights = coefficients[:, :, member]
        sums = weights @ study.mean_over_seeds(study.sums[metric][names[member]])
        total = articles.n_questions.sum()
        away = sums - (weights @ means[:, member])[:, None] * articles.n_questions
        deviations[:, row] += sqrt(n / (n - 1)) * away / total
        shares[row] += np.abs(weights).max() * articles.n_questions / total
    n_effective = float(shares.sum() ** 2 / (shares**2).sum())
    return deviations @ deviations.T, n_effective - 1


def _places(sets: Sequence[Articles]) -> list[NDArray[np.intp]]:
    # Where each set's articles stand among those of all.
    if len(sets) == 1:
        return [np.arange(sets[0].n_articles)]
    places: dict[str, int] = {}
    return [
        np.array([places.setdefault(name, len(places)) for name in articles.names])
        for articles in sets
    ]
