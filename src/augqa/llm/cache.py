"""Every response that arrived, in one SQLite file: nothing is paid for twice.

One row a request, written the moment its response is there. Several processes may use the file at
once. Of two responses to one request the better one stays, and of two good ones the first, so that
all read the same: an empty or refused one gives way, a good one never does.
"""

import asyncio
import contextlib
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augqa.errors import GenerationError
from augqa.llm.cache_file import (
    COLUMNS,
    fault,
    has_text,
    key_in_file,
    key_of,
    open_file,
    transaction,
)

# SQLite allows 999 variables in a statement on old builds.
_KEYS_A_QUERY = 500
_MOST_TOKENS = 2**53
# Grades of a response: of no use; with a text, but not held to its request; valid for it.
_BAD, _USABLE, _VALID = range(3)
_STORE = (
    f"INSERT INTO responses (key, grade, run, endpoint, stored_at, {COLUMNS})"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in ["grade", "run", "endpoint", "stored_at", *COLUMNS.split(", ")]
    )
    + f" WHERE excluded.grade > responses.grade OR responses.grade = {_BAD}"
)


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


def storable(response: Response) -> Response:
    """Return a response as the file can hold it: the same one, as a rule.

    Half of a surrogate pair, which is no character, becomes U+FFFD; a count of tokens that is none
    becomes 0, which says that the server did not count.
    """
    changes: dict[str, object] = {}
    for name in ("text", "model", "finish_reason", "refusal", "system_fingerprint"):
        value = getattr(response, name)
        if value is None or (isinstance(value, str) and is_encodable(value)):
            continue
        changes[name] = _characters(value) if isinstance(value, str) else None
    for name in ("prompt_tokens", "completion_tokens", "attempts"):
        value = getattr(response, name)
        if type(value) is not int or not 0 <= value < _MOST_TOKENS:
            changes[name] = 0
    latency_s = response.latency_s
    if type(latency_s) is not float or not math.isfinite(latency_s):
        is_number = type(latency_s) is int and abs(latency_s) < _MOST_TOKENS
        changes["latency_s"] = float(latency_s) if is_number else 0.0
    return replace(response, **changes) if changes else response  # type: ignore[arg-type]


