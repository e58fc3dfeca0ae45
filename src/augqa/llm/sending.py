"""Requests on their way: whose turn it is, what is tried again, and what ends a run.

All of it runs in one event loop, in a thread of its own; `Sender.submit` is for other threads.
"""

import asyncio
import concurrent.futures
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm import cost, verdict
from augqa.llm.address import Place
from augqa.llm.cache import ResponseCache
from augqa.llm.cache_writer import CacheWriter
from augqa.llm.cost import Budget, Counting, Usage
from augqa.llm.limiter import RateLimiter, Ticket
from augqa.llm.outcomes import Outcomes
from augqa.llm.pool import AddressUsage, Server, open_pool
from augqa.llm.request import ChatResult, Rendered, Renderer
from augqa.llm.response import Response
from augqa.llm.wire import Again, Busy, Endpoint, Refused
from augqa.params import Llm

_BACKOFF_S = (0.5, 30.0)
# Requests without an answer, one after the other, where none has ever come.
_FIRST_FAILURES = 3
ResultFuture = concurrent.futures.Future[ChatResult]


@dataclass(slots=True)
class _Turn:
    """What a request is given when it may be sent: where to, and what is set aside for it."""

    server: Server
    ticket: Ticket
    reserved: float
    sent_at: float


@dataclass(slots=True)
class _Waiting:
    """A request that waits for its turn to be sent."""

    turn: "asyncio.Future[_Turn]"
    prompt_tokens: int
    max_tokens: int
    failed_at: list[Server]


