"""From numbers to a badge with one sentence, and the honest edges in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from augqa.evidence.comparisons import (
    Comparison,
    Planned,
    SeedSpread,
    compare,
    corrected,
    seed_spread,
)
from augqa.evidence.contrast import Estimate, of_recipes, target_weights
from augqa.evidence.ratio import one_shift_left_out
from augqa.evidence.scores import SHIFTS, Metric, Study
from augqa.evidence.words import (
    METRIC_NAMES,
    control_words,
    count,
    difference_words,
    interval,
    listed,
    number,
    on_target,
    p_value,
    points,
)

# Below so many articles the spread over them is itself a guess (Cameron and Miller 2015, Journal of
# Human Resources 50(2), section VI: "few" begins between 20 and 50).
FEW_ARTICLES = 20


class Badge(StrEnum):
    """What is known of a recipe against its control."""

    HELPS = "helps"
    HURTS = "hurts"
    NOT_SHOWN = "not shown"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a comparison says.

    Attributes:
        recipe: What is tried.
        against: Its control.
        badge: In two words at most.
        sentence: In one sentence; begins with the badge.
        edges: What limits it.
    """

    recipe: str
    against: str
    badge: Badge
    sentence: str
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The recipe to use, chosen on other shifts than it is reported on.

    Attributes:
        name: The champion now.
        before: The champion before.
        sentence: Why it moved or stayed.
        candidates: Against the champion before, corrected over all of them.
        chosen: For each shift the best recipe on the others, and its gain on this one.
        gain: Mean of these gains; None with fewer than two shifts.
    """

    name: str
    before: str
    sentence: str
    candidates: tuple[Comparison, ...]
    chosen: tuple[tuple[str, str, Estimate], ...]
    gain: Estimate | None

    @property
    def moved(self) -> bool:
        """Whether it is another one than before."""
        return self.name != self.before


def verdict(
    planned: Planned, one: Comparison | None, *, study: Study, spread: SeedSpread
) -> Verdict:
    """Return what a primary comparison says.

    Args:
        planned: As named before the run.
        one: The comparison on the headline, corrected; None where it could not be made.
        study: The study.
        spread: Over training seeds, on the headline.
    """

    def said(badge: Badge, words: str, *edges: Edge) -> Verdict:
        return Verdict(
            recipe=planned.recipe,
            against=planned.against,
            badge=badge,
            sentence=f"{badge}: {words}.",
            edges=edges,
        )

    control = control_words(planned)
    if one is None:
        edge = _not_made(planned, study)
        return said(Badge.NOT_SHOWN, edge.words.rstrip("."), edge)
    where = difference_words(one, study.shifts, control)
    if one.scope == "readers":
        edge = _one_seed(one)
        return said(Badge.NOT_SHOWN, f"{where}, for these readers alone. {edge.words[:-1]}", edge)
    if spread.seedless:
        edge = Edge(
            kind=EdgeKind.SEEDS_WITHOUT_EFFECT,
            words="Every training of a recipe gave the same score: the seed does not reach the"
            " training, and nothing is known of its spread.",
        )
        return said(Badge.NOT_SHOWN, f"{where}. {edge.words[:-1]}", edge)
    sure = f"corrected p {p_value(one.corrected_p)}" if one.corrected_p is not None else ""
    seeds = _seeds(one)
    if one.shown:
        badge = Badge.HELPS if one.difference > 0 else Badge.HURTS
        return said(badge, f"{where} ({sure}, {seeds})")
    seen = f"a difference of {number(one.smallest_visible)} would be seen in four studies of five"
    edges = []
    if one.smallest_visible > abs(one.difference):
        edges.append(
            Edge(
                kind=EdgeKind.TOO_SMALL_TO_SEE,
                words=f"{planned.recipe} against {planned.against}: {seen}, one of"
                f" {number(abs(one.difference))} would mostly be missed. Not shown is not the same"
                " as no effect.",
            )
        )
    return said(Badge.NOT_SHOWN, f"{where} ({sure}, {seeds}); {seen}", *edges)


def study_edges(
    study: Study,
    *,
    not_available: Sequence[str],
    expected: Mapping[str, Sequence[int]],
    spread: SeedSpread,
    planned: Sequence[Planned],
    compared: Sequence[Comparison],
) -> tuple[Edge, ...]:
    """Return what limits the whole study.

    Args:
        study: The study.
        not_available: Test sets that could not be had.
        expected: Training seeds of every recipe that was to run.
        spread: Over training seeds, on the headline.
        planned: The primary comparisons.
        compared: Every comparison on the headline.
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
    edges += [
        Edge(
            kind=EdgeKind.FEW_ARTICLES,
            words=f"{name} has {count(articles.n_articles, 'article')}: below {FEW_ARTICLES} the"
            " interval over articles is itself a guess.",
        )
        for name, articles in study.sets.items()
        if articles.n_articles < FEW_ARTICLES
    ]
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
        widest = max(spread.by_recipe, key=lambda recipe: spread.by_recipe[recipe])
        edges.append(
            Edge(
                kind=EdgeKind.UNEQUAL_VARIANCES,
                words=f"The spread over seeds differs between recipes (Bartlett's p"
                f" {p_value(spread.bartlett_p)}), most in {widest}"
                f" ({number(spread.by_recipe[widest])} against"
                f" {number(spread.std or 0)} pooled): comparisons have the wider of two intervals,"
                " from the pooled spread and from the two recipes' own; curves and sweeps rest on"
                " the pooled one.",
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


def champion(
    study: Study,
    before: str,
    *,
    candidates: Sequence[str] | None = None,
    metric: Metric = "f1",
) -> Champion:
    """Return the champion: it moves only when the corrected interval says so.

    It moves to the best of those whose corrected interval over the champion before leaves out 0,
    and only if the gain of the recipes that are chosen on all shifts but one, measured on that one,
    leaves out 0 as well.

    Args:
        study: The study.
        before: The champion before.
        candidates: Recipes that may take its place; None for all others.
        metric: Of the scores.

    Raises:
        EvidenceError: If a recipe has no scores, or there is no shift.
    """
    others = [name for name in (candidates or study.recipes) if name != before]
    careful = seed_spread(study, metric=metric).unequal
    compared, _ = corrected(
        [compare(study, name, before, metric=metric, careful=careful) for name in others], {}
    )
    found = [one for one in compared if one is not None]
    entrants = [before, *others]

    def best(shifts: Sequence[str]) -> str:
        values = of_recipes(study, target_weights(study, shifts), metric=metric).values
        return max(entrants, key=lambda name: float(values[study.index(name)]))

    chosen, gain = one_shift_left_out(study, best, against=before, metric=metric)
    better = [one for one in found if one.shown and one.difference > 0]
    name = before
    if not better:
        best_one = max(found, key=lambda one: one.difference, default=None)
        why = (
            "there is no other recipe"
            if best_one is None
            else f"{best_one.recipe} comes nearest with {points(best_one.difference)}"
            f" {interval(*_ends(best_one))} {METRIC_NAMES[metric]}"
            f" {on_target(SHIFTS, study.shifts)}, which does not leave out 0"
            if best_one.scope == "recipes"
            else "with one training a recipe nothing can be said about it"
        )
    elif gain is None:
        why = "with one shift it cannot be chosen on others than it is reported on"
    elif gain.interval()[0] <= 0 or gain.scope == "readers":
        why = (
            f"what is best on the other shifts gains {points(gain.value)}"
            f" {interval(*gain.interval())} on the one left out, which does not leave out 0"
        )
    else:
        top = max(better, key=lambda one: one.difference)
        name = top.recipe
        why = (
            f"{points(top.difference)} {interval(*_ends(top))} {METRIC_NAMES[metric]}"
            f" {on_target(SHIFTS, study.shifts)}; chosen with one shift left out and measured on"
            f" that one: {points(gain.value)} {interval(*gain.interval())}"
        )
    change = f"The champion moves from {before} to {name}" if name != before else f"{before} stays"
    return Champion(
        name=name,
        before=before,
        sentence=f"{change}: {why}.",
        candidates=tuple(found),
        chosen=tuple(chosen),
        gain=gain,
    )


def _ends(one: Comparison) -> tuple[float, float]:
    if one.corrected_low is None or one.corrected_high is None:
        return one.low, one.high
    return one.corrected_low, one.corrected_high


def _not_made(planned: Planned, study: Study) -> Edge:
    if planned.recipe not in study.seeds:
        return Edge(
            kind=EdgeKind.NO_RECIPE,
            words=f"{planned.recipe} has no scores: it failed or did not run.",
        )
    if planned.against not in study.seeds:
        return Edge(
            kind=EdgeKind.NO_CONTROL,
            words=f"{planned.recipe} stands without its control: {planned.against} has no scores,"
            " so that a gain over it could come from more steps or more examples.",
        )
    return Edge(
        kind=EdgeKind.NO_SHIFT,
        words=f"{planned.recipe} cannot be compared: no shift is available.",
    )


def _one_seed(one: Comparison) -> Edge:
    names = [name for name, n in zip((one.recipe, one.against), one.n_seeds, strict=True) if n == 1]
    return Edge(
        kind=EdgeKind.ONE_SEED,
        words=f"{listed(names)} had one training: another seed may give the opposite, so that"
        " nothing is said about the recipe.",
    )


def _seeds(one: Comparison) -> str:
    first, second = one.n_seeds
    return count(first, "seed") if first == second else f"{first} and {second} seeds"


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
