"""Flat rows, as on the Hugging Face hub: one question a row, with its context.

``id, title, context, question, answers``: id and title may be missing. ``answers`` is an object of
two lists, ``{text: [...], answer_start: [...]}``, a list of objects, or plain text or texts, which
are looked for in the context; it may be called ``answer``, with an ``answer_start`` beside it.
"""

from typing import Any

from augqa.formats.rows import Fault, FoundAnswer, FoundRow, shown

NEEDED = ("context", "question")
EITHER = ("answers", "answer")
OPTIONAL = ("answer_start", "id", "title", "is_impossible")


def flat_row(row: Any, place: str) -> FoundRow | Fault:
    """Return a flat row as it stands."""
    if not isinstance(row, dict):
        return Fault(reason="not_an_object", place=place, detail=f"found {shown(row)}")
    for key in NEEDED:
        if key not in row:
            return Fault(reason="missing_key", place=place, detail=f"no {key!r}")
    if "answers" not in row and "answer" not in row:
        return Fault(reason="missing_key", place=place, detail="no 'answers'")
    answers = _answers(_value(row), place)
    if isinstance(answers, Fault):
        return answers
    answers, texts = _placed(row["context"], answers)
    return FoundRow(
        place=place,
        id=row.get("id"),
        title=row.get("title"),
        context=row["context"],
        question=row["question"],
        answers=answers,
        texts=texts,
        answerable=row.get("is_impossible") is not True,
    )


def _value(row: dict[str, Any]) -> Any:
    """Return what the row has as its answers."""
    if row.get("answers") is not None or "answer" not in row:
        return row["answers"]
    answer, start = row["answer"], row.get("answer_start")
    if isinstance(answer, str) and start is not None:
        return {"text": answer, "answer_start": start}
    return answer


def _placed(
    context: Any, answers: tuple[FoundAnswer, ...]
) -> tuple[tuple[FoundAnswer, ...], tuple[Any, ...]]:
    """Part the answers that a place is given for, or can be, from further right ones.

    Lists of plain texts hold other spellings, which no context needs to have. Where it has none of
    them they stay as they are, so that the row's fault is told.
    """
    if not isinstance(context, str):
        return answers, ()
    here: list[FoundAnswer] = []
    further: list[Any] = []
    for one in answers:
        if one.start is not None or not isinstance(one.text, str) or one.text in context:
            here.append(one)
        else:
            further.append(one.text)
    return (tuple(here), tuple(further)) if here else (answers, ())


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
    if isinstance(value, str):
        return (FoundAnswer(text=value),) if value else ()
    if isinstance(value, list):
        if value and all(isinstance(one, str) for one in value):
            return tuple(FoundAnswer(text=one) for one in dict.fromkeys(value) if one)
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
        detail="'answers' must be text, or an object with 'text' and 'answer_start', or a list of"
        f" such, found {shown(value)}",
    )


def _said(start: Any) -> Any:
    return "" if start is None else start
