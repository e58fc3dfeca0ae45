"""What the numbers say about robustness, and what they cannot say."""

import re
from dataclasses import dataclass
from statistics import fmean

from augqa.report.recipe_scores import RegimeResult
from augqa.report.results import Results
from augqa.test_sets import ANCHORS, LINE_HOLDS_ABOVE, LINES, SQUAD, SQUAD_TRAIN, Anchor

_WITH_FIGURES = {name for anchor in ANCHORS for name in anchor.f1}

_COMPARABLE_READER = re.compile(r"(roberta-base|bert-base-(un)?cased)(-|$)")


def not_comparable(
    found: Results, *, sample: bool, trained_on: str | None, reader: str
) -> str | None:
    """Return why published scores cannot stand beside ours, or None where they can.

    Args:
        found: The results.
        sample: Whether the data is the project's own sample.
        trained_on: Key of the published set that the real training set is; None for any other.
        reader: Checkpoint of the reader: a name or a folder.
    """
    if sample:
        return "the data is the project's own sample, not SQuAD"
    if not any(found.published(name) in _WITH_FIGURES for name in found.sets):
        return "no test set here is one that scores were published for, by its content"
    if trained_on != SQUAD_TRAIN:
        return "the real training set is not SQuAD's, by its content"
    if not _COMPARABLE_READER.match(reader.rstrip("/").rpartition("/")[2].lower()):
        return f"the reader {reader} is not known to be of RoBERTa-base or BERT-base size"
    return None


def effective_robustness(found: Results, row: RegimeResult, test_set: str) -> float | None:
    """Return the F1 on a shift above what the F1 on SQuAD dev predicts, in points.

    None for a set without a line, and where no line holds: SQuAD dev not measured, or its F1 not
    above 70.

    Source: Taori et al. 2020 (arXiv:2007.00644), section 2; the lines are in `test_sets.LINES`.
    """
    base = found.available_as(SQUAD)
    line = LINES.get(found.published(test_set) or "")
    if base is None or line is None:
        return None
    x = row.mean(base).f1
    if x <= LINE_HOLDS_ABOVE:
        return None
    slope, intercept = line
    return row.mean(test_set).f1 - (slope * x + intercept)


def no_line(found: Results, row: RegimeResult) -> str | None:
    """Return why a regime has no effective robustness, or None where it has one."""
    base = found.available_as(SQUAD)
    if base is None:
        return "no test set here is SQuAD dev, by its content: the lines start from its F1"
    if not any(found.published(name) in LINES for name in found.shifts):
        return "no shift here is one that a line was published for, by its content"
    x = row.mean(base).f1
    if x <= LINE_HOLDS_ABOVE:
        return f"the line does not hold: F1 on {base} is {x:.1f}, not above {LINE_HOLDS_ABOVE:.0f}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """Published F1 beside ours; None where none was published for a set's content.

    Attributes:
        name: Of the reader, or of humans.
        f1: On each of our sets, in their order.
        mean_shift: Over our shifts; None unless it was published for each of them.
    """

    name: str
    f1: tuple[float | None, ...]
    mean_shift: float | None


def published_rows(found: Results) -> list[PublishedRow]:
    """Return the published rows that have a score for a set at hand."""
    rows = [
        PublishedRow(
            name=anchor.name,
            f1=tuple(anchor_f1(anchor, found, name) for name in found.sets),
            mean_shift=anchor_mean_shift(anchor, found),
        )
        for anchor in ANCHORS
    ]
    return [row for row in rows if any(f1 is not None for f1 in row.f1)]


def anchor_f1(anchor: Anchor, found: Results, test_set: str) -> float | None:
    """Return an anchor's F1 on a test set; None where none was published for its content."""
    return anchor.f1.get(found.published(test_set) or "")


def anchor_mean_shift(anchor: Anchor, found: Results) -> float | None:
    """Return an anchor's mean F1 over our shifts; None where it lacks one of them."""
    values = [anchor_f1(anchor, found, name) for name in found.shifts]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
