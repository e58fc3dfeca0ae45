"""The addresses that a model answers at: which is asked next, which is left out, and for how long.

Nothing is sent here: the caller says what time it is and what came of a call. Where there is one
address, it is never left out, and what it cannot do ends the run. Of several, one that fails is
left out for a pause that grows from time to time, and the run ends where none is left.
"""

import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm import waits
from augqa.llm.address import Place
from augqa.llm.inbound import Again
from augqa.llm.limiter import CoolDown, InFlight, RateLimiter
from augqa.llm.waits import Limits
from augqa.llm.wire import Busy, Endpoint
from augqa.params import Llm

log = logging.getLogger("augqa.llm")

# Seconds that an address is left out: the first time, and at most; doubled from time to time.
_LEFT_OUT_S = (1.0, 300.0)
# Failures one after the other that are the address's, not the requests'.
_FAILURES_IN_ROW = 3
# Nobody listens on the port: a few tries are enough, where no answer has ever come.
_TRIES_TO_REACH = 3
# 429s and nothing else for so long: the limit is not one that a pause gets over.
_MAX_STALLED_S = 600.0
# Share of the last answer in the mean of seconds an answer.
_WEIGHT_OF_LAST = 0.2


@dataclass(slots=True)
class AddressUsage:
    """What a run has asked of one address.

    Attributes:
        address: Base URL without its query.
        n_sent: Calls.
        n_failed: Of these, without an answer: no connection, 429, an error, another model.
        seconds: Sum over calls, from sending to the outcome.
    """

    address: str
    n_sent: int = 0
    n_failed: int = 0
    seconds: float = 0.0


