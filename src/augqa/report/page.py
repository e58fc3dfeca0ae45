"""The report as one HTML page that needs nothing beside it: no script, no font, no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augqa.evidence import SHIFTS, Comparison, Evidence
from augqa.report import figures, robustness
from augqa.report.figures import Target, judged
from augqa.report.opening import opening
from augqa.report.palette import colour_classes
from augqa.report.quality import Quality
from augqa.report.recipe_scores import RegimeResult
from augqa.report.results import Gate, Results, Step
from augqa.report.template import render

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
        licences: What the owners of the data ask for, in words.
    """

    source: str
    sample: bool
    trained_on: str | None
    reader: str
    language_model: str
    provider: str
    question_generator: str
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a study took, as far as it was counted; None where it was not.

    Attributes:
        prompt_tokens: Read by language models.
        completion_tokens: Written by them.
        list_cost_usd: Of these, at the list price.
        n_trainings: Readers trained.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    list_cost_usd: float | None = None
    n_trainings: int | None = None

    def words(self) -> list[str]:
        """Return what is known in words; what is not known is said, too."""
        said = []
        if self.prompt_tokens is not None or self.completion_tokens is not None:
            read, written = self.prompt_tokens or 0, self.completion_tokens or 0
            said.append(f"{read:,} tokens read, {written:,} written")
        said.append(
            "price not known" if self.list_cost_usd is None else f"{self.list_cost_usd:,.2f} USD"
        )
        if self.n_trainings is not None:
            said.append(f"{self.n_trainings:,} training{'s' * (self.n_trainings != 1)}")
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the results table; None where there is nothing to show.

    Attributes:
        exact_match: In percent.
        f1: In percent.
        std: Of F1 over training seeds.
        judged: ``above`` or ``below`` where a corrected interval leaves 0 out; None elsewhere.
        note: Against what, in words.
    """

    exact_match: float | None
    f1: float | None
    std: float | None = None
    judged: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the chart: x in percent of the chart's width, y in pixels."""

    regime: str
    colour: str
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
    evidence: Evidence,
    *,
    provenance: Provenance,
    cost: Cost,
    steps: Sequence[Step],
    gates: Sequence[Gate],
    quality: Quality,
    pairs_page: str | None,
    commit: str | None = None,
    date: str | None = None,
    example: str = "",
) -> str:
    """Return the whole page; equal arguments give equal bytes.

    Args:
        found: The results.
        evidence: What they say, and how sure it is.
        provenance: What they were made with.
        cost: What they took.
        steps: The funnel, in order.
        gates: What the gates found, in the order of the pipeline.
        quality: What the generated data is like, beside real data.
        pairs_page: Address of the page of pairs, beside this one; None where there is none.
        commit: Of the project; None where that is not known when the page is made.
        date: Of the run.
        example: Where the study is made up to show the page: says so on top.
    """
    colours = colour_classes([row.regime for row in found.regimes], control=found.baseline.regime)
    targets = targets_of(found)
    asked, explored = figures.forests(evidence, targets)
    groups, height = chart(found, colours)
    return render(
        "page.html",
        found=found,
        evidence=evidence,
        opening=opening(evidence, targets),
        limits=_limits(evidence),
        provenance=provenance,
        cost=cost.words(),
        commit=commit,
        date=date,
        example=example,
        colours=colours,
        asked=asked,
        explored=explored,
        ratios=figures.ratio_figures(evidence, colours),
        worth=figures.worth_figure(evidence, colours),
        visible=_smallest_visible(evidence),
        rows=[(row, _cells(found, row, evidence)) for row in found.regimes],
        stress_rows=[
            (row, [_cell(row, name, evidence) for name in found.stress]) for row in found.regimes
        ],
        published=robustness.published_rows(found),
        not_comparable=robustness.not_comparable(
            found,
            sample=provenance.sample,
            trained_on=provenance.trained_on,
            reader=provenance.reader,
        ),
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
        pairs_page=pairs_page,
    )


def targets_of(found: Results) -> list[Target]:
    """Return where recipes are compared: the mean, home, the shifts, stress tests."""
    n = len(found.shifts)
    mean = [Target(name=SHIFTS, title=f"mean of {n} shifts", role="mean")] if n > 1 else []
    if n == 1:
        mean = [Target(name=SHIFTS, title="the only shift", role="mean")]
    names = [*found.sets, *found.stress]
    sets = [
        Target(name=name, title=found.of(name).title, role=found.of(name).role) for name in names
    ]
    return mean + [
        target for role in ("home", "shift", "stress") for target in sets if target.role == role
    ]


