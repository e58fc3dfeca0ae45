"""Figures of the evidence as places and words; a template draws them as inline SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from augqa.evidence import SHIFTS, Comparison, Evidence, Planned
from augqa.evidence.words import (
    CONTROLS,
    control_words,
    interval,
    p_value,
    points,
    ratio_finding_words,
    worth_words,
)
from augqa.report.scales import Scale, linear, logarithmic
from augqa.test_sets import Role

# What the corrected interval says: it leaves 0 out above or below, or does not, or there is none.
Judged = Literal["above", "below", "unsure", "exploratory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where differences are measured.

    Attributes:
        name: `SHIFTS` or the name of a set.
        title: For people.
        role: ``mean`` for `SHIFTS`.
    """

    name: str
    title: str
    role: Role | Literal["mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One difference; places in percent of the axis.

    Attributes:
        target: Where it was measured.
        x: Place of the difference.
        low: Place of the lower end of its interval.
        high: Place of the upper end.
        cut_low: Whether the interval goes on beyond the axis there.
        cut_high: The same on the other side.
        difference: In words.
        interval: In words.
        judged: What the corrected interval says.
        note: p and scope, in words.
    """

    target: Target
    x: float
    low: float
    high: float
    cut_low: bool
    cut_high: bool
    difference: str
    interval: str
    judged: Judged
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestGroup:
    """A recipe against its control."""

    recipe: str
    against: str
    control: str
    badge: str | None
    rows: tuple[ForestRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Differences on one axis."""

    axis: Scale
    groups: tuple[ForestGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point with a name; x and y in percent, y from the top."""

    name: str
    colour: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioFigure:
    """F1 over the ratio of one sweep.

    Attributes:
        title: Name of the sweep.
        unit: What the ratio is.
        x: Axis of the ratio.
        y: Axis of the mean F1 over the shifts.
        points: The points measured.
        line: The quadratic, as ``x,y`` pairs; empty where it is not shown.
        band: Its band, as a polygon.
        controls: Controls at their height; x is that of their name.
        words: What the sweep says.
    """

    title: str
    unit: str
    x: Scale
    y: Scale
    points: tuple[Mark, ...]
    line: str
    band: str
    controls: tuple[Mark, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorthMark:
    """A recipe on the curve of real sizes: its score, and the sizes that are worth as much."""

    name: str
    colour: str
    y: float
    x: float
    low: float
    high: float
    cut_low: bool
    cut_high: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorthFigure:
    """F1 over real examples, with the recipes beside it.

    Attributes:
        x: Axis of real examples, logarithmic.
        y: Axis of the mean F1 over the shifts.
        line: The curve within the sizes measured, as ``x,y`` pairs.
        beyond: The curve where it is continued, one line a side.
        points: The sizes measured.
        marks: Recipes with generated pairs.
    """

    x: Scale
    y: Scale
    line: str
    beyond: tuple[str, ...]
    points: tuple[Mark, ...]
    marks: tuple[WorthMark, ...]


def ends(one: Comparison) -> tuple[float, float]:
    """Return the interval to show: the corrected one where there is one."""
    if one.corrected_low is None or one.corrected_high is None:
        return one.low, one.high
    return one.corrected_low, one.corrected_high


def judged(one: Comparison) -> Judged:
    """Return what the corrected interval of a comparison says."""
    if one.corrected_p is None:
        return "exploratory"
    if not one.shown:
        return "unsure"
    return "above" if one.difference > 0 else "below"


def of_targets(
    compared: Sequence[Comparison], targets: Sequence[Target]
) -> list[tuple[Target, Comparison]]:
    """Return comparisons by F1 in the order of their targets."""
    by_name = {one.target: one for one in compared if one.metric == "f1"}
    return [(target, by_name[target.name]) for target in targets if target.name in by_name]


def against(
    found: Evidence, recipe: str, control: str
) -> tuple[Comparison | None, list[Comparison]]:
    """Return the headline of a named comparison, and the comparison on every single set."""
    for one in found.primary:
        if (one.planned.recipe, one.planned.against) == (recipe, control):
            rest = [e for e in found.exploratory if (e.recipe, e.against) == (recipe, control)]
            return one.overall, [*one.by_shift, *rest]
    return None, [e for e in found.exploratory if (e.recipe, e.against) == (recipe, control)]


def forests(found: Evidence, targets: Sequence[Target]) -> tuple[Forest | None, Forest | None]:
    """Return the differences by F1: those named before the run, and the exploratory ones.

    Each on its own axis, so that a recipe far off does not squeeze the ones that were asked about.
    None where there is no difference to show.
    """
    named = {(one.planned.recipe, one.planned.against) for one in found.primary}
    others = dict.fromkeys((one.recipe, one.against) for one in found.exploratory)
    asked = [(one.planned, str(one.verdict.badge)) for one in found.primary]
    rest = [
        (Planned(recipe=recipe, against=control), None)
        for recipe, control in others
        if (recipe, control) not in named
    ]
    return _forest(found, asked, targets), _forest(found, rest, targets)


def _forest(
    found: Evidence, pairs: Sequence[tuple[Planned, str | None]], targets: Sequence[Target]
) -> Forest | None:
    groups = []
    for planned, badge in pairs:
        overall, single = against(found, planned.recipe, planned.against)
        compared = [*([overall] if overall is not None else []), *single]
        groups.append((planned, badge, of_targets(compared, targets)))
    shown = [one for _, _, rows in groups for _, one in rows]
    if not shown:
        return None
    axis = linear([0.0, *(end for one in shown for end in (*ends(one), one.difference))])
    return Forest(
        axis=axis,
        groups=tuple(
            ForestGroup(
                recipe=planned.recipe,
                against=planned.against,
                control=control_words(planned),
                badge=badge,
                rows=tuple(_forest_row(target, one, axis) for target, one in rows),
            )
            for planned, badge, rows in groups
        ),
    )


def _forest_row(target: Target, one: Comparison, axis: Scale) -> ForestRow:
    low, high = ends(one)
    notes = []
    if one.corrected_p is not None:
        notes.append(f"p {p_value(one.corrected_p)}")
    if one.scope == "readers":
        notes.append("one seed")
    return ForestRow(
        target=target,
        x=axis.at(one.difference),
        low=axis.at(low),
        high=axis.at(high),
        cut_low=not axis.holds(low),
        cut_high=not axis.holds(high),
        difference=points(one.difference),
        interval=interval(low, high),
        judged=judged(one),
        note=", ".join(notes),
    )


def ratio_figures(found: Evidence, colours: Mapping[str, str]) -> list[RatioFigure]:
    """Return a figure for each sweep with three points or more."""
    means = _means(found)
    figures = []
    for one in found.ratios:
        curve = one.overall
        if curve is None:
            continue
        controls = [
            name
            for name in dict.fromkeys([*(p.planned.against for p in found.primary), *CONTROLS])
            if name in means and name not in one.sweep.points
        ]
        heights = [*curve.scores.tolist(), *(means[name] for name in controls)]
        heights += curve.band[:, 1:].ravel().tolist()
        x = linear(curve.ratios.tolist(), n_ticks=4, least=0.1)
        y = linear(heights)
        band = [(r, low) for r, _, low, _ in curve.band.tolist()]
        band += [(r, high) for r, _, _, high in reversed(curve.band.tolist())]
        figures.append(
            RatioFigure(
                title=one.sweep.name,
                unit="generated fraction of the training set"
                if one.sweep.kind == "fixed size"
                else "generated pairs a real example",
                x=x,
                y=y,
                points=tuple(
                    Mark(name=name, colour=colours.get(name, "c1"), x=x.at(r), y=y.up(score))
                    for name, r, score in zip(
                        curve.recipes, curve.ratios.tolist(), curve.scores.tolist(), strict=True
                    )
                ),
                line=_path([(r, value) for r, value, _, _ in curve.band.tolist()], x, y),
                band=_path(band, x, y),
                controls=tuple(
                    Mark(name=name, colour=colours.get(name, "c0"), x=0, y=y.up(means[name]))
                    for name in controls
                ),
                words=tuple(ratio_finding_words(one)),
            )
        )
    return figures


def worth_figure(found: Evidence, colours: Mapping[str, str]) -> WorthFigure | None:
    """Return the curve of real sizes with the recipes beside it; None without a curve."""
    curve = found.curves.get(SHIFTS)
    if curve is None or not curve.fits:
        return None
    means = _means(found)
    worths = [one for one in found.worths if one.recipe in means]
    at = [one.n_real + one.real_examples for one in worths]
    low, high = float(curve.sizes[0]), float(curve.sizes[-1])
    # Not further than one doubling beyond what was measured: the rest is an arrow.
    reach = [value for value in at if low / 2 <= value <= high * 2]
    x = logarithmic([low, high, *reach], ticks=curve.sizes.tolist())
    grid = np.geomspace(x.low, x.high, 81)
    values = curve.at(grid)
    y = linear([*curve.scores.tolist(), *values.tolist(), *(means[one.recipe] for one in worths)])
    places = list(zip(grid.tolist(), values.tolist(), strict=True))
    marks = []
    for one, size in zip(worths, at, strict=True):
        ends_ = one.n_real + one.low, one.n_real + one.high
        marks.append(
            WorthMark(
                name=one.recipe,
                colour=colours.get(one.recipe, "c1"),
                y=y.up(means[one.recipe]),
                x=x.at(size),
                low=x.at(ends_[0]),
                high=x.at(ends_[1]),
                cut_low=not x.holds(ends_[0]),
                cut_high=not x.holds(ends_[1]),
                words=worth_words(one),
            )
        )
    return WorthFigure(
        x=x,
        y=y,
        line=_path([(s, v) for s, v in places if low <= s <= high], x, y),
        beyond=tuple(
            path
            for path in (
                _path([(s, v) for s, v in places if s <= low], x, y),
                _path([(s, v) for s, v in places if s >= high], x, y),
            )
            if path
        ),
        points=tuple(
            Mark(name=name, colour=colours.get(name, "c0"), x=x.at(size), y=y.up(score))
            for name, size, score in zip(
                curve.recipes, curve.sizes.tolist(), curve.scores.tolist(), strict=True
            )
        ),
        marks=tuple(marks),
    )


def _means(found: Evidence) -> dict[str, float]:
    return {
        row.recipe: row.scores["f1"][SHIFTS].mean
        for row in found.recipes
        if SHIFTS in row.scores["f1"]
    }


def _path(places: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    return " ".join(f"{x.at(a)},{y.up(b)}" for a, b in places)
