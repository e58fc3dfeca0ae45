"""Expectations as they are asked: by Great Expectations' names, without its import of seconds.

A gate counts by itself what breaks them (`counting`). Where rows do, `naming` hands the same
expectations to Great Expectations, which names the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["critical", "warning"]

# The names of the classes in great_expectations.expectations.
ExpectColumnKLDivergenceToBeLessThan = "ExpectColumnKLDivergenceToBeLessThan"
ExpectColumnSumToBeBetween = "ExpectColumnSumToBeBetween"
ExpectColumnValuesToBeBetween = "ExpectColumnValuesToBeBetween"
ExpectColumnValuesToBeInSet = "ExpectColumnValuesToBeInSet"
ExpectColumnValuesToBeNull = "ExpectColumnValuesToBeNull"
ExpectColumnValuesToBeUnique = "ExpectColumnValuesToBeUnique"
ExpectColumnValuesToMatchRegex = "ExpectColumnValuesToMatchRegex"
ExpectColumnValuesToNotBeNull = "ExpectColumnValuesToNotBeNull"
ExpectCompoundColumnsToBeUnique = "ExpectCompoundColumnsToBeUnique"
ExpectTableColumnsToMatchOrderedList = "ExpectTableColumnsToMatchOrderedList"
ExpectTableRowCountToBeBetween = "ExpectTableRowCountToBeBetween"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One expectation.

    Attributes:
        kind: Name of its class in Great Expectations.
        description: What it promises, for a person.
        severity: ``critical`` stops the pipeline, ``warning`` is only reported.
        meta: ``name``, and ``relied_on_by``, the stages that break without it.
        kwargs: Its arguments in Great Expectations.
    """

    kind: str
    description: str
    severity: Severity
    meta: Mapping[str, Any]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationSuite:
    """What one table promises.

    Attributes:
        name: Of the gate.
        expectations: In the order in which they are shown.
    """

    name: str
    expectations: list[Expectation]
