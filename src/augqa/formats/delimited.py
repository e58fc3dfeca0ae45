"""CSV and TSV with a header: context, question, answer; and answer_start, id, title if there are.

The delimiter is the one by which the header has these columns.
"""

import csv
import io
import sys
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from augqa.errors import DataError
from augqa.formats.opening import MAX_LINE_BYTES, check_blank_lines
from augqa.formats.rows import Fault, FoundAnswer, FoundRow, Rows, shown

NEEDED = ("context", "question", "answer")
_DELIMITERS = (",", "\t", ";", "|")


def delimiter_of(header: str) -> str | None:
    """Return the delimiter by which a header line has the needed columns; None if none does."""
    for delimiter in _DELIMITERS:
        if set(NEEDED) <= set(_columns(header, delimiter)):
            return delimiter
    return None


def is_separator_line(line: str) -> bool:
    """Whether a line is Excel's own, ``sep=;``, which comes before the header."""
    return line.strip("\r\n").strip('"').casefold() in {f"sep={one}" for one in _DELIMITERS}


def delimited_rows(
    path: Path, stream: BinaryIO, header: str, delimiter: str, *, line: int = 1
) -> Rows:
    """Yield the rows that follow a header, which is the line of number `line`.

    Raises:
        DataError: If the file is not text in UTF-8, or its quotes do not fit.
    """
    columns = _columns(header, delimiter)
    twice = sorted(name for name, n in Counter(columns).items() if n > 1 and name)
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header")
    csv.field_size_limit(min(MAX_LINE_BYTES, sys.maxsize))
    # newline="": line ends within a quoted cell belong to it, and offsets count them.
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    n_blank = 0
    try:
        for cells in reader:
            if cells:
                yield _row(cells, columns, f"line {line + reader.line_num}")
                continue
            n_blank += 1
            check_blank_lines(path, n_blank)
    except csv.Error as error:
        raise DataError(
            f"{path}: not CSV near line {line + reader.line_num}: {error}. A quote inside a cell is"
            " written twice, within quotes."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text after line {line + reader.line_num} ({error.reason}). Save the"
            " file in UTF-8."
        ) from error


def _row(cells: list[str], columns: list[str], place: str) -> FoundRow | Fault:
    if len(cells) != len(columns):
        return Fault(
            reason="wrong_number_of_cells",
            place=place,
            detail=f"{len(cells)} cells under {len(columns)} columns: {shown(cells[0])}",
        )
    row = dict(zip(columns, cells, strict=True))
    return FoundRow(
        place=place,
        id=row.get("id") or None,
        title=row.get("title"),
        context=row["context"],
        question=row["question"],
        answers=(FoundAnswer(text=row["answer"], start=_start(row.get("answer_start"))),),
        answerable=row["answer"] != "",
    )


def _start(cell: str | None) -> int | str | None:
    """Return a start as a whole number where it is written as one."""
    plain = (cell or "").strip()
    if not plain:
        return None
    unsigned = plain.removeprefix("-")
    if unsigned.isascii() and unsigned.isdigit() and len(unsigned) <= 18:
        return int(plain)
    return cell


def _columns(header: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader([header.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []
    return [cell.strip().casefold() for cell in cells]
