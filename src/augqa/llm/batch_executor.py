"""What all who answer requests by files share: the ledger's failures, and reading of results."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm import verdict
from augqa.llm.batch_results import Unread, read_results
from augqa.llm.cache import ResponseCache, Stored
from augqa.llm.cache_file import put_in_place
from augqa.llm.cache_tables import key_in_file
from augqa.llm.cost import Counting, prompt_tokens
from augqa.llm.inbound import Redactor
from augqa.llm.request import Rendered, Renderer, canonical_json
from augqa.llm.response import Response

log = logging.getLogger("augqa.llm")
CHAT_PATH = "/v1/chat/completions"
_CHUNK = 500
# Lines that a message names.
_MAX_NAMED = 3
_LEDGER = (
    """
    CREATE TABLE IF NOT EXISTS submissions (
        submission TEXT PRIMARY KEY,
        endpoint TEXT NOT NULL,
        batch TEXT,
        collected INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS submitted (
        key TEXT NOT NULL,
        submission TEXT NOT NULL,
        prompt_tokens INTEGER,
        PRIMARY KEY (key, submission)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS batch_failures (
        key TEXT NOT NULL,
        submission TEXT NOT NULL,
        reason TEXT NOT NULL,
        run INTEGER,
        PRIMARY KEY (key, submission)
    ) WITHOUT ROWID
    """,
)
# Columns that a ledger of before did not have.
_LATER = (("batch_failures", "run"), ("submitted", "prompt_tokens"))


def jsonl_line(rendered: Rendered, *, path: str = CHAT_PATH) -> str:
    """Return a request as one line of a batch file."""
    return canonical_json(
        {"custom_id": rendered.key, "method": "POST", "url": path, "body": rendered.body}
    )


@dataclass(slots=True)
class Taken:
    """What one results file has given: the keys in it, the first answer to each, other lines."""

    keys: set[str] = field(default_factory=set)
    answers: list[Response] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class Executor:
    """Answers requests by files; keeps what comes back.

    Args:
        cache: Keeps answers and the ledger.
        renderer: Makes bodies and keys.
        redact: Takes the key out of what comes back.
        counting: Estimates tokens that nobody counts.
    """

    def __init__(
        self, cache: ResponseCache, renderer: Renderer, *, redact: Redactor, counting: Counting
    ) -> None:
        self._cache = cache
        self._renderer = renderer
        self._redact = redact
        self._counting = counting
        self._endpoint = renderer.endpoint
        # What this run has asked, by key.
        self._asked: dict[str, Rendered] = {}
        with cache.together():
            for statement in _LEDGER:
                cache.execute(statement)
            for table, column in _LATER:
                columns = {row[1] for row in cache.execute(f"PRAGMA table_info({table})")}
                if column not in columns:
                    cache.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER")

    def expect(self, wanted: Sequence[Rendered]) -> None:
        """Learn what is asked, before answers to it are read."""
        self._asked.update((each.key, each) for each in wanted)

    def has_work(self, missing: Callable[[], list[Rendered]]) -> bool:
        """Whether something is missing still.

        Args:
            missing: Looks what is; `answer` looks again where another process may have changed it.
        """
        self._missing = missing
        self._wanted = missing()
        self.expect(self._wanted)
        return bool(self._wanted)

    def collect(self) -> None:
        """Keep the answers to what a former run has asked."""
        raise NotImplementedError

    def answer(self) -> None:
        """Get answers: what was missing is in the cache or among the failures afterwards."""
        raise NotImplementedError

    def failures(self) -> dict[str, list[str]]:
        """Return why requests got no answer, by key, once for each time.

        Those of this run, and those that a finished run has taken for its results.
        """
        found: dict[str, list[str]] = {}
        for key, reason in self._cache.execute(
            "SELECT f.key, f.reason FROM batch_failures f JOIN submissions s"
            " ON s.submission = f.submission"
            " WHERE f.run = ? OR f.run IN (SELECT id FROM runs WHERE finished) ORDER BY s.rowid",
            (self._cache.run,),
        ):
            found.setdefault(key, []).append(reason)
        return found

    def _take(
        self,
        content: bytes,
        where: str,
        submission: str,
        known: Mapping[str, int | None] | None = None,
    ) -> Taken:
        """Keep the lines of a results file: answers, and the reasons where there are none.

        Args:
            content: The file.
            where: Its name, for messages.
            submission: What its failures are counted for.
            known: Keys that may stand in it, with the tokens of their prompts by an estimate, where
                one was made; None for any key.
        """
        taken = Taken()
        odd: list[str] = []
        seen = taken.keys
        answers: list[Stored] = []
        for row in read_results(content, self._redact):
            if isinstance(row, Unread):
                taken.unread.append(f"line {row.line} {row.fault}")
                continue
            if not isinstance(key_in_file(row.key), bytes) or (
                known is not None and row.key not in known
            ):
                key = self._redact.message(row.key[:300])[:70]
                odd.append(f"line {row.line} has the unknown custom_id {key!r}")
                continue
            if row.key in seen:
                odd.append(f"line {row.line} has the custom_id {row.key} of an earlier one")
            if row.response is None:
                self._fail(row.key, submission, row.reason or "no_answer")
            else:
                prompt = self._prompt_tokens(row.key, known)
                response = self._counting.counted(row.response, prompt)
                valid = self._is_valid(row.key, response)
                answers.append(Stored(row.key, response, valid, self._cache.run))
                if row.key not in seen:
                    taken.answers.append(response)
            seen.add(row.key)
        for start in range(0, len(answers), _CHUNK):
            self._cache.store_all(answers[start : start + _CHUNK], self._endpoint)
        for what, lines in (("were not used", odd), ("could not be read", taken.unread)):
            if lines:
                log.warning("%s: %d lines %s: %s", where, len(lines), what, _some(lines))
        return taken

    def _prompt_tokens(self, key: str, known: Mapping[str, int | None] | None) -> int:
        """Return an estimate; 0 where nobody knows what was asked."""
        asked = self._asked.get(key)
        if asked is not None:
            return prompt_tokens(asked.body)
        return (known or {}).get(key) or 0

    def _is_valid(self, key: str, response: Response) -> bool | None:
        asked = self._asked.get(key)
        if asked is None:
            return None
        return verdict.fault(asked.request, response, self._renderer.served) is None

    def _fail(self, key: str, submission: str, reason: str) -> None:
        self._cache.execute(
            "INSERT OR REPLACE INTO batch_failures (key, submission, reason, run) VALUES (?,?,?,?)",
            (key, submission, reason, self._cache.run),
        )


def _some(lines: Sequence[str]) -> str:
    more = "" if len(lines) <= _MAX_NAMED else f"; and {len(lines) - _MAX_NAMED} more"
    return "; ".join(lines[:_MAX_NAMED]) + more


class BatchFile(Executor):
    """Writes requests to ``requests.jsonl``; reads every other JSONL file of the folder."""

    def __init__(
        self,
        cache: ResponseCache,
        renderer: Renderer,
        folder: Path,
        *,
        redact: Redactor,
        counting: Counting,
    ) -> None:
        super().__init__(cache, renderer, redact=redact, counting=counting)
        self._folder = folder
        self._requests = folder / "requests.jsonl"
        self._unread: list[str] = []

    def collect(self) -> None:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.jsonl")):
            if path == self._requests:
                continue
            try:
                content = path.read_bytes()
            except OSError as error:
                raise GenerationError(f"{path}: cannot be read: {error}") from error
            # A file's lines together: one commit, and all of it or nothing.
            with self._cache.together():
                self._cache.execute(
                    "INSERT OR IGNORE INTO submissions (submission, endpoint, collected)"
                    " VALUES (?,?,1)",
                    (path.name, self._endpoint),
                )
                taken = self._take(content, str(path), path.name)
            self._unread.extend(f"{path}, {line}" for line in taken.unread)

    def answer(self) -> None:
        wanted = self._wanted
        put_in_place(self._requests, (f"{jsonl_line(each)}\n".encode() for each in wanted))
        unread = f" Of the answers there, {_some(self._unread)}." if self._unread else ""
        raise GenerationError(
            f"{self._requests}: {len(wanted)} requests wait for answers.{unread} Have them"
            f" answered, for example by `vllm run-batch -i {self._requests}"
            f" -o {self._folder}/results.jsonl --model MODEL`, and run the stage again: it reads"
            " every other .jsonl file there."
        )
