"""Ways of counting that give other offsets than characters do, and where they lead.

A tool in another language counts in UTF-16 units (JavaScript, Java, C#) or in bytes (Go, Rust, C);
a text that went through another system may have lost or won a character at each line end. Each is
one rule that explains every wrong offset of a file.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

# From an offset in the file's count to one in characters.
Converter = Callable[[int], int]

_WIDE = re.compile("[\U00010000-\U0010ffff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_CRLF = re.compile("\r\n")
_LINE_END = re.compile("\n")


@dataclass(frozen=True, slots=True)
class Rule:
    """One way of counting.

    Attributes:
        name: In snake_case, as metrics count it.
        says: The cause, as a sentence's end: "offsets ...".
        converter: Makes, for one context, what leads from the file's count to characters.
    """

    name: str
    says: str
    converter: Callable[[str], Converter]


def _by_marks(pattern: re.Pattern[str], extra: Callable[[str], int]) -> Callable[[str], Converter]:
    """Return what converts where each match counts for `extra` more (or fewer) than one."""

    def of_context(context: str) -> Converter:
        positions, before, total = [], [0], 0
        for match in pattern.finditer(context):
            positions.append(match.start() + total)
            total += extra(match[0])
            before.append(total)
        return lambda start: start - before[bisect_left(positions, start)]

    return of_context


def _shifted(by: Callable[[str], int]) -> Callable[[str], Converter]:
    def of_context(context: str) -> Converter:
        shift = by(context)
        return lambda start: start + shift

    return of_context


RULES = (
    Rule(
        "utf_16",
        "offsets are counted in UTF-16 units, not in characters",
        _by_marks(_WIDE, lambda _: 1),
    ),
    Rule(
        "bytes",
        "offsets are counted in bytes of UTF-8, not in characters",
        _by_marks(_NOT_ASCII, lambda found: len(found.encode()) - 1),
    ),
    Rule(
        "crlf_as_one",
        "offsets count each line end of the contexts (CR LF) as one character, not two",
        _by_marks(_CRLF, lambda _: -1),
    ),
    Rule(
        "line_end_as_two",
        "offsets count each line end as two characters (CR LF), the contexts have one",
        _by_marks(_LINE_END, lambda _: 1),
    ),
    Rule("from_one", "offsets are counted from 1, not from 0", _shifted(lambda _: -1)),
    Rule(
        "without_leading_space",
        "offsets do not count the white space that contexts begin with",
        _shifted(lambda context: len(context) - len(context.lstrip())),
    ),
)
