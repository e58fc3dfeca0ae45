"""Many requests at once, results in order, each response kept the moment it arrives.

The caller's thread renders requests and looks them up in the cache; a thread of its own runs
the event loop that sends what is missing. Both sides see a bounded window of requests, so that
memory does not grow with their number.
"""

import asyncio
import concurrent.futures
import dataclasses
import json
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm import cost, verdict, waits
from augqa.llm.batch import complete_in_batches
from augqa.llm.cache import CacheWriter, Response, ResponseCache
from augqa.llm.cost import Budget, Estimate, Price, Usage
from augqa.llm.limiter import CoolDown, InFlight, RateLimiter, Ticket
from augqa.llm.request import ChatRequest, ChatResult, Rendered, Renderer
from augqa.llm.tries import look_up
from augqa.llm.wire import Again, Busy, Endpoint, Refused
from augqa.params import Llm

log = logging.getLogger("augqa.llm")

_CHUNK = 64
_LOOK_S = 0.01
_BACKOFF_S = (0.5, 30.0)
# A share of very few says nothing yet.
_MIN_OUTCOMES = 50
# Nobody listens on the port: a few tries are enough, where no answer has ever come.
_TRIES_TO_REACH = 3
# Requests without an answer, one after the other, where none has ever come.
_FIRST_FAILURES = 3
# Answers by another model, one after the other, after some by the right one.
_WRONG_IN_ROW = 3
# 429s and nothing else for so long: the limit is not one that a pause gets over.
_MAX_STALLED_S = 600.0

_ResultFuture = concurrent.futures.Future[ChatResult]


@dataclass(slots=True)
class _Waiting:
    """A request that waits for its turn to be sent."""

    turn: "asyncio.Future[tuple[Ticket, float]]"
    prompt_tokens: int
    max_tokens: int


