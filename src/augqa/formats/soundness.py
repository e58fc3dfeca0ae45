"""Rows as found, made into examples: every fault counted and named, repaired where that is asked.

An answer that is not where its offset says is the commonest fault of such files, and most often one
rule explains all of them (`offsets`). What a repair may do is narrow: follow that rule, or move an
answer to where it occurs, if it occurs once. Nothing is guessed where a start is trained on.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from augqa.errors import DataError
from augqa.formats.offsets import Rule
from augqa.formats.placing import Row, Span, converters, rule_of, settle
from augqa.formats.rows import Fault, FoundRow, Rows, has_half_surrogate, shown
from augqa.records import QAExample, Rejection, context_id

Unanswerable = Literal["refuse", "drop"]

# Some two hundred thousand words: a book. It bounds what looking for one answer costs.
MAX_CONTEXT_CHARS = 1_000_000
_N_SHOWN = 3  # faults of one reason that a message shows

# What the file as such cannot be blamed for.
UNANSWERABLE = "unanswerable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file holds.

    Attributes:
        kind: What it was taken for, such as ``SQuAD JSON``.
        examples: Its examples, in file order.
        titles: Title of the article of each example that has one, by id.
        texts: Further right answers by id, that need not be spans of the context.
        n_rows: Questions found, sound or not.
        repaired: Answers that were mended, by what was done.
        dropped: Questions that are no example, and why.
        rule: The rule that explained all wrong offsets; None where none did or none was needed.
    """

    kind: str
    examples: tuple[QAExample, ...]
    titles: Mapping[str, str]
    texts: Mapping[str, tuple[str, ...]]
    n_rows: int
    repaired: Mapping[str, int]
    dropped: tuple[Rejection, ...]
    rule: str | None


# The one object of each context, and its id.
_Contexts = dict[str, tuple[str, str]]


@dataclass(slots=True)
class _Found:
    examples: list[QAExample] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    repaired: Counter[str] = field(default_factory=Counter)
    dropped: list[Rejection] = field(default_factory=list)
    n_bad: int = 0


def examine(
    rows: Rows,
    *,
    where: str,
    kind: str,
    repair: bool,
    unanswerable: Unanswerable,
    starts_matter: bool,
) -> Reading:
    """Make examples of rows.

    Args:
        rows: The rows as found.
        where: The file, for messages.
        kind: What the file was taken for.
        repair: Whether to mend what can be mended, and drop the rest, both counted.
        unanswerable: Whether questions without an answer are dropped or refused.
        starts_matter: Whether an answer must be at the very place that was meant, to be trained on.
            Without, the first occurrence is as good as any: scores compare texts.

    Raises:
        DataError: If a row is faulty and must not be repaired, or no row is left. It counts the
            faults by reason, shows some with id and value, and names their common cause.
    """
    typed, out, n_rows = _typed_rows(rows)
    rule = rule_of(typed)
    _settle_rows(typed, out, rule, starts_matter=starts_matter)
    refused = unanswerable == "refuse" and any(f.reason == UNANSWERABLE for f in out.faults)
    broken = any(f.reason != UNANSWERABLE for f in out.faults)
    if refused or (broken and not repair):
        raise DataError(_message(out, rule, where=where, kind=kind, n_rows=n_rows, repair=repair))
    if not out.examples:
        reasons = Counter(row.reason for row in out.dropped)
        why = ", ".join(f"{n} {reason}" for reason, n in reasons.items()) or "it holds no row"
        raise DataError(f"{where} ({kind}): no question is left: {why}")
    return Reading(
        kind=kind,
        examples=tuple(out.examples),
        titles=out.titles,
        texts=out.texts,
        n_rows=n_rows,
        repaired=dict(out.repaired),
        dropped=tuple(out.dropped),
        rule=rule.name if rule is not None else None,
    )


