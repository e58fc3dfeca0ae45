"""The page of one gate: what was promised, what was found, and the rows that broke it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from augqa.report.template import render, write_page
from augqa.tables import read_arrow

# Longest text that is shown of one field of a broken row, in characters; the rest is counted.
LONGEST = 2_000


class Finding(Protocol):
    """One expectation and what came of it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def promise(self) -> str:
        """What it says."""

    @property
    def relied_on_by(self) -> Sequence[str]:
        """Stages that break, or mislead, without it."""

    @property
    def severity(self) -> str:
        """``critical`` or ``warning``."""

    @property
    def success(self) -> bool:
        """Whether it holds."""

    @property
    def found(self) -> str:
        """What was found, in words."""

    @property
    def bound(self) -> str:
        """What it is held against; may be empty."""

    @property
    def broken(self) -> Sequence[tuple[int, str]]:
        """Number and id of the first rows that break it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRow:
    """A row that broke a promise: its number, and its fields as text."""

    number: int
    fields: Sequence[tuple[str, str]]


def verdict(findings: Iterable[Finding]) -> str:
    """Return what a gate came to: ``passed``, ``passed with warnings`` or ``stopped``."""
    broken = {finding.severity for finding in findings if not finding.success}
    if "critical" in broken:
        return "stopped"
    return "passed with warnings" if broken else "passed"


def write_gate_page(
    path: Path, *, name: str, table: Path, n_rows: int, findings: Sequence[Finding]
) -> None:
    """Write the page of a gate. Nothing in it runs or is fetched, whatever the rows hold.

    Args:
        path: Where to write it.
        name: Name of the gate.
        table: The table that was checked; the texts of broken rows are read from it.
        n_rows: Its rows.
        findings: What came of its expectations, in their order.

    Raises:
        DataError: If the page cannot be written.
    """
    ordered = sorted(findings, key=lambda f: (f.success, f.severity != "critical"))
    numbers = sorted({number for finding in findings for number, _ in finding.broken})
    shown = {row.number: row for row in _rows(table, numbers)} if numbers else {}
    text = render(
        "gate.html",
        name=name,
        table=str(table),
        n_rows=n_rows,
        verdict=verdict(findings),
        n_held=sum(finding.success for finding in findings),
        findings=ordered,
        rows=shown,
    )
    write_page(path, text)


def _rows(table: Path, numbers: Sequence[int]) -> list[BrokenRow]:
    data = read_arrow(table)
    there = [number for number in numbers if number < data.num_rows]
    taken = data.take(there).to_pylist()
    return [
        BrokenRow(
            number=number,
            fields=[(key, _short(value)) for key, value in row.items() if value not in (None, "")],
        )
        for number, row in zip(there, taken, strict=True)
    ]


def _short(value: object) -> str:
    if isinstance(value, list):
        texts = [
            f"{item.get('text')!r} at {item.get('start')}" if isinstance(item, dict) else str(item)
            for item in value
        ]
        value = "; ".join(texts)
    text = str(value)
    if text.isspace():
        return repr(text)  # what breaks the promise would not be seen
    more = len(text) - LONGEST
    return f"{text[:LONGEST]} … and {more:,} more characters" if more > 0 else text
