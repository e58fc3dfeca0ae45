"""Prompts as files with worked examples of our own, and the parser of what comes back.

A template is a Markdown file of chat turns: a line ``[[role]]`` opens one, ``{{name}}`` is a
place for a value. Values are put in once, as they stand: braces in them mean nothing.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from augqa.cleaning import (
    is_refusal,
    json_values,
    printable,
    without_chatter,
    without_emphasis,
    without_thinking,
)

Messages = tuple[dict[str, str], ...]

STYLES = ("encyclopedic", "news", "review", "forum")

_FOLDER = Path(__file__).parent
_TURN = re.compile(r"^\[\[(system|user|assistant)\]\]\n", re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")

# What a structured answer to `pairs_messages` looks like, in the strict form of OpenAI's
# structured outputs: every property required, none beside them.
PAIRS_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "question": {"type": "string"},
                    "answer": {"type": "string"},
                },
                "required": ["question", "answer"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["pairs"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPair:
    """A question and its answer as the model wrote them, white space trimmed."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A part of a model's text that is no pair, and why.

    Attributes:
        reason: ``refusal``, ``no_pairs``, ``no_answer``, ``no_question`` or
            ``duplicate_question``.
        detail: The text that was refused, for a person to read.
    """

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPairs:
    """All pairs of one text, in its order, and what was refused."""

    pairs: tuple[ParsedPair, ...]
    refusals: tuple[Refusal, ...]


def context_messages(*, question: str, style: str, max_words: int) -> Messages:
    """Return the chat that asks for a context of `style` in which `question` is answered.

    Raises:
        ValueError: If `style` is not one of `STYLES`.
    """
    if style not in STYLES:
        raise ValueError(f"style {style!r} is not one of {', '.join(STYLES)}")
    return _render(f"contexts_{style}", {"question": question, "max_words": str(max_words)})


def pairs_messages(*, context: str, n_pairs: int, structured: bool = False) -> Messages:
    """Return the chat that asks for `n_pairs` question-answer pairs on `context`.

    Args:
        context: The passage; line breaks in it become spaces, as in the worked examples.
        n_pairs: Pairs to ask for.
        structured: Ask for JSON (`PAIRS_SCHEMA`) instead of lines.
    """
    values = {"context": " ".join(context.split()), "n_pairs": str(n_pairs)}
    return _render("pairs_json" if structured else "pairs", values)


def question_messages(*, context: str, sentence: str, answer: str) -> Messages:
    """Return the chat that asks for one question on `context` that `answer` answers.

    Args:
        context: The passage; line breaks in it become spaces, as in the worked examples.
        sentence: The sentence of it that the answer stands in: it may stand in others too.
        answer: The answer, as it stands there.
    """
    values = {"context": context, "sentence": sentence, "answer": answer}
    return _render("question", {name: " ".join(text.split()) for name, text in values.items()})


def context_prompt_sha256(style: str) -> str:
    """Return the hash of the template for contexts of `style`."""
    return _sha256(f"contexts_{style}")


def pairs_prompt_sha256(*, structured: bool = False) -> str:
    """Return the hash of the template for pairs."""
    return _sha256("pairs_json" if structured else "pairs")


def question_prompt_sha256() -> str:
    """Return the hash of the template for the question to a given answer."""
    return _sha256("question")


@cache
def _template(name: str) -> str:
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def _sha256(name: str) -> str:
    return hashlib.sha256(_template(name).encode("utf-8")).hexdigest()


@cache
def _turns(name: str) -> tuple[tuple[str, str], ...]:
    parts = _TURN.split(_template(name))
    return tuple(
        (role, content.strip()) for role, content in zip(parts[1::2], parts[2::2], strict=True)
    )


def _render(name: str, values: Mapping[str, str]) -> Messages:
    """Fill a template in one pass, so that a value that looks like a place stays as it is."""
    return tuple(
        {"role": role, "content": _PLACE.sub(lambda match: values[match[1]], content)}
        for role, content in _turns(name)
    )


# A full stop after these ends no sentence.
_ABBREVIATION_WORDS = """
    mr mrs ms dr st prof gen col lt sgt capt rev sen rep gov hon jr sr vs vol fig ca
    approx inc ltd co corp etc e.g i.e u.s u.k a.d b.c a.m p.m
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())
# From the first mark of a run: a start at each of them would read the run again and again.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s|$)")
# A small model that has finished its answer may go on with a question of its own.
_NEXT_TURN = re.compile(r"^[^\S\n]*+(?:Question|Passage)[^\S\n]*+\d*+[^\S\n]*+:", re.MULTILINE)
# No abbreviation is longer.
_LONGEST_WORD = 40


def finish_context(
    text: str, *, finish_reason: str | None, max_words: int
) -> tuple[str, str | None]:
    """Return the usable part of a model's text as one paragraph, and why there is none.

    What it says about the text is cut off (`augqa.cleaning`). A text that the token limit cut off,
    or that is longer than `max_words`, is cut back to the end of its last full sentence within
    both.

    Returns:
        The text and None, or an empty text and ``empty``, ``refusal``, ``truncated`` or
        ``too_long``.
    """
    text, _ = without_thinking(printable(text))
    if is_refusal(text):
        return "", "refusal"
    text = without_chatter(text)
    if match := _NEXT_TURN.search(text):
        text, finish_reason = text[: match.start()], "stop"
    text = " ".join(text.split())
    if not text:
        return "", "empty"
    words = text.split(" ")
    too_long = len(words) > max_words
    if too_long:
        text = " ".join(words[:max_words])
    elif finish_reason != "length":
        return text, None
    end = _last_sentence_end(text)
    if end == 0:
        return "", "too_long" if too_long else "truncated"
    return text[:end], None


