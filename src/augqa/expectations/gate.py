"""Hold a frame against a suite with Great Expectations."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig

from augqa.expectations.example_columns import EXAMPLE_COLUMNS
from augqa.expectations.frames import CONTEXT_COLUMNS, Frame
from augqa.expectations.promises import Severity

# It sets itself to INFO, to announce a temporary folder that is of use to nobody.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)

_COUNTS = ("expect_table_row_count_to_be_between", "expect_column_sum_to_be_between")
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
            return str(self.observed)
        rows = "row breaks it" if self.n_unexpected == 1 else "rows break it"
        return f"{self.n_unexpected:,} {rows}" if self.n_unexpected else "no row breaks it"

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


def run_suite(frame: Frame, suite: gx.ExpectationSuite) -> Outcome:
    """Hold `frame` against `suite`."""
    asked = list(suite.expectations)
    if not frame.fits:
        asked = [expectation for expectation in asked if expectation.meta["name"] == "columns"]
    context = gx.get_context(mode="ephemeral")
    # A gate is done in a second; a bar for each metric would bury its closing line.
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("augqa")
        .add_dataframe_asset(suite.name)
        .add_batch_definition_whole_dataframe("whole")
    )
    held = context.suites.add(gx.ExpectationSuite(name=suite.name, expectations=asked))
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=suite.name, data=batch, suite=held)
    )
    validation = definition.run(
        batch_parameters={"dataframe": frame.data},
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": N_SHOWN,
            "unexpected_index_column_names": [
                name for name in ("row", "id") if name in frame.data.columns
            ],
        },
    )
    by_name = {item.expectation_config.meta["name"]: item for item in validation.results}
    return Outcome(
        n_rows=frame.n_rows,
        # GX gives the results in an order of its own.
        findings=tuple(_finding(by_name[e.meta["name"]], frame) for e in asked),
    )


def _finding(item: Any, frame: Frame) -> Finding:
    config, result = item.expectation_config, item.result
    observed: Any = None
    counted = "unexpected_count" in result
    if not counted and not result:
        observed = f"an error: {_exception_message(item.exception_info)}"
    elif not counted:
        observed = result["observed_value"]
        if config.meta["name"] == "columns":
            computed = {*EXAMPLE_COLUMNS, *CONTEXT_COLUMNS, "row"}
            observed = [name for name in observed if name not in computed]
        elif observed is not None:  # an empty table has no divergence
            # Rows, a sum over them, or a divergence; of a type of numpy's.
            observed = round(float(observed), 4)
            observed = int(observed) if config.type in _COUNTS else observed
    broken = sorted(
        result.get("partial_unexpected_index_list") or [], key=lambda place: place["row"]
    )
    return Finding(
        name=config.meta["name"],
        promise=config.description,
        relied_on_by=tuple(config.meta["relied_on_by"]),
        success=bool(item.success),
        severity=str(getattr(config.severity, "value", config.severity)),  # type: ignore[arg-type]
        n_unexpected=int(result["unexpected_count"]) if counted else None,
        fraction=result["unexpected_count"] / max(frame.n_rows, 1) if counted else None,
        observed=observed,
        bound=_bound(config.kwargs),
        broken=()
        if item.success
        else tuple((int(place["row"]), str(place["id"])) for place in broken[:N_SHOWN]),
    )


def _bound(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and low == high:
        return f"exactly {low:,}"
    if low is not None and high is not None:
        return f"from {low:,} to {high:,}"
    if low is not None:
        return f"at least {low:,}"
    if high is not None:
        return f"at most {high:,}"
    if (values := kwargs.get("value_set")) is not None and len(values) <= N_NAMED:
        return "one of " + ", ".join(str(value) for value in values)
    if (mostly := kwargs.get("mostly")) is not None and mostly < 1:
        return f"for at least {mostly:.0%} of the rows"
    return ""


def _exception_message(info: Mapping[str, Any]) -> str:
    """Return the message of an exception; GX nests it under a metric's id in some cases."""
    if "exception_message" in info:
        return str(info["exception_message"])
    return "; ".join(str(nested["exception_message"]) for nested in info.values())
