"""The client's order, cache, money and announcements."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import sending
from augqa.llm.cost import Estimate
from augqa.params import ModelPrice
from tests.asking_loopback import KEY, params, requests, run
from tests.loopback import MODEL, Loopback


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def test_results_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    with Loopback() as server:
        results = run(server, tmp_path / "c.sqlite", requests(300))
    assert [result.id for result in results] == [f"q{number}" for number in range(300)]
    assert all(result.failure is None and result.text for result in results)
    assert results[0].model == MODEL
    assert results[0].system_fingerprint == "fp-loopback"
    assert results[0].attempts == 1


def test_a_second_run_asks_nothing_and_gives_the_same(tmp_path: Path) -> None:
    with Loopback() as server:
        first = run(server, tmp_path / "c.sqlite", requests(20))
        n_calls = len(server.calls)
        second = run(server, tmp_path / "c.sqlite", requests(20))
        assert len(server.calls) == n_calls
    assert [result.text for result in first] == [result.text for result in second]
    assert all(result.cached for result in second)


@pytest.mark.parametrize(
    "change", [{"model": "loopback-1-b"}, {"temperature": 0.8}, {"top_p": 0.9}]
)
def test_another_model_or_sampling_is_another_request(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", requests(3))
        run(server, tmp_path / "c.sqlite", requests(3), **change)
        assert len(server.calls) == 6


def test_another_sample_number_is_another_request(tmp_path: Path) -> None:
    with Loopback() as server:
        for sample in (1, 2):
            run(server, tmp_path / "c.sqlite", requests(3, sample=sample))
        assert len(server.calls) == 6


def test_another_endpoint_is_another_request(tmp_path: Path) -> None:
    for _ in range(2):
        with Loopback() as server:
            run(server, tmp_path / "c.sqlite", requests(3))
            assert len(server.calls) == 3


def test_max_cost_stops_before_it_is_passed(tmp_path: Path) -> None:
    prices = {MODEL: ModelPrice(prompt=1000.0, completion=1000.0, as_of="2026-11-01")}
    with Loopback() as server:
        with (
            llm.open_client(
                params(server.base_url, prices=prices, max_cost=1.0),
                cache_path=tmp_path / "c.sqlite",
            ) as client,
            pytest.raises(GenerationError, match="max_cost"),
        ):
            list(client.complete(requests(200)))
        spent = sum(call.tokens for call in server.calls) * 1000.0 / 1e6
    assert 0.8 < spent <= 1.0


def test_the_estimate_counts_only_what_is_not_at_hand(tmp_path: Path) -> None:
    prices = {MODEL: ModelPrice(prompt=1.0, completion=2.0, as_of="2026-11-01")}
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", requests(4))
        with llm.open_client(
            params(server.base_url, prices=prices, requests_per_minute=3),
            cache_path=tmp_path / "c.sqlite",
        ) as client:
            estimate = client.estimate(requests(10))
    assert (estimate.n_requests, estimate.n_cached) == (10, 4)
    assert estimate.completion_tokens == 6 * 60
    assert estimate.seconds == 60.0  # three at once, three more a minute later
    assert estimate.cost == pytest.approx((estimate.prompt_tokens + 2 * 360) / 1e6)


@pytest.mark.parametrize(
    ("cost", "seconds", "end"),
    [
        (None, None, "tokens to pay for"),
        (1.23456, None, "; at most 1.2346 USD"),
        (None, 59.6, "; at least 60 s under the rate limits"),
    ],
)
def test_an_estimate_says_what_is_known(
    cost: float | None, seconds: float | None, end: str
) -> None:
    words = str(
        Estimate(
            n_requests=2,
            n_cached=1,
            prompt_tokens=3,
            completion_tokens=4,
            cost=cost,
            seconds=seconds,
        )
    )
    assert words.startswith("2 requests, 1 of them in the cache; about 3 prompt and at most 4")
    assert words.endswith(end)
    assert "None" not in words


def test_what_was_paid_and_saved_stands_beside_the_cache(tmp_path: Path) -> None:
    prices = {MODEL: ModelPrice(prompt=1e6, completion=0.0, as_of="2026-11-01")}
    with Loopback() as server:
        for _ in range(2):
            run(server, tmp_path / "c.sqlite", requests(3), prices=prices)
    paid, saved = map(json.loads, (tmp_path / "usage.jsonl").read_text().splitlines())
    assert (paid["n_failed"], saved["n_failed"]) == (0, 0)
    assert (paid["n_requests"], saved["n_requests"]) == (3, 3)
    assert (paid["paid"], paid["saved"]) == (15.0, 0.0)  # 5 words a prompt
    assert (saved["paid"], saved["saved"]) == (0.0, 15.0)


def announce(
    server: Loopback, cache: Path, caplog: pytest.LogCaptureFixture
) -> list[logging.LogRecord]:
    """Announce a run; return the warnings it gave."""
    caplog.clear()
    with llm.open_client(params(server.base_url), cache_path=cache) as client:
        client.announce("contexts", requests(2))
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("field", ["shutdown_date", "expiration_date", "deprecation"])
def test_a_model_that_is_to_be_shut_down_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    others = [{"id": "other", field: "2026-12-01"}, {"id": MODEL, field: "2026-12-11"}]
    with Loopback(models={"object": "list", "data": others}) as server:
        (warning,) = announce(server, tmp_path / "c.sqlite", caplog)
        assert f"shuts {MODEL} down on 2026-12-11" in warning.getMessage()
        run(server, tmp_path / "c.sqlite", requests(2))
        assert announce(server, tmp_path / "c.sqlite", caplog) == []  # nothing is to be sent
        assert server.server.n_by_status["models"] == 1


@pytest.mark.parametrize(
    "models",
    [
        None,
        {"data": [{"id": MODEL, "shutdown_date": None}]},
        {"data": [{"id": "other", "shutdown_date": "2026-12-01"}]},
        {"data": [{"id": MODEL, "shutdown_date": 5}]},
        {"data": ["a", None]},
        {"data": None},
        [],
        b"<html>",
        b"",
    ],
)
def test_an_endpoint_that_tells_no_date_is_left_in_peace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, models: Any
) -> None:
    with Loopback(models=models) as server:
        assert announce(server, tmp_path / "c.sqlite", caplog) == []
        assert len(run(server, tmp_path / "c.sqlite", requests(2))) == 2
