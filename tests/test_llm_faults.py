"""The client against a server that misbehaves: what is tried again, dropped, or ends the run."""

import itertools
import socket
import sqlite3
from pathlib import Path

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import sending
from tests.asking_loopback import KEY, params, requests, run
from tests.loopback import Loopback


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


# Fault -> (calls for one request whose fault does not pass, its reason).
DROPPED = {
    "500": (3, "http_500"),
    "503": (3, "http_503"),
    "408": (3, "http_408"),
    "reset": (3, "reset"),
    "malformed": (3, "malformed_response"),
    "empty-choices": (3, "empty_choices"),
    "empty-text": (3, "empty"),
    "wrong-model": (1, "wrong_model"),
    "content-filter": (1, "content_filter"),
    "refusal": (1, "refusal"),
    "never": (3, "timeout"),
    "trickle": (3, "timeout"),
}


def patience_s(fault: str) -> float:
    """Return a timeout: short only where it is what ends the call."""
    return 1.0 if fault in ("never", "trickle") else 20.0


@pytest.mark.parametrize("fault", DROPPED)
def test_a_fault_that_stays_makes_a_row_with_its_reason(tmp_path: Path, fault: str) -> None:
    n_calls, reason = DROPPED[fault]
    with Loopback(
        fault=lambda body, _n: fault if body["seed"] % 1_000_003 == 1 else None
    ) as server:
        results = run(server, tmp_path / "c.sqlite", requests(3), timeout_s=patience_s(fault))
        asked_for = [call for call in server.calls if call.seed % 1_000_003 == 1]
    assert [result.failure for result in results] == [None, reason, None]
    assert results[1].text == ""
    assert len(asked_for) == n_calls


@pytest.mark.parametrize("fault", [fault for fault, (n_calls, _) in DROPPED.items() if n_calls > 1])
def test_a_fault_that_passes_costs_another_call_only(tmp_path: Path, fault: str) -> None:
    with Loopback(fault=lambda body, n: fault if body["seed"] == 1 and n == 0 else None) as server:
        results = run(server, tmp_path / "c.sqlite", requests(3), timeout_s=patience_s(fault))
        assert len(server.calls) == 4
    assert [result.failure for result in results] == [None, None, None]


def test_a_length_stop_is_kept_unless_the_whole_text_is_wanted(tmp_path: Path) -> None:
    with Loopback(fault=lambda _body, _n: "length") as server:
        part = run(server, tmp_path / "a.sqlite", requests(1))
        whole = run(server, tmp_path / "b.sqlite", requests(1, whole=True))
    assert (part[0].failure, part[0].finish_reason) == (None, "length")
    assert (whole[0].failure, whole[0].text) == ("truncated", "")


def test_text_that_breaks_its_schema_is_asked_for_again_then_dropped(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {}, "required": ["pairs"]}
    with Loopback(fault=lambda _body, _n: "not-json-text") as server:
        results = run(server, tmp_path / "c.sqlite", requests(1, json_schema=schema))
        assert len({call.seed for call in server.calls}) == 3
    assert results[0].failure == "wrong_schema"


# Without a word of the server's it is a second, and up to a quarter more.
@pytest.mark.parametrize(("fault", "pause_s"), [("429", 1.0), ("429-after", 1.5)])
def test_too_many_requests_pause_all_and_use_up_no_tries(
    tmp_path: Path, fault: str, pause_s: float
) -> None:
    numbers = itertools.count()
    with Loopback(
        # The first answer is good: before it one request goes at a time.
        fault=lambda _body, _n: fault if 1 <= next(numbers) <= 4 else None,
        delay_s=0.05,
    ) as server:
        results = run(server, tmp_path / "c.sqlite", requests(9), max_retries=0)
        calls = server.calls
    assert [result.failure for result in results] == [None] * 9
    first, second = calls[1:5], calls[5:]
    assert min(c.began_s for c in second) - max(c.began_s for c in first) >= pause_s - 0.1
    # Half as many in flight: the third waits for one of the two before it.
    assert second[2].began_s >= min(c.ended_s or 0.0 for c in second[:2])


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("400", "params.yaml"),
        ("401", "AUGQA_TEST_KEY"),
        ("403", "AUGQA_TEST_KEY"),
        ("404", "llm.model"),
        ("429-quota", "quota"),
    ],
)
def test_a_fault_of_the_user_stops_at_once_and_says_what_to_do(
    tmp_path: Path, fault: str, word: str
) -> None:
    with Loopback(fault=lambda _body, _n: fault) as server:
        with pytest.raises(GenerationError, match=word):
            run(server, tmp_path / "c.sqlite", requests(500))
        assert len(server.calls) <= 8


def test_an_endpoint_that_is_down_is_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with (
        llm.open_client(params(url), cache_path=tmp_path / "c.sqlite") as client,
        pytest.raises(GenerationError, match="no connection"),
    ):
        list(client.complete(requests(2)))


def test_a_missing_key_names_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGQA_TEST_KEY")
    with (
        pytest.raises(GenerationError, match="AUGQA_TEST_KEY"),
        llm.open_client(params("http://127.0.0.1:9/v1"), cache_path=tmp_path / "c.sqlite"),
    ):
        pass


def test_the_run_stops_when_too_many_fail_and_keeps_what_arrived(tmp_path: Path) -> None:
    cache = tmp_path / "c.sqlite"
    with Loopback(fault=lambda body, _n: "content-filter" if body["seed"] % 2 else None) as server:
        with pytest.raises(GenerationError, match="max_failed_fraction"):
            run(server, cache, requests(2000), max_failed_fraction=0.2)
        n_calls = len(server.calls)
    assert n_calls < 1000
    kept = sqlite3.connect(cache).execute("SELECT count(*) FROM responses").fetchone()[0]
    assert kept >= 50
