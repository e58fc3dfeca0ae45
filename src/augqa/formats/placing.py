"""Where the answers of a file stand: at their offset, by the rule that explains all, or once.

What may be done about an answer that is not where it is said to be is narrow: follow the rule, or
move it to where it occurs, if it occurs once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from augqa.formats.offsets import RULES, Converter, Rule
from augqa.formats.rows import shown
from augqa.records import Answer
from augqa.scoring import normalize_answer


@dataclass(slots=True, kw_only=True)
class Span:
    """An answer whose values have the right types."""

    text: str
    start: int | None
    end: int | None
    written: Any  # as the file has the start, where that is no whole number
    in_context: bool | None = None  # looked up once, for it may be asked for each rule


@dataclass(slots=True, kw_only=True)
class Row:
    """A question whose values have the right types."""

    place: str
    id: str
    title: str
    context_id: str
    context: str
    question: str
    spans: list[Span]
    texts: list[str]


@dataclass(slots=True)
class Settled:
    """What becomes of one answer: where it is, what is wrong with it, how that was mended."""

    answer: Answer | None
    fault: tuple[str, str] | None = None
    mended: str | None = None


def _span(context: str, span: Span, start: int) -> str | None:
    """Return the text at a start if it is the answer's own; an MRQA span but for its spelling."""
    if start < 0:
        return None
    if context.startswith(span.text, start):
        return span.text
    if span.end is not None and span.start is not None:
        found = context[start : start + span.end - span.start]
        if found.strip() and normalize_answer(found) == normalize_answer(span.text):
            return found
    return None


def rule_of(rows: list[Row]) -> Rule | None:
    """Return the rule by which every answer is where it is said to be; None if none is needed.

    Answers that the context does not hold at all, and negative starts, are no matter of counting.
    """
    # Only then is a rule looked for, and cheaply refuted by the first answers that it misses.
    wrong = [
        row
        for row in rows
        if any(
            span.start is not None and span.start >= 0 and not _span(row.context, span, span.start)
            for span in row.spans
        )
    ]
    if not wrong:
        return None
    for rule in RULES:
        n_explained = _n_explained(rule, wrong)
        if n_explained and _n_explained(rule, rows) is not None:
            return rule
    return None


def _n_explained(rule: Rule, rows: list[Row]) -> int | None:
    """Return how many answers a rule moves to where they are; None if it misses one."""
    n = 0
    for row, convert in converters(rule, rows):
        for span in row.spans:
            if span.start is None or span.start < 0:
                continue
            start = convert(span.start)
            if _span(row.context, span, start) is not None:
                n += start != span.start
            elif _is_in(row.context, span):
                return None
    return n


def _is_in(context: str, span: Span) -> bool:
    if span.in_context is None:
        span.in_context = span.text in context
    return span.in_context


def converters(rule: Rule | None, rows: list[Row]) -> Iterator[tuple[Row, Converter]]:
    """Yield each row with the rule's converter for its context, made once for neighbours."""
    context: str | None = None
    convert: Converter = _same
    for row in rows:
        if rule is not None and row.context is not context:
            context, convert = row.context, rule.converter(row.context)
        yield row, convert


def _same(start: int) -> int:
    return start


def settle(
    context: str, span: Span, convert: Converter, rule: Rule | None, *, starts_matter: bool
) -> Settled:
    """Return what becomes of an answer.

    Args:
        context: The context.
        span: The answer.
        convert: Leads from the file's count to characters.
        rule: The rule behind it.
        starts_matter: Whether only the very place that was meant will do.
    """
    fault: tuple[str, str] | None = None
    mended: str | None = None
    if span.start is not None and span.written is not None:
        fault = (
            "start_not_a_whole_number",
            f"answer_start must be a whole number, found {shown(span.written)}",
        )
        mended = "start_rewritten"
    if span.start is not None:
        start = convert(span.start) if span.start >= 0 else -1
        text = _span(context, span, start)
        if start != span.start or text is None:
            fault = fault or _misplaced(context, span)
            mended = f"moved_by_rule_{rule.name}" if rule is not None else None
        if text is not None:
            return _trimmed(text, start, fault, mended)
    return _located(context, span, fault, starts_matter=starts_matter)


def _misplaced(context: str, span: Span) -> tuple[str, str]:
    start = span.start or 0
    if start < 0:
        return "negative_start", f"answer {shown(span.text)} has the start {start}"
    found = context[start : start + len(span.text)]
    return "answer_not_at_start", (
        f"answer {shown(span.text)} is not at {start}, found {shown(found)}"
    )


def _trimmed(text: str, start: int, fault: tuple[str, str] | None, mended: str | None) -> Settled:
    """Return an answer at its place, without white space at its edges."""
    bare = text.strip()
    if bare == text:
        return Settled(Answer(text=text, start=start), fault, mended)
    cut = Answer(text=bare, start=start + len(text) - len(text.lstrip()))
    edge = ("space_at_edge", f"answer {shown(text)} begins or ends with white space")
    return Settled(cut, fault or edge, mended or "edge_space_cut")


def _located(
    context: str, span: Span, fault: tuple[str, str] | None, *, starts_matter: bool
) -> Settled:
    """Return an answer where its text occurs, if it may be looked for."""
    text = span.text.strip()
    first = context.find(text)
    if first < 0:
        return Settled(
            None,
            fault or ("answer_not_in_context", f"the context does not hold {shown(span.text)}"),
        )
    only = context.find(text, first + 1) < 0
    if not only and starts_matter:
        return Settled(
            None,
            fault or ("answer_occurs_often", f"no answer_start, and {shown(text)} occurs often"),
        )
    if text != span.text and fault is None:
        fault = ("space_at_edge", f"answer {shown(span.text)} begins or ends with white space")
    mended = None
    if fault is not None:
        mended = "moved_to_only_occurrence" if only else "moved_to_first_occurrence"
    return Settled(Answer(text=text, start=first), fault, mended)
