"""Flat rows, as on the Hugging Face hub: one question a row, with its context.

``id, title, context, question, answers``: id and title may be missing. ``answers`` is an object of
two lists, ``{text: [...], answer_start: [...]}``, or a list of objects.
"""

from typing import Any

from augqa.formats.rows import Fault, FoundAnswer, FoundRow, shown

NEEDED = ("context", "question", "answers")


def flat_row(row: Any, place: str) -> FoundRow | Fault:
    """Return a flat row as it stands."""
    if not isinstance(row, dict):
        return Fault(reason="not_an_object", place=place, detail=f"found {shown(row)}")
    for key in NEEDED:
        if key not in row:
            return Fault(reason="missing_key", place=place, detail=f"no {key!r}")
    answers = _answers(row["answers"], place)
    if isinstance(answers, Fault):
        return answers
    return FoundRow(
        place=place,
        id=row.get("id"),
        title=row.get("title"),
        context=row["context"],
        question=row["question"],
        answers=answers,
        answerable=row.get("is_impossible") is not True,
    )


def _answers(value: Any, place: str) -> tuple[FoundAnswer, ...] | Fault:
    if isinstance(value, dict) and {"text", "answer_start"} <= set(value):
        texts, starts = value["text"], value["answer_start"]
        if isinstance(texts, str) and not isinstance(starts, list):
            texts, starts = [texts], [starts]
        if not isinstance(texts, list) or not isinstance(starts, list):
            return Fault(
                reason="wrong_type",
                place=place,
                detail=f"answers.text and answers.answer_start must be lists, found {shown(texts)}"
                f" and {shown(starts)}",
            )
        if len(texts) != len(starts):
            return Fault(
                reason="uneven_answers",
                place=place,
                detail=f"{len(texts)} texts but {len(starts)} starts in 'answers'",
            )
        pairs = zip(texts, starts, strict=True)
        return tuple(FoundAnswer(text=text, start=_said(start)) for text, start in pairs)
    if isinstance(value, list):
        found = []
        for answer in value:
            if not isinstance(answer, dict) or not {"text", "answer_start"} <= set(answer):
                return Fault(
                    reason="wrong_type",
                    place=place,
                    detail="each of 'answers' must have 'text' and 'answer_start', found"
                    f" {shown(answer)}",
                )
            found.append(FoundAnswer(text=answer["text"], start=_said(answer["answer_start"])))
        return tuple(found)
    return Fault(
        reason="wrong_type",
        place=place,
        detail="'answers' must be an object with 'text' and 'answer_start', or a list of such,"
        f" found {shown(value)}",
    )


def _said(start: Any) -> Any:
    return "" if start is None else start
