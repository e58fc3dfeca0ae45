"""What a model's text may hold besides text: thinking, controls, half characters, JSON.

Every function takes time in proportion to its text, whatever stands in it: the text comes from
outside. Patterns never hold two neighbouring parts that could share characters.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

# Characters that no text needs and a terminal may obey: controls but tab and line ends.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Qwen, DeepSeek, Gemini's endpoint, Magistral.
_THINKING = re.compile(r"<(/?)(?:think|thinking|thought)>|\[(/?)THINK\]", re.IGNORECASE)


def whole_characters(text: str) -> str:
    """Return `text` with U+FFFD for each half of a surrogate pair, which no file can hold.

    Two halves that meet, as where the parts of a text are joined, become their character.
    """
    if _SURROGATES.search(text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def printable(text: str) -> str:
    """Return `text` in whole characters and without controls, tabs and line ends apart."""
    return _CONTROLS.sub("", whole_characters(text))


def without_thinking(text: str) -> tuple[str, bool]:
    """Return `text` without its blocks of thinking, and whether there was one.

    A block may lack its opening tag, where the chat template has put it into the prompt, or its
    closing tag, where the limit on tokens came first.
    """
    kept: list[str] = []
    start, inside, found = 0, False, False
    for tag in _THINKING.finditer(text):
        found = True
        if tag[1] or tag[2]:
            if not inside:
                kept.clear()
            start, inside = tag.end(), False
        elif not inside:
            kept.append(text[start : tag.start()])
            inside = True
    if not found:
        return text, False
    if not inside:
        kept.append(text[start:])
    return "".join(kept).strip(), True


def without_tags_of_thinking(text: str) -> str:
    """Return `text` without the tags alone."""
    return _THINKING.sub("", text)


def cut_at(text: str, stops: tuple[str, ...]) -> str:
    """Return `text` up to the first of `stops`, as an endpoint does that knows them."""
    places = [place for place in (text.find(stop) for stop in stops if stop) if place >= 0]
    return text[: min(places)] if places else text


_JSON_STARTS = re.compile(r"\{(?=\s*+[\"}])|\[(?=\s*+[\[{])")
# Each try may read to the end of the text.
_MOST_JSON_TRIES = 20


def json_values(text: str) -> Iterator[Any]:
    """Yield the JSON objects and arrays of objects that stand in `text`, talk around them or not.

    A bounded number of places is tried. A number of too many digits, or a nesting too deep for
    Python to read, makes a place none.
    """
    decoder = json.JSONDecoder()
    place = n_tries = 0
    while n_tries < _MOST_JSON_TRIES and (start := _JSON_STARTS.search(text, place)):
        n_tries += 1
        try:
            value, place = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            place = start.end()
            continue
        yield value
