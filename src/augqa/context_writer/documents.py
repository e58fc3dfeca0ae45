"""Passages of the user's own documents instead of written contexts: real text, no seed needed."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augqa.context_writer import settings
from augqa.context_writer.entries import Given
from augqa.errors import ContextWriterError, DataError
from augqa.formats.rows import has_half_surrogate
from augqa.metrics import Usage
from augqa.records import GeneratedContext, QAExample, context_id
from augqa.sampling import choose
from augqa.sentences import sentence_spans
from augqa.tables import arrow_schema, iterate_rows

_NOTE = "README.md"  # tells what the folder is for
_FORM = "documents"
_PARAGRAPH_END = "\n\n"


def load(own: settings.Documents, given: Given) -> "DocumentsWriter":
    """Return the writer.

    Raises:
        ContextWriterError: If passages may be longer than contexts, or there is no document.
    """
    if given.documents is None:
        raise ContextWriterError("generate_contexts: the stage was not given a folder of documents")
    if own.max_words > given.params.max_words or own.min_words > own.max_words:
        raise ContextWriterError(
            f"generate_contexts.documents: passages of {own.min_words} to {own.max_words} words are"
            f" asked for, where generate_contexts.max_words allows up to {given.params.max_words}"
        )
    return DocumentsWriter(
        folder=given.documents,
        n_passages=own.n_passages,
        min_words=own.min_words,
        max_words=own.max_words,
        text_column=own.text_column,
        seed=given.params.seed,
    )


@dataclass(slots=True, kw_only=True)
class DocumentsWriter:
    """Gives passages of documents, a seeded choice of them.

    Attributes:
        folder: Holds files of text (.txt), of one JSON object a line (.jsonl) and tables
            (.parquet), in any depth.
        n_passages: Passages to take; None: as many as there are seed questions.
        min_words: Fewest words of a passage.
        max_words: Most words of a passage.
        text_column: Name of the field or column that holds a document's text.
        seed: Of the choice.
        usage: How many passages there were.
    """

    folder: Path
    n_passages: int | None
    min_words: int
    max_words: int
    text_column: str
    seed: int
    usage: Usage = field(default_factory=Usage)

    def contexts(self, seeds: Iterable[QAExample]) -> Iterator[GeneratedContext]:
        """Yield the passages; the seed questions are counted, and not looked at.

        Raises:
            DataError: If a file is not what its name says.
            ContextWriterError: If there is no document, or no passage long enough.
        """
        found: dict[str, str] = {}
        n_documents = 0
        for text in documents(self.folder, text_column=self.text_column):
            n_documents += 1
            for passage in passages(text, min_words=self.min_words, max_words=self.max_words):
                found[context_id(passage)] = passage
        if not found:
            raise ContextWriterError(
                f"{self.folder}: {n_documents} documents, none with a passage of {self.min_words}"
                " words: put .txt, .jsonl or .parquet files there, or lower"
                " generate_contexts.documents.min_words"
            )
        n = sum(1 for _ in seeds) if self.n_passages is None else self.n_passages
        self.usage = Usage(metrics={"n_documents": n_documents, "n_passages_found": len(found)})
        for id_ in choose(found, n, seed=self.seed):
            yield GeneratedContext(
                id=f"doc-{id_}/c1",
                source_id=f"doc-{id_}",
                text=found[id_],
                failure=None,
                model=None,
                finish_reason=None,
                prompt_tokens=0,
                completion_tokens=0,
                prompt_sha256=hashlib.sha256(_FORM.encode()).hexdigest(),
                style=_FORM,
                origin="real",
            )


def documents(folder: Path, *, text_column: str) -> Iterator[str]:
    """Yield the texts of all documents of a folder, files in the order of their names.

    Raises:
        DataError: If a file is of another kind, is not readable, or a record has no text.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != _NOTE):
        match path.suffix:
            case ".txt":
                yield _text(path)
            case ".jsonl":
                yield from _lines(path, text_column)
            case ".parquet":
                yield from _column(path, text_column)
            case _:
                raise DataError(f"{path}: not a document: expected .txt, .jsonl or .parquet")


def passages(text: str, *, min_words: int, max_words: int) -> list[str]:
    """Cut a document into passages: paragraphs joined while they fit, or cut at sentence ends.

    A sentence longer than `max_words` is in no passage, nor is a rest of fewer than `min_words`.
    White space in a passage is one space.
    """
    parts: list[str] = []
    for paragraph in text.replace("\r\n", "\n").split(_PARAGRAPH_END):
        whole = " ".join(paragraph.split())
        if len(whole.split()) <= max_words:
            parts.append(whole)
        else:
            parts += [whole[start:end] for start, end in sentence_spans(whole)]
    found: list[str] = []
    taken: list[str] = []
    n_words = 0
    for part in [part for part in parts if part]:
        n = len(part.split())
        if taken and n_words + n > max_words:
            found.append(" ".join(taken))
            taken, n_words = [], 0
        if n <= max_words:
            taken.append(part)
            n_words += n
    if taken:
        found.append(" ".join(taken))
    return [passage for passage in found if len(passage.split()) >= min_words]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable text in UTF-8: {error}") from error


def _lines(path: Path, text_column: str) -> Iterator[str]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: not JSON: {error}") from error
        text = record.get(text_column) if isinstance(record, dict) else None
        if not isinstance(text, str):
            raise DataError(
                f"{path}, line {number}: no text under {text_column!r}; name its field in"
                " generate_contexts.documents.text_column"
            )
        if has_half_surrogate(text):
            raise DataError(
                f"{path}, line {number}: {text_column} holds half of a surrogate pair, which is no"
                " character: mend it there"
            )
        yield text


def _column(path: Path, text_column: str) -> Iterator[str]:
    if text_column not in (names := arrow_schema(path).names):
        raise DataError(
            f"{path}: no column {text_column!r}, only {names}; name it in"
            " generate_contexts.documents.text_column"
        )
    for number, row in enumerate(iterate_rows(path, needed=[text_column]), start=1):
        if not isinstance(text := row[text_column], str):
            raise DataError(f"{path}, row {number}: {text_column} is {text!r}, not a text")
        yield text