def is_encodable(text: str) -> bool:
    """Whether a text is one: no half of a surrogate pair stands in it."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _characters(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class UnstorableError(GenerationError):
    """One response, or several of which one is at fault, that the file does not take."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A response on its way into the cache.

    Attributes:
        key: Of its request.
        response: The response.
        valid: Whether it is what its request asked for; None where the request is not at hand.
        run: Number of the run that stores it; None: of none that is going to finish.
    """

    key: str
    response: Response
    valid: bool | None = None
    run: int | None = None

    @property
    def grade(self) -> int:
        """What it is worth beside another response to the same request."""
        if self.valid is None:
            answer = self.response
            useful = has_text(answer.text, answer.refusal, answer.finish_reason)
            return _USABLE if useful else _BAD
        return _VALID if self.valid else _BAD


class ResponseCache:
    """The file of responses. Each thread opens its own.

    Attributes:
        run: Number of the run that stores; None before `begin_run`.

    Raises:
        GenerationError: If the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.run: int | None = None
        self._endpoints: dict[str, int] = {}
        self._db = open_file(path)

    def begin_run(self) -> int:
        """Number a run: a response of no use that it stores is its last word once it finishes."""
        with self.together():
            run = self._db.execute("INSERT INTO runs (finished) VALUES (0)").lastrowid
        self.run = run
        return run or 0

    def finish_run(self) -> None:
        """Say that the run has taken its responses for what they are: none is asked for again."""
        self.execute("UPDATE runs SET finished = 1 WHERE id = ?", (self.run,))

    def settled(self, keys: Iterable[str]) -> set[str]:
        """Return those of `keys` whose responses a finished run, or this one, has stored."""
        wanted = [key_in_file(key) for key in keys]
        found: set[str] = set()
        for start in range(0, len(wanted), _KEYS_A_QUERY):
            chunk = wanted[start : start + _KEYS_A_QUERY]
            rows = self.execute(
                f"SELECT key FROM responses WHERE key IN ({','.join('?' * len(chunk))})"
                " AND (run = ? OR run IN (SELECT id FROM runs WHERE finished))",
                (*chunk, self.run),
            )
            found.update(key_of(key) for (key,) in rows)
        return found

    def degrade(self, key: str) -> None:
        """Say that the response to a request is of no use, so that any other takes its place."""
        self.execute(
            "UPDATE responses SET grade = ? WHERE key = ? AND grade != ?",
            (_BAD, key_in_file(key), _BAD),
        )

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Run a statement, also on tables that lie beside the responses; return its rows."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise fault(self._path, error) from error

    def find(self, keys: Iterable[str]) -> dict[str, Response]:
        """Return the responses at hand, by key."""
        wanted = [key_in_file(key) for key in keys]
        found: dict[str, Response] = {}
        try:
            for start in range(0, len(wanted), _KEYS_A_QUERY):
                chunk = wanted[start : start + _KEYS_A_QUERY]
                places = ",".join("?" * len(chunk))
                for row in self._db.execute(
                    f"SELECT key, {COLUMNS} FROM responses WHERE key IN ({places})", chunk
                ):
                    found[key_of(row[0])] = response_of(row[1:])
        except sqlite3.Error as error:
            raise fault(self._path, error) from error
        return found

    def store(
        self, key: str, endpoint: str, response: Response, *, valid: bool | None = None
    ) -> Response:
        """Keep a response; return what is kept, which may be a better or an earlier one.

        Args:
            key: Of its request.
            endpoint: Name of the endpoint it comes from.
            response: The response.
            valid: Whether it is what its request asked for; None where that is not known.
        """
        return self.store_all([Stored(key, response, valid, self.run)], endpoint)[0]

    def store_all(self, items: Sequence[Stored], endpoint: str) -> list[Response]:
        """Keep responses; return what is kept of each request's.

        Raises:
            UnstorableError: If one of them is at fault, and not the file.
        """
        clean = [_storable_item(item) for item in items]
        try:
            rows = self._rows(clean, endpoint)
            if len(rows) == 1:
                n_kept = self._db.execute(_STORE, rows[0]).rowcount
            else:
                n_kept = self._db.executemany(_STORE, rows).rowcount
            if n_kept == len(rows):
                return [item.response for item in clean]
            # What was no better than the one at hand: this run has met that one, too.
            self._db.executemany(
                f"UPDATE responses SET run = ? WHERE key = ? AND grade < {_VALID}",
                [(item.run, row[0]) for item, row in zip(clean, rows, strict=True)],
            )
        except (
            OverflowError,
            UnicodeError,
            sqlite3.InterfaceError,
            sqlite3.ProgrammingError,
            sqlite3.DataError,
        ) as error:
            keys = ", ".join(str(item.key) for item in items[:3])
            raise UnstorableError(
                f"{self._path}: cannot hold the response to request {keys}"
                f"{' or a later one' if len(items) > 3 else ''}: {error}"
            ) from error
        except sqlite3.Error as error:
            raise fault(self._path, error) from error
        kept = self.find(item.key for item in clean)
        return [kept[item.key] for item in clean]

    def _rows(self, items: Iterable[Stored], endpoint: str) -> list[tuple[object, ...]]:
        number = self._endpoint(endpoint)
        now = int(time.time())
        return [
            (
                key_in_file(item.key),
                item.grade,
                item.run,
                number,
                now,
                response.text,
                response.model,
                response.finish_reason,
                response.prompt_tokens,
                response.completion_tokens,
                response.refusal,
                response.system_fingerprint,
                response.latency_s,
                response.attempts,
            )
            for item in items
            for response in (item.response,)
        ]

    def _endpoint(self, name: str) -> int:
        number = self._endpoints.get(name)
        if number is None:
            self._db.execute("INSERT OR IGNORE INTO endpoints (name) VALUES (?)", (name,))
            (number,) = self._db.execute(
                "SELECT id FROM endpoints WHERE name = ?", (name,)
            ).fetchone()
            self._endpoints[name] = number
        return number

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Make what the block stores and executes one commit, or nothing of it if it fails."""
        try:
            with transaction(self._db):
                yield
        except sqlite3.Error as error:
            self._endpoints.clear()
            raise fault(self._path, error) from error
        except BaseException:
            self._endpoints.clear()  # their numbers may have gone with the rest
            raise

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()


def _storable_item(item: Stored) -> Stored:
    response = storable(item.response)
    return item if response is item.response else replace(item, response=response)


def response_of(values: Sequence[Any]) -> Response:
    """Return the response of a row, in the order of `COLUMNS`."""
    text, model, finish, prompt, completion, refusal, fingerprint, latency, attempts = values
    return Response(
        text=text,
        model=model,
        finish_reason=finish,
        prompt_tokens=prompt,
        completion_tokens=completion,
        refusal=refusal,
        system_fingerprint=fingerprint,
        latency_s=latency,
        attempts=attempts,
    )


class CacheWriter:
    """Stores responses in a thread: those that wait for the disk together make one commit.

    Its methods are for one event loop.

    Args:
        path: The cache's file.
        endpoint: Name of the endpoint the responses come from.
        loop: The event loop.

    Attributes:
        run: Number of the run that stores, as `ResponseCache.begin_run` gave it.
    """

    def __init__(self, path: Path, endpoint: str, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._endpoint = endpoint
        self._loop = loop
        self.run: int | None = None
        self._waiting: list[_Item] = []
        self._busy = False
        self._queue: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="augqa-cache", daemon=True)
        self._thread.start()

    async def store(self, key: str, response: Response, *, valid: bool | None = None) -> Response:
        """Store a response; return what is kept, once a killed process cannot lose it.

        Raises:
            GenerationError: If it cannot be stored, whatever the reason: the message has the key.
        """
        kept: asyncio.Future[Response] = self._loop.create_future()
        self._waiting.append((Stored(key, response, valid, self.run), kept))
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
            outcomes: list[Response | GenerationError]
            try:
                if cache is None:
                    cache = ResponseCache(self._path)
                outcomes = self._outcomes(cache, items)
            except Exception as error:  # noqa: BLE001 - handed over to who waits for it
                outcomes = [self._named(item, error) for item, _ in items]
            # One wake-up of the loop for all of them; a loop that is closed waits for none.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._settle, items, outcomes)
        if cache is not None:
            cache.close()

    def _outcomes(
        self, cache: ResponseCache, items: list["_Item"]
    ) -> list[Response | GenerationError]:
        """Store items; one that the file does not take keeps no other from it."""
        try:
            with cache.together():
                return [*cache.store_all([item for item, _ in items], self._endpoint)]
        except GenerationError as error:
            # The file's own faults are everybody's.
            if len(items) == 1 or not isinstance(error, UnstorableError):
                return [self._named(item, error) for item, _ in items]
        except Exception as error:  # noqa: BLE001 - handed over to who waits for it
            if len(items) == 1:
                return [self._named(items[0][0], error)]
        return [outcome for item in items for outcome in self._outcomes(cache, [item])]

    def _named(self, item: Stored, error: Exception) -> GenerationError:
        says = str(error) if isinstance(error, GenerationError) else f"{self._path}: {error!r}"
        named = GenerationError(f"the response to request {item.key} is not stored: {says}")
        named.__cause__ = error
        return named

    def _settle(self, items: list["_Item"], outcomes: list[Response | GenerationError]) -> None:
        for (_, future), outcome in zip(items, outcomes, strict=True):
            if future.done():  # cancelled
                continue
            if isinstance(outcome, GenerationError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        self._hand_over()


_Item = tuple[Stored, "asyncio.Future[Response]"]
