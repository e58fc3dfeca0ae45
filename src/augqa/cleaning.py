"""What a model writes around the text that was asked for: thinking, talk, markup, refusals.

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


_APOLOGY = r"(?:i['’]?m|i am|we['’]?re|we are)\s(?:very\s|so\s|really\s)?sorry|sorry|i apologi[sz]e"
_UNABLE = (
    r"(?:i|we)\s(?:can['’]?t|cannot|can not|could not|couldn['’]t|won['’]t|will not"
    r"|am unable to|['’]?m unable to|am not able to|must decline to)"
    r"|i['’]m\s(?:unable|not able)\sto|unable to"
)
_HELP = (
    r"(?:help|assist|comply|continue)\b(?:\syou)?(?:\swith\s(?:that|this|your|the)\b)?"
    r"|(?:fulfil|fulfill|complete|answer|process|do)\s(?:that|this|your|the)\b"
    r"|(?:provide|write|create|generate|produce|engage|discuss|answer)\b"
)
_REFUSALS = (
    # "I'm sorry, but I can't help with that."
    re.compile(
        rf"(?:{_APOLOGY})[,.!]?\s(?:but\s)?(?:{_UNABLE})\s(?:{_HELP})(?P<rest>[^\n]*)",
        re.IGNORECASE,
    ),
    # "I cannot assist with that request."
    re.compile(
        r"(?:i can['’]?t|i cannot|i am unable to|i['’]m unable to|i am not able to)\s"
        r"(?:(?:help|assist)(?:\syou)?\swith|(?:fulfil|fulfill|comply\swith|complete))\s"
        r"(?:that|this|your|the)\b(?P<rest>[^\n]*)",
        re.IGNORECASE,
    ),
    re.compile(
        r"as an? (?:ai|artificial intelligence|(?:large )?language model)\b[^.\n]{0,60},?\si\s"
        r"(?:can['’]?t|cannot|am unable|am not able|do not|don['’]t|won['’]t)(?P<rest>[^\n]*)",
        re.IGNORECASE,
    ),
)
# '..., said the clerk': told, not said.
_TOLD = re.compile(
    r"[^.!?\"“”]{0,80}[,.!?][\"”]|[^.!?]{0,80},\s(?:she|he|they|said|wrote)\b", re.IGNORECASE
)
_REFUSAL_WORDS = 80
_OPENING_CHARS = 400


def is_refusal(text: str) -> bool:
    """Whether a model declines in `text` instead of writing what it was asked for.

    A refusal opens the text and is short. A text that tells or quotes an apology is none.
    """
    opening = " ".join(text[:_OPENING_CHARS].split()).lstrip("*_ ")
    found = next((match for p in _REFUSALS if (match := p.match(opening))), None)
    if found is None or len(text[: 20 * _REFUSAL_WORDS].split()) > _REFUSAL_WORDS:
        return False
    return not _TOLD.match(found["rest"])


_OPENERS = (
    r"(?:sure thing|sure|certainly|of course|absolutely|definitely|okay|ok|great|happy to help)"
)
_HERE = r"(?:here(?:['’]s| is| are)|below (?:is|are)|this is|the following (?:is|are))"
_THING = (
    r"(?:paragraph|passage|text|context|article|review|post|entry|answer|response|summary|version"
    r"|questions?|pairs?|excerpt|piece|report|story|comment|reply)"
)
_INTRODUCTION = re.compile(
    rf"(?:{_OPENERS}[!,.:]\s)?(?:{_HERE}\s[^.:!?\n]{{0,80}}\b{_THING}\b[^.:!?\n]{{0,160}}:)[*_]*\s*",
    re.IGNORECASE,
)
# A line of its own may quote the question it introduces: 'Here is a passage that answers "Who?":'
_INTRODUCING_LINE = re.compile(
    rf"(?:{_OPENERS}[!,.:]\s)?{_HERE}\s[^\n]{{0,80}}\b{_THING}\b[^\n]{{0,300}}:[*_]*", re.IGNORECASE
)
_EXCLAMATION = re.compile(rf"{_OPENERS}(?:!|[,.](?=\s+{_HERE}))\s+", re.IGNORECASE)
_OPENER = re.compile(rf"{_OPENERS}[!.]?", re.IGNORECASE)
_COUNT = re.compile(
    r"[(\[*_]{0,3}(?:total )?(?:word|character)s? ?count:? ?(?:approx(?:imately|\.)? )?~?\d{1,6}"
    r"(?: words?)?[)\]*_.]{0,4}|[(\[]~?\d{1,6} words[)\]]\.?",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"(?:(?:please )?let me know if you|i hope this (?:helps|is what|paragraph|passage|text)"
    r"|(?:please )?feel free to (?:ask|let me|reach out)|would you like me to"
    r"|if you(?:['’]d| would) like (?:me to|any|more|another|further))\b[^\n]{0,200}",
    re.IGNORECASE,
)
_HEADING = re.compile(r"#{1,6} \S[^\n]*|(?P<mark>\*\*|__)[^*_\n]{1,120}(?P=mark):?")
_TITLE = re.compile(r"(?:\*\*)?(?:title|headline):[^\n]{1,120}", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:#{1,6} |\*\*)?(?:passage|context|paragraph|article|review):(?:\*\*)? ?", re.IGNORECASE
)
_STARS = re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]{1,400})(?<=[^\s*])\1(?![\w*])")
_UNDERSCORES = re.compile(r"(?<!\w)(_{1,2})(?=[^\s_])([^_\n]{1,400})(?<=[^\s_])\1(?!\w)")


def without_emphasis(text: str) -> str:
    """Return `text` without Markdown's stars and underscores around words; "2 * 3" stays."""
    if "*" in text:
        text = _STARS.sub(r"\2", text)
    if "_" in text:
        text = _UNDERSCORES.sub(r"\2", text)
    return text


