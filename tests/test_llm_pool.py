"""Several addresses of one model: none of a run's requests is lost, none is paid for twice."""

import json
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import pool, sending
from augqa.llm.wire import Endpoint
from tests.asking_loopback import KEY, params, requests
from tests.loopback import ECHO, MODEL, Loopback, Reply, completion

N = 40
OTHER_KEY = "sk-other-0987654321"
Start = Callable[..., Loopback]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setattr(pool, "_LEFT_OUT_S", (0.02, 0.1))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)
    monkeypatch.setenv("AUGQA_OTHER_KEY", OTHER_KEY)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers; they end with the test."""
    with ExitStack() as stack:
        yield lambda **behavior: stack.enter_context(Loopback(**behavior))


def run(addresses: list[str], cache: Path, n: int = N, **changes: Any) -> list[llm.ChatResult]:
    with llm.open_client(params(addresses, **changes), cache_path=cache) as client:
        return list(client.complete(requests(n)))


def of(*servers: Loopback) -> list[str]:
    return [server.base_url for server in servers]


def nobody() -> str:
    """Return an address at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def content(results: list[llm.ChatResult]) -> list[tuple[object, ...]]:
    return [(r.id, r.text, r.failure, r.model, r.prompt_tokens) for r in results]


def good(servers: list[Loopback]) -> int:
    return sum(server.server.n_good for server in servers)


