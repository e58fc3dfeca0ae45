"""SQuAD JSON, v1.1 and v2.0: read into rows, written plainly.

``data -> [title, paragraphs -> [context, qas -> [id, question, answers]]]``, where ``answers`` is a
list of ``text`` and ``answer_start``. Keys beyond these are allowed, since SQuADShifts has some.
"""

from collections.abc import Iterable
from typing import Any

from augqa.formats.rows import Fault, FoundAnswer, FoundRow, Rows, field
from augqa.records import QAExample


def squad_rows(articles: list[Any], *, at: str = "data") -> Rows:
    """Yield the rows of SQuAD articles; `at` names the list in messages."""
    for n_article, article in enumerate(articles):
        place = f"{at}[{n_article}]"
        paragraphs = field(article, "paragraphs", list, place)
        if isinstance(paragraphs, Fault):
            yield paragraphs
            continue
        title = article.get("title")
        for n_paragraph, paragraph in enumerate(paragraphs):
            inner = f"{place}.paragraphs[{n_paragraph}]"
            qas = field(paragraph, "qas", list, inner)
            if isinstance(qas, Fault):
                yield qas
                continue
            if "context" not in paragraph:
                yield Fault(reason="missing_key", place=inner, detail="no 'context'")
                continue
            for n_qa, qa in enumerate(qas):
                yield _row(qa, paragraph["context"], title, f"{inner}.qas[{n_qa}]")


def _row(qa: Any, context: Any, title: Any, place: str) -> FoundRow | Fault:
    answers = field(qa, "answers", list, place)
    if isinstance(answers, Fault):
        return answers
    found = []
    for n, answer in enumerate(answers):
        for key in ("text", "answer_start"):
            value = field(answer, key, object, f"{place}.answers[{n}]")
            if isinstance(value, Fault):
                return value
        found.append(FoundAnswer(text=answer["text"], start=_said(answer["answer_start"])))
    for key in ("id", "question"):
        if key not in qa:
            return Fault(reason="missing_key", place=place, detail=f"no {key!r}")
    return FoundRow(
        place=place,
        id=_said(qa["id"]),
        title=title,
        context=context,
        question=qa["question"],
        answers=tuple(found),
        answerable=qa.get("is_impossible") is not True,
    )


def _said(value: Any) -> Any:
    """Return a value that the format asks for: its absence (null) is a fault, not a choice."""
    return "" if value is None else value


def to_squad(examples: Iterable[QAExample], *, version: str = "1.1") -> dict[str, Any]:
    """Return SQuAD v1.1 content: one article, one paragraph a context, in first-seen order."""
    paragraphs: dict[str, dict[str, Any]] = {}
    for example in examples:
        paragraph = paragraphs.setdefault(example.context, {"context": example.context, "qas": []})
        paragraph["qas"].append(
            {
                "id": example.id,
                "question": example.question,
                "answers": [{"text": a.text, "answer_start": a.start} for a in example.answers],
            }
        )
    return {"version": version, "data": [{"title": "", "paragraphs": list(paragraphs.values())}]}
