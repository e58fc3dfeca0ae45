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
import json
import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, Literal

import openai

from augqa.errors import GenerationError
from augqa.llm import cost, verdict
from augqa.llm.cache import Response, ResponseCache, transaction
from augqa.llm.cost import Budget, Usage
from augqa.llm.request import ChatRequest, ChatResult, Rendered, Renderer, canonical_json
from augqa.llm.wire import Again, read_completion

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

_LEDGER = """
CREATE TABLE IF NOT EXISTS submissions (
    submission TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    batch TEXT,
    collected INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS submitted (
    key TEXT NOT NULL,
    submission TEXT NOT NULL,
    PRIMARY KEY (key, submission)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_failures (
    key TEXT NOT NULL,
    submission TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (key, submission)
) WITHOUT ROWID;
"""
# A batch that ends so gives no further lines; what it has answered is in its files.
_ENDED = ("completed", "expired", "cancelled", "failed")
# An answer with one of these statuses may be another one the next time.
_PASSING = (408, 409, 425, 429)


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
    asked = [renderer.render(request) for request in requests]
    work: _Executor
    if executor == "batch_file":
        work = _BatchFile(cache, renderer.endpoint, folder)
    else:
        client = openai.OpenAI(base_url=base_url, api_key=api_key)
        work = _OpenAIBatch(
            cache,
            renderer.endpoint,
            client,
            folder=folder,
            poll_s=poll_s,
            budget=budget,
            usage=usage,
        )
    fresh: set[str] = set()
    work.collect()
    while missing := _missing(asked, renderer, cache, work.failures(), max_retries):
        fresh.update(each.key for each in missing)
        work.answer(missing)
    failures = work.failures()
    for each in asked:
        yield _result(each, renderer, cache, failures, fresh)


def _missing(
    asked: Sequence[Rendered],
    renderer: Renderer,
    cache: ResponseCache,
    failures: dict[str, list[str]],
    max_retries: int,
) -> list[Rendered]:
    """Return what still needs an answer: of each request, the first try without one."""
    missing: dict[str, Rendered] = {}
    current = list(asked)
    while current:
        later: list[Rendered] = []
        for start in range(0, len(current), _CHUNK):
            chunk = current[start : start + _CHUNK]
            at_hand = cache.find(each.key for each in chunk)
            for each in chunk:
                response = at_hand.get(each.key)
                if response is None:
                    reasons = failures.get(each.key, [])
                    if not reasons or (_may_pass(reasons[-1]) and len(reasons) <= max_retries):
                        missing[each.key] = each
                    continue
                reason = verdict.fault(each.request, response, renderer.served)
                if not verdict.is_final(reason, each):
                    later.append(renderer.render(each.request, each.try_number + 1))
        current = later
    return list(missing.values())


def _result(
    rendered: Rendered,
    renderer: Renderer,
    cache: ResponseCache,
    failures: dict[str, list[str]],
    fresh: set[str],
) -> ChatResult:
    while True:
        response = cache.find([rendered.key]).get(rendered.key)
        if response is None:
            return verdict.no_result(rendered.request, failures[rendered.key][-1])
        reason = verdict.fault(rendered.request, response, renderer.served)
        if verdict.is_final(reason, rendered):
            cached = rendered.key not in fresh
            return verdict.result_of(rendered.request, response, reason, cached=cached)
        rendered = renderer.render(rendered.request, rendered.try_number + 1)


def _may_pass(reason: str) -> bool:
    if reason in ("expired", "cancelled", "malformed_response", "empty_choices"):
        return True
    status = reason.removeprefix("http_")
    return status.isdigit() and (int(status) in _PASSING or int(status) >= 500)


