"""`dvc plots show` draws without a network: its page brings what draws."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from dvc_render.vega import VegaRenderer

from augqa.report.palette import DARK, LIGHT
from tests.browser import dom, needs_chromium, served

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / ".dvc" / "plots" / "page.html"

BARS: dict[str, Any] = {
    "data": {
        "values": [
            {"bar": "squad, real", "f1": 40.0, "regime": "real", "rev": "workspace"},
            {"bar": "squad, mix", "f1": 20.0, "regime": "mix", "rev": "workspace"},
            {"bar": "<b>odd</b>", "f1": 10.0, "regime": "odd", "rev": "workspace"},
        ]
    },
    "title": {"text": "F1 by test set"},
    "mark": {"type": "bar"},
    "encoding": {"x": {"field": "f1", "title": "F1"}, "y": {"field": "bar", "title": "set"}},
}
POINTS = BARS | {
    "mark": {"type": "point"},
    "encoding": {"x": {"field": "f1", "title": "F1"}, "y": {"field": "f1", "title": "F1"}},
}
LINES = BARS | {"mark": "line"}


def page_of(spec: dict[str, Any]) -> str:
    partial = VegaRenderer.DIV.format(id="plot", partial=json.dumps(spec))
    return TEMPLATE.read_text(encoding="utf-8").replace("{plot_divs}", partial)


def drawn(tmp_path: Path, spec: dict[str, Any]) -> str:
    (tmp_path / "index.html").write_text(page_of(spec), encoding="utf-8")
    with served(tmp_path) as (address, asked):
        shown = dom(f"{address}/index.html", tmp_path / "profile")
    assert asked == ["/index.html"]
    return shown[shown.index("<body>") :]


def test_dvc_is_told_to_use_the_page() -> None:
    assert "html_template = plots/page.html" in (ROOT / ".dvc/config").read_text(encoding="utf-8")


def test_the_page_fetches_nothing_and_has_the_places_that_dvc_fills() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert "{plot_divs}" in text
    assert "{scripts}" not in text
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}


def test_its_colours_are_those_of_the_report() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    found = re.findall(r"--c\d: (#[0-9a-f]{6})", text)
    assert found == [*LIGHT, *DARK]


@needs_chromium
def test_bars_are_coloured_by_recipe_and_as_long_as_their_numbers(tmp_path: Path) -> None:
    shown = drawn(tmp_path, BARS)
    assert re.findall(r'width="([\d.]+)%" height="16"', shown) == ["60", "30", "15"]
    assert re.findall(r'fill="(var\(--c\d\))"', shown) == ["var(--c0)", "var(--c1)", "var(--c2)"]
    assert "&lt;b&gt;odd&lt;/b&gt;</text>" in shown


@needs_chromium
def test_bars_of_two_commits_are_told_apart_and_no_label_is_cut(tmp_path: Path) -> None:
    old, new = "0123456789abcdef" * 2 + "01234567", "feedbeef" * 5
    rows = [
        {"bar": "new_wiki, real_longer", "f1": f1, "regime": "real_longer", "rev": rev}
        for f1, rev in [(40.0, old), (20.0, new), (10.0, "generated-share-0.25")]
    ]
    shown = drawn(tmp_path, BARS | {"data": {"values": rows}})
    labels = re.findall(r'<text x="([\d.]+)%"[^>]*text-anchor="end">([^<]*)</text>', shown)
    assert [label for _, label in labels] == [
        "new_wiki, real_longer, 0123456",
        "new_wiki, real_longer, feedbee",
        "new_wiki, real_longer, generated-share-0.25",
    ]
    # As wide as the longest one: 43 letters of 7 pixels, of the page's 960.
    assert all(float(x) * 9.6 > 300 for x, _ in labels)


@needs_chromium
@pytest.mark.parametrize(("spec", "tag", "n"), [(POINTS, "<circle", 3), (LINES, "<tr", 4)])
def test_points_are_drawn_and_what_is_unknown_is_a_table(
    tmp_path: Path, spec: dict[str, Any], tag: str, n: int
) -> None:
    assert drawn(tmp_path, spec).count(tag) == n
