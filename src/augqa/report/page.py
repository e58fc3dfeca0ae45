"""The report as one HTML page that needs nothing beside it: no script, no font, no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augqa.records import SampledPair
from augqa.report import robustness
from augqa.report.quality import QualityTable
from augqa.report.results import Gate, RegimeResult, Results, Step
from augqa.report.table import is_best, noise_notes
from augqa.report.template import render
from augqa.test_sets import ANCHORS

# Part of the chart's width, in percent, that an F1 of 100 takes; labels stand in the rest.
_CHART_SPAN = 66.0
_GROUP_HEIGHT, _BAR_HEIGHT, _GROUP_GAP = 26, 24, 14  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the numbers were made with.

    Attributes:
        source: Where the training data comes from, in words.
        sample: Whether the data is the project's own sample.
        trained_on: Key of the published set that the real training set is; None for any other.
        reader: Checkpoint of the reader.
        language_model: Name of the language model.
        provider: Who serves it: ``embedded`` or ``openai``.
        question_generator: What makes the pairs.
    """

    source: str
    sample: bool
    trained_on: str | None
    reader: str
    language_model: str
    provider: str
    question_generator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the results table; None where there is nothing to show."""

    exact_match: float | None
    f1: float | None
    std: float | None = None
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the chart: x in percent of the chart's width, y in pixels."""

    regime: str
    y: int
    width: float
    low: float
    high: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The bars of one test set; its name is its title."""

    name: str
    n_questions: int
    y: int
    bars: tuple[Bar, ...]


def page(
    found: Results,
    *,
    provenance: Provenance,
    steps: Sequence[Step],
    gates: Sequence[Gate],
    quality: Sequence[QualityTable],
    sampled_pairs: Sequence[SampledPair],
) -> str:
    """Return the whole page; equal arguments give equal bytes.

    Args:
        found: The results.
        provenance: What they were made with.
        steps: The funnel, in order.
        gates: What the gates found, in the order of the pipeline.
        quality: What the generated data is like, beside real data.
        sampled_pairs: Pairs to look at, kept ones first.
    """
    groups, height = chart(found)
    return render(
        "page.html",
        found=found,
        finding=robustness.finding(found),
        provenance=provenance,
        rows=[(row, _cells(found, row)) for row in found.regimes],
        anchors=[
            (
                anchor.name,
                [
                    Cell(exact_match=None, f1=robustness.anchor_f1(anchor, found, name))
                    for name in found.sets
                ],
                robustness.anchor_mean_shift(anchor, found),
            )
            for anchor in ANCHORS
        ],
        not_comparable=robustness.not_comparable(
            found,
            sample=provenance.sample,
            trained_on=provenance.trained_on,
            reader=provenance.reader,
        ),
        noise_notes=noise_notes(found),
        differences=robustness.differences(found),
        robustness=[
            (
                row.regime,
                robustness.no_line(found, row),
                [robustness.effective_robustness(found, row, name) for name in found.shifts],
            )
            for row in found.regimes
        ],
        groups=groups,
        chart_height=height,
        ticks=[(value, value * _CHART_SPAN / 100) for value in range(0, 101, 25)],
        steps=[(step, fact_texts(step)) for step in steps],
        widest=max(step.n for step in steps) or 1,
        gates=gates,
        quality=quality,
        sampled_pairs=sampled_pairs,
    )


def fact_texts(step: Step) -> list[str]:
    """Return the facts of a step in words, counts by name last."""
    flat, nested = [], []
    for key, value in step.facts.items():
        label = key.removeprefix("n_").replace("_", " ")
        if isinstance(value, Mapping):
            listed = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in value.items())
            nested.append(f"{label}: {listed}")
        else:
            flat.append(
                f"{label}: {value:,}" if isinstance(value, int) else f"{label}: {value:.1f}"
            )
    return flat + nested


def chart(found: Results) -> tuple[list[Group], int]:
    """Lay out the bars of F1 by test set and regime; return them and the height in pixels."""
    groups = []
    y = 0
    for name in found.sets:
        n = found.n_questions[name]
        bars = []
        for i, row in enumerate(found.regimes):
            f1, half = row.mean(name).f1, robustness.half_width(row, name, n)
            bars.append(
                Bar(
                    regime=row.regime,
                    y=y + _GROUP_HEIGHT + i * _BAR_HEIGHT,
                    width=_x(f1),
                    low=_x(max(0.0, f1 - half)),
                    high=_x(min(100.0, f1 + half)),
                    f1=f1,
                )
            )
        groups.append(Group(name=found.of(name).title, n_questions=n, y=y, bars=tuple(bars)))
        y += _GROUP_HEIGHT + len(bars) * _BAR_HEIGHT + _GROUP_GAP
    return groups, y


def _x(f1: float) -> float:
    return round(f1 * _CHART_SPAN / 100, 2)


def _cells(found: Results, row: RegimeResult) -> list[Cell]:
    cells = []
    for name in found.sets:
        mean, std = row.mean(name), row.std(name)
        cells.append(
            Cell(
                exact_match=mean.exact_match,
                f1=mean.f1,
                std=None if std is None else std.f1,
                best=is_best(mean.f1, [other.mean(name).f1 for other in found.regimes]),
            )
        )
    shift = row.mean_shift_f1
    cells.append(
        Cell(
            exact_match=None,
            f1=shift,
            std=row.mean_shift_f1_std,
            best=is_best(shift, [other.mean_shift_f1 for other in found.regimes]),
        )
    )
    return cells