class _Executor:
    """Answers requests by files; keeps what comes back."""

    def __init__(self, cache: ResponseCache, endpoint: str) -> None:
        self._cache = cache
        self._endpoint = endpoint
        self._db = cache.connection
        self._db.executescript(_LEDGER)

    def collect(self) -> None:
        """Keep the answers to what a former run has asked."""
        raise NotImplementedError

    def answer(self, missing: Sequence[Rendered]) -> None:
        """Get answers: each of `missing` is in the cache or among the failures afterwards."""
        raise NotImplementedError

    def failures(self) -> dict[str, list[str]]:
        """Return why requests got no answer, by key, once for each time."""
        found: dict[str, list[str]] = {}
        for key, reason in self._db.execute(
            "SELECT f.key, f.reason FROM batch_failures f JOIN submissions s"
            " ON s.submission = f.submission ORDER BY s.rowid"
        ):
            found.setdefault(key, []).append(reason)
        return found

    def _keep(self, line: str, where: str, submission: str) -> Response | None:
        """Keep one line of a results file: an answer, or the reason why there is none.

        Returns:
            The answer.
        """
        try:
            row = json.loads(line)
            key = row["custom_id"]
            reply = row.get("response") or {}
            status = reply.get("status_code", 200 if reply else None)
            body = reply.get("body")
            fault = row.get("error") or {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise GenerationError(
                f"{where}: a line is no batch result: {line[:200]!r}. It wants custom_id and"
                " response or error"
            ) from error
        if status == 200:
            try:
                response = read_completion(
                    json.dumps(body).encode("utf-8"), latency_s=0.0, attempts=1
                )
            except Again as again:
                self._fail(key, submission, again.reason)
            else:
                self._cache.store(key, self._endpoint, response)
                return response
        elif status is not None:
            self._fail(key, submission, f"http_{status}")
        else:
            code = str(fault.get("code") or "no_answer")
            self._fail(key, submission, "expired" if code == "batch_expired" else code)
        return None

    def _fail(self, key: str, submission: str, reason: str) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO batch_failures (key, submission, reason) VALUES (?,?,?)",
            (key, submission, reason),
        )


