"""Scores of a recipe over its training seeds: one line of the results table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScore:
    """Scores on one test set, in percent; a mean over seeds, or a standard deviation."""

    exact_match: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeResult:
    """One line of the results table.

    Attributes:
        regime: Its name.
        runs: Scores of each test set, one mapping a seed.
        shifts: The shifts it was measured on, in the order of every table.
        n_real: Real examples in its training set; None where that is not known.
        n_generated: All other examples in it; None where that is not known.
        left_out: Candidates that are not in it, by reason.
    """

    regime: str
    runs: tuple[Mapping[str, SetScore], ...]
    shifts: tuple[str, ...]
    n_real: int | None = None
    n_generated: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_examples(self) -> int | None:
        """Size of the training set."""
        if self.n_real is None or self.n_generated is None:
            return None
        return self.n_real + self.n_generated

    def mean(self, test_set: str) -> SetScore:
        """Return the mean over seeds."""
        return SetScore(
            exact_match=fmean(run[test_set].exact_match for run in self.runs),
            f1=fmean(run[test_set].f1 for run in self.runs),
        )

    def std(self, test_set: str) -> SetScore | None:
        """Return the sample standard deviation over seeds; None for a single one."""
        if len(self.runs) < 2:
            return None
        return SetScore(
            exact_match=stdev(run[test_set].exact_match for run in self.runs),
            f1=stdev(run[test_set].f1 for run in self.runs),
        )

    @property
    def mean_shift_f1(self) -> float | None:
        """Mean F1 over the shifts available, each with the same weight; None without any."""
        return fmean(self._shift_f1s()) if self.shifts else None

    @property
    def mean_shift_f1_std(self) -> float | None:
        """Sample standard deviation of the mean shift F1 over seeds."""
        return stdev(self._shift_f1s()) if self.shifts and len(self.runs) > 1 else None

    def _shift_f1s(self) -> list[float]:
        return [fmean(run[name].f1 for name in self.shifts) for run in self.runs]
