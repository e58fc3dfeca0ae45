"""Batches that are submitted to an endpoint, looked at until they end, and collected."""

import contextlib
import fcntl
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from augqa.errors import GenerationError
from augqa.llm import cost
from augqa.llm.batch_calls import BatchCalls, CallFailed
from augqa.llm.batch_executor import Executor, jsonl_line
from augqa.llm.cache import ResponseCache
from augqa.llm.cache_file import put_in_place
from augqa.llm.cost import Budget, Counting, Usage
from augqa.llm.inbound import Redactor, line
from augqa.llm.request import Rendered, Renderer
from augqa.llm.response import Response

log = logging.getLogger("augqa.llm")
# The API's own limits.
MAX_REQUESTS = 50_000
MAX_BYTES = 190_000_000
# Tries to make a batch of an uploaded file.
_TRIES_TO_CREATE = 3
# A batch that ends so gives no further lines; what it has answered is in its files.
_ENDED = ("completed", "expired", "cancelled", "failed")
# More tokens wait in the account's batches than it may have there.
_TOO_MANY_TOKENS = "token_limit_exceeded"
_NAME = re.compile(r"[^\w.-]+")


class SubmittedBatches(Executor):
    """Submits, polls and collects batches of the OpenAI API."""

    def __init__(
        self,
        cache: ResponseCache,
        renderer: Renderer,
        calls: BatchCalls,
        *,
        folder: Path,
        redact: Redactor,
        counting: Counting,
        poll_s: float,
        budget: Budget,
        usage: Usage,
    ) -> None:
        super().__init__(cache, renderer, redact=redact, counting=counting)
        self._calls = calls
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
                batch = self._calls.look(batch_id)
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
                f"{self._calls.where}: a batch of a single request has more tokens than the"
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
                    "INSERT INTO submitted (key, submission, prompt_tokens) VALUES (?,?,?)",
                    (each.key, submission, cost.prompt_tokens(each.body)),
                )
        lines = (jsonl_line(each, path=self._calls.chat_path) for each in part)
        content = "".join(f"{each}\n" for each in lines).encode("utf-8")
        self._mine[submission] = len(part)
        file_id = self._calls.upload(f"{submission}.jsonl", content)
        try:
            batch_id = self._create(file_id, submission)
        except CallFailed as error:
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

        Where an answer was lost, the batch is looked for before another is made.
        """
        n_tries = 0
        while True:
            n_tries += 1
            try:
                return self._calls.create(file_id, submission)
            except CallFailed as error:
                if not error.is_lost or n_tries == _TRIES_TO_CREATE:
                    raise
                time.sleep(self._poll_s)
                made = self._calls.find({submission}).get(submission)
                if made is not None:
                    return made

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
        found = self._calls.find(lost)
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
            says = self._words(faults[0].message)
            log.info("batch %s: %s; it is submitted again", batch.id, says)
            self._usage.n_sent -= self._mine.get(submission, 0)
            return []
        says = "; ".join(self._words(fault.message) for fault in faults) or "no reason given"
        return [
            f"batch {batch.id} was refused: {says}. Check section llm of params.yaml; nothing of it"
            " was answered"
        ]

    def _collect_one(self, submission: str, batch: Any) -> None:
        contents: list[tuple[str, bytes]] = []
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                contents.append((file_id, self._calls.content(file_id)))
        known = dict(
            self._cache.execute(
                "SELECT key, prompt_tokens FROM submitted WHERE submission = ?", (submission,)
            )
        )
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
            for key in sorted(known.keys() - named):
                self._fail(key, submission, rest)

    def _put_aside(self, content: bytes, name: str) -> None:
        """Keep a file with lines that could not be read: they are paid for."""
        path = self._folder / f"{_NAME.sub('_', name)}.unread"
        put_in_place(path, [self._redact.bytes(content)])
        log.warning("%s: kept, since some of its lines could not be read", path)

    def _words(self, value: Any) -> str:
        return self._redact.message(line(value, self._redact))

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
