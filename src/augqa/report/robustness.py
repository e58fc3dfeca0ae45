"""What the numbers say about robustness, and what they cannot say.

Anchors: F1 published for readers trained on all of SQuAD, and of humans. Sources: Miller et al.
2020 (arXiv:2004.14444), Awadalla et al. 2022 (arXiv:2210.12517), and the readers' model cards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from augqa.report.results import BASELINE, RegimeResult, Results

# Runs that differ in their seed alone differ by about this much F1.
SINGLE_RUN_NOISE = 0.5
# Two-sided 95 % of a normal distribution.
_Z = 1.96

# F1 on a shift as a line over F1 on SQuAD dev: slope and intercept, fitted on the rows of the 57
# fine-tuned models of Awadalla et al. 2022.
LINES = {
    "new_wiki": (0.988, -0.47),
    "nyt": (1.090, -9.82),
    "amazon": (1.488, -54.29),
    "reddit": (1.422, -48.02),
}
# No fitted model lies below.
LINE_HOLDS_ABOVE = 70.0

_COMPARABLE_READER = re.compile(r"(roberta-base|bert-base-(un)?cased)(-|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Published F1 by test set."""

    name: str
    f1: Mapping[str, float]


ANCHORS = (
    Anchor(
        name="roberta-base (deepset, SQuAD 2.0)",
        f1={"squad": 91.8, "new_wiki": 90.6, "nyt": 90.8, "amazon": 83.3, "reddit": 82.9},
    ),
    Anchor(
        name="roberta-base (FreeLB)",
        f1={"squad": 91.9, "new_wiki": 90.1, "nyt": 90.7, "amazon": 83.1, "reddit": 83.3},
    ),
    Anchor(
        name="bert-base-uncased",
        f1={"squad": 88.2, "new_wiki": 86.8, "nyt": 85.8, "amazon": 75.1, "reddit": 77.0},
    ),
    Anchor(
        name="human",
        f1={"new_wiki": 92.4, "nyt": 95.0, "amazon": 92.1, "reddit": 92.2},
    ),
)


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


def not_comparable(*, source: str, reader: str) -> str | None:
    """Return why published scores cannot stand beside ours, or None where they can.

    Args:
        source: Where the data comes from: ``sample``, ``files`` or ``hub``.
        reader: Checkpoint of the reader: a name or a folder.
    """
    if source == "sample":
        return "the data is the project's own sample, not SQuAD"
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


def effective_robustness(row: RegimeResult, test_set: str) -> float | None:
    """Return the F1 on a shift above what the SQuAD F1 predicts, in points.

    None where the line does not hold: SQuAD not measured, or its F1 not above 70.

    Source: Taori et al. 2020 (arXiv:2007.00644), section 2; the lines are in `LINES`.
    """
    if "squad" not in row.runs[0]:
        return None
    x = row.mean("squad").f1
    if x <= LINE_HOLDS_ABOVE:
        return None
    slope, intercept = LINES[test_set]
    return row.mean(test_set).f1 - (slope * x + intercept)


def no_line(found: Results, row: RegimeResult, *, source: str) -> str | None:
    """Return why a regime has no effective robustness, or None where it has one."""
    if source == "sample":
        return "the lines are of SQuAD and its shifts, not of the sample"
    if "squad" not in found.n_questions:
        return "squad is not available"
    if not found.shifts:
        return "no shift is available"
    x = row.mean("squad").f1
    if x <= LINE_HOLDS_ABOVE:
        return f"the line does not hold: F1 on squad is {x:.1f}, not above {LINE_HOLDS_ABOVE:.0f}"
    return None


def anchor_mean_shift(anchor: Anchor, found: Results) -> float | None:
    """Return an anchor's mean F1 over the shifts that are available to us."""
    return fmean(anchor.f1[name] for name in found.shifts) if found.shifts else None


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
