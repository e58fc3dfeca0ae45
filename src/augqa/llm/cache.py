"""Every response that arrived, in one SQLite file: nothing is paid for twice.

One row a request, written the moment its response is there. Several processes may use the file at
once. Of two responses to one request the better one stays, and of two good ones the first, so that
all read the same: an empty or refused one gives way, a good one never does.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augqa.errors import GenerationError
from augqa.llm.cache_file import fault, open_file
from augqa.llm.cache_tables import COLUMNS, has_text, key_in_file, key_of, transaction
from augqa.llm.response import Response, response_of, storable

# SQLite allows 999 variables in a statement on old builds.
_KEYS_A_QUERY = 500
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
