"""The first screen: what a person wants to know in ten seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from augqa.evidence import Badge, Comparison, Evidence
from augqa.evidence.words import CONTROLS, control_words, interval, points
from augqa.report.figures import Target, against, ends, of_targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A difference in words, with where it was found.

    Attributes:
        where: On what.
        difference: With its sign.
        interval: The corrected one where there is one.
        kind: What the interval is.
    """

    where: str
    difference: str
    interval: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAnswer:
    """Whether a recipe is above one control."""

    name: str
    words: str
    badge: str
    gain: Gain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What stands on top.

    Attributes:
        badge: ``helps``, ``hurts`` or ``not shown``.
        title: In a few words.
        shifts: On the mean of the shifts; None where it could not be compared.
        home: On each set at home.
        controls: Every comparison of the recipe that was named before the run.
        unasked: Controls that were not named for it.
    """

    badge: str
    title: str
    shifts: Gain | None
    home: tuple[Gain, ...]
    controls: tuple[ControlAnswer, ...]
    unasked: tuple[str, ...]


def opening(found: Evidence, targets: Sequence[Target]) -> Opening:
    """Return the first screen of what a study says."""
    if not found.primary:
        return Opening(
            badge=str(Badge.NOT_SHOWN),
            title="No comparison was named before the run",
            shifts=None,
            home=(),
            controls=(),
            unasked=(),
        )
    first = found.primary[0]
    recipe, badge = first.planned.recipe, first.verdict.badge
    control = control_words(first.planned)
    title = {
        Badge.HELPS: f"{recipe} makes the reader more robust than {control}",
        Badge.HURTS: f"{recipe} makes the reader less robust than {control}",
        Badge.NOT_SHOWN: f"It is not shown that {recipe} differs from {control}",
    }[badge]
    own = [one for one in found.primary if one.planned.recipe == recipe]
    controls = tuple(
        ControlAnswer(
            name=one.planned.against,
            words=control_words(one.planned),
            badge=str(one.verdict.badge),
            gain=None if one.overall is None else _gain(one.overall, targets),
        )
        for one in own
    )
    _, single = against(found, recipe, first.planned.against)
    home = [target for target in targets if target.role == "home"]
    named = {one.planned.against for one in own}
    return Opening(
        badge=str(badge),
        title=title,
        shifts=None if first.overall is None else _gain(first.overall, targets),
        home=tuple(_gain(one, targets) for _, one in of_targets(single, home)),
        controls=controls,
        unasked=tuple(name for name in CONTROLS if name not in named),
    )


def _gain(one: Comparison, targets: Sequence[Target]) -> Gain:
    titles = {target.name: target.title for target in targets}
    kind = "corrected" if one.corrected_p is not None else "exploratory"
    if one.scope == "readers":
        kind = "these readers alone: one seed"
    return Gain(
        where=titles.get(one.target, one.target),
        difference=points(one.difference),
        interval=interval(*ends(one)),
        kind=kind,
    )