class _BatchFile(_Executor):
    """Writes requests to ``requests.jsonl``; reads every other JSONL file of the folder."""

    def __init__(self, cache: ResponseCache, endpoint: str, folder: Path) -> None:
        super().__init__(cache, endpoint)
        self._folder = folder
        self._requests = folder / "requests.jsonl"

    def collect(self) -> None:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.jsonl")):
            if path == self._requests:
                continue
            self._db.execute(
                "INSERT OR IGNORE INTO submissions (submission, endpoint, collected)"
                " VALUES (?,?,1)",
                (path.name, self._endpoint),
            )
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip():
                    self._keep(line, str(path), path.name)

    def answer(self, missing: Sequence[Rendered]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._requests.with_name(self._requests.name + ".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(f"{jsonl_line(each)}\n" for each in missing)
        partial.replace(self._requests)
        raise GenerationError(
            f"{self._requests}: {len(missing)} requests wait for answers. Have them answered,"
            f" for example by `vllm run-batch -i {self._requests} -o {self._folder}/results.jsonl"
            " --model MODEL`, and run the stage again: it reads every other .jsonl file there."
        )


class _OpenAIBatch(_Executor):
    """Submits, polls and collects batches of the OpenAI API."""

    def __init__(
        self,
        cache: ResponseCache,
        endpoint: str,
        client: openai.OpenAI,
        *,
        folder: Path,
        poll_s: float,
        budget: Budget,
        usage: Usage,
    ) -> None:
        super().__init__(cache, endpoint)
        self._client = client
        self._lock = folder / "submitting.lock"
        self._poll_s = poll_s
        self._budget = budget
        self._usage = usage

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time change what is submitted; freed however it ends."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
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
        while True:
            open_batches = self._db.execute(
                "SELECT submission, batch FROM submissions"
                " WHERE endpoint = ? AND collected = 0 AND batch IS NOT NULL",
                (self._endpoint,),
            ).fetchall()
            if not open_batches:
                return
            still_open = 0
            for submission, batch_id in open_batches:
                with self._calls():
                    batch = self._client.batches.retrieve(batch_id)
                if batch.status in _ENDED:
                    self._collect_one(submission, batch)
                else:
                    still_open += 1
            if still_open:
                log.info("%d batches are being answered", still_open)
                time.sleep(self._poll_s)

    def answer(self, missing: Sequence[Rendered]) -> None:
        with self._alone():
            self._adopt()
            under_way = self._under_way()
            rest = [each for each in missing if each.key not in under_way]
            self._afford(rest)
            for part in _parts(rest):
                self._submit(part)
        self.collect()

    def _under_way(self) -> set[str]:
        """Return the keys that are answered already, or are about to be."""
        return {
            key
            for (key,) in self._db.execute(
                "SELECT t.key FROM submitted t JOIN submissions s ON s.submission = t.submission"
                " WHERE s.endpoint = ? AND (s.collected = 0"
                " OR t.key IN (SELECT key FROM responses))",
                (self._endpoint,),
            )
        }

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

    def _submit(self, part: Sequence[Rendered]) -> None:
        submission = uuid.uuid4().hex
        # The intention first: a stop between the next two calls leaves a batch that `_adopt`
        # finds by this mark.
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO submissions (submission, endpoint) VALUES (?,?)",
                (submission, self._endpoint),
            )
            self._db.executemany(
                "INSERT INTO submitted (key, submission) VALUES (?,?)",
                [(each.key, submission) for each in part],
            )
        content = "".join(f"{jsonl_line(each)}\n" for each in part).encode("utf-8")
        with self._calls():
            file = self._client.files.create(file=(f"{submission}.jsonl", content), purpose="batch")
            batch_id = self._create(file.id, submission)
        self._db.execute(
            "UPDATE submissions SET batch = ? WHERE submission = ?", (batch_id, submission)
        )
        self._usage.n_sent += len(part)
        log.info("batch %s: %d requests submitted", batch_id, len(part))

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
            for row in self._db.execute(
                "SELECT submission FROM submissions"
                " WHERE endpoint = ? AND batch IS NULL AND collected = 0",
                (self._endpoint,),
            )
        }
        if not lost:
            return
        with self._calls():
            found = self._find(lost)
        with transaction(self._db):
            for submission in lost:
                if submission in found:
                    self._db.execute(
                        "UPDATE submissions SET batch = ? WHERE submission = ?",
                        (found[submission], submission),
                    )
                else:
                    self._forget(submission)

    def _collect_one(self, submission: str, batch: Any) -> None:
        if batch.status == "failed":
            faults = [fault.message for fault in (batch.errors.data or [])] if batch.errors else []
            with transaction(self._db):
                self._forget(submission)
            raise GenerationError(
                f"batch {batch.id} was refused: {'; '.join(str(fault) for fault in faults)}."
                " Check section llm of params.yaml; nothing of it was answered"
            )
        contents: list[tuple[str, str]] = []
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                with self._calls():
                    contents.append((file_id, self._client.files.content(file_id).text))
        with transaction(self._db):
            first = self._db.execute(
                "UPDATE submissions SET collected = 1 WHERE submission = ? AND collected = 0",
                (submission,),
            )
            if not first.rowcount:  # another process has collected it meanwhile
                return
            for file_id, text in contents:
                for line in text.splitlines():
                    if line.strip():
                        where = f"file {file_id} of batch {batch.id}"
                        answer = self._keep(line, where, submission)
                        if answer is not None:
                            self._pay(answer)
            # Neither answered nor named in the error file: the batch ended before them.
            for (key,) in self._db.execute(
                "SELECT key FROM submitted WHERE submission = ? AND key NOT IN"
                " (SELECT key FROM batch_failures WHERE submission = ?)"
                " AND key NOT IN (SELECT key FROM responses)",
                (submission, submission),
            ).fetchall():
                self._fail(key, submission, "expired")

    def _pay(self, answer: Response) -> None:
        self._usage.paid_prompt_tokens += answer.prompt_tokens
        self._usage.paid_completion_tokens += answer.completion_tokens
        self._budget.pay(answer.prompt_tokens, answer.completion_tokens)

    def _forget(self, submission: str) -> None:
        self._db.execute("DELETE FROM submitted WHERE submission = ?", (submission,))
        self._db.execute("DELETE FROM submissions WHERE submission = ?", (submission,))


def _parts(missing: Sequence[Rendered]) -> Iterator[list[Rendered]]:
    """Split requests so that each part keeps the API's limits for one file."""
    part: list[Rendered] = []
    size = 0
    for each in missing:
        n_bytes = len(jsonl_line(each).encode("utf-8")) + 1
        if part and (len(part) == MAX_REQUESTS or size + n_bytes > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(each)
        size += n_bytes
    if part:
        yield part
