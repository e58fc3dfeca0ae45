"""What a study says, in the words and rows that terminal, table.md and page have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augqa.errors import DataError
from augqa.evidence import SHIFTS, Comparison, Evidence
from augqa.evidence.words import interval, number, points
from augqa.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A difference in F1, as it is shown.

    Attributes:
        recipe: What is tried.
        against: Its control.
        target: `SHIFTS` or the name of a set.
        difference: With its sign; the stars of a primary comparison stand behind it.
        interval: 95 %; the corrected one of a primary comparison.
        meaning: What it says: a badge, or ``exploratory``.
    """

    recipe: str
    against: str
    target: str
    difference: str
    interval: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything a study says, in words.

    Attributes:
        finding: One sentence.
        visible: The smallest effect that could be seen, in words; empty where that is not known.
        primary: A sentence for each comparison that was named before the run.
        shifts: Differences on the mean over the shifts, primary ones first.
        sets: The same on each set that is no stress test.
        stress: The same on each stress test.
        edges: What limits the study, a sentence or two each.
        remarks: What all but the comparisons say.
    """

    finding: str
    visible: str
    primary: tuple[str, ...]
    shifts: tuple[Row, ...]
    sets: tuple[Row, ...]
    stress: tuple[Row, ...]
    edges: tuple[str, ...]
    remarks: tuple[str, ...]


def findings_of(found: Evidence, *, stress: Sequence[str] = ()) -> Findings:
    """Return what a study says, in words.

    Args:
        found: What it says.
        stress: Names of the sets that are stress tests.
    """
    rows = [
        _row(one, str(group.verdict.badge) if one is group.overall else "")
        for group in found.primary
        for one in (group.overall, *group.by_shift)
        if one is not None
    ]
    rows += [_row(one, "exploratory") for one in found.exploratory if one.metric == "f1"]
    edges = [edge.words for edge in found.edges]
    edges += [edge.words for one in found.primary for edge in one.verdict.edges]
    visible = ""
    if found.smallest_visible is not None:
        visible = (
            f"a true difference of {number(found.smallest_visible)} F1 would be seen in four"
            " studies of five"
        )
    return Findings(
        finding=found.headline,
        visible=visible,
        primary=tuple(
            f"{one.planned.recipe} against {one.planned.against}: {one.verdict.sentence}"
            for one in found.primary
        ),
        shifts=tuple(row for row in rows if row.target == SHIFTS),
        sets=tuple(row for row in rows if row.target not in (SHIFTS, *stress)),
        stress=tuple(row for row in rows if row.target in stress),
        edges=tuple(dict.fromkeys(edges)),
        remarks=found.remarks,
    )


def findings_metrics(found: Findings) -> dict[str, Any]:
    """Return the words as metrics/evidence.json holds them."""
    return asdict(found)


def findings_of_metrics(words: Metrics) -> Findings:
    """Return the words that `findings_metrics` gave.

    Raises:
        DataError: If they are of another version.
    """
    try:
        values: dict[str, Any] = {
            key: tuple(_row_of(one) if isinstance(one, Mapping) else one for one in value)
            if isinstance(value, list | tuple)
            else value
            for key, value in words.items()
        }
        return Findings(**values)
    except TypeError as error:
        raise DataError(
            f"metrics/evidence.json: not what this version writes ({error}). Run `augqa run`."
        ) from error


def _row_of(values: Mapping[str, Any]) -> Row:
    return Row(**values)


def _row(one: Comparison, meaning: str) -> Row:
    low, high = one.low, one.high
    if one.corrected_low is not None and one.corrected_high is not None:
        low, high = one.corrected_low, one.corrected_high
    if not meaning:
        # A shift of a comparison that did not pass has no corrected p.
        meaning = "exploratory" if one.corrected_p is None else _judged(one)
    if one.scope == "readers":
        meaning += ", these readers alone"
    return Row(
        recipe=one.recipe,
        against=one.against,
        target=one.target,
        difference=points(one.difference) + one.stars,
        interval=interval(low, high),
        meaning=meaning,
    )


def _judged(one: Comparison) -> str:
    if not one.shown:
        return "not shown"
    return "helps" if one.difference > 0 else "hurts"
