"""The response cache as one file to hand on, so that a colleague pays for nothing again.

The file is gzip. Its first line says what it is and how many records follow; each further line is
one response as a JSON object, in the order of the keys, with a checksum over all of it.
Prompts are not in it: a key is the hash of endpoint, model, messages and sampling, so that whoever
asks the same finds the answer, and nobody else learns what was asked.
"""

import gzip
import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from augqa.blocks import blocks
from augqa.errors import DataError
from augqa.llm.cache_file import fault, open_file, put_in_place
from augqa.llm.cache_tables import COLUMNS, has_text, key_in_file, key_of, transaction
from augqa.llm.request import canonical_json
from augqa.llm.response import is_encodable, response_of, storable

FORMAT, VERSION = "augqa-responses", 1
_FIELDS = tuple(COLUMNS.split(", "))
_GRADES = (0, 1, 2)
_CHUNK = 500
# Longer than any answer's line; a line beyond it is no line of such a file.
_MAX_LINE_BYTES = 256 << 20
_RECORD = frozenset((*_FIELDS, "key", "endpoint", "grade", "settled", "sha256"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import has done.

    Attributes:
        n_records: In the file.
        n_new: Of these, without a response in the cache before.
        n_better: Of these, that took the place of one that was of less use.
    """

    n_records: int
    n_new: int
    n_better: int


def export_cache(cache: Path, file: Path) -> int:
    """Write all responses of a cache to `file`; return their number.

    Equal caches give equal bytes.

    Raises:
        DataError: If there is no cache.
        GenerationError: If it cannot be read, or the file not be written; a former one stays.
    """
    if not cache.is_file():
        raise DataError(f"{cache}: there is no response cache to export")
    with closing(open_file(cache)) as db:
        try:
            # One state of the cache, whatever others store meanwhile.
            db.execute("BEGIN")
            (n_records,) = db.execute(
                "SELECT count(*) FROM responses WHERE typeof(key) = 'blob'"
            ).fetchone()
            put_in_place(file, _compressed(_lines(db, n_records)))
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise fault(cache, error) from error
    return int(n_records)


def _lines(db: sqlite3.Connection, n_records: int) -> Iterator[bytes]:
    header = {"format": FORMAT, "version": VERSION, "n_records": n_records}
    yield canonical_json(header).encode() + b"\n"
    columns = ", ".join(f"r.{name}" for name in _FIELDS)
    for key, endpoint, grade, settled, *values in db.execute(
        "SELECT r.key, coalesce(e.name, ''), r.grade,"
        f" r.run IN (SELECT id FROM runs WHERE finished), {columns}"
        " FROM responses r LEFT JOIN endpoints e ON e.id = r.endpoint"
        " WHERE typeof(r.key) = 'blob' ORDER BY r.key"
    ):
        record = {
            "key": key_of(key),
            "endpoint": endpoint,
            "grade": grade,
            "settled": bool(settled),
            **dict(zip(_FIELDS, values, strict=True)),
        }
        record["sha256"] = checksum(record)
        yield json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def checksum(record: dict[str, Any]) -> str:
    """Return the hash of a record's key and content, whatever the order of its fields."""
    content = {name: value for name, value in record.items() if name != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _compressed(lines: Iterator[bytes]) -> Iterator[bytes]:
    # No name and no time in it, unlike GzipFile's.
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for line in lines:
        yield packer.compress(line)
    yield packer.flush()


def import_cache(file: Path, cache: Path) -> Imported:
    """Take the responses of an exported file into a cache: all of them or, on a fault, none.

    Of two responses to one request the better one stays, and of two of equal worth the cache's own.

    Raises:
        DataError: If the file is missing, damaged or of another kind: the message has the line.
        GenerationError: If the cache cannot be written.
    """
    if not file.is_file():
        raise DataError(f"{file}: there is no such file")
    with closing(open_file(cache)) as db:
        try:
            # Read to its end and checked before anybody is kept from writing: that takes longer.
            db.execute(f"CREATE TEMP TABLE incoming (key, grade, run, endpoint, {COLUMNS})")
            places = ",".join("?" * (4 + len(_FIELDS)))
            records = _records(file)
            db.execute("BEGIN")
            for chunk in blocks(records, _CHUNK):
                db.executemany(f"INSERT INTO incoming VALUES ({places})", chunk)
            db.execute("COMMIT")
            with transaction(db):
                return _merge(db)
        except sqlite3.Error as error:
            raise fault(cache, error) from error


def _merge(db: sqlite3.Connection) -> Imported:
    number_of = "SELECT count(*) FROM"
    (n_before,) = db.execute(f"{number_of} responses").fetchone()
    db.execute("INSERT OR IGNORE INTO endpoints (name) SELECT DISTINCT endpoint FROM incoming")
    names = ("grade", "run", "endpoint", "stored_at", *_FIELDS)
    changed = db.execute(
        f"INSERT INTO responses (key, grade, run, endpoint, stored_at, {COLUMNS})"
        f" SELECT i.key, i.grade, i.run, e.id, ?, {COLUMNS} FROM incoming i"
        " JOIN endpoints e ON e.name = i.endpoint WHERE true ON CONFLICT (key) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in names)
        + " WHERE excluded.grade > responses.grade",
        (int(time.time()),),
    ).rowcount
    (n_after,) = db.execute(f"{number_of} responses").fetchone()
    (n_records,) = db.execute(f"{number_of} incoming").fetchone()
    n_new = n_after - n_before
    return Imported(n_records=n_records, n_new=n_new, n_better=changed - n_new)


def _records(file: Path) -> Iterator[tuple[object, ...]]:
    """Yield the rows of an exported file, each one checked.

    Raises:
        DataError: If a line is no record, or there are more or fewer than the first one says.
    """
    last, n_read = "", 0
    with gzip.open(file, "rb") as stream:
        n_records = _header(file, _line(file, stream, 1))
        for number in count(2):
            line = _line(file, stream, number)
            if not line:
                break
            record = _record(line)
            if isinstance(record, str):
                raise DataError(f"{file}, line {number}: {record}. Nothing of it was imported.")
            if record["key"] <= last:
                raise DataError(
                    f"{file}, line {number}: key {record['key']} does not come after {last}."
                    " Nothing of it was imported."
                )
            last, n_read = record["key"], n_read + 1
            yield (
                key_in_file(last),
                record["grade"],
                0 if record["settled"] else None,
                record["endpoint"],
                *(record[name] for name in _FIELDS),
            )
    if n_read != n_records:
        raise DataError(
            f"{file}, line {n_read + 1}: the file ends here, after {n_read} of {n_records} records."
            " Nothing of it was imported."
        )


def _line(file: Path, stream: gzip.GzipFile, number: int) -> bytes:
    try:
        line = stream.readline(_MAX_LINE_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{file}, line {number}: the file is damaged or no export of a response cache: {error}."
            " Nothing of it was imported."
        ) from error
    if line and not line.endswith(b"\n"):
        raise DataError(
            f"{file}, line {number}: has no end within {len(line)} bytes. Nothing of it was"
            " imported."
        )
    return line


def _header(file: Path, line: bytes) -> int:
    header = _json(line)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError(
            f"{file}, line 1: this is no export of a response cache:"
            f" {line[:60].decode('utf-8', 'replace')!r}"
        )
    version, n_records = header.get("version"), header.get("n_records")
    if version != VERSION:
        raise DataError(f"{file}, line 1: version {version!r}, and this augqa knows {VERSION}")
    if type(n_records) is not int or n_records < 0:
        raise DataError(f"{file}, line 1: n_records is {n_records!r}")
    return n_records


def _json(line: bytes) -> object:
    """Return what a line says; None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _record(line: bytes) -> dict[str, Any] | str:
    """Return a line's record, or what is wrong with it."""
    record = _json(line)
    if not isinstance(record, dict):
        return f"no record: {line[:60].decode('utf-8', 'replace')!r}"
    if record.keys() != _RECORD:
        names = ", ".join(sorted(str(name)[:30] for name in record.keys() ^ _RECORD)[:5])
        return f"fields are missing or too many: {names}"
    key = record["key"]
    if not isinstance(key, str) or not isinstance(key_in_file(key), bytes):
        return f"key {str(key)[:70]!r} is no hash of a request"
    if record["sha256"] != checksum(record):
        return f"the checksum does not fit key {key} and its content"
    grade, settled, endpoint = record["grade"], record["settled"], record["endpoint"]
    if type(grade) is not int or grade not in _GRADES:
        return f"grade is {grade!r}"
    if type(settled) is not bool or not isinstance(endpoint, str):
        return f"settled is {settled!r}, endpoint {endpoint!r}"
    response = response_of([record[name] for name in _FIELDS])
    if storable(response) is not response or not is_encodable(endpoint):
        return f"key {key} has a value that no response has"
    if grade and not has_text(response.text, response.refusal, response.finish_reason):
        return f"key {key} is called valid, and has no text"
    return record
