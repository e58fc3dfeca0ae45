"""Prompts as files with worked examples of our own, and the parser of what comes back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from augqa.chatter import without_chatter, without_emphasis
from augqa.cleaning import json_values, printable, without_thinking
from augqa.prompts.templates import Messages, Template, packaged
from augqa.refusals import is_refusal
from augqa.sentences import QUESTION_MARKS, ends_as_question, first_words, last_sentence_end

STYLES = ("encyclopedic", "news", "review", "forum")

# What of its seed a context is written from. The paper's is the first.
Condition = Literal["question", "question_and_answer", "question_answer_and_context"]
_CONDITION_FILES: Mapping[Condition, str] = {
    "question": "",
    "question_and_answer": "_answer",
    "question_answer_and_context": "_rewrite",
}
# Places that a template of the user's own must have, by what the condition gives.
CONDITION_PLACES: Mapping[Condition, tuple[str, ...]] = {
    "question": ("question",),
    "question_and_answer": ("question", "answer"),
    "question_answer_and_context": ("question", "answer", "context"),
}

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


def context_template(style: str, condition: Condition = "question") -> Template:
    """Return our template that asks for a context of `style`.

    Raises:
        ValueError: If `style` is not one of `STYLES`.
    """
    if style not in STYLES:
        raise ValueError(f"style {style!r} is not one of {', '.join(STYLES)}")
    return packaged(f"contexts_{style}{_CONDITION_FILES[condition]}")


def context_messages(*, question: str, style: str, max_words: int) -> Messages:
    """Return the chat that asks for a context of `style` in which `question` is answered.

    Raises:
        ValueError: If `style` is not one of `STYLES`.
    """
    return context_template(style).render({"question": question, "max_words": str(max_words)})


def pairs_messages(
    *, context: str, n_pairs: int, structured: bool = False, template: Template | None = None
) -> Messages:
    """Return the chat that asks for `n_pairs` question-answer pairs on `context`.

    Args:
        context: The passage; line breaks in it become spaces, as in the worked examples.
        n_pairs: Pairs to ask for.
        structured: Ask for JSON (`PAIRS_SCHEMA`) instead of lines.
        template: One of the user's own; None: ours.
    """
    template = template or pairs_template(structured=structured)
    values = {"context": " ".join(context.split()), "n_pairs": str(n_pairs)}
    return template.render(values)


def question_messages(
    *, context: str, sentence: str, answer: str, template: Template | None = None
) -> Messages:
    """Return the chat that asks for one question on `context` that `answer` answers.

    Args:
        context: The passage; line breaks in it become spaces, as in the worked examples.
        sentence: The sentence of it that the answer stands in: it may stand in others too.
        answer: The answer, as it stands there.
        template: One of the user's own; None: ours.
    """
    template = template or question_template()
    values = {"context": context, "sentence": sentence, "answer": answer}
    return template.render({name: " ".join(text.split()) for name, text in values.items()})


def pairs_template(*, structured: bool = False) -> Template:
    """Return our template for pairs."""
    return packaged("pairs_json" if structured else "pairs")


def question_template() -> Template:
    """Return our template for the question to a given answer."""
    return packaged("question")


def context_prompt_sha256(style: str) -> str:
    """Return the hash of the template for contexts of `style`."""
    return context_template(style).sha256


def pairs_prompt_sha256(*, structured: bool = False) -> str:
    """Return the hash of the template for pairs."""
    return pairs_template(structured=structured).sha256


def question_prompt_sha256() -> str:
    """Return the hash of the template for the question to a given answer."""
    return question_template().sha256


# A small model that has finished its answer may go on with a question of its own.
_NEXT_TURN = re.compile(r"^[^\S\n]*+(?:Question|Passage)[^\S\n]*+\d*+[^\S\n]*+:", re.MULTILINE)


def finish_context(
    text: str, *, finish_reason: str | None, max_words: int
) -> tuple[str, str | None]:
    """Return the usable part of a model's text as one paragraph, and why there is none.

    What it says about the text is cut off (`augqa.chatter`). A text that the token limit cut off,
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
    shortened = first_words(text, max_words)
    too_long = shortened != text
    if too_long:
        text = shortened
    elif finish_reason != "length":
        return text, None
    end = last_sentence_end(text)
    if end == 0:
        return "", "too_long" if too_long else "truncated"
    return text[:end], None


# "Question 2:", "**Q:**", "2) Question -", "1. Q." and the like; the same for answers. Each run of
# spaces is read by one possessive part: two that could share it would try every way to share it.
_DECORATION = r"[\s>#*_\-•]*+(?:\d{1,3}+\s*+[.):])?+[\s*_]*+"
_LABEL_END = r"[\s*_]*+\d{0,3}+[\s*_]*+[:.)\-–][\s*_]*+"
_QUESTION = re.compile(rf"{_DECORATION}(?:questions?|q)(?![a-z]){_LABEL_END}(.*)", re.IGNORECASE)
_ANSWER = re.compile(rf"{_DECORATION}(?:answers?|a)(?![a-z]){_LABEL_END}(.*)", re.IGNORECASE)
# "1. Who wrote it?": a numbered question without a label.
_NUMBERED = re.compile(r"\s*+(?:\d{1,3}+\s*+[.):]|[-*•])\s++(.+)")
# A label in the middle of a line: "Question: Who? Answer: Ada".
_MARK = re.compile(f"[{QUESTION_MARKS}]")
_INLINE_LABEL = re.compile(
    r"(?<=\S)\s++(?=(?:Question|Answer)\s*+\d{0,3}+\s*+:)"
    rf"|(?<={_MARK.pattern})\s++(?=A:\s)"
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
    asked = next((line for line in lines if _MARK.search(line) or ends_as_question(line)), "")
    if asked:
        mark = _MARK.search(asked)
        return _clean(asked[: mark.end() if mark else len(asked)].lstrip("\"“'"))
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
    return _NUMBERED.match(line) if ends_as_question(line) else None


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
