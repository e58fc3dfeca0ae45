"""The limiter against a server that counts, and its arithmetic on a clock of its own."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.llm.address import Place
from augqa.llm.client import ChatClient
from augqa.llm.cost import Budget, Price, Usage
from augqa.llm.limiter import CoolDown, InFlight, RateLimiter, Ticket
from tests.asking_loopback import KEY, params, requests
from tests.loopback import Loopback


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def simulate(limiter: RateLimiter, n: int, tokens: int, reserved: int) -> list[tuple[float, int]]:
    """Send `n` requests one after the other as soon as each may go, each taking 0.5 s."""
    now, sent = 0.0, []
    open_tickets: list[tuple[float, Any]] = []
    while len(sent) < n:
        for done, ticket in [item for item in open_tickets if item[0] <= now]:
            limiter.settle(ticket, done, tokens)
            open_tickets.remove((done, ticket))
        wait = limiter.wait_s(now, reserved)
        if wait == 0.0:
            open_tickets.append((now + 0.5, limiter.admit(now, reserved)))
            sent.append((now, tokens))
        else:
            now += min(wait, 0.05)
    return sent


@pytest.mark.parametrize(("rpm", "tpm"), [(60, None), (None, 6000), (60, 5000)])
def test_no_window_passes_a_limit_and_the_budget_is_used(rpm: int | None, tpm: int | None) -> None:
    sent = simulate(RateLimiter(rpm, tpm), 400, tokens=100, reserved=160)
    times = [moment for moment, _ in sent]
    allowed = min(limit for limit in (rpm, tpm and tpm // 100) if limit is not None)
    assert max(sum(start <= t < start + 60 for t in times) for start in times) <= allowed
    # the sixth window's first request: five full windows lie before it
    assert 5 * allowed / times[5 * allowed] * 60 >= 0.95 * allowed


@dataclass(slots=True)
class RecordingLimiter(RateLimiter):
    """Keeps the moment each request was let through, with its ticket."""

    admitted: list[tuple[float, Ticket]] = field(default_factory=list)

    def admit(self, now: float, tokens: int) -> Ticket:
        ticket = RateLimiter.admit(self, now, tokens)
        self.admitted.append((now, ticket))
        return ticket


@pytest.mark.parametrize("changes", [{"requests_per_minute": 40}, {"tokens_per_minute": 1800}])
def test_a_client_never_sends_more_than_the_limit(tmp_path: Path, changes: dict[str, int]) -> None:
    window_s, n = 1.0, 120
    limiter = RecordingLimiter(
        changes.get("requests_per_minute"),
        changes.get("tokens_per_minute"),
        window_s=window_s,
        margin_s=0.1,
    )
    with Loopback(delay_s=0.02) as server:
        client = ChatClient(
            params(server.base_url, max_in_flight=16, **changes),
            places=[Place(base_url=server.base_url, api_key="k", api_key_env="K")],
            endpoint=server.base_url,
            cache_path=tmp_path / "c.sqlite",
            limiter=lambda: limiter,
        )
        results = list(client.complete(requests(n)))
        client.close()
    assert all(result.failure is None for result in results)
    assert len(limiter.admitted) == n
    # By the client's own clock, whatever the machine does between that and the server's.
    for now, _ in limiter.admitted:
        window = [(t, one) for t, one in limiter.admitted if t <= now]
        if "requests_per_minute" in changes:
            assert sum(now - window_s < t for t, _ in window) <= 40
            continue
        # Wherever between its sending and a window after its answer the server counts a request.
        counted = [
            one.tokens
            for _, one in window
            if one.settled_at is None or one.settled_at > now - window_s
        ]
        assert sum(counted) <= 1800


def test_limits_that_the_headers_state_are_kept() -> None:
    limiter = RateLimiter(None, 500)
    limiter.learn(3, 1000)
    assert (limiter.requests_per_window, limiter.tokens_per_window) == (3, 500)
    for _ in range(3):
        limiter.admit(0.0, 1)
    assert limiter.wait_s(1.0, 1) == pytest.approx(60.0)  # one second of margin


def test_an_exhausted_header_pauses_until_its_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    pause = CoolDown.pause

    def recorded(self: CoolDown, now: float, seconds: float) -> None:
        pauses.append(seconds)
        pause(self, now, seconds)
        assert self.wait_s(now) == pytest.approx(seconds)

    monkeypatch.setattr(CoolDown, "pause", recorded)
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}
    with (
        Loopback(headers=headers) as server,
        llm.open_client(
            params(server.base_url, max_in_flight=1), cache_path=tmp_path / "c.sqlite"
        ) as client,
    ):
        list(client.complete(requests(4)))
    assert pauses == [0.4] * 4


def test_in_flight_halves_on_a_wave_and_comes_back_by_one_a_round() -> None:
    flight = InFlight(most=16)
    flight.too_many()
    assert flight.limit == 8
    for _ in range(9):
        flight.good()
    assert flight.limit == 9
    for _ in range(1000):
        flight.good()
    assert flight.limit == 16


def test_one_wave_counts_once_and_the_next_pause_is_longer() -> None:
    cool = CoolDown()
    assert cool.too_many(0.0, None, 0.0)
    assert not cool.too_many(0.5, None, 0.0)
    first = cool.wait_s(0.5)
    assert cool.too_many(2.0, None, 0.0)
    assert cool.wait_s(2.0) > first
    assert cool.stalled_s(10.0) == 10.0
    cool.good()
    assert cool.stalled_s(10.0) == 0.0


def test_what_nothing_was_set_aside_for_is_paid_and_counts_towards_the_most() -> None:
    budget = Budget(Price(prompt=1.0, completion=2.0), most=10e-6)
    budget.pay(2, 1)
    assert budget.paid == pytest.approx(4e-6)
    assert budget.reserve(2, 2) == pytest.approx(6e-6)
    assert budget.reserve(1, 0) is None


def test_a_run_begins_with_nothing_used() -> None:
    assert set(asdict(Usage()).values()) == {0}


def test_a_request_above_the_whole_budget_waits_for_an_empty_window() -> None:
    limiter = RateLimiter(None, 100)
    limiter.settle(limiter.admit(0.0, 10), 1.0, 10)
    assert 0 < limiter.wait_s(2.0, 200) < 1
    assert limiter.wait_s(2.0, 90) == 0
    assert limiter.wait_s(62.5, 200) == 0