class ChatClient:
    """Completes requests against one endpoint; made by `open_client`."""

    def __init__(
        self,
        params: Llm,
        *,
        base_url: str | None,
        endpoint: str,
        api_key: str,
        cache_path: Path,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._params = params
        self._endpoint_name = endpoint
        self._cache_path = cache_path
        self._base_url = base_url
        self._api_key = api_key
        self._renderer = Renderer(
            endpoint=endpoint,
            model=params.model,
            token_limit_param=params.token_limit_param,
            temperature=params.temperature,
            top_p=params.top_p,
            send_seed=params.send_seed,
            send_stop=params.send_stop,
            extra_body=params.extra_body,
            served_model=params.served_model,
        )
        self._served = self._renderer.served
        price = params.prices.get(params.model)
        self._price = (
            None if price is None else Price(prompt=price.prompt, completion=price.completion)
        )
        if params.max_cost is not None and self._price is None:
            raise GenerationError(
                f"llm.max_cost is {params.max_cost:g}, and llm.prices has no price of"
                f" {params.model!r}: put it there, with its date, or set max_cost to null"
            )
        self._budget = Budget(self._price, params.max_cost)
        self.usage = Usage()
        self._counting = threading.Lock()
        self._last_failure = "unknown"
        self._failures_told: set[str] = set()
        self._n_refused_by_shape = 0
        self._models_seen: dict[str, None] = {}
        self._n_wrong_in_row = 0
        self._limiter = limiter or RateLimiter(params.requests_per_minute, params.tokens_per_minute)
        self._cache = ResponseCache(cache_path)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="augqa-llm", daemon=True)
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread.start()
        try:
            self._ready.result()
        except BaseException:
            self._cache.close()
            raise

    def estimate(self, requests: Iterable[ChatRequest]) -> Estimate:
        """Return what `requests` will take at most, given what the cache holds."""
        n_requests = n_cached = prompt = completion = 0
        feed = iter(requests)
        while chunk := list(islice(feed, _CHUNK)):
            for each in look_up(chunk, renderer=self._renderer, cache=self._cache):
                n_requests += 1
                if each.response is not None:
                    n_cached += 1
                else:
                    prompt += cost.prompt_tokens(each.rendered.body)
                    completion += each.rendered.request.max_tokens
        return Estimate(
            n_requests=n_requests,
            n_cached=n_cached,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost=None if self._price is None else self._price.of(prompt, completion),
            seconds=cost.shortest_s(
                n_requests - n_cached,
                prompt + completion,
                requests_per_minute=self._params.requests_per_minute,
                tokens_per_minute=self._params.tokens_per_minute,
            ),
        )

    def announce(self, name: str, requests: Iterable[ChatRequest]) -> Estimate:
        """Log what `requests` will take, and write it beside the cache, before they are sent.

        Warns where the endpoint says on which day it shuts the model down.
        """
        estimate = self.estimate(requests)
        log.info("%s: %s", name, estimate)
        path = self._cache_path.parent / f"estimate-{name}.json"
        text = json.dumps(dataclasses.asdict(estimate), indent=2, sort_keys=True) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:  # it stands in the log as well
            log.warning("%s: cannot be written: %s", path, error.strerror)
        if estimate.n_cached < estimate.n_requests:
            self._warn_of_shutdown()
        return estimate

    def _warn_of_shutdown(self) -> None:
        asked = asyncio.run_coroutine_threadsafe(self._endpoint.shutdown_date(), self._loop)
        date = asked.result()
        if date is not None:
            log.warning(
                "%s shuts %s down on %s: choose what follows it in llm.model before then",
                self._endpoint_name,
                self._params.model,
                date,
            )

    def list_cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return the list price of so many tokens, whoever paid; None without a price."""
        if self._price is None:
            return None
        return self._price.of(prompt_tokens, completion_tokens)

    def complete(
        self, requests: Iterable[ChatRequest], *, total: int | None = None
    ) -> Iterator[ChatResult]:
        """Yield one result a request, in their order, while later ones are on their way.

        Args:
            requests: Read lazily, a bounded number ahead.
            total: Their number, where it is known; nothing depends on it.

        Raises:
            GenerationError: If nothing can work until the user acts, too many failed, or the
                next request would cost more than `llm.max_cost` leaves. What has arrived is in
                the cache.
        """
        del total
        self._writer.run = self._cache.begin_run()
        if self._params.executor != "online":
            results = complete_in_batches(
                requests,
                executor=self._params.executor,
                renderer=self._renderer,
                cache=self._cache,
                folder=self._cache_path.parent / "batch",
                base_url=self._base_url,
                api_key=self._api_key,
                poll_s=self._params.batch_poll_s,
                max_retries=self._params.max_retries,
                budget=self._budget,
                usage=self.usage,
            )
            for result in results:
                self._count(result)
                yield result
            self._judge(final=True)
            self._cache.finish_run()
            return
        feed = iter(requests)
        window: deque[_ResultFuture] = deque()
        room = max(4 * _CHUNK, 16 * self._params.max_in_flight)
        more = True
        try:
            while True:
                while more and len(window) <= room - _CHUNK:
                    chunk = list(islice(feed, _CHUNK))
                    more = len(chunk) == _CHUNK
                    window.extend(self._start(chunk))
                if not window:
                    break
                # Looked at from time to time: a wake-up for each result would make this thread
                # and the loop's fight for the interpreter.
                while not window[0].done():
                    time.sleep(_LOOK_S)
                yield window.popleft().result()
            self._judge(final=True)
            self._cache.finish_run()
        finally:
            for future in window:
                future.cancel()

    def _start(self, chunk: list[ChatRequest]) -> list[_ResultFuture]:
        futures: list[_ResultFuture] = []
        missing: list[tuple[Rendered, _ResultFuture]] = []
        for each in look_up(chunk, renderer=self._renderer, cache=self._cache):
            future: _ResultFuture = concurrent.futures.Future()
            futures.append(future)
            if each.response is None:
                missing.append((each.rendered, future))
                continue
            result = verdict.result_of(
                each.rendered.request, each.response, each.reason, cached=True
            )
            self._count(result)
            future.set_result(result)
        if missing:
            self._loop.call_soon_threadsafe(self._submit, missing)
        return futures

    def _count(self, result: ChatResult) -> None:
        """Count a result, and look who has answered.

        Raises:
            GenerationError: If it is another model than the one asked for: at the first answer,
                or at several in a row later.
        """
        usage = self.usage
        with self._counting:
            usage.n_requests += 1
            usage.n_failed += result.failure is not None
            if result.cached:
                usage.n_cached += 1
                usage.saved_prompt_tokens += result.prompt_tokens
                usage.saved_completion_tokens += result.completion_tokens
                self._budget.save(result.prompt_tokens, result.completion_tokens)
            if result.failure not in (None, "wrong_model"):
                self._tell(result.failure, result.detail)
            self._see_model(result)

    def _see_model(self, result: ChatResult) -> None:
        if result.failure == "wrong_model":
            self._n_wrong_in_row += 1
            fault = self._served.fault(result.model)
            self._tell("wrong_model", fault)
            if self._models_seen and self._n_wrong_in_row < _WRONG_IN_ROW:
                return
            raise GenerationError(
                f"{self._endpoint_name}: {fault}. If that is the model you mean, set"
                f" llm.served_model to {result.model!r}: what was answered counts then, and is not"
                " asked for again. If not, correct llm.model. What arrived is kept in"
                f" {self._cache_path}."
            )
        if result.model is None or not self._served.accepts(result.model):
            return
        self._n_wrong_in_row = 0
        if self._models_seen and result.model not in self._models_seen:
            log.warning(
                "%s: %s answers now, %s before",
                self._endpoint_name,
                result.model,
                ", ".join(self._models_seen),
            )
        self._models_seen[result.model] = None

    def _tell(self, reason: str, detail: str) -> None:
        """Keep the reason of a failure; log the first one of its kind."""
        self._last_failure = f"{reason} ({detail})" if detail else reason
        if reason not in self._failures_told:
            self._failures_told.add(reason)
            log.warning("%s: a request failed: %s", self._endpoint_name, self._last_failure)

    def _judge(self, *, final: bool) -> None:
        usage = self.usage
        if final and self._n_refused_by_shape and self._n_refused_by_shape == usage.n_requests:
            raise self._nothing_answered()
        if not usage.n_failed or (not final and usage.n_requests < _MIN_OUTCOMES):
            return
        allowed = self._params.max_failed_fraction
        if usage.n_failed > allowed * usage.n_requests:
            raise GenerationError(
                f"{usage.n_failed} of {usage.n_requests} requests to {self._endpoint_name}"
                f" failed, more than llm.max_failed_fraction {allowed:g} allows; the last reason"
                f" is {self._last_failure}. What arrived is kept in {self._cache_path}: run again"
                " when the endpoint is well."
            )

    def _nothing_answered(self) -> GenerationError:
        return GenerationError(
            f"{self._endpoint_name}: not one of the first {self.usage.n_requests} requests got an"
            f" answer; the last reason is {self._last_failure}. If the endpoint does not take their"
            " form, section llm of params.yaml changes it: token_limit_param, temperature, top_p,"
            " send_seed, send_stop, extra_body."
        )

    # What follows runs in the loop's thread.

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._endpoint = Endpoint(
                base_url=self._base_url,
                api_key=self._api_key,
                api_key_env=self._params.api_key_env,
                model=self._params.model,
                max_connections=self._params.max_in_flight,
                timeout_s=self._params.timeout_s,
            )
            self._store = ResponseCache(self._cache_path)
            self._writer = CacheWriter(self._cache_path, self._endpoint_name, self._loop)
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
        self._said_no_usage = False
        self._ready.set_result(None)
        self._loop.run_forever()

    def _submit(self, calls: list[tuple[Rendered, _ResultFuture]]) -> None:
        for rendered, future in calls:
            task = self._loop.create_task(self._finish(rendered, future))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _finish(self, rendered: Rendered, future: _ResultFuture) -> None:
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
        self._count(result)
        if result.failure is not None:
            self._judge(final=False)
        return result

    def _look_at_first(self, result: ChatResult) -> None:
        """Let the others follow once an answer has come; stop where the first ones get none."""
        usage = self.usage
        if result.failure is None or result.completion_tokens or result.prompt_tokens:
            self._looked_at = True
        elif usage.n_requests == usage.n_failed >= _FIRST_FAILURES:
            raise self._nothing_answered()

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
                    self._n_refused_by_shape += error.by_shape
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
            self.usage.n_sent += 1
            tokens: tuple[int, int] | None = None
            unpaid = False
            response: Response | None = None
            try:
                response, limits = await self._endpoint.chat(rendered.content, attempts=attempts)
                response = self._counted(response, prompt_tokens)
                reason = verdict.fault(rendered.request, response, self._served)
                kept = await self._writer.store(rendered.key, response, valid=reason is None)
                tokens = (response.prompt_tokens, response.completion_tokens)
                self.usage.paid_prompt_tokens += tokens[0]
                self.usage.paid_completion_tokens += tokens[1]
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

    def _counted(self, response: Response, prompt_tokens: int) -> Response:
        """Return a response whose tokens are estimated where the server does not count them."""
        prompt, completion = response.prompt_tokens, response.completion_tokens
        if not completion:
            completion = cost.completion_tokens(response.text)
        if (prompt, completion) == (response.prompt_tokens, response.completion_tokens) and prompt:
            return response
        if not self._said_no_usage:
            self._said_no_usage = True
            log.warning(
                "%s states no token counts that can be believed: tokens and cost are estimated,"
                " rather too high, from the length of the texts",
                self._endpoint_name,
            )
        return dataclasses.replace(
            response, prompt_tokens=prompt or prompt_tokens, completion_tokens=completion
        )

    def _check_pause(self, after_s: float | None) -> None:
        if after_s is not None and after_s > waits.LONGEST_PAUSE_S:
            raise GenerationError(
                f"{self._endpoint.where}: asks to be left alone, and to be asked again"
                f" {waits.when(after_s, now=time.time())}. What arrived is kept in"
                f" {self._cache_path}: run again then."
            )

    def _give_up_unreached(self, again: Again, n_failed: int) -> None:
        if again.reason != "connection":
            self._reached = True
        elif not self._reached and n_failed >= _TRIES_TO_REACH:
            raise GenerationError(
                f"{self._endpoint.where}: no connection. Is the server up, and is llm.base_url"
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
                f"{self._endpoint.where}: nothing but HTTP 429 (too many requests) for"
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

    def summary(self) -> str:
        """Return one line on what this run has paid and what the cache has saved."""
        usage = self.usage
        line = (
            f"{usage.n_requests - usage.n_cached} asked,"
            f" {usage.n_cached} from the cache, {usage.paid_prompt_tokens}"
            f" + {usage.paid_completion_tokens} tokens"
        )
        if self._price is not None:
            line += f", {self._budget.paid:.4f} USD paid, {self._budget.saved:.4f} USD saved"
        return line

    def _write_usage(self) -> None:
        """Append what this run has used to a file beside the cache, one JSON object a line."""
        if not self.usage.n_requests and not self.usage.n_sent:
            return
        usage = self.usage
        record = {
            "ended_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "endpoint": self._endpoint_name,
            "model": self._params.model,
            "n_requests": usage.n_requests,
            "n_cached": usage.n_cached,
            "n_failed": usage.n_failed,
            "n_sent": usage.n_sent,
            "paid_prompt_tokens": usage.paid_prompt_tokens,
            "paid_completion_tokens": usage.paid_completion_tokens,
            "saved_prompt_tokens": usage.saved_prompt_tokens,
            "saved_completion_tokens": usage.saved_completion_tokens,
            "paid": None if self._price is None else round(self._budget.paid, 6),
            "saved": None if self._price is None else round(self._budget.saved, 6),
        }
        path = self._cache_path.parent / "usage.jsonl"
        line = json.dumps(record, sort_keys=True)
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            # At the end of a run, also of one that stopped: its own error must be the one seen.
            log.warning("%s: cannot be written: %s. It lacks %s", path, error.strerror, line)

    def close(self) -> None:
        """Stop the loop, its calls and the connections."""

        async def stop() -> None:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._endpoint.close()
            self._store.close()
            self._writer.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._cache.close()
        self._write_usage()


def read_api_key(name: str) -> str:
    """Return the key in environment variable `name`.

    Raises:
        GenerationError: If it is not set.
    """
    key = os.environ.get(name, "").strip()
    if not key:
        raise GenerationError(
            f"environment variable {name} (llm.api_key_env) is not set: put the endpoint's key"
            " there; a server without keys takes any word"
        )
    return key


def _backoff_s(n_failed: int) -> float:
    """Return the seconds to wait: exponential, with jitter over its upper half.

    Jitter spreads the load; no result depends on it, so that it needs no seed.
    """
    low, high = _BACKOFF_S
    longest = min(high, low * 2.0 ** (n_failed - 1))
    return longest * random.uniform(0.5, 1.0)
