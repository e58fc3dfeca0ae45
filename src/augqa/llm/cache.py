"""Every response that arrived, in one SQLite file: nothing is paid for twice.

One row a request, written the moment its response is there. Several processes may use the file
at once (WAL); of two that store the same key the first one stays, so that all read the same.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import GenerationError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    text TEXT,
    model TEXT,
    finish_reason TEXT,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    refusal TEXT,
    system_fingerprint TEXT,
    latency_s REAL NOT NULL,
    attempts INTEGER NOT NULL,
    stored_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) WITHOUT ROWID
"""
_COLUMNS = (
    "text, model, finish_reason, prompt_tokens, completion_tokens, refusal,"
    " system_fingerprint, latency_s, attempts"
)
# SQLite allows 999 variables in a statement on old builds.
_KEYS_A_QUERY = 500
_BUSY_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one call returned, read but not judged.

    Attributes:
        text: Content of the first choice; None where it has none.
        model: Model name as the server gave it.
        finish_reason: Of the first choice.
        prompt_tokens: As the server counted them; 0 where it did not.
        completion_tokens: As the server counted them; 0 where it did not.
        refusal: The model's words of refusal, where the API has a field for them.
        system_fingerprint: Of the serving backend.
        latency_s: Seconds from sending to the last byte.
        attempts: Times the request was sent until this came back.
    """

    text: str | None
    model: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    refusal: str | None
    system_fingerprint: str | None
    latency_s: float
    attempts: int


class ResponseCache:
    """The file of responses. Each thread opens its own.

    Raises:
        GenerationError: If the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # A killed process loses nothing; only a power cut could lose the last commits.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._fault(error) from error

    @property
    def connection(self) -> sqlite3.Connection:
        """The open file, for tables that belong beside the responses; commits by itself."""
        return self._db

    def _fault(self, error: Exception) -> GenerationError:
        return GenerationError(
            f"{self._path}: the response cache cannot be used: {error}. Free the disk or the"
            " lock, or move the file away: its responses will be asked for again."
        )

    def find(self, keys: Iterable[str]) -> dict[str, Response]:
        """Return the responses at hand, by key."""
        wanted = list(keys)
        found: dict[str, Response] = {}
        try:
            for start in range(0, len(wanted), _KEYS_A_QUERY):
                chunk = wanted[start : start + _KEYS_A_QUERY]
                places = ",".join("?" * len(chunk))
                rows = self._db.execute(
                    f"SELECT key, {_COLUMNS} FROM responses WHERE key IN ({places})", chunk
                )
                for key, *values in rows:
                    found[key] = _response(values)
        except sqlite3.Error as error:
            raise self._fault(error) from error
        return found

    def store(self, key: str, endpoint: str, response: Response) -> Response:
        """Keep a response; return what is kept, which another process may have been first with."""
        try:
            kept = self._db.execute(
                f"INSERT INTO responses (key, endpoint, {_COLUMNS})"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO NOTHING",
                (
                    key,
                    endpoint,
                    response.text,
                    response.model,
                    response.finish_reason,
                    response.prompt_tokens,
                    response.completion_tokens,
                    response.refusal,
                    response.system_fingerprint,
                    response.latency_s,
                    response.attempts,
                ),
            )
        except sqlite3.Error as error:
            raise self._fault(error) from error
        return response if kept.rowcount else self.find([key])[key]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make what the block stores one commit."""
        try:
            with transaction(self._db):
                yield
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Make what the block writes one commit, or nothing of it if the block fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # SQLite may have rolled back on its own.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _response(values: list[object]) -> Response:
    text, model, finish, prompt, completion, refusal, fingerprint, latency, attempts = values
    return Response(
        text=text,  # type: ignore[arg-type]
        model=model,  # type: ignore[arg-type]
        finish_reason=finish,  # type: ignore[arg-type]
        prompt_tokens=prompt,  # type: ignore[arg-type]
        completion_tokens=completion,  # type: ignore[arg-type]
        refusal=refusal,  # type: ignore[arg-type]
        system_fingerprint=fingerprint,  # type: ignore[arg-type]
        latency_s=latency,  # type: ignore[arg-type]
        attempts=attempts,  # type: ignore[arg-type]
    )


class CacheWriter:
    """Stores responses in a thread: those that wait for the disk together make one commit.

    Its methods are for one event loop.

    Args:
        path: The cache's file.
        endpoint: Name of the endpoint the responses come from.
        loop: The event loop.
    """

    def __init__(self, path: Path, endpoint: str, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._endpoint = endpoint
        self._loop = loop
        self._waiting: list[_Item] = []
        self._busy = False
        self._queue: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="augqa-cache", daemon=True)
        self._thread.start()

    async def store(self, key: str, response: Response) -> Response:
        """Store a response; return what is kept, once a killed process cannot lose it."""
        kept: asyncio.Future[Response] = self._loop.create_future()
        self._waiting.append((key, response, kept))
        if not self._busy:
            self._hand_over()
        return await kept

    def close(self) -> None:
        """Store what waits, and end the thread."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            self._queue.put(self._waiting)
            self._waiting = []

    def _work(self) -> None:
        cache: ResponseCache | None = None
        while (items := self._queue.get()) is not None:
            kept: list[Response] | GenerationError
            try:
                if cache is None:
                    cache = ResponseCache(self._path)
                with cache.together():
                    kept = [
                        cache.store(key, self._endpoint, response) for key, response, _ in items
                    ]
            except GenerationError as error:
                kept = error
            # One wake-up of the loop for all of them.
            self._loop.call_soon_threadsafe(self._settle, items, kept)
        if cache is not None:
            cache.close()

    def _settle(self, items: list["_Item"], kept: list[Response] | GenerationError) -> None:
        for number, (_, _, future) in enumerate(items):
            if future.done():  # cancelled
                continue
            if isinstance(kept, GenerationError):
                future.set_exception(kept)
            else:
                future.set_result(kept[number])
        self._hand_over()


_Item = tuple[str, Response, "asyncio.Future[Response]"]
