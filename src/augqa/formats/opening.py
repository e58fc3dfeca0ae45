"""Bytes of a user's file: opened in bounded memory, and told apart by content.

A file may be anything: cut short, compressed a thousandfold, an error page under a data file's
name. What is wrong with the file as a whole is a DataError here.
"""

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from augqa.errors import DataError
from augqa.formats.rows import shown

# The examples of a file are held in memory, as Python objects of about the size of their text.
MAX_TEXT_BYTES = 2 * 2**30
# JSON that is no line of its own is parsed whole, which takes up to ten times its size. The
# training set of SQuAD has 30 MB.
MAX_DOCUMENT_BYTES = 512 * 2**20
# One row of a file of rows, such as a context with all its questions.
MAX_LINE_BYTES = 64 * 2**20
# Blank lines are passed over, but so many are no text either, and each costs some time.
MAX_BLANK_LINES = 100_000
# Text shrinks by gzip to a third or a tenth; a file that unpacks to more than this is no text.
MAX_GZIP_RATIO = 200
_FEW_BYTES = 16 * 2**20  # of which any ratio is harmless

PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_BOM = codecs.BOM_UTF8
# Marks of what is read as UTF-8 from there on; UTF-32's begins as UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# First bytes of what is often found where a data file was meant, and what to do about it.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive (or a spreadsheet): unpack it, or save it as CSV in UTF-8"),
    (b"BZh", "packed with bzip2: unpack it"),
    (b"\xfd7zXZ", "packed with xz: unpack it"),
    (b"(\xb5/\xfd", "packed with zstd: unpack it"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file: `git lfs pull` brings that"),
    (b"ARROW1", "an Arrow file: save it as Parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream, as `save_to_disk` writes it: save it by `to_parquet`"),
)


class Opened(NamedTuple):
    """The text of a file, still as bytes, without a byte order mark."""

    stream: BinaryIO
    packed: bool


def check_is_file(path: Path) -> None:
    """Raise a DataError where there is no ordinary file with something in it."""
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a folder, not a file. Name the file in it.")
        if not path.exists():
            raise DataError(f"{path}: no such file. Put it there, or change `data` in params.yaml.")
        if not path.is_file():
            raise DataError(f"{path}: is not an ordinary file")
        if path.stat().st_size == 0:
            raise DataError(f"{path}: is empty. Fetch it again.")
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise DataError(f"{path}: cannot be looked at: {error}") from error


def first_bytes(path: Path, n: int = 64) -> bytes:
    """Return the first bytes of a file."""
    try:
        with path.open("rb") as file:
            return file.read(n)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def open_text(path: Path) -> Opened:
    """Open a file of text, unpacked if it is gzip; the caller closes the stream.

    Raises:
        DataError: If its first bytes are those of something else.
    """
    packed = first_bytes(path).startswith(_GZIP)
    file: Any = gzip.GzipFile(path) if packed else path.open("rb")
    stream: BinaryIO = io.BufferedReader(_Bounded(path, file, packed=packed), 2**16)
    try:
        head = stream.peek(64)[:64]  # type: ignore[attr-defined]
        inside = "holds " if packed else "is "
        for magic, what in _OTHERS:
            if head.startswith(magic):
                raise DataError(f"{path}: {inside}{what}")
        if head.startswith(_GZIP):
            raise DataError(f"{path}: is packed twice: unpack it once")
        mark, encoding = next((one for one in _MARKS if head.startswith(one[0])), (_BOM, ""))
        if head.startswith(mark):
            stream.read(len(mark))
            if encoding:
                stream = io.BufferedReader(_Recoded(path, stream, encoding), 2**16)
            head = stream.peek(64)[:64]  # type: ignore[attr-defined]
        elif 0 in head[:4] and any(head[:4]):
            raise DataError(
                f"{path}: {inside}text in UTF-16 or UTF-32 without a byte order mark, or no text:"
                " save it in UTF-8"
            )
        if head.lstrip().startswith(b"<"):
            raise DataError(
                f"{path}: {inside}an HTML or XML page, such as an error page saved under the name"
                f" of the file: it begins with {shown(head.lstrip()[:30].decode('latin-1'))}."
                " Fetch the file again."
            )
    except DataError:
        stream.close()
        raise
    return Opened(stream, packed)


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than the bounds, and names the file in every fault."""

    def __init__(self, path: Path, file: Any, *, packed: bool) -> None:
        super().__init__()
        self._path, self._file, self._packed = path, file, packed
        self._n_bytes = 0
        self._n_on_disk = max(1, path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read1(len(buffer)) if self._packed else self._file.read(len(buffer))
        except EOFError as error:
            raise DataError(
                f"{self._path}: ends in the middle of its gzip data: the file is cut short; fetch"
                " it again"
            ) from error
        except (OSError, zlib.error) as error:
            raise DataError(f"{self._path}: cannot be read: {error}") from error
        self._n_bytes += len(data)
        if self._n_bytes > MAX_TEXT_BYTES:
            raise DataError(
                f"{self._path}: holds more than {MAX_TEXT_BYTES / 2**30:.0f} GiB of text, too much"
                " to be held in memory. Take a part of it."
            )
        if (
            self._packed
            and self._n_bytes > _FEW_BYTES
            and self._n_bytes > MAX_GZIP_RATIO * self._n_on_disk
        ):
            raise DataError(
                f"{self._path}: unpacks to more than {MAX_GZIP_RATIO} times its size: that is no"
                " text. Look at it with `zcat | head`."
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Recoded(io.RawIOBase):
    """A stream of text in another encoding of Unicode, given as UTF-8."""

    def __init__(self, path: Path, stream: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._path, self._stream, self._encoding = path, stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._n_read = 0
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._stream.read(2**16)
            try:
                self._ready = self._decoder.decode(data, final=not data).encode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self._path}: not {self._encoding.upper()} text, as its first bytes say,"
                    f" after byte {self._n_read} ({error.reason}). Save the file in UTF-8."
                ) from error
            self._n_read += len(data)
            if not data:
                break
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()


def read_lines(path: Path, stream: BinaryIO, *, first: int = 1) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers.

    Raises:
        DataError: If one is longer than `MAX_LINE_BYTES`.
    """
    n, n_blank = first - 1, 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        n += 1
        if len(line) > MAX_LINE_BYTES:
            raise DataError(
                f"{path}: line {n} is longer than {MAX_LINE_BYTES // 2**20} MiB: one row a line is"
                " expected"
            )
        if not line.isspace():
            yield n, line
            continue
        n_blank += 1
        check_blank_lines(path, n_blank)


