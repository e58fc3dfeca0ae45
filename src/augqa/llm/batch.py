"""The same requests as files of OpenAI-Batch JSONL, for whoever answers them later.

``batch_file`` writes what is missing and reads results that were put beside it; it is also what
``vllm run-batch`` takes. ``openai_batch`` uploads, polls and collects. Both keep every response
in the same cache as the online client, under the same key, which is also the line's custom id.
What was submitted stands in a ledger in the cache's file: a run that is stopped at any point
goes on where it was, and only what is missing or expired is submitted again. No request is
submitted while it is under way: processes submit one after the other, and each looks first for
what the ones before it, alive or killed, have left.
"""

import contextlib
import fcntl
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import openai

from augqa.errors import GenerationError
from augqa.llm import cost, verdict
from augqa.llm.batch_results import Unread, read_results
from augqa.llm.cache import Response, ResponseCache, Stored
from augqa.llm.cache_file import key_in_file, put_in_place
from augqa.llm.cost import Budget, Usage
from augqa.llm.request import ChatRequest, ChatResult, Rendered, Renderer, canonical_json
from augqa.llm.tries import Found, look_up

log = logging.getLogger("augqa.llm")

Executor = Literal["batch_file", "openai_batch"]

# The API's own limits.
MAX_REQUESTS = 50_000
MAX_BYTES = 190_000_000
_PATH: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_METADATA_KEY = "augqa_submission"
_CHUNK = 500
# Tries to make a batch of an uploaded file.
_TRIES_TO_CREATE = 3
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
# A batch that ends so gives no further lines; what it has answered is in its files.
_ENDED = ("completed", "expired", "cancelled", "failed")
# An answer with one of these statuses may be another one the next time.
_PASSING = (408, 409, 425, 429)
_PASSING_REASONS = frozenset(
    (
        *("expired", "cancelled", "malformed_response", "empty_choices", "no_answer"),
        *("server_error", "internal_error", "internal_server_error", "rate_limit_exceeded"),
        *("timeout", "request_timeout"),
    )
)
# More tokens wait in the account's batches than it may have there.
_TOO_MANY_TOKENS = "token_limit_exceeded"
_NAME = re.compile(r"[^\w.-]+")


def jsonl_line(rendered: Rendered) -> str:
    """Return a request as one line of a batch file."""
    return canonical_json(
        {"custom_id": rendered.key, "method": "POST", "url": _PATH, "body": rendered.body}
    )


def complete_in_batches(
    requests: Iterable[ChatRequest],
    *,
    executor: Executor,
    renderer: Renderer,
    cache: ResponseCache,
    folder: Path,
    base_url: str | None,
    api_key: str,
    poll_s: float,
    max_retries: int,
    budget: Budget,
    usage: Usage,
) -> Iterator[ChatResult]:
    """Yield one result a request, in their order, once all of them are answered.

    Args:
        requests: Read to their end before the first is submitted.
        executor: Who answers.
        renderer: Makes bodies and keys.
        cache: Keeps answers and the ledger.
        folder: For files to exchange.
        base_url: None for OpenAI's own.
        api_key: For the batch calls.
        poll_s: Seconds between two looks at a batch.
        max_retries: Further submissions of a request that failed.
        budget: Nothing is submitted that could pass it (``openai_batch``).
        usage: Takes what is sent, and what the collected answers took.

    Raises:
        GenerationError: If results are still to come (``batch_file``), a batch is refused, or
            what is missing could cost more than the budget leaves.
    """
    asked = list(requests)
    work: _Executor
    if executor == "batch_file":
        work = _BatchFile(cache, renderer, folder)
    else:
        client = openai.OpenAI(base_url=base_url, api_key=api_key)
        work = _OpenAIBatch(
            cache,
            renderer,
            client,
            folder=folder,
            poll_s=poll_s,
            budget=budget,
            usage=usage,
        )
    fresh: set[str] = set()
    work.collect()

    def missing() -> list[Rendered]:
        found = _missing(asked, renderer, cache, work.failures(), max_retries)
        fresh.update(each.key for each in found)
        return found

    while work.has_work(missing):
        work.answer()
    failures = work.failures()
    for found in _stand(asked, renderer, cache):
        yield _result(found, failures, fresh)


