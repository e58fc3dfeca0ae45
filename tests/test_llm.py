"""The client against a server that misbehaves: what is tried again, dropped, or ends the run."""

import contextlib
import itertools
import json
import logging
import multiprocessing
import os
import random
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import client as client_module
from augqa.llm.cache import Response, ResponseCache
from augqa.llm.request import request_key
from augqa.params import Llm, ModelPrice
from augqa.records import QAExample
from augqa.tables import write_table
from tests.examples import example
from tests.loopback import MODEL, Loopback
from tests.scripts import function

GENERATE_CONTEXTS = function("generate_contexts")
KEY = "sk-test-1234567890"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def params(base_url: str, **changes: Any) -> Llm:
    values: dict[str, Any] = {
        "provider": "openai",
        "base_url": base_url,
        "model": MODEL,
        "api_key_env": "AUGQA_TEST_KEY",
        "temperature": 0.7,
        "top_p": None,
        "seed": 1,
        "token_limit_param": "max_tokens",
        "max_in_flight": 4,
        "max_retries": 2,
        "timeout_s": 5.0,
        "max_failed_fraction": 1.0,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "executor": "online",
        "batch_poll_s": 0.01,
        "max_cost": None,
        "prices": {},
    }
    return Llm(**{**values, **changes})


def requests(n: int, **changes: Any) -> list[llm.ChatRequest]:
    return [
        llm.ChatRequest(
            id=f"q{number}",
            messages=({"role": "user", "content": f"Question: who built bridge {number}?"},),
            max_tokens=60,
            seed=number,
            **changes,
        )
        for number in range(n)
    ]


def run(
    server: Loopback, cache: Path, asked: list[llm.ChatRequest], **changes: Any
) -> list[llm.ChatResult]:
    with llm.open_client(params(server.base_url, **changes), cache_path=cache) as client:
        return list(client.complete(asked))


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


# Fault -> (calls for one request whose fault does not pass, its reason).
DROPPED = {
    "500": (3, "http_500"),
    "503": (3, "http_503"),
    "408": (3, "http_408"),
    "reset": (3, "reset"),
    "malformed": (3, "malformed_response"),
    "empty-choices": (3, "empty_choices"),
    "empty-text": (3, "empty"),
    "wrong-model": (3, "wrong_model"),
    "content-filter": (1, "content_filter"),
    "refusal": (1, "content_filter"),
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


@pytest.mark.parametrize("fault", [f for f in DROPPED if f not in ("content-filter", "refusal")])
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
        fault=lambda _body, _n: fault if next(numbers) < 4 else None, delay_s=0.05
    ) as server:
        results = run(server, tmp_path / "c.sqlite", requests(8), max_retries=0)
        calls = server.calls
    assert [result.failure for result in results] == [None] * 8
    first, second = calls[:4], calls[4:]
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


