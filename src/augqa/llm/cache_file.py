"""The file behind the response cache: opened or healed by one process at a time.

SQLite says what is wrong with a file by codes; here they become a message that says what to do. A
damaged file is put aside and what can be read of it is taken over: it is never deleted.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from augqa.errors import GenerationError
from augqa.files import sync
from augqa.llm.cache_healing import heal
from augqa.llm.cache_tables import BUSY_TIMEOUT_S, open_tables

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BROKEN_TEXT = ("Could not decode to UTF-8", "user-defined function raised")


def open_file(path: Path) -> sqlite3.Connection:
    """Open the cache's file, made if it is missing; commits by itself.

    Raises:
        GenerationError: If it cannot be opened, or is of a later version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            mark = _mark(path)
            if not mark.exists():
                try:
                    return open_tables(path)
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
            heal(path)
            mark.unlink(missing_ok=True)
            return open_tables(path)
    except (OSError, sqlite3.Error) as error:
        raise fault(path, error) from error


def fault(path: Path, error: Exception) -> GenerationError:
    """Return what an error of the file means to the user; a damaged one is marked for healing."""
    if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
        with contextlib.suppress(OSError):
            _mark(path).touch()
        what_to_do = (
            "Run again: it is then put aside under another name, and what can be read of it is"
            " taken over"
        )
    else:
        what_to_do = {
            sqlite3.SQLITE_FULL: "The disk is full: free some space, and run again. What had been"
            " stored before is kept",
            sqlite3.SQLITE_READONLY: "The file or its folder is read-only: allow writing there (the"
            " folder takes two further files while it is in use), or copy both elsewhere",
            sqlite3.SQLITE_CANTOPEN: "Allow reading and writing in its folder",
            sqlite3.SQLITE_BUSY: f"Another process has held it for {BUSY_TIMEOUT_S:.0f} s: let it"
            " end, or end it, and run again",
            sqlite3.SQLITE_IOERR: "The disk may be full, or no longer there: see to it, and run"
            " again. What had been stored before is kept",
        }.get(_code(error), "See to the disk and the folder's permissions, and run again")
    return GenerationError(f"{path}: the response cache cannot be used: {error}. {what_to_do}.")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file itself is broken."""
    # A text that is no UTF-8 was none when it was stored; these two have no code of their own.
    return _code(error) in _DAMAGE or any(words in str(error) for words in _BROKEN_TEXT)


def _code(error: Exception) -> int:
    # The lowest byte; those above it tell variants apart.
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".is-damaged")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time open, convert or heal the file; freed however it ends."""
    with path.with_name(path.name + ".lock").open("a") as file:
        # Without locks on this file system SQLite has none either, and says so itself.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def put_in_place(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file beside its place, have it on the disk, and put it there whole.

    Raises:
        GenerationError: If that is not possible; what was there before stays.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        sync(path.parent)
    except OSError as error:
        raise GenerationError(
            f"{path}: cannot be written: {error}. What was there before is kept."
        ) from error