def _stand(
    asked: Iterable[ChatRequest], renderer: Renderer, cache: ResponseCache
) -> Iterator[Found]:
    feed = iter(asked)
    while chunk := list(islice(feed, _CHUNK)):
        yield from look_up(chunk, renderer=renderer, cache=cache)


def _missing(
    asked: Sequence[ChatRequest],
    renderer: Renderer,
    cache: ResponseCache,
    failures: dict[str, list[str]],
    max_retries: int,
) -> list[Rendered]:
    """Return what still needs an answer, once each."""
    missing: dict[str, Rendered] = {}
    for found in _stand(asked, renderer, cache):
        if found.response is None:
            reasons = failures.get(found.rendered.key, [])
            if not reasons or (_may_pass(reasons[-1]) and len(reasons) <= max_retries):
                missing[found.rendered.key] = found.rendered
    return list(missing.values())


def _result(found: Found, failures: dict[str, list[str]], fresh: Set[str]) -> ChatResult:
    request = found.rendered.request
    response = found.response or found.former
    if response is None:
        return verdict.no_result(request, failures.get(found.rendered.key, ["no_answer"])[-1])
    cached = found.rendered.key not in fresh
    return verdict.result_of(request, response, found.reason, cached=cached)


def _may_pass(reason: str) -> bool:
    if reason in _PASSING_REASONS:
        return True
    status = reason.removeprefix("http_")
    return status.isdigit() and (int(status) in _PASSING or int(status) >= 500)


@dataclass(slots=True)
class _Taken:
    """What one results file has given: the keys in it, the first answer to each, other lines."""

    keys: set[str] = field(default_factory=set)
    answers: list[Response] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class _Executor:
    """Answers requests by files; keeps what comes back."""

    def __init__(self, cache: ResponseCache, renderer: Renderer) -> None:
        self._cache = cache
        self._renderer = renderer
        self._endpoint = renderer.endpoint
        # What this run has asked, by key.
        self._asked: dict[str, Rendered] = {}
        with cache.together():
            for statement in _LEDGER:
                cache.execute(statement)
            # A ledger of before had no runs.
            columns = {row[1] for row in cache.execute("PRAGMA table_info(batch_failures)")}
            if "run" not in columns:
                cache.execute("ALTER TABLE batch_failures ADD COLUMN run INTEGER")

    def has_work(self, missing: Callable[[], list[Rendered]]) -> bool:
        """Whether something is missing still.

        Args:
            missing: Looks what is; `answer` looks again where another process may have changed it.
        """
        self._missing = missing
        self._wanted = missing()
        self._asked.update((each.key, each) for each in self._wanted)
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
        self, content: bytes, where: str, submission: str, known: Set[str] | None = None
    ) -> _Taken:
        """Keep the lines of a results file: answers, and the reasons where there are none.

        Args:
            content: The file.
            where: Its name, for messages.
            submission: What its failures are counted for.
            known: Keys that may stand in it; None for any.
        """
        taken = _Taken()
        odd: list[str] = []
        seen = taken.keys
        answers: list[Stored] = []
        for row in read_results(content):
            if isinstance(row, Unread):
                taken.unread.append(f"line {row.line} {row.fault}")
                continue
            if not isinstance(key_in_file(row.key), bytes) or (
                known is not None and row.key not in known
            ):
                odd.append(f"line {row.line} has the unknown custom_id {row.key[:70]!r}")
                continue
            if row.key in seen:
                odd.append(f"line {row.line} has the custom_id {row.key} of an earlier one")
            if row.response is None:
                self._fail(row.key, submission, row.reason or "no_answer")
            else:
                answers.append(
                    Stored(
                        row.key,
                        row.response,
                        self._is_valid(row.key, row.response),
                        self._cache.run,
                    )
                )
                if row.key not in seen:
                    taken.answers.append(row.response)
            seen.add(row.key)
        for start in range(0, len(answers), _CHUNK):
            self._cache.store_all(answers[start : start + _CHUNK], self._endpoint)
        for what, lines in (("were not used", odd), ("could not be read", taken.unread)):
            if lines:
                log.warning("%s: %d lines %s: %s", where, len(lines), what, _some(lines))
        return taken

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


