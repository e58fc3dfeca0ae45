"""Texts of others in Markdown and in its YAML head: shown, never read as markup."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_MARKS = re.compile(r"([\\`*_\[\]|~$#!])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def plain(text: str, *, most: int = 300) -> str:
    """Return a text as one line of Markdown that shows it as it is.

    What cannot be printed, such as escape codes, line breaks and marks of direction, is a space.

    Args:
        text: Any text.
        most: Longest text that is shown whole, in characters.
    """
    return _MARKS.sub(r"\\\1", _line(text, most).translate(_ENTITIES))


def code(text: str, *, most: int = 300) -> str:
    """Return a text as `plain` does, as code."""
    return "`" + _line(text, most).replace("`", "'") + "`"


def _line(text: str, most: int) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[:most]}…"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of Markdown; each cell is `plain`."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(plain(str(cell)) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def front_matter(values: Mapping[str, Any]) -> str:
    """Return the YAML head of a card, between its two rules."""
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=False, width=1_000)
    return f"---\n{text}---\n"