def told_to_be_left_out(caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [record.getMessage() for record in caplog.records]
    return [message for message in messages if "is left out" in message]


def test_all_addresses_are_asked_and_no_request_twice(tmp_path: Path, start: Start) -> None:
    servers = [start(delay_s=0.01) for _ in range(4)]
    results = run(of(*servers), tmp_path / "c.sqlite")
    assert [result.failure for result in results] == [None] * N
    assert good(servers) == sum(len(server.calls) for server in servers) == N
    assert all(server.calls for server in servers)


def test_one_address_and_several_give_the_same_results_in_the_same_order(
    tmp_path: Path, start: Start
) -> None:
    # The later ones of the list answer first.
    servers = [start(delay_s=delay_s) for delay_s in (0.03, 0.01, 0.0)]
    one = run(of(servers[0]), tmp_path / "one.sqlite")
    assert content(run(of(*servers), tmp_path / "three.sqlite")) == content(one)


def test_each_address_has_a_window_of_its_own(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    chat = Endpoint.chat

    async def counted(self: Endpoint, body: bytes, *, attempts: int) -> Any:
        now[self.where] += 1
        most[self.where] = max(most[self.where], now[self.where])
        try:
            return await chat(self, body, attempts=attempts)
        finally:
            now[self.where] -= 1

    monkeypatch.setattr(Endpoint, "chat", counted)
    servers = [start(delay_s=0.05) for _ in range(2)]
    run(of(*servers), tmp_path / "c.sqlite", max_in_flight=3)
    assert most == {server.base_url: 3 for server in servers}


def test_each_address_has_rate_limits_of_its_own(tmp_path: Path, start: Start) -> None:
    # One limit for both would take a minute more.
    servers = [start() for _ in range(2)]
    run(of(*servers), tmp_path / "c.sqlite", n=6, requests_per_minute=3)
    assert [len(server.calls) for server in servers] == [3, 3]


def test_an_address_that_asks_for_a_pause_gets_it_and_the_others_go_on(
    tmp_path: Path, start: Start
) -> None:
    reply = Reply(status=429, headers={"retry-after": "300"}, content={"error": "slow down"})
    slow, other = start(reply=lambda _b, _n: reply), start()
    results = run(of(slow, other), tmp_path / "c.sqlite", max_retries=0)
    assert [result.failure for result in results] == [None] * N
    assert (len(slow.calls), len(other.calls)) == (1, N)


def test_an_address_where_nobody_listens_is_told_once_and_loses_no_request(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server, dead = start(delay_s=0.01), nobody()
    results = run([dead, server.base_url], tmp_path / "c.sqlite", max_retries=0)
    assert [result.failure for result in results] == [None] * N
    (told,) = told_to_be_left_out(caplog)
    assert told.startswith(f"{dead} is left out: no connection.")


@pytest.mark.parametrize("fault", ["reset", "500", "malformed", "401", "404", "429-quota"])
def test_an_address_that_breaks_in_mid_run_loses_no_request_and_pays_for_none_twice(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    breaking = start(delay_s=0.01)
    breaking.server.behavior.fault = lambda _b, _n: fault if breaking.server.n_good > 4 else None
    servers = [breaking, start(delay_s=0.01)]
    results = run(of(*servers), tmp_path / "c.sqlite", max_retries=0)
    assert [result.failure for result in results] == [None] * N
    assert good(servers) == N
    assert len(told_to_be_left_out(caplog)) == 1


def test_an_address_that_is_well_again_is_asked_again(tmp_path: Path, start: Start) -> None:
    well_again = start()
    well_again.server.behavior.fault = lambda _b, _n: "503" if len(well_again.calls) <= 4 else None
    servers = [well_again, start(delay_s=0.02)]
    results = run(of(*servers), tmp_path / "c.sqlite", max_in_flight=1, max_retries=0)
    assert [result.failure for result in results] == [None] * N
    assert well_again.server.n_good > 0


def test_a_run_waits_where_all_addresses_may_come_back(tmp_path: Path, start: Start) -> None:
    servers = [start() for _ in range(2)]
    for server in servers:
        server.server.behavior.fault = lambda _b, _n, s=server: "503" if len(s.calls) <= 2 else None
    results = run(of(*servers), tmp_path / "c.sqlite", max_retries=5)
    assert [result.failure for result in results] == [None] * N


def test_a_run_stops_where_no_address_is_left_and_names_each_with_its_reason(
    tmp_path: Path, start: Start
) -> None:
    locked, broken, dead = start(fault=lambda _b, _n: "401"), start(), nobody()
    broken.server.behavior.fault = lambda _b, _n: "503" if broken.server.n_good > 4 else None
    with pytest.raises(GenerationError, match="none of the 3 addresses") as error:
        run([locked.base_url, broken.base_url, dead], tmp_path / "c.sqlite", max_retries=2)
    lines = str(error.value).splitlines()
    assert lines[1].startswith(f"  {locked.base_url}: HTTP 401: the key in AUGQA_TEST_KEY")
    assert lines[2].startswith(f"  {broken.base_url}: http_503")
    assert lines[3] == f"  {dead}: no connection"
    assert "c.sqlite: run again" in lines[4]


def test_an_address_that_wants_to_be_left_alone_for_long_does_not_stop_the_others(
    tmp_path: Path, start: Start
) -> None:
    reply = Reply(status=503, headers={"retry-after": "86400"}, content={"error": "x"})
    tired, other = start(reply=lambda _b, _n: reply), start()
    results = run(of(tired, other), tmp_path / "a.sqlite", max_retries=0)
    assert [result.failure for result in results] == [None] * N
    assert len(tired.calls) == 1
    other.server.behavior.reply = tired.server.behavior.reply
    with pytest.raises(GenerationError, match="asked again after") as error:
        run(of(tired, other), tmp_path / "b.sqlite", max_retries=0)
    assert str(error.value).count("asked again after") == 2


def test_a_request_that_fails_everywhere_is_a_row_and_no_address_s_fault(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    servers = [start(fault=lambda b, _n: "500" if b["seed"] == 7 else None) for _ in range(2)]
    results = run(of(*servers), tmp_path / "c.sqlite", max_in_flight=2, max_retries=1)
    assert [r.id for r in results if r.failure == "http_500"] == ["q7"]
    asked = [sum(call.seed == 7 for call in server.calls) for server in servers]
    assert sum(asked) == 3
    assert min(asked) >= 1
    assert not told_to_be_left_out(caplog)


def test_the_first_answer_of_each_address_is_looked_at(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_LEFT_OUT_S", (300.0, 300.0))
    right = start()
    wrong = start(reply=lambda b, _n: Reply(content={**completion(b, "Ada."), "model": "m2"}))
    results = run(of(right, wrong), tmp_path / "c.sqlite")
    assert {(result.failure, result.model) for result in results} == {(None, MODEL)}
    assert len(wrong.calls) == 1
    (told,) = told_to_be_left_out(caplog)
    assert told.startswith(f"{wrong.base_url} is left out: asked for model {MODEL!r}, and 'm2'")


def test_another_model_everywhere_stops_the_run_after_one_call_each(
    tmp_path: Path, start: Start
) -> None:
    servers = [
        start(reply=lambda b, _n: Reply(content={**completion(b, "Ada."), "model": "m2"}))
        for _ in range(2)
    ]
    with pytest.raises(GenerationError, match=r"llm\.served_model to 'm2'"):
        run(of(*servers), tmp_path / "c.sqlite")
    assert [len(server.calls) for server in servers] == [1, 1]


def test_more_addresses_ask_for_nothing_anew(tmp_path: Path, start: Start) -> None:
    servers = [start() for _ in range(3)]
    first = run([servers[0].base_url], tmp_path / "c.sqlite")
    again = run(of(*servers), tmp_path / "c.sqlite")
    assert content(again) == content(first)
    assert [len(server.calls) for server in servers] == [N, 0, 0]


def test_a_name_in_the_cache_makes_the_addresses_free(tmp_path: Path, start: Start) -> None:
    servers = [start() for _ in range(3)]
    run([servers[0].base_url], tmp_path / "c.sqlite", cached_as="mine")
    run(of(*servers[1:]), tmp_path / "c.sqlite", cached_as="mine")
    assert [len(server.calls) for server in servers] == [N, 0, 0]
    run(of(servers[1]), tmp_path / "c.sqlite", cached_as="another")
    assert len(servers[1].calls) == N


def test_each_address_gets_its_own_key(tmp_path: Path, start: Start) -> None:
    servers = [start(require_key=KEY, delay_s=0.01), start(require_key=OTHER_KEY, delay_s=0.01)]
    names = ["AUGQA_TEST_KEY", "AUGQA_OTHER_KEY"]
    results = run(of(*servers), tmp_path / "c.sqlite", api_key_env=names)
    assert [result.failure for result in results] == [None] * N
    assert [server.server.authorization for server in servers] == [
        {f"Bearer {KEY}"},
        {f"Bearer {OTHER_KEY}"},
    ]


def test_a_missing_key_of_one_address_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUGQA_OTHER_KEY")
    names = ["AUGQA_TEST_KEY", "AUGQA_OTHER_KEY"]
    with pytest.raises(GenerationError, match="AUGQA_OTHER_KEY"):
        run(["http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1"], tmp_path / "c", api_key_env=names)


def test_a_key_that_an_address_repeats_reaches_nothing(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = b'{"error": {"message": "who is @AUTHORIZATION@ ?"}}'
    assert ECHO in body
    telling = start(reply=lambda _b, _n: Reply(status=401, content=body), echo=True)
    names = ["AUGQA_TEST_KEY", "AUGQA_OTHER_KEY"]
    servers = of(start(), telling)
    results = run(servers, tmp_path / "c.sqlite", api_key_env=names)
    (told,) = told_to_be_left_out(caplog)
    assert "who is" in told
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for key in (KEY, OTHER_KEY):
        assert key not in caplog.text + repr(results)
        assert key.encode() not in files


def test_each_address_keeps_its_query_and_gets_the_key_where_azure_wants_it(
    tmp_path: Path, start: Start
) -> None:
    path = "/openai/deployments/d/chat/completions"
    servers = [start(path=path, delay_s=0.01) for _ in range(2)]
    versions = ("2024-10-21", "2025-01-01")
    addresses = [
        f"{server.base_url.removesuffix('/v1')}/openai/deployments/d?api-version={version}"
        for server, version in zip(servers, versions, strict=True)
    ]
    run(addresses, tmp_path / "c.sqlite")
    for server, version in zip(servers, versions, strict=True):
        assert set(server.server.paths) == {f"{path}?api-version={version}"}
        assert all(headers["api-key"] == KEY for headers in server.server.headers)


def test_no_address_of_this_machine_is_called_through_a_proxy(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = start()
    monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
    servers = [start(delay_s=0.01) for _ in range(2)]
    run(of(*servers), tmp_path / "c.sqlite")
    assert good(servers) == N
    assert not proxy.server.paths


def test_what_was_asked_of_each_address_is_written_down(tmp_path: Path, start: Start) -> None:
    servers = [start(delay_s=0.01) for _ in range(2)]
    run([*of(*servers), dead := nobody()], tmp_path / "c.sqlite")
    (line,) = (tmp_path / "usage.jsonl").read_text().splitlines()
    found = json.loads(line)["addresses"]
    assert [one["address"] for one in found] == [*of(*servers), dead]
    assert [one["n_sent"] for one in found[:2]] == [len(server.calls) for server in servers]
    assert [one["n_failed"] for one in found] == [0, 0, found[2]["n_sent"]]
    assert found[2]["n_sent"] >= 1
    # A call takes the server's delay at least.
    assert all(one["seconds"] >= 0.01 * one["n_sent"] for one in found[:2])


def test_the_estimated_time_goes_by_the_limits_of_all_addresses(tmp_path: Path) -> None:
    addresses = [f"http://127.0.0.1:{port}/v1" for port in (9, 10, 11, 12)]
    own = params(addresses, requests_per_minute=5)
    with llm.open_client(own, cache_path=tmp_path / "c.sqlite") as client:
        assert client.estimate(requests(N)).seconds == pytest.approx(60.0)
