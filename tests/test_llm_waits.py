"""How long the client waits: what an endpoint asks for, within bounds that no header moves."""

import time
from email.utils import formatdate
from pathlib import Path

import pytest

from augqa.errors import GenerationError
from augqa.llm import pool, sending, waits
from augqa.llm.limiter import CoolDown
from tests.asking_loopback import KEY, requests, run
from tests.loopback import Loopback, Reply

NOW = 1_800_000_000.0
LONG = "9" * 5000


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1.0),
        ("1.5", 1.5),
        ("120ms", 0.12),
        ("6m0s", 360.0),
        ("1h2m", 3720.0),
        ("9999h", 9999 * 3600.0),
        ("inf", float("inf")),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("", None),
        ("soon", None),
        (LONG, None),
        ("1" * 60 + "s", None),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", None),
        ("2027-01-15T08:01:00Z", 60.0),
        (None, None),
    ],
)
def test_a_wait_is_read_in_every_form(value: str | None, expected: float | None) -> None:
    found = waits.seconds(value, now=NOW)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_date_is_held_against_the_server_s_own_clock() -> None:
    headers = {
        "date": formatdate(NOW, usegmt=True),
        "retry-after": formatdate(NOW + 7, usegmt=True),
    }
    assert waits.retry_after(headers) == pytest.approx(7.0)


@pytest.mark.parametrize("value", [LONG, "nan", "-1", "inf", "1e999", "", "12x", "\u0663"])
def test_limits_that_are_none_are_not_believed(value: str) -> None:
    names = ("limit", "remaining", "reset")
    headers = {f"x-ratelimit-{n}-{k}": value for n in names for k in ("requests", "tokens")}
    assert waits.read_limits(headers) == waits.Limits(requests=None, tokens=None, pause_s=None)
    waits.retry_after(headers)


@pytest.mark.parametrize("reset", ["86400", "inf", "9999h", str(int(NOW * 2)), str(int(NOW * 2e3))])
def test_a_reset_on_a_good_answer_pauses_a_minute_at_most(reset: str) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    pause = waits.read_limits(headers).pause_s
    assert pause is not None
    assert 0 < pause <= 60.0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["86400", "9999h", "inf", "1e300"])
def test_a_wait_beyond_the_bound_stops_the_run_and_says_when(
    tmp_path: Path, status: int, value: str
) -> None:
    reply = Reply(status=status, headers={"retry-after": value}, content={"error": "x"})
    with Loopback(reply=lambda _b, _n: reply) as server:
        with pytest.raises(GenerationError, match="asked again") as error:
            run(server, tmp_path / "c.sqlite", requests(8))
        assert len(server.calls) == 1
    if value == "86400":
        tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
        assert f"after {tomorrow}" in str(error.value)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "0.000001"])
def test_a_wait_of_nothing_has_a_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr(pool, "_MAX_STALLED_S", 2.0)
    reply = Reply(status=429, headers={"retry-after": value}, content={"error": "x"})
    with Loopback(reply=lambda _b, _n: reply) as server:
        with pytest.raises(GenerationError, match="nothing but HTTP 429"):
            run(server, tmp_path / "c.sqlite", requests(8))
        assert len(server.calls) <= 4


@pytest.mark.parametrize("after_s", [None, 0.001])
def test_the_pause_is_a_second_at_least(after_s: float | None) -> None:
    cool = CoolDown()
    cool.too_many(0.0, after_s, 0.0)
    assert cool.wait_s(0.0) >= 1.0


def test_of_several_limits_that_are_used_up_the_longest_wait_counts() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "3s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "7s",
        "x-ratelimit-remaining": "5",
        "x-ratelimit-reset": "60s",
    }
    assert waits.retry_after(headers) == 7.0
