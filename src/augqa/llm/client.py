"""Many requests at once, results in order, each response kept the moment it arrives.

The caller's thread renders requests and looks them up in the cache; a thread of its own runs
the event loop that sends what is missing. Both sides see a bounded window of requests, so that
memory does not grow with their number.
"""

import asyncio
import concurrent.futures
import json
import logging
import os
import random
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from augqa.errors import GenerationError
from augqa.llm.cache import Response, ResponseCache
from augqa.llm.request import ChatRequest, ChatResult, request_key
from augqa.llm.wire import Again, Busy, Endpoint, Refused
from augqa.params import Llm

log = logging.getLogger("augqa.llm")

_CHUNK = 64
_BACKOFF_S = (0.5, 30.0)
# A share of very few says nothing yet.
_MIN_OUTCOMES = 50
# Further seeds for a request whose first text was not valid.
_SEED_STEP = 1_000_003
_INVALID_RETRIES = 2


@dataclass(slots=True)
class _Call:
    """A request on its way: rendered once for each try that gave no valid text."""

    request: ChatRequest
    body: dict[str, Any]
    key: str
    future: "concurrent.futures.Future[ChatResult]"


class ChatClient:
    """Completes requests against one endpoint; made by `open_client`."""

    def __init__(
        self, params: Llm, *, base_url: str | None, endpoint: str, api_key: str, cache_path: Path
    ) -> None:
        self._params = params
        self._endpoint_name = endpoint
        self._cache_path = cache_path
        self._cache = ResponseCache(cache_path)
        self._base_url = base_url
        self._api_key = api_key
        self._n_done = 0
        self._n_failed = 0
        self._reached = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="augqa-llm", daemon=True)
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread.start()
        self._ready.result()

    def complete(
        self, requests: Iterable[ChatRequest], *, total: int | None = None
    ) -> Iterator[ChatResult]:
        """Yield one result a request, in their order, while later ones are on their way.

        Args:
            requests: Read lazily, a bounded number ahead.
            total: Their number, where it is known.

        Raises:
            GenerationError: If nothing can work until the user acts, or too many failed. What
                has arrived is in the cache.
        """
        del total
        feed = iter(requests)
        window: deque[concurrent.futures.Future[ChatResult]] = deque()
        room = max(256, 16 * self._params.max_in_flight)
        more = True
        try:
            while True:
                while more and len(window) <= room - _CHUNK:
                    chunk = list(islice(feed, _CHUNK))
                    more = len(chunk) == _CHUNK
                    window.extend(self._start(chunk))
                if not window:
                    break
                result = window.popleft().result()
                self._count(result)
                yield result
            self._judge(final=True)
        finally:
            for future in window:
                future.cancel()

    def _start(self, chunk: list[ChatRequest]) -> list["concurrent.futures.Future[ChatResult]"]:
        calls = [self._call(request, 0, concurrent.futures.Future()) for request in chunk]
        at_hand = self._cache.find(call.key for call in calls)
        for call in calls:
            response = at_hand.get(call.key)
            if response is not None and _fault(call.request, response, call.body) is None:
                call.future.set_result(_result(call.request, response, None, cached=True))
            else:
                self._loop.call_soon_threadsafe(self._submit, call)
        return [call.future for call in calls]

    def _call(
        self,
        request: ChatRequest,
        n_invalid: int,
        future: "concurrent.futures.Future[ChatResult]",
    ) -> _Call:
        params = self._params
        body: dict[str, Any] = {
            "model": params.model,
            "messages": [dict(message) for message in request.messages],
            params.token_limit_param: request.max_tokens,
            "seed": request.seed + n_invalid * _SEED_STEP,
        }
        if params.temperature is not None:
            body["temperature"] = params.temperature
        if params.top_p is not None:
            body["top_p"] = params.top_p
        if request.stop:
            body["stop"] = list(request.stop)
        if request.json_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "strict": True,
                    "schema": dict(request.json_schema),
                },
            }
        key = request_key(self._endpoint_name, body, f"{request.sample}/{n_invalid}")
        return _Call(request=request, body=body, key=key, future=future)

    def _count(self, result: ChatResult) -> None:
        self._n_done += 1
        if result.failure is not None:
            self._n_failed += 1
            self._judge(final=False)

    def _judge(self, *, final: bool) -> None:
        if not self._n_failed or (not final and self._n_done < _MIN_OUTCOMES):
            return
        allowed = self._params.max_failed_fraction
        if self._n_failed > allowed * self._n_done:
            raise GenerationError(
                f"{self._n_failed} of {self._n_done} requests to {self._endpoint_name} failed,"
                f" more than llm.max_failed_fraction {allowed:g} allows. What arrived is kept in"
                f" {self._cache_path}: run again when the endpoint is well."
            )

    # What follows runs in the loop's thread.

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._store = ResponseCache(self._cache_path)
            self._endpoint = Endpoint(
                base_url=self._base_url,
                api_key=self._api_key,
                api_key_env=self._params.api_key_env,
                model=self._params.model,
                max_connections=self._params.max_in_flight,
                timeout_s=self._params.timeout_s,
            )
            self._slots = asyncio.Semaphore(self._params.max_in_flight)
            self._open = asyncio.Event()
            self._open.set()
            self._tasks: set[asyncio.Task[None]] = set()
        except BaseException as error:
            self._ready.set_exception(error)
            raise
        self._ready.set_result(None)
        self._loop.run_forever()

    def _submit(self, call: _Call) -> None:
        task = self._loop.create_task(self._finish(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, call: _Call) -> None:
        try:
            async with self._slots:
                if call.future.cancelled():
                    return
                result = await self._result(call)
            if not call.future.cancelled():
                call.future.set_result(result)
        except Exception as error:  # noqa: BLE001 - handed over to the caller's thread
            if not call.future.cancelled():
                call.future.set_exception(error)

    async def _result(self, call: _Call) -> ChatResult:
        """Return the first valid text, or the last one with its fault."""
        n_invalid = 0
        while True:
            at_hand = self._store.find([call.key]).get(call.key)
            cached = at_hand is not None
            if at_hand is None:
                try:
                    at_hand = await self._response(call)
                except (Again, Refused) as error:
                    return _no_result(call.request, error.reason)
            fault = _fault(call.request, at_hand, call.body)
            if fault is None or fault == "content_filter" or n_invalid == _INVALID_RETRIES:
                return _result(call.request, at_hand, fault, cached=cached)
            n_invalid += 1
            call = self._call(call.request, n_invalid, call.future)

    async def _response(self, call: _Call) -> Response:
        attempts = 0
        n_failed = 0
        while True:
            await self._open.wait()
            attempts += 1
            try:
                async with asyncio.timeout(self._params.timeout_s):
                    response = await self._endpoint.chat(call.body, attempts=attempts)
            except Busy as busy:
                await self._cool_down(busy.after_s)
                continue
            except TimeoutError:
                fault = Again("timeout")
            except Again as again:
                fault = again
            else:
                self._reached = True
                return self._store.store(call.key, self._endpoint_name, response)
            n_failed += 1
            if fault.reason == "connection" and not self._reached and n_failed > 2:
                raise GenerationError(
                    f"{self._endpoint.where}: no connection. Is the server up, and is"
                    " llm.base_url right?"
                )
            if n_failed > self._params.max_retries:
                raise fault
            await asyncio.sleep(max(fault.after_s or 0.0, _backoff(n_failed)))

    async def _cool_down(self, after_s: float | None) -> None:
        if self._open.is_set():
            self._open.clear()
            await asyncio.sleep(after_s if after_s is not None else 5.0)
            self._open.set()

    def close(self) -> None:
        """Stop the loop, its calls and the connections."""

        async def stop() -> None:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._endpoint.close()
            self._store.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._cache.close()


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


def _backoff(n_failed: int) -> float:
    """Seconds to wait: exponential, with full jitter above a half.

    Jitter spreads the load; no result depends on it, so that it needs no seed.
    """
    low, high = _BACKOFF_S
    longest = min(high, low * 2.0 ** (n_failed - 1))
    return longest * random.uniform(0.5, 1.0)


def _fault(request: ChatRequest, response: Response, body: dict[str, Any]) -> str | None:
    """Return why a response is not valid, or None."""
    if response.finish_reason == "content_filter" or response.refusal:
        return "content_filter"
    if response.finish_reason == "length" and request.whole:
        return "truncated"
    if not (response.text or "").strip():
        return "truncated" if response.finish_reason == "length" else "empty"
    asked = body["model"]
    if response.model is not None and not response.model.startswith(asked):
        return "wrong_model"
    if request.json_schema is not None:
        try:
            json.loads(response.text or "")
        except ValueError:
            return "wrong_schema"
    return None


def _result(
    request: ChatRequest, response: Response, fault: str | None, *, cached: bool
) -> ChatResult:
    return ChatResult(
        id=request.id,
        text=(response.text or "") if fault is None else "",
        failure=fault,
        model=response.model,
        finish_reason=response.finish_reason,
        prompt_tokens=response.prompt_tokens,
        completion_tokens=response.completion_tokens,
        attempts=response.attempts,
        latency_s=response.latency_s,
        system_fingerprint=response.system_fingerprint,
        cached=cached,
    )


def _no_result(request: ChatRequest, reason: str) -> ChatResult:
    return ChatResult(
        id=request.id,
        text="",
        failure=reason,
        model=None,
        finish_reason=None,
        prompt_tokens=0,
        completion_tokens=0,
    )
