"""The page of a gate: what it says, and that nothing in it runs or is fetched."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import DataError
from augqa.records import QAExample
from augqa.report.gate_page import verdict, write_gate_page
from augqa.tables import write_table
from tests.browser import HOSTILE, dom, needs_chromium, served, sideways
from tests.examples import example
from tests.gating import example_row, write_rows


@dataclass(frozen=True, kw_only=True)
class Found:
    """Stands in for what a gate found."""

    name: str = "question_mark_mostly"
    promise: str = "Most questions end like one."
    relied_on_by: tuple[str, ...] = ("train",)
    severity: str = "warning"
    success: bool = False
    found: str = "1 row breaks it"
    bound: str = "for at least 90% of the rows"
    broken: tuple[tuple[int, str], ...] = ((1, "q2"),)


def page(tmp_path: Path, *findings: Any, question: str = "Who wrote it?") -> str:
    table = tmp_path / "kept.parquet"
    write_table(table, [example("q1"), example("q2", question=question)], QAExample)
    path = tmp_path / "gates" / "kept.html"
    write_gate_page(path, name="kept", table=table, n_rows=2, findings=findings)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([Found(success=True)], "passed"),
        ([Found(success=True), Found()], "passed with warnings"),
        ([Found(), Found(severity="critical")], "stopped"),
    ],
)
def test_a_gate_is_passed_passed_with_warnings_or_stopped(
    findings: list[Found], expected: str
) -> None:
    assert verdict(findings) == expected


def test_what_broke_stands_first_with_found_bound_and_the_rows_text(tmp_path: Path) -> None:
    held = Found(name="id_unique", success=True, broken=())
    html = page(tmp_path, held, Found(), question="Name the\nwriter.")
    assert html.index("question_mark_mostly") < html.index("id_unique")
    assert "1 row breaks it" in html
    assert "for at least 90% of the rows" in html
    assert "row 1" in html
    assert "Name the\nwriter." in html
    assert "&#39;Mary Shelley&#39; at 0" in html


def test_a_row_of_five_megabytes_is_cut_and_says_so(tmp_path: Path) -> None:
    html = page(tmp_path, Found(), question="x" * 5_000_000)
    assert len(html) < 100_000
    assert "and 4,998,000 more characters" in html


def test_a_page_that_cannot_be_written_is_one_plain_error(tmp_path: Path) -> None:
    (tmp_path / "gates").write_text("a file stands here", encoding="utf-8")
    with pytest.raises(DataError, match=r"kept\.html: cannot be written"):
        page(tmp_path, Found())


def test_markup_of_a_row_is_text(tmp_path: Path) -> None:
    html = page(tmp_path, Found(), question=HOSTILE)
    assert "<script" not in html
    assert "<img" not in html
    assert "\x00" not in html
    assert "\x1b" not in html


@needs_chromium
def test_nothing_on_a_hostile_page_runs_and_no_request_leaves(tmp_path: Path) -> None:
    page(tmp_path, Found(), Found(name=HOSTILE, promise=HOSTILE), question=HOSTILE)
    with served(tmp_path) as (address, asked):
        shown = dom(f"{address}/gates/kept.html", tmp_path / "profile")
    assert "<title>augqa: gate on kept</title>" in shown
    assert asked == ["/gates/kept.html"]


@needs_chromium
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_on_the_page_scrolls_sideways(tmp_path: Path, width: int) -> None:
    word = "w" * 4_000
    page(
        tmp_path,
        Found(name=HOSTILE, promise=word, found=word, bound=word, relied_on_by=(word,)),
        Found(success=True, found="id, context_id, context, question, answers, origin"),
        question=word,
    )
    assert sideways(tmp_path, "gates/kept.html", width=width, parts=True) == 0


def test_a_value_of_white_space_is_seen(tmp_path: Path) -> None:
    rows = [example_row("q1"), example_row("q2", question=" \t\n")]
    table = write_rows(tmp_path / "pool.parquet", rows, QAExample)
    path = tmp_path / "pool.html"
    write_gate_page(path, name="pool", table=table, n_rows=2, findings=[Found()])
    assert "&#39; \\t\\n&#39;" in path.read_text(encoding="utf-8")
