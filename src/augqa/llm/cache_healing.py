"""A damaged response cache: put aside, and what can be read of it taken over."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from augqa.files import sync
from augqa.llm.cache_tables import (
    BUSY_TIMEOUT_S,
    COLUMNS,
    VERSION,
    copy_version_1,
    open_tables,
    transaction,
)

log = logging.getLogger("augqa.llm")

_COMPANIONS = ("", "-wal", "-shm")


def heal(path: Path) -> None:
    """Put a damaged file aside, and what can be read of it in its place.

    The new file is whole before the old one is moved: a stop at any point leaves one to start from.
    """
    if not path.exists():
        return
    healing = path.with_name(path.name + ".healing")
    for end in _COMPANIONS:
        healing.with_name(healing.name + end).unlink(missing_ok=True)
    new = open_tables(healing)
    try:
        n_saved = _salvage(path, new)
        new.execute("PRAGMA journal_mode=DELETE")
    finally:
        new.close()
    sync(healing)
    name = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    free = (path.with_name(name + end) for end in ("", *(f"-{n}" for n in range(2, 1000))))
    aside = next(place for place in free if not place.exists())
    for end in _COMPANIONS:
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    healing.rename(path)
    sync(path.parent)
    log.warning(
        "%s: damaged. It is kept as %s; %d responses could be read and are used on. What is missing"
        " will be asked for again.",
        path,
        aside,
        n_saved,
    )


def _salvage(path: Path, new: sqlite3.Connection) -> int:
    """Copy what can be read; return the number of responses."""
    old = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    old.text_factory = _text_or_nothing
    with contextlib.closing(old), transaction(new):
        try:
            tables = old.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL"
            ).fetchall()
            version = old.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError:
            return 0
        known = {name for (name,) in new.execute("SELECT name FROM sqlite_master")}
        for name, sql in tables:
            # Tables that lie beside the responses, such as the ledger of batches.
            if name not in known and not name.startswith("sqlite_") and name != "responses_1":
                new.execute(sql)
            elif (name == "responses" and version < VERSION) or name not in known:
                continue
            for row in _readable_rows(old, name, numbered=name == "responses"):
                places = ",".join("?" * len(row))
                with contextlib.suppress(sqlite3.IntegrityError):
                    new.execute(f"INSERT OR IGNORE INTO {name} VALUES ({places})", row)
        if version < VERSION:
            _salvage_version_1(old, new)
        (n_saved,) = new.execute("SELECT count(*) FROM responses").fetchone()
    return int(n_saved)


_NOTHING = object()


def _text_or_nothing(content: bytes) -> object:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _NOTHING


def _salvage_version_1(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    columns = f"key, endpoint, stored_at, {COLUMNS}"
    new.execute(f"CREATE TEMP TABLE old_rows ({columns}, UNIQUE (key))")
    for order in ("", "ORDER BY key DESC"):
        with contextlib.suppress(sqlite3.DatabaseError):
            for row in old.execute(f"SELECT {columns} FROM responses {order}"):
                if _NOTHING not in row and isinstance(row[0], str):
                    new.execute(
                        f"INSERT OR IGNORE INTO old_rows VALUES ({','.join('?' * len(row))})", row
                    )
    copy_version_1(new, "temp.old_rows")


def _readable_rows(
    old: sqlite3.Connection, table: str, *, numbered: bool
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a table that can be read; numbered ones also from behind a damaged page."""
    last, ahead = -1, 0
    while ahead < 2**40:
        where = f"WHERE id > {last + ahead} ORDER BY id" if numbered else ""
        try:
            for row in old.execute(f"SELECT * FROM {table} {where}"):
                if _NOTHING not in row:
                    yield row
                if numbered:
                    last, ahead = row[0], 0
            return
        except sqlite3.DatabaseError:
            if not numbered:
                return
            ahead = max(1, 2 * ahead)
