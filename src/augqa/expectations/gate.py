"""Hold a frame against a suite."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augqa.expectations.asked import (
    Expectation,
    ExpectationSuite,
    ExpectColumnSumToBeBetween,
    ExpectTableRowCountToBeBetween,
    Severity,
)
from augqa.expectations.counting import Counted, count
from augqa.expectations.frames import Frame
from augqa.registry import resolve

if TYPE_CHECKING:
    from augqa.expectations.naming import Named

_COUNTS = (ExpectTableRowCountToBeBetween, ExpectColumnSumToBeBetween)

# Rows named in a message and in the JSON; the page shows more, with their text.
N_NAMED = 5
N_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one expectation.

    Attributes:
        name: Its name, the same in JSON, messages and docs/gates.md.
        promise: What it says, for a person.
        relied_on_by: Stages that break, or mislead, without it.
        success: Whether it holds.
        severity: ``critical`` stops the pipeline, ``warning`` is only reported.
        n_unexpected: Rows that break it; None if it is about the whole table.
        fraction: Share of all rows that break it; None as above.
        observed: What was found, where it is about the whole table.
        bound: What it is held against, such as ``from 1 to 40``; empty where the promise says it.
        broken: Number of the row and id of the first `N_SHOWN` rows that break it.
    """

    name: str
    promise: str
    relied_on_by: tuple[str, ...]
    success: bool
    severity: Severity
    n_unexpected: int | None
    fraction: float | None
    observed: Any
    bound: str
    broken: tuple[tuple[int, str], ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """The first `N_NAMED` rows that break it, as ``id (row number)``."""
        return tuple(f"{id_!r} (row {row})" for row, id_ in self.broken[:N_NAMED])

    @property
    def found(self) -> str:
        """What was found, in words."""
        if self.n_unexpected is None:
            return _words(self.observed)
        if not self.n_unexpected:
            return "no row breaks it"
        rows = "row breaks it" if self.n_unexpected == 1 else "rows break it"
        share = f", {self.fraction:.1%} of all" if self.fraction else ""
        return f"{self.n_unexpected:,} {rows}{share}"

    def __str__(self) -> str:
        if self.n_unexpected is None:
            found = f"found {self.observed}"
        else:
            more = ", ..." if self.n_unexpected > len(self.rows) else ""
            rows = "row" if self.n_unexpected == 1 else "rows"
            found = f"broken by {self.n_unexpected} {rows}: {', '.join(self.rows)}{more}"
        return f"{self.name}: {found}. {self.promise}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a suite: one finding an expectation, in the order of the suite."""

    n_rows: int
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Critical expectations that do not hold: the pipeline stops."""
        return tuple(f for f in self.findings if not f.success and f.severity == "critical")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Other expectations that do not hold."""
        return tuple(f for f in self.findings if not f.success and f.severity != "critical")

    def as_metrics(self) -> dict[str, Any]:
        """Return the outcome as JSON content, without anything that differs between runs."""
        expectations: dict[str, dict[str, Any]] = {}
        for finding in self.findings:
            entry: dict[str, Any] = {"success": finding.success, "severity": finding.severity}
            if finding.n_unexpected is None:
                entry["observed"] = finding.observed
            else:
                entry["unexpected_count"] = finding.n_unexpected
                entry["unexpected_fraction"] = finding.fraction
            if finding.rows:
                entry["unexpected_rows"] = list(finding.rows)
            expectations[finding.name] = entry
        return {
            "success": not self.failures,
            "n_rows": self.n_rows,
            "n_expectations": len(self.findings),
            "n_failed": len(self.failures),
            "n_warnings": len(self.warnings),
            "expectations": expectations,
        }


def run_suite(frame: Frame, suite: ExpectationSuite) -> Outcome:
    """Hold `frame` against `suite`.

    What breaks an expectation is counted here; Great Expectations, whose import takes seconds, is
    asked where rows have to be named.
    """
    asked = list(suite.expectations)
    if not frame.fits:
        asked = [expectation for expectation in asked if expectation.meta["name"] == "columns"]
    found: list[Counted | Named] = [count(frame.data, one) for one in asked]
    if any(not one.success and one.n_unexpected is not None for one in found):
        named = resolve("augqa.expectations.naming:name_rows")(
            frame.data, suite.name, asked, most=N_SHOWN
        )
        found = [named[one.meta["name"]] for one in asked]
    return Outcome(
        n_rows=frame.n_rows,
        findings=tuple(_finding(one, came, frame) for one, came in zip(asked, found, strict=True)),
    )


def _finding(expectation: Expectation, came: "Counted | Named", frame: Frame) -> Finding:
    name = expectation.meta["name"]
    observed = came.observed
    error = getattr(came, "error", None)
    if error is not None:
        observed = f"an error: {error}"
    elif name == "columns":
        # Filters and plug-ins bring computed columns of their own, which no list here knows.
        observed = observed[: frame.n_columns]
    elif observed is not None:  # an empty table has no divergence
        # Rows, a sum over them, or a divergence; of a type of numpy's.
        observed = round(float(observed), 4)
        observed = int(observed) if expectation.kind in _COUNTS else observed
    counted = came.n_unexpected
    return Finding(
        name=name,
        promise=expectation.description,
        relied_on_by=tuple(expectation.meta["relied_on_by"]),
        success=came.success,
        severity=expectation.severity,
        n_unexpected=counted,
        fraction=None if counted is None else counted / max(frame.n_rows, 1),
        observed=observed,
        bound=_bound(expectation.kwargs),
        broken=() if came.success else getattr(came, "broken", ()),
    )


def _bound(kwargs: Mapping[str, Any]) -> str:
    mostly = kwargs.get("mostly", 1)
    share = f"for at least {mostly:.0%} of the rows" if mostly < 1 else ""
    return ", ".join(filter(None, (_allowed(kwargs), share)))


def _allowed(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value", kwargs.get("threshold"))
    below = "below " if kwargs.get("strict_max") else ""
    if low is not None and low == high:
        return f"exactly {low:,}"
    if low is not None and high is not None:
        return f"from {low:,} to {below}{high:,}"
    if low is not None:
        return f"at least {low:,}"
    if high is not None:
        return f"{below or 'at most '}{high:,}"
    values = kwargs.get("value_set")
    # A column of yes and no is computed: the promise says what it stands for.
    if values and len(values) <= N_NAMED and not isinstance(values[0], bool):
        return " or ".join(map(str, values))
    return ""


def _words(observed: Any) -> str:
    if observed is None:
        return "nothing to measure"
    if isinstance(observed, list):
        return ", ".join(map(str, observed))
    return f"{observed:,}" if isinstance(observed, int | float) else str(observed)
