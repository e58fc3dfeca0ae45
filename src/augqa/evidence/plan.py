"""What is asked of a study: the comparisons named before the run, sizes, sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from augqa.errors import EvidenceError
from augqa.evidence.comparisons import (
    Intervals,
    Planned,
)
from augqa.evidence.ratio import Sweep
from augqa.evidence.scores import Study

MOST_PRIMARY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a recipe with generated pairs is made of.

    Attributes:
        n_real: Real examples.
        n_generated: Generated pairs.
        cost_per_pair: Of a pair that was kept, in money; None where that is not known.
    """

    n_real: int
    n_generated: int
    cost_per_pair: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What is asked of a study; all but the baseline may be left out.

    Attributes:
        baseline: Recipe that all others are compared with, exploratory.
        primary: Comparisons named before the run, three at most; the first is the headline.
        real_sizes: Real examples of each recipe that has nothing else: the curve of real sizes.
        generated: What recipes with generated pairs are made of, to tell what these are worth.
        cost_per_real: Of a real example, in money; None where that is not known.
        sweeps: Recipes that differ in their ratio alone.
        distances: How far each shift lies from home, on any scale.
        expected: Training seeds of every recipe that was to run.
        not_available: Test sets that could not be had.
        champion: The recipe in use; None for no choice.
        candidates: Recipes that may take its place; None for all.
        mentioned: For each set whether the title of each article occurs in a generated context.
        intervals: From which spread over seeds; the pooled one gives way to the wider of both
            where the recipes are seen to differ.
    """

    baseline: str
    primary: tuple[Planned, ...] = ()
    real_sizes: Mapping[str, int] = field(default_factory=dict)
    generated: Mapping[str, Sizes] = field(default_factory=dict)
    cost_per_real: float | None = None
    sweeps: tuple[Sweep, ...] = ()
    distances: Mapping[str, float] = field(default_factory=dict)
    expected: Mapping[str, Sequence[int]] = field(default_factory=dict)
    not_available: tuple[str, ...] = ()
    champion: str | None = None
    candidates: tuple[str, ...] | None = None
    mentioned: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    intervals: Intervals = "pooled"


def check(study: Study, plan: Plan) -> None:
    """Refuse a plan that does not fit the study.

    Raises:
        EvidenceError: If more than three comparisons are primary, one is named twice, a recipe
            has no scores, or a distance is of no shift.
    """
    study.index(plan.baseline)
    if len(plan.primary) > MOST_PRIMARY:
        raise EvidenceError(
            f"{len(plan.primary)} primary comparisons are named, {MOST_PRIMARY} at most: each more"
            " makes all of them less sure. The others are reported all the same, as exploratory."
        )
    named = [(one.recipe, one.against) for one in plan.primary]
    for recipe, against in named:
        if recipe == against or named.count((recipe, against)) > 1:
            raise EvidenceError(
                f"primary comparison of {recipe} against {against}: it is named twice, or compares"
                " a recipe with itself"
            )
    if plan.champion is not None:
        study.index(plan.champion)
    for shift in plan.distances:
        if shift not in study.shifts:
            raise EvidenceError(
                f"the distance of {shift!r} is given, the shifts are {', '.join(study.shifts)}"
            )
