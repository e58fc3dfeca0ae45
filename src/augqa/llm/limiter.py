"""Who may send next: rate limits, one cool-down for all, and as many in flight as are welcome.

Pure of clocks and sleeping: the caller says what time it is and asks how long to wait.
"""

from collections import deque
from dataclasses import dataclass, field

# Multiplicative decrease of the requests in flight on a 429; as TCP does on a lost packet.
_DECREASE = 0.5
_COOL_DOWN_S = (1.0, 60.0)


@dataclass(slots=True)
class Ticket:
    """One request that was let through, and what it weighs.

    Attributes:
        tokens: Tokens it may cost at most; what it did cost once that is known.
    """

    tokens: int
    settled_at: float | None = None


@dataclass(slots=True)
class RateLimiter:
    """Keeps requests and tokens of any window of `window_s` within their limits.

    A request counts from the moment it is sent. Its tokens count from then until a window after
    its answer, whenever in between the server may have counted them.

    Attributes:
        requests_per_window: None: no limit.
        tokens_per_window: Prompt and completion together; None: no limit.
        window_s: Length of the window, in seconds.
        margin_s: One request may be so much longer on its way than another: entries stay in the
            window that much longer, so that the server's own count never passes the limit.
    """

    requests_per_window: int | None
    tokens_per_window: int | None
    window_s: float = 60.0
    margin_s: float = 1.0
    _sent: deque[float] = field(default_factory=deque)
    _tickets: deque[Ticket] = field(default_factory=deque)
    _tokens: int = 0

    @property
    def _length_s(self) -> float:
        return self.window_s + self.margin_s

    def learn(self, requests: int | None, tokens: int | None) -> None:
        """Take over limits that the server states, where they are the narrower ones."""
        if requests:
            self.requests_per_window = min(requests, self.requests_per_window or requests)
        if tokens:
            self.tokens_per_window = min(tokens, self.tokens_per_window or tokens)

    def wait_s(self, now: float, tokens: int) -> float:
        """Return the seconds until a request of `tokens` may be sent; 0: now."""
        self._forget(now)
        wait = 0.0
        limit = self.requests_per_window
        if limit is not None and len(self._sent) >= limit:
            wait = self._sent[len(self._sent) - limit] + self._length_s - now
        budget = self.tokens_per_window
        # One request above the whole budget goes alone: it would wait for ever.
        if budget is not None and self._tokens and self._tokens + tokens > budget:
            wait = max(wait, self._until_free(now, self._tokens + tokens - budget))
        return max(0.0, wait)

    def admit(self, now: float, tokens: int) -> Ticket:
        """Count a request that is sent now."""
        ticket = Ticket(tokens=tokens)
        self._sent.append(now)
        self._tickets.append(ticket)
        self._tokens += tokens
        return ticket

    def settle(self, ticket: Ticket, now: float, tokens: int | None) -> None:
        """Say what a request did cost; None: nobody knows, so its highest cost stands."""
        ticket.settled_at = now
        if tokens is not None:
            self._tokens += tokens - ticket.tokens
            ticket.tokens = tokens

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] + self._length_s <= now:
            self._sent.popleft()
        while self._tickets:
            settled_at = self._tickets[0].settled_at
            if settled_at is None or settled_at + self._length_s > now:
                break
            self._tokens -= self._tickets.popleft().tokens

    def _until_free(self, now: float, needed: int) -> float:
        """Seconds until `needed` tokens leave the window; a guess where answers are to come."""
        freed = 0
        for ticket in self._tickets:
            if ticket.settled_at is None:
                return 0.05
            freed += ticket.tokens
            if freed >= needed:
                return ticket.settled_at + self._length_s - now
        return 0.05


@dataclass(slots=True)
class InFlight:
    """How many requests may be under way: one more a round of good answers, half on a 429.

    Attributes:
        most: Never more than this.
    """

    most: int
    _limit: float = 0.0

    def __post_init__(self) -> None:
        self._limit = float(self.most)

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return max(1, int(self._limit))

    def good(self) -> None:
        """Count an answer that arrived."""
        self._limit = min(float(self.most), self._limit + 1 / self._limit)

    def too_many(self) -> None:
        """Count a wave of 429s."""
        self._limit = max(1.0, self._limit * _DECREASE)


@dataclass(slots=True)
class CoolDown:
    """One pause for the whole client after a 429.

    Answers to requests of the same wave prolong the pause at most; they do not count as further
    waves.
    """

    _until: float = float("-inf")
    _waves: int = 0
    _since: float | None = None

    def wait_s(self, now: float) -> float:
        """Return the seconds left of the pause."""
        return max(0.0, self._until - now)

    def too_many(self, now: float, after_s: float | None, jitter: float) -> bool:
        """Count a 429; return whether it begins a new wave.

        Args:
            now: Time, in seconds.
            after_s: What the server asks for, a second at least; None: the pause doubles from
                wave to wave.
            jitter: Between 0 and 1; lengthens the pause by up to a quarter.
        """
        new = now >= self._until
        if new:
            self._waves += 1
            if self._since is None:
                self._since = now
        low, high = _COOL_DOWN_S
        doubled = min(high, low * 2.0 ** min(self._waves - 1, 10))
        pause = doubled if after_s is None else max(low, after_s)
        self._until = max(self._until, now + pause * (1 + 0.25 * jitter))
        return new

    def pause(self, now: float, seconds: float) -> None:
        """Pause without a 429, since the server says that its limit is reached."""
        self._until = max(self._until, now + seconds)

    def good(self) -> None:
        """Count an answer that arrived: the endpoint is taking requests again."""
        self._waves = 0
        self._since = None

    def stalled_s(self, now: float) -> float:
        """Return the seconds since the first 429 that no good answer has followed."""
        return 0.0 if self._since is None else now - self._since