def _typed_rows(rows: Rows) -> tuple[list[Row], _Found, int]:
    """Check types, ids and texts; return what passes, and the faults of the rest."""
    typed: list[Row] = []
    out = _Found()
    ids: set[str] = set()
    contexts: _Contexts = {}
    n_rows = 0
    for found in rows:
        n_rows += 1
        row = found if isinstance(found, Fault) else _typed(found, ids, contexts)
        if isinstance(row, Fault):
            out.faults.append(row)
            out.n_bad += 1
            id_ = None if isinstance(found, Fault) else found.id
            usable = isinstance(id_, str) and id_ and not has_half_surrogate(id_)
            out.dropped.append(
                Rejection(
                    id=str(id_) if usable else row.place, reason=row.reason, detail=row.detail
                )
            )
            continue
        ids.add(row.id)
        typed.append(row)
    return typed, out, n_rows


def _typed(found: FoundRow, ids: set[str], contexts: _Contexts) -> Row | Fault:
    place = found.place
    if isinstance(found.id, str) and found.id:
        place = f"{place} (id {shown(found.id)})"
    if not found.answerable or not (found.answers or found.texts):
        return Fault(
            reason=UNANSWERABLE, place=place, detail=f"no answer to {shown(found.question)}"
        )
    context = _context(found.context, contexts, place)
    if isinstance(context, Fault):
        return context
    fault = _text_fault("question", found.question, place)
    if fault is not None:
        return fault
    id_ = _id(found, context[1], ids)
    if isinstance(id_, Fault):
        return id_
    if id_ in ids:
        return Fault(reason="repeated_id", place=place, detail=f"id {shown(id_)} stands twice")
    title = found.title if found.title is not None else ""
    if isinstance(title, int | float):
        title = str(title)
    if not isinstance(title, str) or has_half_surrogate(title):
        return Fault(reason="wrong_type", place=place, detail=f"title is {shown(title)}")
    spans = []
    for answer in found.answers:
        fault = _text_fault("answer", answer.text, place)
        if fault is not None:
            return fault
        start = _start(answer.start)
        if isinstance(start, str):
            return Fault(reason="wrong_type", place=place, detail=start)
        written = None if type(answer.start) is int else answer.start
        spans.append(Span(text=answer.text, start=start, end=answer.end, written=written))
    if not spans:
        return Fault(
            reason="no_span", place=place, detail=f"no place is given for {shown(found.texts[0])}"
        )
    for text in found.texts:
        fault = _text_fault("answer", text, place)
        if fault is not None:
            return fault
    return Row(
        place=place,
        id=id_,
        title=title,
        context=context[0],
        context_id=context[1],
        question=found.question,
        spans=spans,
        texts=list(found.texts),
    )


def _text_fault(name: str, value: Any, place: str) -> Fault | None:
    if not isinstance(value, str):
        return Fault(
            reason="wrong_type", place=place, detail=f"{name} must be text, found {shown(value)}"
        )
    if not value.strip():
        return Fault(
            reason=f"{name}_empty", place=place, detail=f"the {name} is empty: {shown(value)}"
        )
    if has_half_surrogate(value):
        return Fault(
            reason="half_surrogate_pair",
            place=place,
            detail=f"the {name} holds half of a surrogate pair, which is no character: "
            f"{shown(value)}",
        )
    return None


def _context(value: Any, contexts: _Contexts, place: str) -> tuple[str, str] | Fault:
    """Return a context and its id, checked and hashed once for all its questions."""
    if isinstance(value, str) and value in contexts:
        return contexts[value]
    fault = _text_fault("context", value, place)
    if fault is not None:
        return fault
    if len(value) > MAX_CONTEXT_CHARS:
        return Fault(
            reason="context_too_long",
            place=place,
            detail=f"{len(value)} characters, more than {MAX_CONTEXT_CHARS}",
        )
    # Equal contexts become one object: rows of a flat file repeat them.
    return contexts.setdefault(value, (value, context_id(value)))


def _id(found: FoundRow, of_context: str, ids: set[str]) -> str | Fault:
    id_ = found.id
    if id_ is None:
        content = f"{of_context}\0{found.question}".encode()
        made = hashlib.sha256(content).hexdigest()[:16]
        return made if made not in ids else next(_numbered(made, ids))
    if isinstance(id_, int) and not isinstance(id_, bool):
        id_ = str(id_)
    if not isinstance(id_, str) or not id_.strip() or has_half_surrogate(id_):
        return Fault(
            reason="wrong_id",
            place=found.place,
            detail=f"the id of {shown(found.question)} must be text, found {shown(id_)}",
        )
    return id_


