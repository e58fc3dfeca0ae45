"""The same requests as files of OpenAI-Batch JSONL, for whoever answers them later.

``batch_file`` writes what is missing and reads results that were put beside it; it is also what
``vllm run-batch`` takes. ``openai_batch`` uploads, polls and collects. Both keep every response
in the same cache as the online client, under the same key, which is also the line's custom id.
What was submitted stands in a ledger in the cache's file: a run that is stopped at any point
goes on where it was, and only what is missing or expired is submitted again. No request is
submitted while it is under way: processes submit one after the other, and each looks first for
what the ones before it, alive or killed, have left.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Literal

from augqa.blocks import blocks
from augqa.llm import verdict
from augqa.llm.batch_calls import BatchCalls
from augqa.llm.batch_executor import BatchFile, Executor
from augqa.llm.batch_submitting import SubmittedBatches
from augqa.llm.cache import ResponseCache
from augqa.llm.cost import Budget, Counting, Usage
from augqa.llm.inbound import Redactor
from augqa.llm.request import ChatRequest, ChatResult, Rendered, Renderer
from augqa.llm.tries import Found, look_up

Kind = Literal["batch_file", "openai_batch"]

_CHUNK = 500
# An answer with one of these statuses may be another one the next time.
_PASSING = (408, 409, 425, 429)
_PASSING_REASONS = frozenset(
    (
        *("expired", "cancelled", "malformed_response", "empty_choices", "no_answer"),
        *("server_error", "internal_error", "internal_server_error", "rate_limit_exceeded"),
        *("timeout", "request_timeout"),
    )
)


def complete_in_batches(
    requests: Iterable[ChatRequest],
    *,
    executor: Kind,
    renderer: Renderer,
    cache: ResponseCache,
    folder: Path,
    calls: BatchCalls,
    redact: Redactor,
    counting: Counting,
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
        calls: The endpoint's Batch API (``openai_batch``).
        redact: Takes the key out of what comes back.
        counting: Estimates tokens that nobody counts.
        poll_s: Seconds between two looks at a batch.
        max_retries: Further submissions of a request that failed.
        budget: Nothing is submitted that could pass it (``openai_batch``).
        usage: Takes what is sent, and what the collected answers took.

    Raises:
        GenerationError: If results are still to come (``batch_file``), a batch is refused, or
            what is missing could cost more than the budget leaves.
    """
    asked = list(requests)
    work: Executor
    if executor == "batch_file":
        work = BatchFile(cache, renderer, folder, redact=redact, counting=counting)
    else:
        work = SubmittedBatches(
            cache,
            renderer,
            calls,
            folder=folder,
            redact=redact,
            counting=counting,
            poll_s=poll_s,
            budget=budget,
            usage=usage,
        )
    fresh: set[str] = set()

    def missing() -> list[Rendered]:
        found = _missing(asked, renderer, cache, work.failures(), max_retries)
        fresh.update(each.key for each in found)
        return found

    # What is asked is known before answers are read: they are judged, and counted, by it.
    work.expect(missing())
    work.collect()
    while work.has_work(missing):
        work.answer()
    failures = work.failures()
    for found in _stand(asked, renderer, cache):
        yield _result(found, failures, fresh)


def _stand(
    asked: Iterable[ChatRequest], renderer: Renderer, cache: ResponseCache
) -> Iterator[Found]:
    for chunk in blocks(asked, _CHUNK):
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
