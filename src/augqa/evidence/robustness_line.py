"""The reader's own line: how a score on a shift follows the score at home as real data grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from augqa.errors import EvidenceError
from augqa.evidence.contrast import (
    ALPHA,
    Estimate,
    lack_of_fit,
    of_recipes,
    target_weights,
)
from augqa.evidence.scores import SHIFTS, Floats, Metric, Study


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RobustnessLine:
    """The reader's own line: score on a shift over score at home, as real data grows.

    Attributes:
        target: `SHIFTS` or the name of a shift.
        home: The set on the other axis.
        slope: Points of the shift a point at home.
        intercept: In percent.
        span: Smallest and largest score at home that it was fitted to.
        lack_of_fit_p: As in `Curve`.
        band: Score at home, line, low and high, shape ``(n, 4)``: 95 %.
        above: How far each recipe lies above the line, with its error: effective robustness.
        outside: Recipes that score at home outside `span`: for them the line is continued.
    """

    target: str
    home: str
    slope: float
    intercept: float
    span: tuple[float, float]
    lack_of_fit_p: float | None
    band: Floats
    above: Mapping[str, Estimate]
    outside: tuple[str, ...]


def robustness_line(
    study: Study,
    recipes: Sequence[str],
    *,
    home: str,
    target: str = SHIFTS,
    metric: Metric = "f1",
    n_band: int = 41,
) -> RobustnessLine:
    """Return the reader's own line of effective robustness from its real sizes.

    A weighted least squares line through the means over seeds. Noise of the score at home flattens
    it by its share in the variance of the sizes' scores, which is below 1 % where these are some
    points apart.

    Args:
        study: The study.
        recipes: Those of real data alone, in several sizes.
        home: The set on the horizontal axis.
        target: `SHIFTS` or the name of a shift.
        metric: Of the scores.
        n_band: Points of the band.

    Raises:
        EvidenceError: If there are fewer than three sizes, or all score the same at home.

    Source: Taori et al. 2020 (arXiv:2007.00644), section 2, with a line of one reader's sizes in
        place of one through many models.
    """
    if len(recipes) < 3:
        raise EvidenceError(
            "a line of effective robustness needs three real sizes or more, found "
            + (", ".join(recipes) or "none")
        )
    rows = [study.index(recipe) for recipe in recipes]
    means = study.mean_over_seeds(study.run_means(metric))
    at_home, away = target_weights(study, home), target_weights(study, target)
    x, y = means @ at_home, means @ away
    weights = study.n_seeds[rows].astype(np.float64)
    if np.ptp(x[rows]) == 0:
        raise EvidenceError(f"all real sizes score {x[rows][0]:.2f} on {home}: there is no line")
    design = np.stack([np.ones(len(rows)), x[rows]], axis=1)
    pull = np.linalg.solve(design.T * weights @ design, design.T * weights)
    intercept, slope = pull @ y[rows]
    # To first order a recipe's distance moves as y - slope x of it and of the sizes does.
    distances = of_recipes(study, away - slope * at_home, metric=metric)

    def line_at(values: Floats) -> Floats:
        combined = np.zeros((len(values), len(study.seeds)))
        combined[:, rows] = np.stack([np.ones(len(values)), values], axis=1) @ pull
        return combined

    grid = np.linspace(x[rows].min(), x[rows].max(), n_band)
    _, se, dfs = distances.combine_all(line_at(grid))
    line = intercept + slope * grid
    half = special.stdtrit(dfs, 1 - ALPHA / 2) * se
    others = [recipe for recipe in study.recipes if recipe not in recipes]
    own = np.eye(len(study.seeds))
    span = (float(grid[0]), float(grid[-1]))
    return RobustnessLine(
        target=target,
        home=home,
        slope=float(slope),
        intercept=float(intercept),
        span=span,
        lack_of_fit_p=lack_of_fit(
            distances.at(rows), y[rows] - intercept - slope * x[rows], design @ pull, weights
        ),
        band=np.stack([grid, line, line - half, line + half], axis=1),
        above={
            recipe: distances.combine(
                own[study.index(recipe)] - line_at(x[[study.index(recipe)]])[0]
            )
            for recipe in others
        },
        outside=tuple(
            recipe for recipe in others if not span[0] <= x[study.index(recipe)] <= span[1]
        ),
    )