class Server:
    """One address, and how it is doing.

    Args:
        endpoint: Where it is.
        limiter: Keeps its rate limits.
        max_in_flight: Most requests under way.
        is_known: Whether nobody needs to look who answers there.

    Attributes:
        in_flight: How many requests are welcome there.
        cool_down: Its pause after a 429.
        n_in_flight: Requests under way.
        is_reached: Whether it has ever answered, be it with an error.
        n_left: How often it was left out, one after the other, without a good answer in between.
        reason: Why it was left out last.
        needs_user: Whether that is nothing that passes by itself.
        usage: What was asked of it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        limiter: RateLimiter,
        *,
        max_in_flight: int,
        is_known: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.limiter = limiter
        self.in_flight = InFlight(most=max_in_flight)
        self.cool_down = CoolDown()
        self.n_in_flight = 0
        self.is_known = is_known
        self.is_reached = False
        self.n_left = 0
        self.reason = ""
        self.needs_user = False
        self.usage = AddressUsage(endpoint.where)
        self._mean_s = 0.0
        self._n_failed_in_row = 0
        self._left_at = self._back_at = float("-inf")
        self._is_told = False

    @property
    def room(self) -> int:
        """Requests that it may be sent beside those under way.

        One at a time until somebody has looked at a first answer, and after it was left out.
        """
        most = self.in_flight.limit if self.is_known and not self.n_left else 1
        return most - self.n_in_flight

    @property
    def load(self) -> float:
        """Seconds an answer, times the requests that would be under way.

        The least loaded is asked, so that those under way are to one another as the rates of
        answers are. Source: the peak-EWMA balancers of Finagle and Linkerd.
        """
        return self._mean_s * (self.n_in_flight + 1)

    def wait_s(self, now: float, tokens: int) -> float:
        """Return the seconds until it may be sent a request of so many tokens; 0: now."""
        wait = max(self.cool_down.wait_s(now), self.limiter.wait_s(now, tokens))
        return max(wait, self._back_at - now) if self.n_left else wait

    def answered(self, now: float, latency_s: float, limits: Limits) -> None:
        """Count a good answer, and what its headers say."""
        if self.n_left and self._is_told:
            log.info("%s answers again", self.endpoint.where)
        self.is_known = self.is_reached = True
        self.n_left = self._n_failed_in_row = 0
        self.needs_user = False
        self._mean_s += (latency_s - self._mean_s) * (_WEIGHT_OF_LAST if self._mean_s else 1.0)
        self.in_flight.good()
        self.cool_down.good()
        self.limiter.learn(limits.requests, limits.tokens)
        if limits.pause_s:
            self.cool_down.pause(now, limits.pause_s)

    def fails_by_itself(self, sent_at: float, *, is_connection: bool) -> bool:
        """Count a failure; return whether the address is to be left out for it.

        A connection that nobody takes says so at once, and so does a failure of the one request
        that tries it. Else it takes some in a row: one may be the request's own fault.
        """
        if sent_at < self._left_at:  # under way when it was left out
            return False
        self._n_failed_in_row += 1
        tried = not self.is_known or self.n_left > 0
        return is_connection or tried or self._n_failed_in_row >= _FAILURES_IN_ROW

    def leave(
        self, now: float, sent_at: float, reason: str, *, needs_user: bool, for_s: float | None
    ) -> None:
        """Leave it out: for `for_s`, or for a pause that doubles from time to time."""
        if sent_at < self._left_at:
            return
        self.n_left += 1
        self._n_failed_in_row = 0
        self.reason, self.needs_user = reason, needs_user
        low, high = _LEFT_OUT_S
        pause = min(high, low * 2.0 ** min(self.n_left - 1, 20)) if for_s is None else for_s
        self._left_at = now
        # Jitter: those that were left out together are not all tried together.
        self._back_at = now + pause * random.uniform(1.0, 1.25)
        if not self._is_told:
            self._is_told = True
            log.warning(
                "%s is left out: %s. Its requests go to the other addresses of llm.base_url; it is"
                " tried again from time to time.",
                self.endpoint.where,
                reason,
            )

    def is_given_up(self, max_retries: int) -> bool:
        """Whether there is no sense in waiting for it alone."""
        if not self.n_left:
            return False
        unreached = not self.is_reached and self.n_left >= _TRIES_TO_REACH
        return self.needs_user or unreached or self.n_left > max_retries


class Pool:
    """The addresses of one model.

    Args:
        servers: One or more.
        max_retries: Further tries of a request, and of an address where none works.
        cache_path: Where what arrived is kept, for messages.

    Attributes:
        servers: The addresses, in the order of params.
        several: Whether one may stand in for another.
    """

    def __init__(self, servers: Sequence[Server], *, max_retries: int, cache_path: Path) -> None:
        self.servers = tuple(servers)
        self.several = len(self.servers) > 1
        self._max_retries = max_retries
        self._cache_path = cache_path

    @property
    def most_failures(self) -> int:
        """Failures that a request may have: it is tried at every address before it is given up."""
        return self._max_retries + len(self.servers) - 1

    def choose(
        self, now: float, tokens: int, failed_at: Collection[Server] = ()
    ) -> tuple[Server | None, float | None]:
        """Return the address to ask now, or the seconds until one may be asked.

        Neither: each has as many requests under way as is welcome, so that an answer comes first.

        Args:
            now: Time, in seconds.
            tokens: What the request may cost at most.
            failed_at: Addresses that have failed the request: not asked while another one is in
                service.
        """
        best: Server | None = None
        soonest: float | None = None
        avoids = bool(failed_at) and any(
            not server.n_left and server not in failed_at for server in self.servers
        )
        for server in self.servers:
            if server.room <= 0 or (avoids and server in failed_at):
                continue
            wait_s = server.wait_s(now, tokens)
            if wait_s > 0:
                soonest = wait_s if soonest is None else min(soonest, wait_s)
            elif best is None or server.load < best.load:
                best = server
        return best, None if best else soonest

    def busy(self, server: Server, now: float, sent_at: float, busy: Busy) -> None:
        """Take a 429: the address pauses, the others do not.

        Raises:
            GenerationError: If no address is left.
        """
        server.is_reached = True
        server.usage.n_failed += 1
        if busy.after_s is not None and busy.after_s > waits.LONGEST_PAUSE_S:
            self._leave_alone(server, now, sent_at, busy.after_s)
            return
        if server.cool_down.too_many(now, busy.after_s, random.random()):
            server.in_flight.too_many()
        if server.cool_down.stalled_s(now) > _MAX_STALLED_S:
            says = f" ({busy.detail})" if busy.detail else ""
            self._give_up(
                server,
                now,
                sent_at,
                f"nothing but HTTP 429 (too many requests) for {_MAX_STALLED_S:.0f} s{says}",
                "set llm.requests_per_minute and llm.tokens_per_minute to the account's limits, and"
                " run again.",
            )

    def failed(
        self, server: Server, now: float, sent_at: float, again: Again, n_failed: int
    ) -> None:
        """Take a failure that may pass.

        Args:
            server: The address.
            now: Time, in seconds.
            sent_at: When the call began.
            again: The failure.
            n_failed: Failures of the request, with this one.

        Raises:
            GenerationError: If no address is left.
        """
        server.usage.n_failed += 1
        is_connection = again.reason == "connection"
        server.is_reached = server.is_reached or not is_connection
        if not self.several:
            if not server.is_reached and n_failed >= _TRIES_TO_REACH:
                raise GenerationError(
                    f"{server.endpoint.where}: no connection. Is the server up, and is"
                    " llm.base_url right?"
                )
            return
        if again.after_s is not None:
            if again.after_s > waits.LONGEST_PAUSE_S:
                self._leave_alone(server, now, sent_at, again.after_s)
                return
            server.cool_down.pause(now, again.after_s)
        if server.fails_by_itself(sent_at, is_connection=is_connection):
            says = "no connection" if is_connection else again.reason
            says += f" ({again.detail})" if again.detail else ""
            server.leave(now, sent_at, says, needs_user=False, for_s=None)
            self._end_without_one()

    def refuse_pause(self, server: Server, after_s: float | None) -> None:
        """End the run where its one address wants to be left alone for too long.

        Raises:
            GenerationError: If so.
        """
        if not self.several and after_s is not None and after_s > waits.LONGEST_PAUSE_S:
            self._leave_alone(server, 0.0, 0.0, after_s)

    def stopped(self, server: Server, now: float, sent_at: float, error: GenerationError) -> None:
        """Take a fault that needs the user, such as a key that is not accepted.

        Raises:
            GenerationError: That one where there is one address, or another if none is left.
        """
        server.usage.n_failed += 1
        if not self.several:
            raise error
        reason = str(error).removeprefix(f"{server.endpoint.where}: ")
        server.leave(now, sent_at, reason, needs_user=True, for_s=None)
        self._end_without_one()

    def _leave_alone(self, server: Server, now: float, sent_at: float, after_s: float) -> None:
        when = waits.when(after_s, now=time.time())
        reason = f"asks to be left alone, and to be asked again {when}"
        self._give_up(server, now, sent_at, reason, "run again then.", for_s=after_s)

    def _give_up(
        self,
        server: Server,
        now: float,
        sent_at: float,
        reason: str,
        advice: str,
        *,
        for_s: float | None = None,
    ) -> None:
        if not self.several:
            raise GenerationError(
                f"{server.endpoint.where}: {reason}. What arrived is kept in {self._cache_path}:"
                f" {advice}"
            )
        server.leave(now, sent_at, reason, needs_user=True, for_s=for_s)
        self._end_without_one()

    def _end_without_one(self) -> None:
        if all(server.is_given_up(self._max_retries) for server in self.servers):
            reasons = "".join(f"\n  {s.endpoint.where}: {s.reason}" for s in self.servers)
            raise GenerationError(
                f"none of the {len(self.servers)} addresses of llm.base_url is left:{reasons}\n"
                f"What arrived is kept in {self._cache_path}: run again when one of them is well."
            )


def open_pool(
    params: Llm,
    places: Sequence[Place],
    *,
    limiter: Callable[[], RateLimiter],
    cache_path: Path,
) -> Pool:
    """Return the pool of the addresses that params name; connections are made by its calls.

    Args:
        params: Section `llm`.
        places: The addresses, with their keys.
        limiter: Makes what keeps the rate limits of one address.
        cache_path: Where what arrived is kept, for messages.

    Raises:
        GenerationError: If address, key, proxy or certificates cannot be used.
    """
    servers = [
        Server(
            Endpoint(
                place,
                model=params.model,
                max_connections=params.max_in_flight,
                timeout_s=params.timeout_s,
            ),
            limiter(),
            max_in_flight=params.max_in_flight,
            # The embedded server is ours.
            is_known=params.provider == "embedded",
        )
        for place in places
    ]
    return Pool(servers, max_retries=params.max_retries, cache_path=cache_path)
