"""What the numbers say about robustness, and what they cannot say."""

import re
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from augqa.report.results import BASELINE, RegimeResult, Results
from augqa.test_sets import ANCHORS, LINE_HOLDS_ABOVE, LINES, SQUAD, SQUAD_TRAIN, Anchor

_WITH_FIGURES = {name for anchor in ANCHORS for name in anchor.f1}

# Runs that differ in their seed alone differ by about this much F1.
SINGLE_RUN_NOISE = 0.5
# Two-sided 95 % of a normal distribution.
_Z = 1.96

_COMPARABLE_READER = re.compile(r"(roberta-base|bert-base-(un)?cased)(-|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A regime against `real`, by mean shift F1.

    Attributes:
        regime: The regime.
        delta: Its mean shift F1 minus that of `real`, in points.
        noise: Below this many points it may be chance.
    """

    regime: str
    delta: float
    noise: float

    @property
    def within_noise(self) -> bool:
        """Whether the difference may be chance."""
        return abs(self.delta) < self.noise

    @property
    def verdict(self) -> str:
        """What it means, in words."""
        if self.within_noise:
            return "within noise"
        return "above real" if self.delta > 0 else "below real"


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


def half_width(row: RegimeResult, test_set: str, n_questions: int) -> float:
    """Return how far the F1 on a set may lie from that on all such questions: 95 %, in points.

    An upper bound from the number of questions: scores between 0 and 100 with mean m have a
    variance of at most m (100 - m). Source: Bhatia and Davis 2000, A Better Bound on the
    Variance, American Mathematical Monthly 107.
    """
    return _Z * sqrt(_question_variance(row, test_set, n_questions))


def difference(found: Results, row: RegimeResult) -> Difference | None:
    """Return a regime's distance from `real`; None where no shift is available.

    The noise is that of the choice of questions, bounded as in `half_width` (for two readers
    whose errors are independent; errors in common make it smaller), with that of the seeds: their
    standard deviation, or at least `SINGLE_RUN_NOISE` where there is only one.
    """
    ours, base = row.mean_shift_f1, found.baseline.mean_shift_f1
    if ours is None or base is None:
        return None
    variance = (
        sum(
            _question_variance(reader, name, found.n_questions[name])
            for reader in (row, found.baseline)
            for name in found.shifts
        )
        / len(found.shifts) ** 2
    )
    stds = (row.mean_shift_f1_std, found.baseline.mean_shift_f1_std)
    if stds[0] is not None and stds[1] is not None:
        variance += (stds[0] ** 2 + stds[1] ** 2) / len(row.runs)
        noise = _Z * sqrt(variance)
    else:
        noise = max(SINGLE_RUN_NOISE, _Z * sqrt(variance))
    return Difference(regime=row.regime, delta=ours - base, noise=noise)


def differences(found: Results) -> list[Difference]:
    """Return the distance of each other regime from `real`; none where no shift is available."""
    every = (difference(found, row) for row in found.regimes if row.regime != BASELINE)
    return [item for item in every if item is not None]


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


def anchor_f1(anchor: Anchor, found: Results, test_set: str) -> float | None:
    """Return an anchor's F1 on a test set; None where none was published for its content."""
    return anchor.f1.get(found.published(test_set) or "")


def anchor_mean_shift(anchor: Anchor, found: Results) -> float | None:
    """Return an anchor's mean F1 over our shifts; None where it lacks one of them."""
    values = [anchor_f1(anchor, found, name) for name in found.shifts]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def finding(found: Results) -> str:
    """Return the finding in one sentence: the best regime against `real`, noise included."""
    others = len(found.regimes) - 1
    if others == 0:
        return "Only regime real ran: there is nothing to compare it with."
    if not found.shifts:
        return "No shift is available: the scores say nothing about robustness."
    best = max(differences(found), key=lambda item: item.delta)
    shifts = (
        "the one shift" if len(found.shifts) == 1 else f"the mean of the {len(found.shifts)} shifts"
    )
    scope = f"on {shifts} available"
    among = f", the best of {others}," if others > 1 else ""
    if round(best.delta, 1) == 0:
        compared = f"Regime {best.regime}{among} is level with real {scope}"
    elif best.delta > 0:
        compared = f"Regime {best.regime}{among} is {best.delta:.1f} F1 above real {scope}"
    else:
        compared = f"Regime {best.regime}{among} is {-best.delta:.1f} F1 below real {scope}"
    runs = "one seed" if len(found.seeds) == 1 else f"{len(found.seeds)} seeds"
    counts = questions_a_set([found.n_questions[name] for name in found.shifts])
    if best.within_noise:
        meaning = f"that is within noise (±{best.noise:.1f})"
    else:
        meaning = f"that is more than noise (±{best.noise:.1f})"
    return f"{compared}; with {runs} and {counts} {meaning}."


def questions_a_set(counts: list[int]) -> str:
    """Return how many questions there are a set, in words."""
    low, high = min(counts), max(counts)
    return f"{low:,} questions a set" if low == high else f"{low:,} to {high:,} questions a set"


def _question_variance(row: RegimeResult, test_set: str, n_questions: int) -> float:
    mean = row.mean(test_set).f1
    return mean * (100 - mean) / n_questions
