"""What requests cost: known from params before a run, from the server's token counts after."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augqa.llm.response import Response

log = logging.getLogger("augqa.llm")
# English takes about four bytes a token; a third stays on the safe side until the server's own
# counts are known.
_BYTES_A_TOKEN = 3
_TOKENS_A_MESSAGE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Money for a million tokens, in the currency of params.yaml."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of so many tokens."""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run is going to take at most.

    Attributes:
        n_requests: Asked for.
        n_cached: Of these, at hand in the cache.
        prompt_tokens: Of the requests that are not; estimated from their length.
        completion_tokens: The highest number, by their token limits.
        cost: Highest cost; None without a price for the model.
        seconds: Shortest time under the rate limits; None without limits.
    """

    n_requests: int
    n_cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None

    def __str__(self) -> str:
        parts = [
            f"{self.n_requests} requests, {self.n_cached} of them in the cache",
            f"about {self.prompt_tokens} prompt and at most {self.completion_tokens}"
            " completion tokens to pay for",
        ]
        if self.cost is not None:
            parts.append(f"at most {self.cost:.4f} USD")
        if self.seconds is not None:
            parts.append(f"at least {self.seconds:.0f} s under the rate limits")
        return "; ".join(parts)


@dataclass(slots=True)
class Usage:
    """What a run has used: tokens that this run paid for, and tokens the cache saved."""

    n_requests: int = 0
    n_cached: int = 0
    n_failed: int = 0
    n_sent: int = 0
    paid_prompt_tokens: int = 0
    paid_completion_tokens: int = 0
    saved_prompt_tokens: int = 0
    saved_completion_tokens: int = 0


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return an estimate of the prompt tokens of a rendered request, rather too high."""
    messages = body["messages"]
    n_bytes = sum(len(message["content"].encode("utf-8")) for message in messages)
    return n_bytes // _BYTES_A_TOKEN + _TOKENS_A_MESSAGE * len(messages)


def completion_tokens(text: str | None) -> int:
    """Return an estimate of the tokens of a text that was written, rather too high."""
    return -(-len((text or "").encode("utf-8", "replace")) // _BYTES_A_TOKEN)


class Counting:
    """Estimates what a server does not count, and says so once.

    Args:
        where: Name of the endpoint, for the message.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._has_said = False

    def counted(self, response: Response, prompt_tokens: int) -> Response:
        """Return a response whose tokens are estimated where the server does not count them.

        Args:
            response: What came back.
            prompt_tokens: The estimate for its prompt.
        """
        prompt, completion = response.prompt_tokens, response.completion_tokens
        if not completion:
            completion = completion_tokens(response.text)
        if (prompt, completion) == (response.prompt_tokens, response.completion_tokens) and prompt:
            return response
        if not self._has_said:
            self._has_said = True
            log.warning(
                "%s states no token counts that can be believed: tokens and cost are estimated,"
                " rather too high, from the length of the texts",
                self._where,
            )
        return dataclasses.replace(
            response, prompt_tokens=prompt or prompt_tokens, completion_tokens=completion
        )


def shortest_s(
    n_requests: float,
    tokens: float,
    *,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
) -> float | None:
    """Return the seconds that the rate limits ask for at least; None without limits.

    The first minute's budget is there at once.
    """
    needs = [
        max(0.0, used / limit - 1.0) * 60.0
        for used, limit in ((n_requests, requests_per_minute), (tokens, tokens_per_minute))
        if limit is not None
    ]
    return max(needs) if needs else None


class Budget:
    """Money of one run: reserved when a request is sent, settled when its answer is there.

    Args:
        price: None: nothing is counted.
        most: Never spend more; None: no limit.
    """

    def __init__(self, price: Price | None, most: float | None) -> None:
        self._price = price
        self.most = most
        self._reserved = 0.0
        self.paid = 0.0
        self.saved = 0.0

    def reserve(self, prompt: int, completion: int) -> float | None:
        """Set aside the highest cost of a request; None where it does not fit any more."""
        if self._price is None:
            return 0.0
        cost = self._price.of(prompt, completion)
        if self.most is not None and self.paid + self._reserved + cost > self.most:
            return None
        self._reserved += cost
        return cost

    def cost(self, prompt: int, completion: int) -> float:
        """Return the price of so many tokens; 0 without one."""
        return 0.0 if self._price is None else self._price.of(prompt, completion)

    def pay(self, prompt: int, completion: int) -> None:
        """Count an answer that nothing was set aside for."""
        self.paid += self.cost(prompt, completion)

    @property
    def waiting(self) -> bool:
        """Whether an answer that is to come may free what was set aside."""
        return self._reserved > 1e-12

    def settle(self, reserved: float, tokens: tuple[int, int] | None) -> None:
        """Say what a request did cost, by its tokens; None: nobody knows, so all of it."""
        self._reserved -= reserved
        if self._price is not None:
            self.paid += reserved if tokens is None else self._price.of(*tokens)

    def release(self, reserved: float) -> None:
        """Give back what a request that was not taken had set aside."""
        self._reserved -= reserved

    def save(self, prompt: int, completion: int) -> None:
        """Count a response that was at hand."""
        if self._price is not None:
            self.saved += self._price.of(prompt, completion)
