"""The file behind the response cache: opened, made, brought to today's form, and healed.

SQLite says what is wrong with a file by codes; here they become a message that says what to do. A
damaged file is put aside and what can be read of it is taken over: it is never deleted.
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from augqa.errors import GenerationError

log = logging.getLogger("augqa.llm")

VERSION = 2
# A row is found by its key, and lies where the rows of its time lie: keys are random, so that a
# table in their order would be split at every page and two thirds full. A page of this size wastes
# little behind rows of one to a few kilobytes.
_PAGE_BYTES = 16384
_PAGE_CACHE_KIB = 32768
# Keys are random, so that a commit changes many pages of their index: the more commits, the fewer
# of these are written twice. The log grows to 64 MiB, and goes with the last process.
_LOG_PAGES = 4000
_BUSY_TIMEOUT_S = 60.0
_SCHEMA = (
    # Where answers come from, and the runs that stored them. Run 0 stands for what another
    # repository's finished run has made.
    "CREATE TABLE endpoints (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, finished INTEGER NOT NULL)",
    "INSERT INTO runs (id, finished) VALUES (0, 1)",
    """
    CREATE TABLE responses (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        grade INTEGER NOT NULL,
        run INTEGER,
        endpoint INTEGER NOT NULL,
        text TEXT,
        model TEXT,
        finish_reason TEXT,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        refusal TEXT,
        system_fingerprint TEXT,
        latency_s REAL NOT NULL,
        attempts INTEGER NOT NULL,
        stored_at INTEGER NOT NULL
    )
    """,
)
COLUMNS = (
    "text, model, finish_reason, prompt_tokens, completion_tokens, refusal,"
    " system_fingerprint, latency_s, attempts"
)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BROKEN_TEXT = ("Could not decode to UTF-8", "user-defined function raised")
_COMPANIONS = ("", "-wal", "-shm")
# Where several machines may see a file, they do not see the memory that WAL's index lies in.
_NETWORK = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs"),
        *("gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs"),
        *("pvfs2", "smb2", "smb3", "smbfs"),
    )
)


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
                    return _open(path)
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
            _heal(path)
            mark.unlink(missing_ok=True)
            return _open(path)
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
            sqlite3.SQLITE_BUSY: f"Another process has held it for {_BUSY_TIMEOUT_S:.0f} s: let it"
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


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        db.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new file; no other takes it
        _set_journal(db, path)
        db.execute(f"PRAGMA cache_size=-{_PAGE_CACHE_KIB}")
        db.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise GenerationError(
                f"{path}: a response cache of version {version}, and this augqa knows version"
                f" {VERSION}: use the later augqa that has made it"
            )
        if version < VERSION:
            _bring_up(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _set_journal(db: sqlite3.Connection, path: Path) -> None:
    kind = file_system(path.parent)
    if kind not in _NETWORK:
        (mode,) = db.execute("PRAGMA journal_mode=WAL").fetchone()
        # A killed process loses nothing; only a power cut could lose the last commits.
        db.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
        return
    (mode,) = db.execute("PRAGMA journal_mode=TRUNCATE").fetchone()
    if mode == "wal":
        raise GenerationError(
            f"{path}: lies on a network file system ({kind}), and another process uses it in a way"
            " (WAL) that works on one machine alone: let that end first, or keep the cache on a"
            " local disk"
        )
    db.execute("PRAGMA synchronous=FULL")
    log.debug("%s: on %s, without WAL", path, kind)


def file_system(folder: Path) -> str | None:
    """Return the type of the file system of `folder`, as Linux names it; None elsewhere."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    place = str(folder.resolve())
    found: tuple[int, str | None] = (-1, None)
    for line in mounts.split("\n"):
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        root = fields[1].replace("\\040", " ").rstrip("/")
        # Of two on the same folder the later one is seen.
        if (place == root or place.startswith(root + "/")) and len(root) >= found[0]:
            found = (len(root), fields[2])
    return found[1]


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Make what the block writes one commit, or nothing of it if the block fails."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back on its own.
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _bring_up(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or convert those of version 1, as one commit."""
    with transaction(db):
        # Without locks another process may have been here since.
        if db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return
        old = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'responses'").fetchone()
        if old:
            db.execute("ALTER TABLE responses RENAME TO responses_1")
        for statement in _SCHEMA:
            db.execute(statement)
        if old:
            _copy_version_1(db, "main.responses_1")
            db.execute("DROP TABLE responses_1")
        db.execute(f"PRAGMA user_version={VERSION}")
    if old:
        _repack(db, path)
        log.info("%s: brought to version %d", path, VERSION)


def _copy_version_1(db: sqlite3.Connection, table: str, *, order: str = "") -> None:
    """Copy rows whose keys were hexadecimal texts."""
    db.create_function("key_in_file", 1, key_in_file, deterministic=True)
    db.create_function("has_text", 3, has_text, deterministic=True)
    db.execute(f"INSERT OR IGNORE INTO endpoints (name) SELECT DISTINCT endpoint FROM {table}")
    db.execute(
        f"INSERT OR IGNORE INTO responses (key, grade, run, endpoint, stored_at, {COLUMNS})"
        " SELECT key_in_file(key), has_text(text, refusal, finish_reason), NULL,"
        " (SELECT id FROM endpoints e WHERE e.name = old.endpoint),"
        f" coalesce(strftime('%s', stored_at), 0), {COLUMNS} FROM {table} old {order}"
    )


def _repack(db: sqlite3.Connection, path: Path) -> None:
    """Give a converted file its new page size; not while others use it: it works as it is."""
    try:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        db.execute("VACUUM")
    except sqlite3.OperationalError as error:
        log.info("%s: larger than it need be, since it could not be repacked: %s", path, error)
    _set_journal(db, path)


def has_text(text: str | None, refusal: str | None, finish_reason: str | None) -> bool:
    """Whether a response is of any use, whatever its request asked for."""
    return bool(text and not text.isspace()) and not refusal and finish_reason != "content_filter"


def key_in_file(key: str) -> bytes | str:
    """Return a request's key as the file holds it: 32 bytes, or any other text as it is."""
    if len(key) == 64:
        with contextlib.suppress(ValueError):
            short = bytes.fromhex(key)
            if short.hex() == key:
                return short
    return key


def key_of(stored: bytes | str) -> str:
    """Return the key that the file holds."""
    return stored.hex() if isinstance(stored, bytes) else stored


# Healing.


def _heal(path: Path) -> None:
    """Put a damaged file aside, and what can be read of it in its place.

    The new file is whole before the old one is moved: a stop at any point leaves one to start from.
    """
    if not path.exists():
        return
    healing = path.with_name(path.name + ".healing")
    for end in _COMPANIONS:
        healing.with_name(healing.name + end).unlink(missing_ok=True)
    new = _open(healing)
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


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _salvage(path: Path, new: sqlite3.Connection) -> int:
    """Copy what can be read; return the number of responses."""
    old = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
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
    _copy_version_1(new, "temp.old_rows")


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
