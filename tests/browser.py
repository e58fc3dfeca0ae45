"""Chromium without a window, and a server on loopback that keeps what was asked for."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)"
)

HOSTILE = (
    "<script>document.title='ran'; fetch('/stolen')</script>"
    "<img src='/stolen.png' onerror=\"document.title='ran'\">"
    "</dd></article></title></style><iframe src='/stolen.html'></iframe>"
    "\"'><svg onload=\"document.title='ran'\">{{ 7 * 7 }}\x00\x1b[31m who?"
)


class _Listening(SimpleHTTPRequestHandler):
    """Serves a folder and keeps what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; give its address and the list of paths that were asked for."""
    asked: list[str] = []
    handler = type("Handler", (_Listening,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def dom(url: str, profile: Path, *, width: int = 1400) -> str:
    """Return a page's document as it stands after three seconds of its time."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", f"--window-size={width},1000"),
            *("--virtual-time-budget=3000", "--dump-dom", url),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def sideways(folder: Path, name: str, *, width: int, parts: bool = False) -> int:
    """Return by how many pixels a page is wider than the screen.

    Args:
        folder: What is served; takes a page around the one that is measured, which may not run a
            script itself.
        name: The page in it.
        width: Of the screen, in pixels.
        parts: Whether a part of the page that scrolls counts, too.
    """
    inner = "main *" if parts else "none"
    (folder / "measure.html").write_text(
        f"<iframe id=f src={name} style='width:{width}px;height:900px;border:0'></iframe>"
        "<script>f.onload = () => { const d = f.contentDocument, root = d.documentElement;"
        f" const boxes = [...d.querySelectorAll('{inner}')].filter(e => e.clientWidth &&"
        " f.contentWindow.getComputedStyle(e).overflowX == 'auto');"
        " const over = [root, ...boxes].map(e => e.scrollWidth - e.clientWidth);"
        " document.title = `over ${Math.max(...over)}` }</script>",
        encoding="utf-8",
    )
    with served(folder) as (address, _):
        shown = dom(f"{address}/measure.html", folder / "profile", width=max(width + 60, 500))
    found = re.search(r"<title>over (\d+)</title>", shown)
    assert found is not None, shown[:2000]
    return int(found[1])
