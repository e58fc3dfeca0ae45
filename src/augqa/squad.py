"""SQuAD v1.1 JSON, the format of every raw file: read it strictly, write it plainly.

The format: ``data -> [title, paragraphs -> [context, qas -> [id, question, answers ->
[text, answer_start]]]]``. Keys beyond these are allowed, since SQuADShifts has some.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from augqa.errors import DataError, RecordError
from augqa.records import Answer, QAExample, context_id


def read_squad(path: Path) -> list[QAExample]:
    """Read a SQuAD v1.1 file into examples, in file order, every offset checked.

    Raises:
        DataError: If the file is missing, not JSON, of another schema, or holds an empty
            context, an answer that is not at its offset, or an id twice. The message names
            the file, the record and the value.
    """
    return list(parse_squad(load_json(path), where=str(path)))


def load_json(path: Path) -> Any:
    """Load a JSON file; a fault is a DataError that names file, line and column."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file. Put it there, or change `data` in params.yaml."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}."
            " The file may be cut short; fetch it again."
        ) from error


def parse_squad(content: Any, *, where: str) -> Iterator[QAExample]:
    """Yield the examples of a loaded SQuAD file; `where` names the file in messages."""
    seen: set[str] = set()
    articles = _field(content, "data", list, where, "the file")
    if not articles:
        raise DataError(f"{where}: `data` is empty: no article")
    for n_article, article in enumerate(articles):
        place = f"data[{n_article}]"
        for n_paragraph, paragraph in enumerate(_field(article, "paragraphs", list, where, place)):
            inner = f"{place}.paragraphs[{n_paragraph}]"
            context = _field(paragraph, "context", str, where, inner)
            if not context.strip():
                raise DataError(f"{where}: {inner}: the context is empty: {context!r}")
            for n_qa, qa in enumerate(_field(paragraph, "qas", list, where, inner)):
                example = _example(qa, context, where, f"{inner}.qas[{n_qa}]")
                if example.id in seen:
                    raise DataError(
                        f"{where}: {inner}.qas[{n_qa}]: id {example.id!r} stands twice;"
                        " ids must be unique"
                    )
                seen.add(example.id)
                yield example


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


def _example(qa: Any, context: str, where: str, place: str) -> QAExample:
    id_ = _field(qa, "id", str, where, place)
    place = f"{place} (id {id_!r})"
    question = _field(qa, "question", str, where, place)
    answers = _field(qa, "answers", list, where, place)
    if not answers:
        raise DataError(
            f"{where}: {place}: no answer; SQuAD v1.1 has no unanswerable questions"
            " (is this a SQuAD v2 file?)"
        )
    try:
        return QAExample(
            id=id_,
            context_id=context_id(context),
            context=context,
            question=question,
            answers=tuple(
                Answer(
                    text=_field(answer, "text", str, where, f"{place}.answers[{n}]"),
                    start=_field(answer, "answer_start", int, where, f"{place}.answers[{n}]"),
                )
                for n, answer in enumerate(answers)
            ),
            origin="real",
            context_origin="real",
        )
    except RecordError as error:
        raise DataError(f"{where}: {place}: {error}") from error


def _field(value: Any, key: str, kind: type[Any], where: str, place: str) -> Any:
    """Return ``value[key]``, which must be there and of the type `kind`."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: {place}: expected an object, found {type(value).__name__}")
    if key not in value:
        raise DataError(
            f"{where}: {place}: no key {key!r}; not SQuAD v1.1 (found keys {sorted(value)})"
        )
    found = value[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise DataError(f"{where}: {place}: {key!r} must be {kind.__name__}, found {found!r:.80}")
    return found
