"""Name the rows that break expectations, with Great Expectations: only where there are any."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Read at import, which takes seconds.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig

from augqa.expectations.asked import Expectation

# It sets itself to INFO, to announce a temporary folder that is of use to nobody.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What came of one expectation.

    Attributes:
        success: Whether it holds.
        n_unexpected: Rows that break it; None if it is about the whole table.
        observed: What was found, where it is about the whole table.
        error: What Great Expectations stumbled over; None where it did not.
        broken: Number and id of rows that break it, by number.
    """

    success: bool
    n_unexpected: int | None
    observed: Any
    error: str | None
    broken: tuple[tuple[int, str], ...]


def name_rows(
    data: pd.DataFrame, name: str, expectations: Sequence[Expectation], *, most: int
) -> dict[str, Named]:
    """Return what came of each expectation by its name, with at most so many rows named."""
    context = gx.get_context(mode="ephemeral")
    # A gate is done in a second; a bar for each metric would bury its closing line.
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("augqa")
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("whole")
    )
    suite = gx.ExpectationSuite(name=name, expectations=[_native(one) for one in expectations])
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=name, data=batch, suite=context.suites.add(suite))
    )
    validation = definition.run(
        batch_parameters={"dataframe": data},
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": most,
            "unexpected_index_column_names": [n for n in ("row", "id") if n in data.columns],
        },
    )
    # GX gives the results in an order of its own.
    return {item.expectation_config.meta["name"]: _named(item) for item in validation.results}


def _native(one: Expectation) -> gxe.Expectation:
    kind = getattr(gxe, one.kind)
    return kind(
        description=one.description, severity=one.severity, meta=dict(one.meta), **one.kwargs
    )


def _named(item: Any) -> Named:
    result = item.result
    counted = "unexpected_count" in result
    error = None if counted or result else _exception_message(item.exception_info)
    broken = sorted(
        result.get("partial_unexpected_index_list") or [], key=lambda place: place["row"]
    )
    return Named(
        success=bool(item.success),
        n_unexpected=int(result["unexpected_count"]) if counted else None,
        observed=None if counted or error is not None else result["observed_value"],
        error=error,
        broken=tuple((int(place["row"]), str(place["id"])) for place in broken),
    )


def _exception_message(info: Mapping[str, Any]) -> str:
    """Return the message of an exception; GX nests it under a metric's id in some cases."""
    if "exception_message" in info:
        return str(info["exception_message"])
    return "; ".join(str(nested["exception_message"]) for nested in info.values())