def check_blank_lines(path: Path, n: int) -> None:
    """Raise a DataError where a file has too many blank lines."""
    if n > MAX_BLANK_LINES:
        raise DataError(f"{path}: has more than {MAX_BLANK_LINES} blank lines: that is no data")


def read_document(path: Path, stream: BinaryIO, head: bytes) -> bytes:
    """Return `head` and all that follows, for JSON that must be parsed whole.

    Raises:
        DataError: If that is more than `MAX_DOCUMENT_BYTES`.
    """
    parts, size = [head], len(head)
    while size <= MAX_DOCUMENT_BYTES and (part := stream.read(2**20)):
        parts.append(part)
        size += len(part)
    if size > MAX_DOCUMENT_BYTES:
        raise DataError(
            f"{path}: is one JSON document of more than {MAX_DOCUMENT_BYTES // 2**20} MiB, and"
            " would have to be held in memory several times over. Write it as JSON lines, one row"
            " a line."
        )
    return b"".join(parts)


def decode(path: Path, data: bytes, *, where: str = "") -> str:
    """Return bytes as text.

    Raises:
        DataError: If they are not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = data[error.start : error.start + 1].hex()
        raise DataError(
            f"{path}: not UTF-8 text: {where}byte {error.start} is 0x{found} ({error.reason})."
            " Save the file in UTF-8."
        ) from error


class NotJson(Exception):
    """A text is not JSON that can be used; the message says where and why.

    Attributes:
        is_cut: Whether it may go on where it ends.
    """

    def __init__(self, message: str, *, is_cut: bool = False) -> None:
        super().__init__(message)
        self.is_cut = is_cut


def load_json(text: str) -> Any:
    """Parse JSON; what is sound JSON but cannot be held, such as deep nesting, is refused too.

    A whole number of more than 18 digits is given as text: it is no offset, and Python takes
    quadratic time for it.

    Raises:
        NotJson: With line, column and cause.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        place = f"not JSON at line {error.lineno}, column {error.colno}"
        is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        raise NotJson(f"{place}: {_cause(text, error)}", is_cut=is_cut) from error
    except RecursionError as error:
        raise NotJson("JSON nested deeper than can be read") from error


def _cause(text: str, error: json.JSONDecodeError) -> str:
    """Return what is wrong, in words for the commonest slips of what writes JSON by hand."""
    # Not more: what stands there may be a gigabyte of blanks.
    before, after = text[max(0, error.pos - 200) : error.pos + 1], text[error.pos :][:200]
    closing = after.lstrip(", \t\r\n")[:1]
    if closing in ("}", "]") and before.rstrip(" \t\r\n}]")[-1:] == ",":
        return f"a comma stands before the closing {closing!r}: take it out"
    if after[:1] == "'":
        return "single quotes, as Python writes them; JSON has double ones"
    if error.msg == "Extra data" and after[:1] == ",":
        return "a comma behind a whole value; JSON lines have none, a list stands in brackets"
    return error.msg


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= 18 else digits
