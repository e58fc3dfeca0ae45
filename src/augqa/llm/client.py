"""Many requests at once, results in order, each response kept the moment it arrives.

The caller's thread renders requests and looks them up in the cache; a thread of its own runs
the event loop that sends what is missing. Both sides see a bounded window of requests, so that
memory does not grow with their number.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from augqa.blocks import blocks
from augqa.errors import GenerationError
from augqa.llm import cost, verdict
from augqa.llm.address import Place
from augqa.llm.cache import ResponseCache
from augqa.llm.cost import Budget, Counting, Estimate, Price, Usage
from augqa.llm.limiter import RateLimiter
from augqa.llm.outcomes import Outcomes
from augqa.llm.request import ChatRequest, ChatResult, Rendered, Renderer
from augqa.llm.sending import ResultFuture, Sender
from augqa.llm.tries import look_up
from augqa.params import Llm

if TYPE_CHECKING:
    from augqa.llm.batch import Kind

log = logging.getLogger("augqa.llm")

_CHUNK = 64
_LOOK_S = 0.01


class ChatClient:
    """Completes requests at the addresses of one model; made by `open_client`."""

    def __init__(
        self,
        params: Llm,
        *,
        places: Sequence[Place],
        endpoint: str,
        cache_path: Path,
        limiter: Callable[[], RateLimiter] | None = None,
    ) -> None:
        self._params = params
        self._n_places = len(places)
        self._endpoint_name = endpoint
        self._cache_path = cache_path
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
        self._counting = Counting(endpoint)
        self._outcomes = Outcomes(
            endpoint=endpoint,
            served=self._renderer.served,
            max_failed_fraction=params.max_failed_fraction,
            cache_path=cache_path,
            usage=self.usage,
            budget=self._budget,
        )
        self._cache = ResponseCache(cache_path)
        try:
            self._sender = Sender(
                params,
                places=places,
                cache_path=cache_path,
                renderer=self._renderer,
                limiter=limiter
                or (lambda: RateLimiter(params.requests_per_minute, params.tokens_per_minute)),
                budget=self._budget,
                usage=self.usage,
                outcomes=self._outcomes,
                counting=self._counting,
            )
        except BaseException:
            self._cache.close()
            raise

    def estimate(self, requests: Iterable[ChatRequest]) -> Estimate:
        """Return what `requests` will take at most, given what the cache holds."""
        n_requests = n_cached = prompt = completion = 0
        for chunk in blocks(requests, _CHUNK):
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
            # The limits are those of each address.
            seconds=cost.shortest_s(
                (n_requests - n_cached) / self._n_places,
                (prompt + completion) / self._n_places,
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
        date = self._sender.shutdown_date()
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
        self._sender.writer.run = self._cache.begin_run()
        if self._params.executor != "online":
            yield from self._in_batches(requests, self._params.executor)
            return
        feed = iter(requests)
        window: deque[ResultFuture] = deque()
        room = max(4 * _CHUNK, 16 * self._params.max_in_flight * self._n_places)
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
            self._outcomes.judge(final=True)
            self._cache.finish_run()
        finally:
            for future in window:
                future.cancel()

    def _in_batches(
        self, requests: Iterable[ChatRequest], executor: "Kind"
    ) -> Iterator[ChatResult]:
        # With it comes the openai library, a second of CPU that a call online does not need.
        from augqa.llm.batch import complete_in_batches  # noqa: PLC0415

        endpoint = self._sender.endpoint
        with contextlib.closing(endpoint.batches()) as calls:
            for result in complete_in_batches(
                requests,
                executor=executor,
                renderer=self._renderer,
                cache=self._cache,
                folder=self._cache_path.parent / "batch",
                calls=calls,
                redact=endpoint.redact,
                counting=self._counting,
                poll_s=self._params.batch_poll_s,
                max_retries=self._params.max_retries,
                budget=self._budget,
                usage=self.usage,
            ):
                self._outcomes.count(result)
                yield result
        self._outcomes.judge(final=True)
        self._cache.finish_run()

    def _start(self, chunk: list[ChatRequest]) -> list[ResultFuture]:
        futures: list[ResultFuture] = []
        missing: list[tuple[Rendered, ResultFuture]] = []
        for each in look_up(chunk, renderer=self._renderer, cache=self._cache):
            future: ResultFuture = concurrent.futures.Future()
            futures.append(future)
            if each.response is None:
                missing.append((each.rendered, future))
                continue
            result = verdict.result_of(
                each.rendered.request, each.response, each.reason, cached=True
            )
            self._outcomes.count(result)
            future.set_result(result)
        if missing:
            self._sender.submit(missing)
        return futures

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
        usage = self.usage
        if self._n_places > 1 and usage.n_sent:
            for one in self._sender.addresses:
                log.info(
                    "%s: %d requests, %d without an answer, %.1f s",
                    one.address,
                    one.n_sent,
                    one.n_failed,
                    one.seconds,
                )
        # A run that asks for nothing may still collect, and pay, what a former one has submitted.
        if not (usage.n_requests or usage.n_sent or usage.paid_completion_tokens):
            return
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
            "addresses": [
                {**dataclasses.asdict(one), "seconds": round(one.seconds, 3)}
                for one in self._sender.addresses
            ],
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
        """Stop the calls and the connections."""
        self._sender.close()
        self._cache.close()
        self._write_usage()
