"""From values to places on a figure, in percent of its width or height."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear axis, or a logarithmic one.

    Attributes:
        low: Value at its start.
        high: Value at its end.
        ticks: Values to name.
        log: Whether it is logarithmic.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value, 0 to 100; what lies outside is at the end."""
        if not isfinite(value):
            return 100.0 if value > 0 else 0.0
        low, high = self.low, self.high
        if self.log:
            # What is not above 0 lies before every start.
            value, low, high = (log10(max(v, 1e-300)) for v in (value, low, high))
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    def up(self, value: float) -> float:
        """Return the place of a value from the top."""
        return round(100 - self.at(value), 2)

    def holds(self, value: float) -> bool:
        """Return whether a value lies on the axis."""
        return self.low <= value <= self.high


def linear(values: Iterable[float], *, n_ticks: int = 5, least: float = 1.0) -> Scale:
    """Return an axis with round ends that holds all finite values.

    Args:
        values: The values; without a finite one the axis is about 0.
        n_ticks: About how many ticks.
        least: The axis is at least so long.
    """
    finite = [value for value in values if isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    raw = (high - low) / n_ticks
    power = 10.0 ** floor(log10(raw))
    step = next(power * s for s in _STEPS if power * s >= raw * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return Scale(
        low=first * step,
        high=last * step,
        ticks=tuple(round(k * step, 10) for k in range(first, last + 1)),
    )


def logarithmic(values: Sequence[float], *, ticks: Sequence[float]) -> Scale:
    """Return a logarithmic axis that holds all finite values above 0.

    Args:
        values: The values; without one above 0 the axis is from 1 to 10.
        ticks: What to name on it.
    """
    finite = [value for value in values if isfinite(value) and value > 0] or [1.0, 10.0]
    return Scale(low=min(finite) / 1.15, high=max(finite) * 1.15, ticks=tuple(ticks), log=True)
