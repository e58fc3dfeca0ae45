"""Tell by its content what a file is, and read it."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from augqa.errors import DataError
from augqa.formats.delimited import NEEDED as COLUMNS
from augqa.formats.delimited import delimited_rows, delimiter_of, is_separator_line
from augqa.formats.flat import EITHER, OPTIONAL, flat_row
from augqa.formats.flat import NEEDED as KEYS
from augqa.formats.mrqa import is_header, mrqa_rows
from augqa.formats.opening import (
    MAX_DOCUMENT_BYTES,
    PARQUET,
    NotJson,
    check_blank_lines,
    check_is_file,
    decode,
    first_bytes,
    load_json,
    open_text,
    read_document,
    read_lines,
)
from augqa.formats.rows import Fault, Rows, shown
from augqa.formats.soundness import Reading, Unanswerable, examine
from augqa.formats.squad import squad_rows
from augqa.tables import iterate_rows

KNOWN = (
    "SQuAD JSON, flat JSON, JSON lines or Parquet with context, question and answers, MRQA JSON"
    " lines, or CSV with the columns context, question and answer"
)


def read_examples(
    path: Path,
    *,
    repair: bool = False,
    unanswerable: Unanswerable = "refuse",
    starts_matter: bool = True,
) -> Reading:
    """Read a file of extractive QA, whatever of the known formats it is in.

    Args:
        path: The file. Its name does not matter; gzip is unpacked.
        repair: Whether to mend what can be mended, and drop the rest, both counted.
        unanswerable: Whether questions without an answer are dropped or refused.
        starts_matter: Whether the starts of answers are trained on.

    Raises:
        DataError: If the file cannot be read or has faults; see `soundness.examine`.
    """
    check_is_file(path)
    settings: dict[str, Any] = {
        "where": str(path),
        "repair": repair,
        "unanswerable": unanswerable,
        "starts_matter": starts_matter,
    }
    if first_bytes(path).startswith(PARQUET):
        return examine(_parquet_rows(path), kind="flat Parquet", **settings)
    opened = open_text(path)
    with opened.stream as stream:
        kind, rows = _recognised(path, stream)
        return examine(rows, kind=f"{kind}, gzip" if opened.packed else kind, **settings)


def _parquet_rows(path: Path) -> Rows:
    found = iterate_rows(path, needed=KEYS, either=EITHER, optional=OPTIONAL)
    for n, row in enumerate(found):
        yield flat_row(row, f"row {n}")


def _recognised(path: Path, stream: BinaryIO) -> tuple[str, Rows]:
    n, first = 0, b""
    while not first.strip():
        first = stream.readline(MAX_DOCUMENT_BYTES + 1)
        n += 1
        if not first:
            raise DataError(f"{path}: holds nothing but white space. Fetch it again.")
        check_blank_lines(path, n)
    if first.lstrip()[:1] in (b"{", b"["):
        return _json_rows(path, stream, first, n)
    header = decode(path, first, where=f"line {n}, ")
    if is_separator_line(header):
        n += 1
        header = decode(path, stream.readline(MAX_DOCUMENT_BYTES + 1), where=f"line {n}, ")
    delimiter = delimiter_of(header)
    if delimiter is None:
        raise DataError(
            f"{path}: of no format that is known here ({KNOWN}). Its first line is"
            f" {shown(header.strip())}; for CSV it must name the columns {', '.join(COLUMNS)}."
        )
    kind = "TSV" if delimiter == "\t" else "CSV"
    return kind, delimited_rows(path, stream, header, delimiter, line=n)


def _json_rows(path: Path, stream: BinaryIO, first: bytes, n: int) -> tuple[str, Rows]:
    """Tell JSON lines from a document by whether the first line is complete."""
    try:
        value = load_json(decode(path, first, where=f"line {n}, "))
    except NotJson:
        value = _document(path, read_document(path, stream, first))
        return _document_rows(path, value)
    lines = read_lines(path, stream, first=n + 1)
    second = next(lines, None)
    if second is None:
        return _document_rows(path, value)
    rest = chain([second], lines)
    kind = _kind_of_row(path, value)
    if kind == "SQuAD":
        raise DataError(f"{path}: line {second[0]} follows a complete JSON document")
    return f"{kind} JSON lines", _line_rows(path, kind, n, value, rest)


def _document(path: Path, data: bytes) -> Any:
    try:
        return load_json(decode(path, data))
    except NotJson as error:
        advice = "The file may be cut short; fetch it again." if error.is_cut else "Mend it there."
        raise DataError(f"{path}: {error}. {advice}") from error


def _document_rows(path: Path, value: Any) -> tuple[str, Rows]:
    at = "row "
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value, at = value["data"], "data"
    if isinstance(value, dict):
        value = [value]
    if not value:
        raise DataError(f"{path}: holds no article and no row: its list is empty")
    first = next((row for row in value if isinstance(row, dict)), value[0])
    kind = _kind_of_row(path, first)
    if kind == "SQuAD":
        return "SQuAD JSON", squad_rows(value, at=at.strip())
    return f"{kind} JSON", _rows(kind, ((f"{at}[{n}]", row) for n, row in enumerate(value)))


def _kind_of_row(path: Path, row: Any) -> str:
    if isinstance(row, dict):
        if "paragraphs" in row or isinstance(row.get("data"), list):
            return "SQuAD"
        if is_header(row) or {"context", "qas"} <= set(row):
            return "MRQA"
        if {"context", "question"} <= set(row):
            return "flat"
        found = "with the keys " + (
            ", ".join(shown(k, n_chars=20) for k in list(row)[:8]) or "none"
        )
    else:
        found = shown(row)
    raise DataError(
        f"{path}: JSON, but of no format that is known here ({KNOWN}): its first row is {found}"
    )


def _line_rows(
    path: Path, kind: str, n: int, first: Any, lines: Iterable[tuple[int, bytes]]
) -> Rows:
    if not is_header(first):
        yield from _rows(kind, [(f"line {n}", first)])
    for number, line in lines:
        text = decode(path, line, where=f"line {number}, ")
        try:
            row = load_json(text)
        except NotJson as error:
            yield Fault(
                reason="not_json", place=f"line {number}", detail=f"{error}: {shown(text.strip())}"
            )
            continue
        yield from _rows(kind, [(f"line {number}", row)])


def _rows(kind: str, rows: Iterable[tuple[str, Any]]) -> Iterator[Any]:
    for place, row in rows:
        if kind == "MRQA":
            if not is_header(row):
                yield from mrqa_rows(row, place)
        else:
            yield flat_row(row, place)
