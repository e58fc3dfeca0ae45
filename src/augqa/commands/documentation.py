"""Command docs: writes the parts of the docs that repeat code, so that they stay true."""

from pathlib import Path

from augqa.documentation import BLOCKS, with_blocks
from augqa.errors import DataError
from augqa.files import write_whole
from augqa.terminal import say

DOCS = Path("docs")


def docs() -> None:
    """Write the tables and pictures in docs/*.md and README.md that are made from the code."""
    changed, pages = [], sorted([*DOCS.glob("*.md"), Path("README.md")])
    if absent := [str(path) for path in pages if not path.is_file()]:
        raise DataError(f"{absent[0]}: no such file. `git checkout {absent[0]}` brings it.")
    for path in pages:
        text = path.read_text(encoding="utf-8")
        new = with_blocks(text, where=str(path))
        if new != text:
            write_whole(path, new)
            changed.append(str(path))
    say(f"{len(BLOCKS)} tables are up to date; changed: {', '.join(changed) or 'none'}")
