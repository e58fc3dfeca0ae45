"""Requests on their way: whose turn it is, what is tried again, and what ends a run.

All of it runs in one event loop, in a thread of its own; `Sender.submit` is for other threads.
"""

import asyncio
import concurrent.futures
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm import cost, verdict, waits
from augqa.llm.cache import ResponseCache
from augqa.llm.cache_writer import CacheWriter
from augqa.llm.cost import Budget, Counting, Usage
from augqa.llm.limiter import CoolDown, InFlight, RateLimiter, Ticket
from augqa.llm.outcomes import Outcomes
from augqa.llm.request import ChatResult, Rendered, Renderer
from augqa.llm.response import Response
from augqa.llm.wire import Again, Busy, Endpoint, Refused
from augqa.params import Llm

_BACKOFF_S = (0.5, 30.0)
# Nobody listens on the port: a few tries are enough, where no answer has ever come.
_TRIES_TO_REACH = 3
# Requests without an answer, one after the other, where none has ever come.
_FIRST_FAILURES = 3
# 429s and nothing else for so long: the limit is not one that a pause gets over.
_MAX_STALLED_S = 600.0
ResultFuture = concurrent.futures.Future[ChatResult]


@dataclass(slots=True)
class _Waiting:
    """A request that waits for its turn to be sent."""

    turn: "asyncio.Future[tuple[Ticket, float]]"
    prompt_tokens: int
    max_tokens: int