class Sender:
    """Sends requests to the addresses of one model, within their limits and the budget.

    Args:
        params: Section `llm`.
        places: The addresses, with their keys.
        cache_path: Where responses are kept.
        renderer: Makes bodies and keys.
        limiter: Makes what keeps the rate limits of an address.
        budget: Nothing is sent that could pass it.
        usage: Takes what is sent and paid.
        outcomes: Takes results, and may end the run.
        counting: Estimates tokens that nobody counts.

    Attributes:
        writer: Keeps responses.

    Raises:
        GenerationError: If address, key, proxy, certificates or cache cannot be used.
    """

    writer: CacheWriter

    def __init__(
        self,
        params: Llm,
        *,
        places: Sequence[Place],
        cache_path: Path,
        renderer: Renderer,
        limiter: Callable[[], RateLimiter],
        budget: Budget,
        usage: Usage,
        outcomes: Outcomes,
        counting: Counting,
    ) -> None:
        self._params = params
        self._places = places
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

    @property
    def endpoint(self) -> Endpoint:
        """The first address, where batches go."""
        return self._pool.servers[0].endpoint

    @property
    def addresses(self) -> list[AddressUsage]:
        """What was asked of each address."""
        return [server.usage for server in self._pool.servers]

    def submit(self, calls: list[tuple[Rendered, ResultFuture]]) -> None:
        """Send requests; each future gets its result, or the error that ends the run."""
        self._loop.call_soon_threadsafe(self._submit, calls)

    def shutdown_date(self) -> str | None:
        """Return the day on which the endpoint says that it shuts the model down."""

        async def ask() -> list[str | None]:
            asked = (server.endpoint.shutdown_date() for server in self._pool.servers)
            return await asyncio.gather(*asked)

        dates = asyncio.run_coroutine_threadsafe(ask(), self._loop).result()
        return next((date for date in dates if date), None)

    def close(self) -> None:
        """Stop the loop, its calls and the connections."""

        async def stop() -> None:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for server in self._pool.servers:
                await server.endpoint.close()
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
            self._pool = open_pool(
                self._params, self._places, limiter=self._limiter, cache_path=self._cache_path
            )
            self._store = ResponseCache(self._cache_path)
            self.writer = CacheWriter(self._cache_path, self._renderer.endpoint, self._loop)
        except Exception as error:  # noqa: BLE001 - handed over to the thread that waits
            self._loop.close()
            self._ready.set_exception(error)
            return
        self._queue: deque[_Waiting] = deque()
        self._elsewhere: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: GenerationError | None = None
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
        for queue in (self._elsewhere, self._queue):
            while queue:
                waiting = queue.popleft()
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
        pool = self._pool
        attempts = n_failed = 0
        failed_at: list[Server] = []
        while True:
            turn = await self._turn(prompt_tokens, max_tokens, failed_at)
            server, sent_at = turn.server, turn.sent_at
            attempts += 1
            self._usage.n_sent += 1
            server.usage.n_sent += 1
            tokens: tuple[int, int] | None = None
            unpaid = False
            response: Response | None = None
            again: Again | None = None
            try:
                response, limits = await server.endpoint.chat(rendered.content, attempts=attempts)
                response = self._counting.counted(response, prompt_tokens)
                reason = verdict.fault(rendered.request, response, self._served)
                kept = await self.writer.store(rendered.key, response, valid=reason is None)
                tokens = (response.prompt_tokens, response.completion_tokens)
                self._usage.paid_prompt_tokens += tokens[0]
                self._usage.paid_completion_tokens += tokens[1]
                if reason == "wrong_model" and pool.several:
                    # Others may have the right one, so this is no answer.
                    says = self._served.advice(response.model)
                    pool.stopped(server, self._loop.time(), sent_at, GenerationError(says))
                    continue
                server.answered(self._loop.time(), response.latency_s, limits)
                return kept
            except Busy as busy:
                unpaid = True
                pool.busy(server, self._loop.time(), sent_at, busy)
            except Refused as refused:
                # What was too long to be read has been written, and is paid for.
                unpaid = refused.reason != "oversized_response"
                server.is_reached = True
                refused.attempts = attempts
                raise
            except GenerationError as error:
                # One that comes after an answer is the cache's, or says that no address is left.
                if response is not None:
                    raise
                unpaid = True
                pool.stopped(server, self._loop.time(), sent_at, error)
            except Again as error:
                unpaid = error.reason == "connection" or error.reason.startswith("http_")
                again = error
                # A connection that nobody took is the address's failure, where there are others.
                n_failed += not (pool.several and error.reason == "connection")
                pool.failed(server, self._loop.time(), sent_at, error, n_failed)
            finally:
                self._settle(turn, tokens, unpaid=unpaid)
            if again is None:
                continue
            failed_at.append(server)
            if n_failed > pool.most_failures:
                again.attempts = attempts
                raise again
            await self._pause(server, again, n_failed)

    def _settle(self, turn: _Turn, tokens: tuple[int, int] | None, *, unpaid: bool) -> None:
        """Give back what a call was given, and let the next ones through."""
        server, now = turn.server, self._loop.time()
        server.n_in_flight -= 1
        server.usage.seconds += now - turn.sent_at
        spent = 0 if unpaid else sum(tokens) if tokens else None
        server.limiter.settle(turn.ticket, now, spent)
        if unpaid:
            self._budget.release(turn.reserved)
        else:
            self._budget.settle(turn.reserved, tokens)
        self._pump()

    async def _pause(self, server: Server, again: Again, n_failed: int) -> None:
        """Wait before a further try, which goes elsewhere at once where there is another place."""
        n_others = len(self._pool.servers) - 1
        if n_failed > n_others:
            self._pool.refuse_pause(server, again.after_s)
            after_s = 0.0 if n_others else again.after_s or 0.0
            await asyncio.sleep(max(after_s, _backoff_s(n_failed - n_others)))

    async def _turn(self, prompt_tokens: int, max_tokens: int, failed_at: list[Server]) -> _Turn:
        if self._stopped is not None:
            raise self._stopped
        turn: asyncio.Future[_Turn] = self._loop.create_future()
        # What has failed somewhere may have to wait for another address; nobody waits behind it.
        queue = self._elsewhere if failed_at and self._pool.several else self._queue
        queue.append(_Waiting(turn, prompt_tokens, max_tokens, failed_at))
        self._pump()
        return await turn

    def _pump(self) -> None:
        """Let through whoever may be sent now; come back when the next one may."""
        waits = [self._let_through(queue) for queue in (self._elsewhere, self._queue) if queue]
        wait_s = min((wait for wait in waits if wait is not None), default=None)
        if wait_s is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(wait_s + 0.001, self._pump)

    def _let_through(self, queue: deque[_Waiting]) -> float | None:
        """Let through the first ones of a queue.

        Returns the seconds until the next one may be sent; None where an answer tells that.
        """
        while queue:
            waiting = queue[0]
            if waiting.turn.done():
                queue.popleft()
                continue
            now = self._loop.time()
            tokens = waiting.prompt_tokens + waiting.max_tokens
            server, wait_s = self._pool.choose(now, tokens, waiting.failed_at)
            if server is None:
                return wait_s
            reserved = self._budget.reserve(waiting.prompt_tokens, waiting.max_tokens)
            if reserved is None:
                if not self._budget.waiting:
                    self._stop(
                        GenerationError(
                            f"llm.max_cost {self._params.max_cost:g}: {self._budget.paid:.4f} is"
                            " paid, and the next request could pass it. What arrived is kept in"
                            f" {self._cache_path}: raise max_cost, and run again."
                        )
                    )
                return None
            queue.popleft()
            server.n_in_flight += 1
            ticket = server.limiter.admit(now, tokens)
            waiting.turn.set_result(_Turn(server, ticket, reserved, now))
        return None


def _backoff_s(n_failed: int) -> float:
    """Return the seconds to wait: exponential, with jitter over its upper half.

    Jitter spreads the load; no result depends on it, so that it needs no seed.
    """
    low, high = _BACKOFF_S
    longest = min(high, low * 2.0 ** (n_failed - 1))
    return longest * random.uniform(0.5, 1.0)
