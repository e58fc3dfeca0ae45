"""From numbers to a badge with one sentence."""

from dataclasses import dataclass
from enum import StrEnum

from augqa.evidence.comparisons import (
    Comparison,
    Planned,
    SeedSpread,
)
from augqa.evidence.edges import Edge, EdgeKind
from augqa.evidence.scores import Study
from augqa.evidence.words import (
    control_words,
    count,
    difference_words,
    listed,
    number,
    p_value,
)


class Badge(StrEnum):
    """What is known of a recipe against its control."""

    HELPS = "helps"
    HURTS = "hurts"
    NOT_SHOWN = "not shown"


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
