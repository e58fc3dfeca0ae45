"""Count what breaks an expectation, by the rules of Great Expectations and without its import.

A test holds every count to Great Expectations' own, on sound tables and on broken ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from augqa.expectations import asked
from augqa.expectations.asked import Expectation

Kwargs = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What came of one expectation.

    Attributes:
        success: Whether it holds.
        n_unexpected: Rows that break it; None if it is about the whole table.
        observed: What was found, where it is about the whole table.
    """

    success: bool
    n_unexpected: int | None = None
    observed: Any = None


def count(data: pd.DataFrame, expectation: Expectation) -> Counted:
    """Hold a frame's data against one expectation."""
    kwargs = expectation.kwargs
    if (of_table := _OF_TABLE.get(expectation.kind)) is not None:
        return of_table(data, kwargs)
    considered, broken = _OF_ROWS[expectation.kind](data, kwargs)
    # No rows to look at break nothing.
    holds = considered == 0 or (considered - broken) / considered >= kwargs.get("mostly", 1)
    return Counted(success=bool(holds), n_unexpected=int(broken))


def _row_count(data: pd.DataFrame, kwargs: Kwargs) -> Counted:
    return Counted(success=_within(len(data), kwargs), observed=len(data))


def _sum(data: pd.DataFrame, kwargs: Kwargs) -> Counted:
    found = data[kwargs["column"]].sum()
    return Counted(success=_within(found, kwargs), observed=found)


def _columns(data: pd.DataFrame, kwargs: Kwargs) -> Counted:
    found = list(data.columns)
    return Counted(success=found == list(kwargs["column_list"]), observed=found)


def _divergence(data: pd.DataFrame, kwargs: Kwargs) -> Counted:
    """Kullback-Leibler divergence of the column's shares from those expected, in nats."""
    expected = kwargs["partition_object"]
    shares = data[kwargs["column"]].value_counts(normalize=True)
    wanted = pd.Series(expected["weights"], index=expected["values"])
    both = pd.concat([shares, wanted], axis=1).fillna(0.0).to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = (both / both.sum(axis=0)).T
        divergence = float(np.where(p > 0, p * np.log(p / q), 0.0).sum()) if len(shares) else np.nan
    return Counted(
        success=bool(divergence <= kwargs["threshold"]),
        observed=divergence if np.isfinite(divergence) else None,
    )


def _in_set(data: pd.DataFrame, kwargs: Kwargs) -> tuple[int, int]:
    values = data[kwargs["column"]].dropna()
    return len(values), int((~values.isin(kwargs["value_set"])).sum())


def _between(data: pd.DataFrame, kwargs: Kwargs) -> tuple[int, int]:
    values = data[kwargs["column"]].dropna()
    broken = np.zeros(len(values), bool)
    if (low := kwargs.get("min_value")) is not None:
        broken |= (values < low).to_numpy(bool)
    if (high := kwargs.get("max_value")) is not None:
        above = values >= high if kwargs.get("strict_max") else values > high
        broken |= above.to_numpy(bool)
    return len(values), int(broken.sum())


def _null(data: pd.DataFrame, kwargs: Kwargs) -> tuple[int, int]:
    return len(data), int(data[kwargs["column"]].notna().sum())


def _not_null(data: pd.DataFrame, kwargs: Kwargs) -> tuple[int, int]:
    return len(data), int(data[kwargs["column"]].isna().sum())


def _unique(data: pd.DataFrame, kwargs: Kwargs) -> tuple[int, int]:
    values = data[kwargs["column"]].dropna()
    return len(values), int(values.duplicated(keep=False).sum())


def _compound_unique(data: pd.DataFrame, kwargs: Kwargs) -> tuple[int, int]:
    columns = data[list(kwargs["column_list"])].dropna(how="all")
    return len(columns), int(columns.duplicated(keep=False).sum())


def _matches(data: pd.DataFrame, kwargs: Kwargs) -> tuple[int, int]:
    values = data[kwargs["column"]].dropna()
    return len(values), int((~values.astype(str).str.contains(kwargs["regex"])).sum())


def _within(found: float, kwargs: Kwargs) -> bool:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    return bool((low is None or found >= low) and (high is None or found <= high))


_OF_TABLE: Mapping[str, Callable[[pd.DataFrame, Kwargs], Counted]] = {
    asked.ExpectTableRowCountToBeBetween: _row_count,
    asked.ExpectColumnSumToBeBetween: _sum,
    asked.ExpectTableColumnsToMatchOrderedList: _columns,
    asked.ExpectColumnKLDivergenceToBeLessThan: _divergence,
}
_OF_ROWS: Mapping[str, Callable[[pd.DataFrame, Kwargs], tuple[int, int]]] = {
    asked.ExpectColumnValuesToBeInSet: _in_set,
    asked.ExpectColumnValuesToBeBetween: _between,
    asked.ExpectColumnValuesToBeNull: _null,
    asked.ExpectColumnValuesToNotBeNull: _not_null,
    asked.ExpectColumnValuesToBeUnique: _unique,
    asked.ExpectCompoundColumnsToBeUnique: _compound_unique,
    asked.ExpectColumnValuesToMatchRegex: _matches,
}
