"""The honest edges: why a number says less than it seems to, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from augqa.evidence.comparisons import (
    Comparison,
    Intervals,
    Planned,
    SeedSpread,
    intervals_for,
)
from augqa.evidence.scores import Study
from augqa.evidence.words import (
    count,
    listed,
    number,
    p_value,
)

# Below so many articles the spread over them is itself a guess (Cameron and Miller 2015, Journal of
# Human Resources 50(2), section VI: "few" begins between 20 and 50).
FEW_ARTICLES = 20


class EdgeKind(StrEnum):
    """Why a number says less than it seems to."""

    ONE_SEED = "one_seed"
    MISSING_SHIFT = "missing_shift"
    NO_SHIFT = "no_shift"
    FAILED_RUN = "failed_run"
    FEW_ARTICLES = "few_articles"
    SHARED_ARTICLES = "shared_articles"
    NO_CONTROL = "no_control"
    NO_RECIPE = "no_recipe"
    TOO_SMALL_TO_SEE = "too_small_to_see"
    UNEQUAL_SIZES = "unequal_sizes"
    UNEQUAL_VARIANCES = "unequal_variances"
    SEEDS_WITHOUT_EFFECT = "seeds_without_effect"
    NOTHING_PLANNED = "nothing_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A limit of what can be said, with the words for it."""

    kind: EdgeKind
    words: str


def study_edges(
    study: Study,
    *,
    not_available: Sequence[str],
    expected: Mapping[str, Sequence[int]],
    spread: SeedSpread,
    planned: Sequence[Planned],
    compared: Sequence[Comparison],
    intervals: Intervals = "pooled",
) -> tuple[Edge, ...]:
    """Return what limits the whole study.

    Args:
        study: The study.
        not_available: Test sets that could not be had.
        expected: Training seeds of every recipe that was to run.
        spread: Over training seeds, on the headline.
        planned: The primary comparisons.
        compared: Every comparison on the headline.
        intervals: From which spread over seeds they were to be.
    """
    edges = []
    if not study.shifts:
        edges.append(
            Edge(
                kind=EdgeKind.NO_SHIFT,
                words="No shift is available: the scores say nothing about robustness.",
            )
        )
    if not_available:
        edges.append(
            Edge(
                kind=EdgeKind.MISSING_SHIFT,
                words=f"Not available: {listed(not_available)}. The mean is over"
                f" {count(len(study.shifts), 'shift')} and is not to be held against one over"
                " more.",
            )
        )
    edges += [edge for edge in [_failed(study, expected)] if edge is not None]
    lone = [recipe for recipe, seeds in study.seeds.items() if len(seeds) == 1]
    if lone:
        who = "Every recipe" if len(lone) == len(study.seeds) else listed(lone)
        edges.append(
            Edge(
                kind=EdgeKind.ONE_SEED,
                words=f"{who} had one training: what is said of it is about these readers on other"
                " articles, not about the recipe.",
            )
        )
    edges += [edge for edge in [_few_articles(study)] if edge is not None]
    edges += [
        Edge(
            kind=EdgeKind.SHARED_ARTICLES,
            words=f"{listed(group)} share articles: they are not counted as independent.",
        )
        for group in study.groups()
        if len(group) > 1
    ]
    if spread.seedless:
        edges.append(
            Edge(
                kind=EdgeKind.SEEDS_WITHOUT_EFFECT,
                words="Every training of a recipe gave the same score: the seed does not reach the"
                " training.",
            )
        )
    if spread.unequal and spread.bartlett_p is not None:
        taken = {
            "wider": "comparisons have the wider of two intervals, from the pooled spread and from"
            " the two recipes' own",
            "own": "comparisons have the interval of the two recipes' own spread",
            "paired": "comparisons have the interval of the differences seed by seed",
        }
        widest = max(spread.by_recipe, key=lambda recipe: spread.by_recipe[recipe])
        edges.append(
            Edge(
                kind=EdgeKind.UNEQUAL_VARIANCES,
                words=f"The spread over seeds differs between recipes (Bartlett's p"
                f" {p_value(spread.bartlett_p)}), most in {widest}"
                f" ({number(spread.by_recipe[widest])} against"
                f" {number(spread.std or 0)} pooled): {taken[intervals_for(spread, intervals)]};"
                " curves and sweeps rest on the pooled one.",
            )
        )
    if not planned:
        edges.append(
            Edge(
                kind=EdgeKind.NOTHING_PLANNED,
                words="No comparison was named before the run: all of them are exploratory, and"
                " none has a star.",
            )
        )
    visible = [one for one in compared if one.scope == "recipes"]
    if visible:
        smallest = min(one.smallest_visible for one in visible)
        largest = max(abs(one.difference) for one in visible)
        if smallest > largest:
            edges.append(
                Edge(
                    kind=EdgeKind.TOO_SMALL_TO_SEE,
                    words=f"The smallest difference that such a study sees in four cases of five"
                    f" is {number(smallest)}, and the largest that it saw is {number(largest)}: it"
                    " was too small to find anything. More seeds, or more articles, are needed.",
                )
            )
    return tuple(edges)


def _few_articles(study: Study) -> Edge | None:
    few = {
        name: articles.n_articles
        for name, articles in study.sets.items()
        if articles.n_articles < FEW_ARTICLES
    }
    if not few:
        return None
    if len(few) == 1:
        (name, n) = next(iter(few.items()))
        who = f"{name} has {count(n, 'article')}"
    elif len(set(few.values())) == 1:
        who = f"{listed([*few])} have {count(min(few.values()), 'article')} each"
    else:
        who = f"{listed([f'{name} ({n})' for name, n in few.items()])} have few articles"
    return Edge(
        kind=EdgeKind.FEW_ARTICLES,
        words=f"{who}: below {FEW_ARTICLES} the interval over articles is itself a guess.",
    )


def _failed(study: Study, expected: Mapping[str, Sequence[int]]) -> Edge | None:
    failed = []
    for recipe, seeds in expected.items():
        missing = [seed for seed in seeds if seed not in study.seeds.get(recipe, ())]
        if missing:
            some = f"seed{'s' * (len(missing) > 1)} {listed([str(seed) for seed in missing])}"
            said = "every seed" if len(missing) == len(seeds) else some
            failed.append(f"{recipe} ({said})")
    if not failed:
        return None
    return Edge(
        kind=EdgeKind.FAILED_RUN,
        words=f"Failed or not run: {listed(failed)}. What is left is reported as it is; if the hard"
        " ones fail, it looks better than it is.",
    )
