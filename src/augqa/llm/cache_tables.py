"""The tables of the response cache: made, found, and brought to today's form."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
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
BUSY_TIMEOUT_S = 60.0
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
# Where several machines may see a file, they do not see the memory that WAL's index lies in.
_NETWORK = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs"),
        *("gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs"),
        *("pvfs2", "smb2", "smb3", "smbfs"),
    )
)


def open_tables(path: Path) -> sqlite3.Connection:
    """Open a file that is sound, or missing; its tables are made, or brought to today's form.

    Raises:
        GenerationError: If it is of a later version, or cannot lie where it does.
        sqlite3.Error: If SQLite cannot open it.
    """
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
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
            copy_version_1(db, "main.responses_1")
            db.execute("DROP TABLE responses_1")
        db.execute(f"PRAGMA user_version={VERSION}")
    if old:
        _repack(db, path)
        log.info("%s: brought to version %d", path, VERSION)


def copy_version_1(db: sqlite3.Connection, table: str, *, order: str = "") -> None:
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