def cost_of(steps: Sequence[Step], *, n_trainings: int) -> Cost:
    """Return what a study took.

    Args:
        steps: The funnel: tokens and prices are among their facts.
        n_trainings: Readers trained.
    """

    def total(key: str) -> float | None:
        values = [v for s in steps if isinstance(v := s.facts.get(key), int | float)]
        return sum(values) if values else None

    read, written = total("prompt_tokens"), total("completion_tokens")
    return Cost(
        prompt_tokens=None if read is None else int(read),
        completion_tokens=None if written is None else int(written),
        list_cost_usd=total("list_cost_usd"),
        n_trainings=n_trainings,
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


def chart(found: Results, colours: Mapping[str, str]) -> tuple[list[Group], int]:
    """Lay out the bars of F1 by test set and regime; return them and the height in pixels."""
    groups = []
    y = 0
    for name in found.sets:
        bars = []
        for i, row in enumerate(found.regimes):
            f1, std = row.mean(name).f1, row.std(name)
            half = 0.0 if std is None else std.f1
            bars.append(
                Bar(
                    regime=row.regime,
                    colour=colours[row.regime],
                    y=y + _GROUP_HEIGHT + i * _BAR_HEIGHT,
                    width=_x(f1),
                    low=_x(max(0.0, f1 - half)),
                    high=_x(min(100.0, f1 + half)),
                    f1=f1,
                )
            )
        groups.append(
            Group(
                name=found.of(name).title,
                n_questions=found.n_questions[name],
                y=y,
                bars=tuple(bars),
            )
        )
        y += _GROUP_HEIGHT + len(bars) * _BAR_HEIGHT + _GROUP_GAP
    return groups, y


def _x(f1: float) -> float:
    return round(f1 * _CHART_SPAN / 100, 2)


def _limits(evidence: Evidence) -> list[str]:
    edges = [*evidence.edges, *(edge for one in evidence.primary for edge in one.verdict.edges)]
    return list(dict.fromkeys(edge.words for edge in edges))


def _smallest_visible(evidence: Evidence) -> Mapping[str, float]:
    # Of each target, by the surest comparison on it.
    smallest: dict[str, float] = {}
    for one in _compared(evidence):
        if one.metric == "f1" and one.scope == "recipes":
            known = smallest.get(one.target, one.smallest_visible)
            smallest[one.target] = min(known, one.smallest_visible)
    return smallest


def _compared(evidence: Evidence) -> list[Comparison]:
    primary = [
        one
        for named in evidence.primary
        for one in (named.overall, *named.by_shift)
        if one is not None
    ]
    return [*primary, *evidence.exploratory]


def _cells(found: Results, row: RegimeResult, evidence: Evidence) -> list[Cell]:
    said, note = _said(evidence, row.regime, SHIFTS)
    mean = Cell(
        exact_match=None,
        f1=row.mean_shift_f1,
        std=row.mean_shift_f1_std,
        judged=said,
        note=note,
    )
    return [mean, *(_cell(row, name, evidence) for name in found.sets)]


def _cell(row: RegimeResult, name: str, evidence: Evidence) -> Cell:
    mean, std = row.mean(name), row.std(name)
    said, note = _said(evidence, row.regime, name)
    return Cell(
        exact_match=mean.exact_match,
        f1=mean.f1,
        std=None if std is None else std.f1,
        judged=said,
        note=note,
    )


def _said(evidence: Evidence, recipe: str, target: str) -> tuple[str | None, str]:
    """Return whether a cell is coloured, and why.

    It is where a corrected interval of the recipe against one of its controls leaves 0 out, and
    none against another leaves it out on the other side.
    """
    told = {
        one.against: judged(one)
        for one in _compared(evidence)
        if (one.recipe, one.target, one.metric) == (recipe, target, "f1") and one.shown
    }
    by_side = {
        side: [name for name, said in told.items() if said == side] for side in ("above", "below")
    }
    note = ", ".join(f"{side} {' and '.join(names)}" for side, names in by_side.items() if names)
    return (next(iter(told.values())) if len(set(told.values())) == 1 else None), note