def _last_sentence_end(text: str) -> int:
    """Return the offset behind the last full sentence of `text`, 0 where there is none."""
    last = 0
    for match in _SENTENCE_END.finditer(text):
        start = match.start()
        # A slice from the beginning would make the time grow with the square of the text.
        before = text[max(0, start - _LONGEST_WORD) : start]
        before = before.rsplit(" ", 1)[-1].lstrip("(\"'“‘[").casefold()
        initial = len(before) == 1 and before.isalpha() and match[0] == "."
        if not initial and before not in _ABBREVIATIONS:
            last = match.end()
    return last


# "Question 2:", "**Q:**", "2) Question -", "1. Q." and the like; the same for answers. Each run of
# spaces is read by one possessive part: two that could share it would try every way to share it.
_DECORATION = r"[\s>#*_\-•]*+(?:\d{1,3}+\s*+[.):])?+[\s*_]*+"
_LABEL_END = r"[\s*_]*+\d{0,3}+[\s*_]*+[:.)\-–][\s*_]*+"
_QUESTION = re.compile(rf"{_DECORATION}(?:questions?|q)(?![a-z]){_LABEL_END}(.*)", re.IGNORECASE)
_ANSWER = re.compile(rf"{_DECORATION}(?:answers?|a)(?![a-z]){_LABEL_END}(.*)", re.IGNORECASE)
# "1. Who wrote it?": a numbered question without a label.
_NUMBERED = re.compile(r"\s*+(?:\d{1,3}+\s*+[.):]|[-*•])\s++(.+)")
# A label in the middle of a line: "Question: Who? Answer: Ada".
_INLINE_LABEL = re.compile(
    r"(?<=\S)\s++(?=(?:Question|Answer)\s*+\d{0,3}+\s*+:)|(?<=\?)\s++(?=A:\s)"
)
_FENCE = re.compile(r"^[^\S\n]*+```\w*+[^\S\n]*+$", re.MULTILINE)
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»", "`": "`"}


def parse_pairs(text: str) -> ParsedPairs:
    """Read the pairs out of a model's text: labelled lines, or JSON, with what is around them.

    ``Question: Who built it?\\nAnswer: Ada`` gives one pair. Text before the first question
    is talk and passed over; a question without an answer, an answer without a question and a
    question that stood before are refused with their reason.
    """
    text, _ = without_thinking(printable(text))
    found = _from_json(text)
    if found is None:
        found = _from_lines(text)
    pairs: list[ParsedPair] = []
    refusals: list[Refusal] = []
    seen: set[str] = set()
    for question, answer in found:
        question, answer = _clean(question), _clean(answer)
        detail = f"{question} | {answer}"
        if not question:
            refusals.append(Refusal(reason="no_question", detail=detail))
        elif not answer:
            refusals.append(Refusal(reason="no_answer", detail=detail))
        elif question.casefold() in seen:
            refusals.append(Refusal(reason="duplicate_question", detail=detail))
        else:
            seen.add(question.casefold())
            pairs.append(ParsedPair(question=question, answer=answer))
    if not pairs and not refusals:
        reason = "refusal" if is_refusal(text) else "no_pairs"
        refusals.append(Refusal(reason=reason, detail=text.strip()[:200]))
    return ParsedPairs(pairs=tuple(pairs), refusals=tuple(refusals))


def parse_question(text: str) -> str:
    """Return the first question of a model's text, without a label; empty where there is none.

    ``Question: Who built it? Answer: Ada`` gives ``Who built it?``. A line without a question
    mark counts where no other has one: the filters judge it.
    """
    text, _ = without_thinking(printable(text))
    if is_refusal(text):
        return ""
    lines = [
        _clean(match[1] if (match := _QUESTION.match(line)) else line)
        for line in without_chatter(_FENCE.sub("", text)).splitlines()
    ]
    asked = next((line for line in lines if "?" in line), "")
    if asked:
        return _clean(asked[: asked.index("?") + 1].lstrip("\"“'"))
    return next((line for line in lines if line), "")


def _from_lines(text: str) -> list[tuple[str, str]]:
    """Return (question, answer) as they stand; the missing half of a pair is empty."""
    found: list[tuple[str, str]] = []
    question: str | None = None
    answer: str | None = None

    def close() -> None:
        nonlocal question, answer
        if question is not None or answer is not None:
            found.append((question or "", answer or ""))
        question, answer = None, None

    for line in _INLINE_LABEL.sub("\n", _FENCE.sub("", text)).splitlines():
        if match := _QUESTION.match(line) or _numbered(line):
            close()
            question = match[1]
        elif match := _ANSWER.match(line):
            if answer is not None:
                close()
            answer = match[1]
        elif question is not None and answer == "" and line.strip():
            answer = line  # the label stood on a line of its own
        elif question == "" and line.strip():
            question = line
    close()
    return found


def _numbered(line: str) -> re.Match[str] | None:
    return _NUMBERED.match(line) if line.rstrip().endswith("?") else None


def _from_json(text: str) -> list[tuple[str, str]] | None:
    """Return the pairs of the first JSON object or array in `text`; None where there is none."""
    for value in json_values(text):
        items = value.get("pairs", [value]) if isinstance(value, dict) else value
        if isinstance(items, list) and any(isinstance(item, dict) for item in items):
            return [_json_pair(item) for item in items]
    return None


def _json_pair(item: Any) -> tuple[str, str]:
    if not isinstance(item, dict):
        return "", ""
    question, answer = item.get("question"), item.get("answer")
    return (
        question if isinstance(question, str) else "",
        answer if isinstance(answer, str) else "",
    )


def _clean(text: str) -> str:
    """Trim white space, Markdown stars and one pair of quotes around the whole."""
    text = without_emphasis(" ".join(printable(text).split())).strip("*_ ")
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    return text