def _numbered(made: str, ids: set[str]) -> Iterator[str]:
    """Yield ids for repeated rows; doubling steps first, so that many repeats stay cheap."""
    step = 1
    while f"{made}-{step * 2}" in ids:
        step *= 2
    low, high = step, step * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if f"{made}-{middle}" in ids else (low, middle)
    yield f"{made}-{high}"


def _start(value: Any) -> int | str | None:
    """Return a start, None where the file has none, or what is wrong with it."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    number: float | None = None
    if isinstance(value, float):
        number = value
    elif isinstance(value, str) and len(value) <= 20:
        try:
            number = float(value)
        except ValueError:
            number = None
    if number is None or not number.is_integer() or abs(number) > 2**53:
        return f"answer_start must be a whole number, found {shown(value)}"
    return int(number)


def _settle_rows(rows: list[Row], out: _Found, rule: Rule | None, *, starts_matter: bool) -> None:
    """Settle each row: an example, or a drop; count what is wrong and how it was mended."""
    for row, convert in converters(rule, rows):
        settled = [
            settle(row.context, span, convert, rule, starts_matter=starts_matter)
            for span in row.spans
        ]
        faults = [one.fault for one in settled if one.fault is not None]
        out.n_bad += bool(faults)
        out.faults += [
            Fault(reason=reason, place=row.place, detail=detail) for reason, detail in faults
        ]
        answers = tuple(one.answer for one in settled if one.answer is not None)
        if not answers:
            reason, detail = faults[0]
            out.dropped.append(Rejection(id=row.id, reason=reason, detail=detail))
            continue
        out.repaired.update(one.mended for one in settled if one.mended is not None)
        out.repaired.update("answer_left_out" for one in settled if one.answer is None)
        out.examples.append(
            QAExample(
                id=row.id,
                context_id=row.context_id,
                context=row.context,
                question=row.question,
                answers=answers,
                origin="real",
                context_origin="real",
            )
        )
        if row.title.strip():
            out.titles[row.id] = row.title
        texts = [s.text for s, one in zip(row.spans, settled, strict=True) if one.answer is None]
        held = {answer.text for answer in answers}
        further = tuple(t for t in dict.fromkeys([*row.texts, *texts]) if t not in held)
        if further:
            out.texts[row.id] = further


def _message(
    out: _Found, rule: Rule | None, *, where: str, kind: str, n_rows: int, repair: bool
) -> str:
    by_reason: dict[str, list[Fault]] = {}
    for fault in out.faults:
        by_reason.setdefault(fault.reason, []).append(fault)
    lines = [f"{where} ({kind}): {out.n_bad} of {n_rows} questions cannot be used as they stand:"]
    for reason, faults in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {len(faults)} {reason}")
        lines += [f"    {fault.place}: {fault.detail}" for fault in faults[:_N_SHOWN]]
        if len(faults) > _N_SHOWN:
            lines.append("    ...")
    if rule is not None:
        lines.append(f"One rule explains the wrong offsets: {rule.says}.")
    if UNANSWERABLE in by_reason:
        lines.append(
            "Questions without an answer, as in SQuAD v2: data.unanswerable: drop in params.yaml"
            " leaves them out, counted."
        )
    if not repair and set(by_reason) != {UNANSWERABLE}:
        lines.append(
            f"Mend the file, or set data.repair: true in params.yaml: {_outcome(out)}, all counted."
        )
    return "\n".join(lines)


def _outcome(out: _Found) -> str:
    n_dropped = sum(row.reason != UNANSWERABLE for row in out.dropped)
    n_mended = sum(n for name, n in out.repaired.items() if name != "answer_left_out")
    n_left_out = out.repaired["answer_left_out"]
    parts = [f"it mends {n_mended} answers", f"drops {n_dropped} questions"]
    if n_left_out:
        parts.append(f"leaves out {n_left_out} answers of others")
    return ", ".join(parts[:-1]) + " and " + parts[-1]