class Sender:
    """Sends requests to one endpoint, within its limits and the budget.

    Args:
        params: Section `llm`.
        base_url: None for OpenAI's own.
        api_key: Goes into a header and nowhere else.
        cache_path: Where responses are kept.
        renderer: Makes bodies and keys.
        limiter: Keeps the rate limits.
        budget: Nothing is sent that could pass it.
        usage: Takes what is sent and paid.
        outcomes: Takes results, and may end the run.
        counting: Estimates tokens that nobody counts.

    Attributes:
        endpoint: Where requests go.
        writer: Keeps responses.

    Raises:
        GenerationError: If address, key, proxy, certificates or cache cannot be used.
    """

    endpoint: Endpoint
    writer: CacheWriter

    def __init__(
        self,
        params: Llm,
        *,
        base_url: str | None,
        api_key: str,
        cache_path: Path,
        renderer: Renderer,
        limiter: RateLimiter,
        budget: Budget,
        usage: Usage,
        outcomes: Outcomes,
        counting: Counting,
    ) -> None:
        self._params = params
        self._base_url = base_url
        self._api_key = api_key
        self._cache_path = cache_path
        self._renderer = renderer
        self._served = renderer.served
        self._limiter = limiter
        self._budget = budget
        self._usage = usage
        self._outcomes = outcomes
        self._counting = counting
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="augqa-llm", daemon=True)
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread.start()
        self._ready.result()

    def submit(self, calls: list[tuple[Rendered, ResultFuture]]) -> None:
        """Send requests; each future gets its result, or the error that ends the run."""
        self._loop.call_soon_threadsafe(self._submit, calls)

    def shutdown_date(self) -> str | None:
        """Return the day on which the endpoint says that it shuts the model down."""
        asked = asyncio.run_coroutine_threadsafe(self.endpoint.shutdown_date(), self._loop)
        return asked.result()

    def close(self) -> None:
        """Stop the loop, its calls and the connections."""

        async def stop() -> None:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.endpoint.close()
            self._store.close()
            self.writer.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # What follows runs in the loop's thread.

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self.endpoint = Endpoint(
                base_url=self._base_url,
                api_key=self._api_key,
                api_key_env=self._params.api_key_env,
                model=self._params.model,
                max_connections=self._params.max_in_flight,
                timeout_s=self._params.timeout_s,
            )
            self._store = ResponseCache(self._cache_path)
            self.writer = CacheWriter(self._cache_path, self._renderer.endpoint, self._loop)
        except Exception as error:  # noqa: BLE001 - handed over to the thread that waits
            self._loop.close()
            self._ready.set_exception(error)
            return
        self._in_flight = InFlight(most=self._params.max_in_flight)
        self._cool_down = CoolDown()
        self._n_in_flight = 0
        self._queue: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: GenerationError | None = None
        self._reached = False
        # Until somebody has looked at a first answer, one request goes at a time. The embedded
        # server is ours.
        self._looked_at = self._params.provider == "embedded"
        self._first = asyncio.Lock()
        self._ready.set_result(None)
        self._loop.run_forever()

    def _submit(self, calls: list[tuple[Rendered, ResultFuture]]) -> None:
        for rendered, future in calls:
            task = self._loop.create_task(self._finish(rendered, future))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _finish(self, rendered: Rendered, future: ResultFuture) -> None:
        try:
            result = await self._outcome(rendered)
        except GenerationError as error:
            self._stop(error)
            if not future.cancelled():
                future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - handed over to the caller's thread
            if not future.cancelled():
                future.set_exception(error)
        else:
            if not future.cancelled():
                future.set_result(result)

    async def _outcome(self, rendered: Rendered) -> ChatResult:
        """Return a request's result; one at a time until an answer has been looked at."""
        if not self._looked_at:
            async with self._first:
                if not self._looked_at:
                    result = await self._counted_result(rendered)
                    self._look_at_first(result)
                    return result
        return await self._counted_result(rendered)

    async def _counted_result(self, rendered: Rendered) -> ChatResult:
        result = await self._result(rendered)
        self._outcomes.count(result)
        if result.failure is not None:
            self._outcomes.judge(final=False)
        return result

    def _look_at_first(self, result: ChatResult) -> None:
        """Let the others follow once an answer has come; stop where the first ones get none."""
        usage = self._usage
        if result.failure is None or result.completion_tokens or result.prompt_tokens:
            self._looked_at = True
        elif usage.n_requests == usage.n_failed >= _FIRST_FAILURES:
            raise self._outcomes.nothing_answered()

    def _stop(self, error: GenerationError) -> None:
        """Send nothing more; who waits for a turn gets the error."""
        if self._stopped is None:
            self._stopped = error
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.turn.done():
                waiting.turn.set_exception(self._stopped)

    async def _result(self, rendered: Rendered) -> ChatResult:
        """Return the first valid text, or the last one's fault."""
        while True:
            response: Response | None = None
            if rendered.try_number:  # the first try was looked up before it was submitted
                response = self._store.find([rendered.key]).get(rendered.key)
            cached = response is not None
            if response is None:
                try:
                    response = await self._response(rendered)
                except Again as error:
                    return verdict.no_result(
                        rendered.request, error.reason, error.attempts, detail=error.detail
                    )
                except Refused as error:
                    self._outcomes.n_refused_by_shape += error.by_shape
                    return verdict.no_result(
                        rendered.request, error.reason, error.attempts, detail=error.detail
                    )
            reason = verdict.fault(rendered.request, response, self._served)
            if verdict.is_final(reason, rendered):
                return verdict.result_of(rendered.request, response, reason, cached=cached)
            rendered = self._renderer.render(rendered.request, rendered.try_number + 1)

    async def _response(self, rendered: Rendered) -> Response:
        """Send a request until an answer is there; it is stored before anything else."""
        prompt_tokens = cost.prompt_tokens(rendered.body)
        max_tokens = rendered.request.max_tokens
        attempts = n_failed = 0
        while True:
            ticket, reserved = await self._turn(prompt_tokens, max_tokens)
            attempts += 1
            self._usage.n_sent += 1
            tokens: tuple[int, int] | None = None
            unpaid = False
            response: Response | None = None
            try:
                response, limits = await self.endpoint.chat(rendered.content, attempts=attempts)
                response = self._counting.counted(response, prompt_tokens)
                reason = verdict.fault(rendered.request, response, self._served)
                kept = await self.writer.store(rendered.key, response, valid=reason is None)
                tokens = (response.prompt_tokens, response.completion_tokens)
                self._usage.paid_prompt_tokens += tokens[0]
                self._usage.paid_completion_tokens += tokens[1]
                self._reached = True
                self._in_flight.good()
                self._cool_down.good()
                self._limiter.learn(limits.requests, limits.tokens)
                if limits.pause_s:
                    self._cool_down.pause(self._loop.time(), limits.pause_s)
                return kept
            except Busy as busy:
                unpaid = True
                self._reached = True
                self._too_many(busy)
                continue
            except Refused as refused:
                # What was too long to be read has been written, and is paid for.
                unpaid = refused.reason != "oversized_response"
                self._reached = True
                refused.attempts = attempts
                raise
            except GenerationError:
                unpaid = response is None
                raise
            except Again as error:
                unpaid = error.reason == "connection" or error.reason.startswith("http_")
                again = error
            finally:
                self._n_in_flight -= 1
                self._limiter.settle(
                    ticket, self._loop.time(), 0 if unpaid else sum(tokens) if tokens else None
                )
                if unpaid:
                    self._budget.release(reserved)
                else:
                    self._budget.settle(reserved, tokens)
                self._pump()
            n_failed += 1
            self._give_up_unreached(again, n_failed)
            if n_failed > self._params.max_retries:
                again.attempts = attempts
                raise again
            self._check_pause(again.after_s)
            await asyncio.sleep(max(again.after_s or 0.0, _backoff_s(n_failed)))

    def _check_pause(self, after_s: float | None) -> None:
        if after_s is not None and after_s > waits.LONGEST_PAUSE_S:
            raise GenerationError(
                f"{self.endpoint.where}: asks to be left alone, and to be asked again"
                f" {waits.when(after_s, now=time.time())}. What arrived is kept in"
                f" {self._cache_path}: run again then."
            )

    def _give_up_unreached(self, again: Again, n_failed: int) -> None:
        if again.reason != "connection":
            self._reached = True
        elif not self._reached and n_failed >= _TRIES_TO_REACH:
            raise GenerationError(
                f"{self.endpoint.where}: no connection. Is the server up, and is llm.base_url"
                " right?"
            )

    def _too_many(self, busy: Busy) -> None:
        self._check_pause(busy.after_s)
        now = self._loop.time()
        if self._cool_down.too_many(now, busy.after_s, random.random()):
            self._in_flight.too_many()
        if self._cool_down.stalled_s(now) > _MAX_STALLED_S:
            says = f" ({busy.detail})" if busy.detail else ""
            raise GenerationError(
                f"{self.endpoint.where}: nothing but HTTP 429 (too many requests) for"
                f" {_MAX_STALLED_S:.0f} s{says}. What arrived is kept in {self._cache_path}: set"
                " llm.requests_per_minute and llm.tokens_per_minute to the account's limits, and"
                " run again."
            )

    async def _turn(self, prompt_tokens: int, max_tokens: int) -> tuple[Ticket, float]:
        if self._stopped is not None:
            raise self._stopped
        waiting = _Waiting(self._loop.create_future(), prompt_tokens, max_tokens)
        self._queue.append(waiting)
        self._pump()
        return await waiting.turn

    def _pump(self) -> None:
        """Let through whoever may be sent now; come back when the next one may."""
        while self._queue:
            waiting = self._queue[0]
            if waiting.turn.done():
                self._queue.popleft()
                continue
            if self._n_in_flight >= self._in_flight.limit:
                return
            now = self._loop.time()
            tokens = waiting.prompt_tokens + waiting.max_tokens
            wait_s = max(self._cool_down.wait_s(now), self._limiter.wait_s(now, tokens))
            if wait_s > 0:
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._loop.call_later(wait_s + 0.001, self._pump)
                return
            reserved = self._budget.reserve(waiting.prompt_tokens, waiting.max_tokens)
            if reserved is None:
                if self._budget.waiting:
                    return
                self._stop(
                    GenerationError(
                        f"llm.max_cost {self._params.max_cost:g}: {self._budget.paid:.4f} is paid,"
                        " and the next request could pass it. What arrived is kept in"
                        f" {self._cache_path}: raise max_cost, and run again."
                    )
                )
                return
            self._queue.popleft()
            self._n_in_flight += 1
            waiting.turn.set_result((self._limiter.admit(now, tokens), reserved))


def _backoff_s(n_failed: int) -> float:
    """Return the seconds to wait: exponential, with jitter over its upper half.

    Jitter spreads the load; no result depends on it, so that it needs no seed.
    """
    low, high = _BACKOFF_S
    longest = min(high, low * 2.0 ** (n_failed - 1))
    return longest * random.uniform(0.5, 1.0)