class _BatchFile(_Executor):
    """Writes requests to ``requests.jsonl``; reads every other JSONL file of the folder."""

    def __init__(self, cache: ResponseCache, renderer: Renderer, folder: Path) -> None:
        super().__init__(cache, renderer)
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


class _OpenAIBatch(_Executor):
    """Submits, polls and collects batches of the OpenAI API."""

    def __init__(
        self,
        cache: ResponseCache,
        renderer: Renderer,
        client: openai.OpenAI,
        *,
        folder: Path,
        poll_s: float,
        budget: Budget,
        usage: Usage,
    ) -> None:
        super().__init__(cache, renderer)
        self._client = client
        self._folder = folder
        self._lock = folder / "submitting.lock"
        self._poll_s = poll_s
        self._budget = budget
        self._usage = usage
        # Requests of each submission of this run that is not collected yet.
        self._mine: dict[str, int] = {}
        # Most requests of one batch; fewer once a batch that was alone had too many tokens.
        self._largest = MAX_REQUESTS

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time change what is submitted; freed however it ends."""
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            file = self._lock.open("w")
        except OSError as error:
            raise GenerationError(f"{self._lock}: cannot be written: {error}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _calls(self) -> Iterator[None]:
        try:
            yield
        except openai.APIError as error:
            status = getattr(error, "status_code", None)
            raise GenerationError(
                f"{self._client.base_url}: batch call failed: {type(error).__name__}"
                f"{'' if status is None else f' (HTTP {status})'}. What was submitted stands in"
                " the ledger: run again, and the stage goes on from there."
            ) from error

    def collect(self) -> None:
        """Wait for every batch of this endpoint that the ledger knows, and keep its lines."""
        with self._alone():
            self._adopt()
        n_waiting = -1
        while open_batches := self._cache.execute(
            "SELECT submission, batch FROM submissions"
            " WHERE endpoint = ? AND collected = 0 AND batch IS NOT NULL",
            (self._endpoint,),
        ):
            still_open = 0
            refusals: list[str] = []
            for submission, batch_id in open_batches:
                with self._calls():
                    batch = self._client.batches.retrieve(batch_id)
                if batch.status not in _ENDED:
                    still_open += 1
                elif batch.status == "failed":
                    refusals.extend(self._refused(submission, batch))
                else:
                    self._collect_one(submission, batch)
            if refusals:
                raise GenerationError("; ".join(refusals))
            if still_open:
                if still_open != n_waiting:
                    log.info("%d batches are being answered", still_open)
                n_waiting = still_open
                time.sleep(self._poll_s)

    def has_work(self, missing: Callable[[], list[Rendered]]) -> bool:
        self._seen_version = self._version()
        return super().has_work(missing)

    def _version(self) -> int:
        """Return a number that another connection's next commit changes."""
        return int(self._cache.execute("PRAGMA data_version")[0][0])

    def answer(self) -> None:
        with self._alone():
            self._adopt()
            wanted = self._wanted if self._version() == self._seen_version else self._missing()
            under_way = self._under_way()
            rest = [each for each in wanted if each.key not in under_way]
            self._afford(rest)
            for part in _parts(rest, self._largest):
                if not self._submit(part):
                    break  # nor would those after it be taken
        self.collect()
        self._fit()

    def _under_way(self) -> set[str]:
        """Return the keys that are about to be answered."""
        return {
            key
            for (key,) in self._cache.execute(
                "SELECT t.key FROM submitted t JOIN submissions s ON s.submission = t.submission"
                " WHERE s.endpoint = ? AND s.collected = 0",
                (self._endpoint,),
            )
        }

    def _fit(self) -> None:
        """Make batches smaller where not one was taken, though none of ours was in its way.

        A batch that did not find room beside others is submitted again as it was: by now they have
        ended.
        """
        at_hand = {row[0] for row in self._cache.execute("SELECT submission FROM submissions")}
        refused = [n for submission, n in self._mine.items() if submission not in at_hand]
        taken = len(self._mine) - len(refused)
        self._mine.clear()
        if not refused:
            return
        # Room that others take is not given back at once.
        time.sleep(self._poll_s)
        if taken:
            return
        if max(refused) == 1:
            raise GenerationError(
                f"{self._client.base_url}: a batch of a single request has more tokens than the"
                f" account may have waiting ({_TOO_MANY_TOKENS}). Run again when its other batches"
                " have ended, or ask for a higher limit; everything answered so far is kept."
            )
        self._largest = max(refused) // 2
        log.info("batches have %d requests at most from now on", self._largest)

    def _afford(self, requests: Sequence[Rendered]) -> None:
        """Refuse to submit what could pass the budget: a part of a batch is of no use."""
        prompt = sum(cost.prompt_tokens(each.body) for each in requests)
        completion = sum(each.request.max_tokens for each in requests)
        highest = self._budget.cost(prompt, completion)
        most, paid = self._budget.most, self._budget.paid
        if requests and most is not None and paid + highest > most:
            raise GenerationError(
                f"llm.max_cost {most:g}: {paid:.4f} is paid, and {len(requests)} requests that are"
                f" to be submitted could cost {highest:.4f} more. None of them was submitted: raise"
                " max_cost, or ask for less, and run again."
            )

    def _submit(self, part: Sequence[Rendered]) -> bool:
        """Submit requests; False where too many tokens wait already."""
        submission = uuid.uuid4().hex
        # The intention first: a stop between the next two calls leaves a batch that `_adopt`
        # finds by this mark.
        with self._cache.together():
            self._cache.execute(
                "INSERT INTO submissions (submission, endpoint) VALUES (?,?)",
                (submission, self._endpoint),
            )
            for each in part:
                self._cache.execute(
                    "INSERT INTO submitted (key, submission) VALUES (?,?)", (each.key, submission)
                )
        content = "".join(f"{jsonl_line(each)}\n" for each in part).encode("utf-8")
        self._mine[submission] = len(part)
        with self._calls():
            file = self._client.files.create(file=(f"{submission}.jsonl", content), purpose="batch")
            try:
                batch_id = self._create(file.id, submission)
            except openai.APIStatusError as error:
                if error.code != _TOO_MANY_TOKENS:
                    raise
                with self._cache.together():
                    self._forget(submission)
                return False
        self._cache.execute(
            "UPDATE submissions SET batch = ? WHERE submission = ?", (batch_id, submission)
        )
        self._usage.n_sent += len(part)
        log.info("batch %s: %d requests submitted", batch_id, len(part))
        return True

    def _create(self, file_id: str, submission: str) -> str:
        """Make a batch of an uploaded file; return its id.

        The library's own retries are off: a call whose answer was lost has made its batch, and
        the next one would make another.
        """
        client = self._client.with_options(max_retries=0)
        n_tries = 0
        while True:
            n_tries += 1
            try:
                return client.batches.create(
                    input_file_id=file_id,
                    endpoint=_PATH,
                    completion_window="24h",
                    metadata={_METADATA_KEY: submission},
                ).id
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError):
                if n_tries == _TRIES_TO_CREATE:
                    raise
                time.sleep(self._poll_s)
                made = self._find({submission}).get(submission)
                if made is not None:
                    return made

    def _find(self, submissions: Set[str]) -> dict[str, str]:
        """Return the ids of the batches that carry the marks of `submissions`."""
        found: dict[str, str] = {}
        for batch in self._client.batches.list(limit=100):
            mark = (batch.metadata or {}).get(_METADATA_KEY, "")
            if mark in submissions:
                found[mark] = batch.id
                if len(found) == len(submissions):
                    break
        return found

    def _adopt(self) -> None:
        """Find batches whose ids did not reach the ledger; drop intentions that led to none."""
        lost = {
            row[0]
            for row in self._cache.execute(
                "SELECT submission FROM submissions"
                " WHERE endpoint = ? AND batch IS NULL AND collected = 0",
                (self._endpoint,),
            )
        }
        if not lost:
            return
        with self._calls():
            found = self._find(lost)
        with self._cache.together():
            for submission in lost:
                if submission in found:
                    self._cache.execute(
                        "UPDATE submissions SET batch = ? WHERE submission = ?",
                        (found[submission], submission),
                    )
                else:
                    self._forget(submission)

    def _refused(self, submission: str, batch: Any) -> list[str]:
        """Forget a batch that was not taken; return why, where the same would happen again."""
        faults = list(batch.errors.data or []) if batch.errors else []
        with self._cache.together():
            self._forget(submission)
        if any(fault.code == _TOO_MANY_TOKENS for fault in faults):
            log.info("batch %s: %s; it is submitted again", batch.id, faults[0].message)
            self._usage.n_sent -= self._mine.get(submission, 0)
            return []
        says = "; ".join(str(fault.message) for fault in faults) or "no reason given"
        return [
            f"batch {batch.id} was refused: {says}. Check section llm of params.yaml; nothing of it"
            " was answered"
        ]

    def _collect_one(self, submission: str, batch: Any) -> None:
        contents: list[tuple[str, bytes]] = []
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                with self._calls():
                    contents.append((file_id, self._client.files.content(file_id).content))
        known = {
            key
            for (key,) in self._cache.execute(
                "SELECT key FROM submitted WHERE submission = ?", (submission,)
            )
        }
        with self._cache.together():
            self._cache.execute(
                "UPDATE submissions SET collected = 1 WHERE submission = ? AND collected = 0",
                (submission,),
            )
            if self._cache.execute("SELECT changes()") == [(0,)]:
                return  # another process has collected it meanwhile
            rest = "expired"
            named: set[str] = set()
            for file_id, content in contents:
                taken = self._take(
                    content, f"file {file_id} of batch {batch.id}", submission, known
                )
                named |= taken.keys
                if taken.unread:
                    rest = "malformed_response"
                    self._put_aside(content, f"{batch.id}-{file_id}")
                for answer in taken.answers:
                    self._pay(answer)
            # Neither answered nor named in the error file: the batch ended before them.
            for key in sorted(known - named):
                self._fail(key, submission, rest)

    def _put_aside(self, content: bytes, name: str) -> None:
        """Keep a file with lines that could not be read: they are paid for."""
        path = self._folder / f"{_NAME.sub('_', name)}.unread"
        put_in_place(path, [content])
        log.warning("%s: kept, since some of its lines could not be read", path)

    def _pay(self, answer: Response) -> None:
        self._usage.paid_prompt_tokens += answer.prompt_tokens
        self._usage.paid_completion_tokens += answer.completion_tokens
        self._budget.pay(answer.prompt_tokens, answer.completion_tokens)

    def _forget(self, submission: str) -> None:
        self._cache.execute("DELETE FROM submitted WHERE submission = ?", (submission,))
        self._cache.execute("DELETE FROM submissions WHERE submission = ?", (submission,))


def _parts(missing: Sequence[Rendered], largest: int) -> Iterator[list[Rendered]]:
    """Split requests so that each part keeps the API's limits for one file."""
    part: list[Rendered] = []
    size = 0
    for each in missing:
        n_bytes = len(jsonl_line(each).encode("utf-8")) + 1
        if part and (len(part) == largest or size + n_bytes > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(each)
        size += n_bytes
    if part:
        yield part