def without_chatter(text: str) -> str:
    """Return `text` without what a model says about it: introduction, heading, word count, offer.

    Only whole lines, or the opening of the first one, are taken for talk; "Sure-footed goats
    climb" and "Here is the church" stay.
    """
    lines = text.splitlines()
    first = 0
    # Behind the last line with a text: that one is the text, whatever it looks like.
    last = max((n + 1 for n, line in enumerate(lines) if line.strip()), default=0)
    lead = ""
    while first < last:
        line = lines[first].strip()
        rest = _without_introduction(line)
        is_title = _HEADING.fullmatch(rest) or _TITLE.fullmatch(rest)
        if rest and not (is_title and first + 1 < last):
            lead = rest
            break
        first += 1
    while last > first + 1:
        line = lines[last - 1].strip()
        if line and not _COUNT.fullmatch(line) and not _OFFERS.fullmatch(line) and line != "---":
            break
        last -= 1
    if first == last:
        return ""
    body = [lead, *lines[first + 1 : last]]
    body = [line for line in body if not _is_heading(line)] if len(body) > 1 else body
    return without_emphasis(_without_count("\n".join(body)))


def _is_heading(line: str) -> bool:
    return bool(_HEADING.fullmatch(line.strip()))


def _without_introduction(line: str) -> str:
    # "Sure! Of course! Here is a text: ..."; without a bound each cut would copy the whole line.
    for _ in range(3):
        if match := _INTRODUCTION.match(line) or _EXCLAMATION.match(line):
            line = line[match.end() :]
    if _INTRODUCING_LINE.fullmatch(line) or _OPENER.fullmatch(line):
        return ""
    if match := _LABEL.match(line):
        return line[match.end() :]
    return line


def _without_count(text: str) -> str:
    """Cut a word count off the end of the last line."""
    stripped = text.rstrip()
    start = max(0, len(stripped) - 60)
    for match in _COUNT.finditer(stripped, start):
        if match.end() == len(stripped) and match[0][0] in "([*_":
            return stripped[: match.start()].rstrip()
    return text


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
