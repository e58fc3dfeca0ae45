"""Every relative link of every committed page leads somewhere."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^(```|~~~).*?^\1", flags=re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", "*.md", "docs/*.html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


class _Page(HTMLParser):
    """Gathers addresses and ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.add(value)


def links_of(path: Path, text: str) -> list[str]:
    """Return the addresses that a page links to."""
    if path.suffix == ".html":
        page = _Page()
        page.feed(text)
        return page.links
    prose = _CODE.sub("", _FENCE.sub("", text))
    return [first or second for first, second in _LINK.findall(prose)]


def anchors_of(path: Path) -> set[str]:
    """Return the places in a page that a link may name."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        page = _Page()
        page.feed(text)
        return page.ids
    headings = re.findall(r"^#+\s+(.*)$", _FENCE.sub("", text), flags=re.MULTILINE)
    # As git hosts make them: lower case, punctuation dropped, spaces become dashes.
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def broken(path: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    found = []
    for link in links_of(path, text):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = ROOT / path.parent / unquote(parts.path) if parts.path else ROOT / path
        if not target.exists() or (
            parts.fragment
            and target.suffix in (".md", ".html")
            and parts.fragment not in anchors_of(target)
        ):
            found.append(link)
    return found


@pytest.mark.parametrize("path", committed(), ids=str)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    assert broken(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/a.md", "[x](nowhere.md)"),
        ("docs/a.md", "![x](pictures/nowhere.png)"),
        ("docs/a.md", "[x]: nowhere.md"),
        ("docs/a.md", "[x](evidence.md#nowhere)"),
        ("docs/a.html", '<p><a href="nowhere.html">x</a>'),
        ("docs/a.html", '<img src="nowhere.png">'),
    ],
)
def test_a_link_to_nowhere_is_found(name: str, text: str) -> None:
    assert len(broken(Path(name), text)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/a.md", "[x](evidence.md#the-interval) [y](https://example.org/nowhere)"),
        ("docs/a.md", "```\n[x](nowhere.md)\n```\nand `[x](nowhere.md)`"),
        ("docs/a.html", '<link rel="icon" href="data:,"><a href="evidence.md">x</a>'),
    ],
)
def test_links_that_lead_somewhere_and_code_are_left_alone(name: str, text: str) -> None:
    assert broken(Path(name), text) == []
