"""MRQA 2019 rows: a context with its questions, one context a line after an optional header.

``{context, qas: [{qid, question, answers: [text], detected_answers: [{text, char_spans}]}]}``. The
ends of ``char_spans`` are **inclusive**. ``answers`` are the right answers by which the shared task
scores; they need not stand in the context, and a score by the detected spans alone comes out too
low. Source: Fisch et al. 2019 (arXiv:1910.09753), and the task's README.
"""

from typing import Any

from augqa.formats.rows import Fault, FoundAnswer, FoundRow, Rows, field, shown


def is_header(row: Any) -> bool:
    """Whether a row is the line that says which set a file holds."""
    return isinstance(row, dict) and "header" in row and "qas" not in row


def mrqa_rows(row: Any, place: str) -> Rows:
    """Yield the questions of one context."""
    qas = field(row, "qas", list, place)
    if isinstance(qas, Fault):
        yield qas
        return
    if "context" not in row:
        yield Fault(reason="missing_key", place=place, detail="no 'context'")
        return
    for n, qa in enumerate(qas):
        yield _row(qa, row, f"{place}, qas[{n}]")


def _row(qa: Any, row: dict[str, Any], place: str) -> FoundRow | Fault:
    texts = field(qa, "answers", list, place)
    detected = field(qa, "detected_answers", list, place)
    for value in (texts, detected):
        if isinstance(value, Fault):
            return value
    if "question" not in qa:
        return Fault(reason="missing_key", place=place, detail="no 'question'")
    found = []
    for answer in detected:
        spans = field(answer, "char_spans", list, place)
        if isinstance(spans, Fault):
            return spans
        for span in spans:
            if not isinstance(span, list) or len(span) != 2 or not all(map(_is_int, span)):
                return Fault(
                    reason="wrong_type",
                    place=place,
                    detail=f"a char span must be two whole numbers, found {shown(span)}",
                )
            found.append(
                FoundAnswer(text=answer.get("text"), start=span[0], end=span[1] + 1)  # inclusive
            )
    return FoundRow(
        place=place,
        id=qa.get("qid", qa.get("id")),
        title=row.get("title"),
        context=row["context"],
        question=qa["question"],
        answers=tuple(found),
        texts=tuple(texts),
        answerable=bool(found or texts),
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
