"""The recipe to use: chosen on some shifts, reported on the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from augqa.evidence.comparisons import (
    Comparison,
    Intervals,
    compare,
    corrected,
    intervals_for,
    seed_spread,
)
from augqa.evidence.contrast import Estimate, of_recipes, target_weights
from augqa.evidence.ratio import one_shift_left_out
from augqa.evidence.scores import SHIFTS, Metric, Study
from augqa.evidence.words import (
    METRIC_NAMES,
    interval,
    on_target,
    points,
)


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


def champion(
    study: Study,
    before: str,
    *,
    candidates: Sequence[str] | None = None,
    metric: Metric = "f1",
    intervals: Intervals = "pooled",
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
        intervals: From which spread over seeds.

    Raises:
        EvidenceError: If a recipe has no scores, or there is no shift.
    """
    others = [name for name in (candidates or study.recipes) if name != before]
    intervals = intervals_for(seed_spread(study, metric=metric), intervals)
    compared, _ = corrected(
        [compare(study, name, before, metric=metric, intervals=intervals) for name in others], {}
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
