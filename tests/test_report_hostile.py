"""On pages made of hostile data nothing runs, no request leaves, and nothing breaks the layout."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from augqa.evidence.edges import Edge, EdgeKind
from augqa.report.pairs import LONGEST, pairs_page
from augqa.report.results import gate, step
from augqa.report.template import write_page
from tests import example_pages
from tests.browser import HOSTILE, dom, needs_chromium, served, sideways
from tests.example_pages import DISPUTED, PROVENANCE, sampled

LONG_WORD = "w" * 4_000


def hostile_report() -> str:
    """Return a report with hostile text in every field that comes from data, params or names."""
    study = example_pages.study()
    found = example_pages.results(study)
    evil = [dataclasses.replace(row, regime=f"{row.regime}{HOSTILE}") for row in found.regimes]
    titled = [dataclasses.replace(one, title=HOSTILE) for one in found.test_sets]
    first = example_pages.evidence(study)
    named = [
        dataclasses.replace(
            one, planned=dataclasses.replace(one.planned, recipe=HOSTILE, control=HOSTILE)
        )
        for one in first.primary
    ]
    evidence = dataclasses.replace(
        first,
        headline=HOSTILE,
        primary=tuple(named),
        remarks=(HOSTILE, LONG_WORD),
        edges=(Edge(kind=EdgeKind.ONE_SEED, words=HOSTILE),),
    )
    fields = {f.name: HOSTILE for f in dataclasses.fields(PROVENANCE) if f.type is str}
    return example_pages.report_page(
        study=study,
        found=dataclasses.replace(found, regimes=tuple(evil), test_sets=tuple(titled)),
        evidence=evidence,
        provenance=dataclasses.replace(PROVENANCE, **fields, licences=(HOSTILE,)),
        steps=[step("contexts", {"n": 3, "d": {HOSTILE: 2}}, count="n", dropped="d")],
        gates=[
            gate(
                HOSTILE,
                {
                    "gates/kept.html": {
                        "success": True,
                        "n_rows": 1,
                        "expectations": {HOSTILE: {"success": False, "severity": "warning"}},
                    }
                },
            )
        ],
        commit=HOSTILE,
        date=HOSTILE,
        example=HOSTILE,
    )


def hostile_pairs() -> str:
    """Return pairs and questions with hostile text in every field, and with awkward text."""
    texts = dict.fromkeys(("seed_question", "question", "round_trip_answer", "detail"), HOSTILE)
    pair = sampled(**texts, context=f"It was {HOSTILE}", answer=HOSTILE, kept=False, reason=HOSTILE)
    long = sampled(id="q2", question=LONG_WORD, context=f"1818 {LONG_WORD}")
    arabic = sampled(id="q3", question="من كتب الرواية؟", answer="كتبتها", context="كتبتها ماري")
    fields: dict[str, Any] = {
        "test_set": HOSTILE,
        "question": HOSTILE,
        "context": HOSTILE,
        "golds": (HOSTILE,),
        "winner": HOSTILE,
        "loser": "real",
        "said": (HOSTILE, HOSTILE),
    }
    return pairs_page([pair, long, arabic], [dataclasses.replace(DISPUTED[0], **fields)])


PAGES = {"index.html": hostile_report, "pairs.html": hostile_pairs}


@pytest.mark.parametrize("name", PAGES)
def test_markup_of_the_data_is_text(name: str) -> None:
    html = PAGES[name]()
    assert html.count("&lt;script&gt;") > 5
    for tag in ("<script", "<img", "<iframe", "<svg onload", "\x00", "\x1b"):
        assert tag not in html
    assert "{{ 7 * 7 }}" in html
    # One title, one style sheet: no text got out of its place.
    assert (html.count("</title></style>"), html.count("</style>")) == (0, 1)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing(name: str) -> None:
    html = PAGES[name]()
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")", html)
    links = set(re.findall(r'(?:href|src)="([^"]*)"', html))
    assert links <= {"data:,", "index.html", "pairs.html", "gates/kept.html"}


@needs_chromium
@pytest.mark.parametrize("name", PAGES)
def test_nothing_runs_and_no_request_leaves(tmp_path: Path, name: str) -> None:
    write_page(tmp_path / name, PAGES[name]())
    with served(tmp_path) as (address, asked):
        shown = dom(f"{address}/{name}", tmp_path / "profile")
    assert re.search(r"<title>augqa: (results|pairs)</title>", shown)
    assert "<title>ran</title>" not in shown
    assert asked == [f"/{name}"]


@needs_chromium
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [390, 1400])
def test_no_text_makes_the_page_wider_than_the_screen(
    tmp_path: Path, name: str, width: int
) -> None:
    write_page(tmp_path / name, PAGES[name]())
    assert sideways(tmp_path, name, width=width) == 0


@needs_chromium
def test_the_browser_would_tell_if_a_script_ran(tmp_path: Path) -> None:
    # What the tests above rely on: the same text, unescaped, runs and asks the server.
    text = f"<title>calm</title><p>{HOSTILE}</p>"
    (tmp_path / "open.html").write_text(text, encoding="utf-8")
    with served(tmp_path) as (address, asked):
        shown = dom(f"{address}/open.html", tmp_path / "profile")
    assert "<title>ran</title>" in shown
    assert "/stolen" in asked


def test_a_text_of_five_megabytes_is_cut_around_its_answer() -> None:
    context = "a" * 2_500_000 + "1818" + "b" * 2_500_000
    html = pairs_page([sampled(context=context, question="q" * 5_000_000)])
    assert len(html) < 100_000
    assert "<mark>1818</mark>b" in html
    assert f"and {5_000_004 - LONGEST:,} more characters" in html
    assert f"and {5_000_000 - LONGEST:,} more characters" in html