def test_the_key_is_nowhere_but_in_the_header(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "c.sqlite"
    messages = []
    with Loopback() as server:
        run(server, cache, requests(5))
        assert server.server.authorization == {f"Bearer {KEY}"}
    for changes in ({"require_key": "another"}, {"fault": lambda _b, _n: "400"}):
        with Loopback(**changes) as server, pytest.raises(GenerationError) as error:
            run(server, tmp_path / "d.sqlite", requests(1))
        messages.append(str(error.value))
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in caplog.text + "".join(messages)
    assert KEY.encode() not in stored


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


def test_what_was_paid_and_saved_stands_beside_the_cache(tmp_path: Path) -> None:
    prices = {MODEL: ModelPrice(prompt=1e6, completion=0.0, as_of="2026-11-01")}
    with Loopback() as server:
        for _ in range(2):
            run(server, tmp_path / "c.sqlite", requests(3), prices=prices)
    paid, saved = map(json.loads, (tmp_path / "usage.jsonl").read_text().splitlines())
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


def write_all(base_url: str, cache: str, out: str) -> None:
    """Complete 200 requests and write them down; runs in processes of its own."""
    os.environ["AUGQA_TEST_KEY"] = KEY
    with llm.open_client(params(base_url, max_in_flight=8), cache_path=Path(cache)) as client:
        lines = [f"{r.id} {r.failure} {r.text}" for r in client.complete(requests(200))]
    Path(out).write_text("\n".join(lines))


@pytest.fixture(scope="module")
def processes() -> Any:
    """Processes that have imported what they need: a start takes no seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.test_llm"])
    return context


N_REQUESTS, IN_FLIGHT, N_KILLS = 400, 8, 20


def make_project(folder: Path, base_url: str) -> None:
    """Make a folder that the stage generate_contexts can run in."""
    values = yaml.safe_load(Path("profiles/embedded.yaml").read_text(encoding="utf-8"))
    values["llm"] = params(base_url, max_in_flight=IN_FLIGHT).model_dump()
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    seeds = [example(f"q{number}") for number in range(N_REQUESTS)]
    write_table(folder / "seeds.parquet", seeds, QAExample)


def run_stage(folder: str) -> None:
    """Run the stage there; in a process of its own."""
    os.chdir(folder)
    os.environ.update(AUGQA_TEST_KEY=KEY, DVC_ROOT=folder)
    GENERATE_CONTEXTS(
        seeds=Path("seeds.parquet"), contexts=Path("contexts.parquet"), metrics=Path("m.json")
    )


def test_a_stage_killed_at_random_moments_repeats_nothing_that_had_arrived(
    tmp_path: Path, processes: Any
) -> None:
    moments = random.Random(7)
    project, reference = tmp_path / "project", tmp_path / "reference"
    cache = project / ".cache/llm/responses.sqlite"
    n_kills = 0
    # Seeds of the requests whose responses the cache's file holds.
    stored: set[int] = set()
    with Loopback(delay_s=0.05) as server:

        def start(folder: Path) -> Any:
            process = processes.Process(target=run_stage, args=(str(folder),))
            process.start()
            return process

        for folder in (project, reference):
            make_project(folder, server.base_url)
        start(reference).join()
        seed_of = {
            request_key(server.base_url, call.content, "1/0"): call.seed for call in server.calls
        }
        assert len(seed_of) == N_REQUESTS
        server.calls.clear()
        while not (project / "m.json").exists():
            n_before = len(server.calls)
            process = start(project)
            if n_kills < N_KILLS:
                # from its first call on, so that every kill hits a run at work
                while len(server.calls) == n_before and process.is_alive():
                    time.sleep(0.002)
                time.sleep(moments.uniform(0.0, 0.15))
                process.kill()
                n_kills += 1
            process.join()
            # What had reached the server may still wait to be read there.
            time.sleep(0.05)
            asked = [call.seed for call in server.calls[n_before:]]
            assert len(set(asked)) == len(asked)
            assert not stored & set(asked)
            with contextlib.closing(sqlite3.connect(cache)) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                n_stored = len(stored)
                stored = {seed_of[key.hex()] for (key,) in db.execute("SELECT key FROM responses")}
            assert len(stored) >= n_stored
            # Whose answer is not in the file was under way: its place is not free before.
            assert len(set(asked) - stored) <= (IN_FLIGHT if process.exitcode else 0)
        n_calls = len(server.calls)
    assert n_kills == N_KILLS
    assert n_calls <= N_REQUESTS + N_KILLS * IN_FLIGHT
    for name in ("contexts.parquet", "m.json"):
        assert (project / name).read_bytes() == (reference / name).read_bytes()


@pytest.mark.parametrize("fails", [False, True])
def test_responses_stored_together_are_kept_all_or_none(fails: bool, tmp_path: Path) -> None:
    response = Response(
        text="A.",
        model="m",
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        refusal=None,
        system_fingerprint=None,
        latency_s=0.1,
        attempts=1,
    )
    cache = ResponseCache(tmp_path / "c.sqlite")
    with contextlib.suppress(KeyboardInterrupt), cache.together():
        cache.store("first", "e", response)
        if fails:
            raise KeyboardInterrupt
        cache.store("second", "e", response)
    cache.close()
    again = ResponseCache(tmp_path / "c.sqlite")
    assert set(again.find(["first", "second"])) == (set() if fails else {"first", "second"})
    again.close()


def test_two_processes_share_one_cache(tmp_path: Path, processes: Any) -> None:
    outs = [tmp_path / "a", tmp_path / "b"]
    with Loopback(delay_s=0.01) as server:
        workers = [
            processes.Process(
                target=write_all, args=(server.base_url, str(tmp_path / "c.sqlite"), str(out))
            )
            for out in outs
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0]
    assert outs[0].read_bytes() == outs[1].read_bytes()
