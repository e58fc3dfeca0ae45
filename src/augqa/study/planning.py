"""What is asked of a study: params and the sizes of training sets, as a plan for the evidence."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from augqa.blends import Recipe
from augqa.evidence import Edge, EdgeKind, Plan, Planned, Sizes, Study, Sweep
from augqa.evidence.ratio import SweepKind
from augqa.metrics import Metrics
from augqa.study.settings import StudySettings

# Stands for a control that was not named: there are no scores of it.
NO_CONTROL = "any control"

# Kinds whose examples are real and none of them twice: their sizes are points of the curve.
_ONCE_REAL = ("real", "real_more")
# A ratio needs three points before anything can be said of it.
_FEWEST_POINTS = 3


def plan_of(
    study: Study,
    settings: StudySettings,
    *,
    recipes: Mapping[str, Recipe],
    training_sets: Mapping[str, Metrics],
    seeds: Sequence[int],
    baseline: str,
    not_available: Sequence[str] = (),
    cost_per_pair: float | None = None,
    mentioned: Mapping[str, np.typing.NDArray[np.bool_]] | None = None,
    quality: Metrics | None = None,
) -> Plan:
    """Return the plan.

    Args:
        study: The study, to know what has scores.
        settings: What params ask.
        recipes: Every recipe in force by name.
        training_sets: ``n_real`` and ``n_generated`` of each.
        seeds: Training seeds that were to run.
        baseline: Recipe that all others are compared with, exploratory.
        not_available: Shifts that could not be had.
        cost_per_pair: Of a kept pair, where params do not say.
        mentioned: As in `Plan`.
        quality: What metrics/quality.json holds: how far each shift lies from the pool.
    """
    own_cost = settings.costs.generated_pair
    real_sizes = {
        name: training_sets[name]["n_real"]
        for name, recipe in recipes.items()
        if name in training_sets and recipe.kind in _ONCE_REAL
    }
    return Plan(
        baseline=baseline,
        primary=planned(settings),
        # One size is no curve, and nobody asked for one.
        real_sizes=real_sizes if len(real_sizes) > 1 else {},
        generated={
            name: Sizes(
                n_real=sizes["n_real"],
                n_generated=sizes["n_generated"],
                cost_per_pair=cost_per_pair if own_cost is None else own_cost,
            )
            for name, sizes in training_sets.items()
            if sizes["n_generated"] and len(real_sizes) > 1
        },
        cost_per_real=settings.costs.real_example,
        sweeps=sweeps_of(recipes, training_sets),
        expected={name: tuple(seeds) for name in recipes},
        not_available=tuple(not_available),
        champion=settings.champion if settings.champion in study.seeds else None,
        mentioned=mentioned or {},
        intervals=settings.intervals,
        distances=distances(quality or {}, study.shifts),
    )


def distances(quality: Metrics, shifts: Sequence[str]) -> dict[str, float]:
    """Return how far each shift lies from the pool: how well a classifier tells contexts apart.

    The area under its curve: 0.5 where it cannot, 1 where it always can. A shift of too few
    contexts has none.
    """
    told = quality.get("two_sample_auc", {}).get("contexts", {})
    found = {shift: told.get(shift, {}).get("real") for shift in shifts}
    return {shift: auc for shift, auc in found.items() if auc is not None}


def planned(settings: StudySettings) -> tuple[Planned, ...]:
    """Return the comparisons that were named before the run."""
    return tuple(
        Planned(recipe=one.recipe, against=one.control or NO_CONTROL, control=one.asks)
        for one in settings.primary
    )


def sweeps_of(
    recipes: Mapping[str, Recipe], training_sets: Mapping[str, Metrics]
) -> tuple[Sweep, ...]:
    """Return the recipes that differ in their ratio alone, three of them or more.

    Of kind `mix` with one size: the ratio is the generated fraction. Of kind `augment` with one
    real part: generated examples a real one; a recipe of kind `real` of that size is the point 0.
    """
    mixes: dict[str, dict[str, float]] = defaultdict(dict)
    added: dict[str, dict[str, float]] = defaultdict(dict)
    for name, recipe in recipes.items():
        if name not in training_sets:
            continue
        n_real, n_generated = (training_sets[name][key] for key in ("n_real", "n_generated"))
        if recipe.kind == "mix":
            mixes[_same(recipe, "generated_fraction")][name] = recipe.model_dump()[
                "generated_fraction"
            ]
        elif recipe.kind == "augment":
            key = f"{n_real} {_same(recipe, 'n_real', 'generated_per_real', 'generated_share')}"
            added[key][name] = n_generated / n_real
    for key, points in added.items():
        n_real = int(key.split(" ", 1)[0])
        for name, recipe in recipes.items():
            if recipe.kind == "real" and training_sets.get(name, {}).get("n_real") == n_real:
                points[name] = 0.0
                break
    grouped: tuple[tuple[SweepKind, dict[str, dict[str, float]]], ...] = (
        ("fixed size", mixes),
        ("fixed real", added),
    )
    return tuple(
        Sweep(name=f"{kind}: {', '.join(points)}", kind=kind, points=points)
        for kind, groups in grouped
        for points in groups.values()
        if len(set(points.values())) >= _FEWEST_POINTS
    )


def size_edges(
    primary: Sequence[Planned], training_sets: Mapping[str, Metrics]
) -> tuple[Edge, ...]:
    """Return in words where a control has a training set of another size than its recipe."""
    edges = []
    for one in primary:
        if {one.recipe, one.against} <= set(training_sets):
            ours, theirs = (_n_examples(training_sets[n]) for n in (one.recipe, one.against))
            if ours != theirs:
                edges.append(
                    Edge(
                        kind=EdgeKind.UNEQUAL_SIZES,
                        words=f"{one.recipe} is trained on {ours:,} examples and its control"
                        f" {one.against} on {theirs:,}: a difference between them may come from"
                        " the size.",
                    )
                )
    return tuple(edges)


def cost_per_pair(contexts: Metrics, pairs: Metrics, *, n_kept: int) -> float | None:
    """Return what a kept pair cost by the language model's list price; None where it is unknown."""
    costs = [metrics.get("list_cost_usd") for metrics in (contexts, pairs)]
    known: list[float] = [cost for cost in costs if cost is not None]
    # A generator by rules names no cost: it has none.
    if not known or contexts.get("list_cost_usd") is None or not n_kept:
        return None
    return sum(known) / n_kept


def _n_examples(sizes: Metrics) -> int:
    return int(sizes["n_real"]) + int(sizes["n_generated"])


def _same(recipe: Recipe, *but: str) -> str:
    knobs: dict[str, Any] = recipe.model_dump(exclude={*but})
    return repr(sorted(knobs.items(), key=lambda item: item[0]))
