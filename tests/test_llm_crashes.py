"""Runs that are killed, and runs beside each other, on one cache."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa import llm
from augqa.llm.cache import ResponseCache
from augqa.llm.cache_writer import CacheWriter
from augqa.llm.request import request_key
from augqa.llm.response import Response
from augqa.records import QAExample
from augqa.tables import write_table
from tests.asking_loopback import KEY, params, requests
from tests.examples import example
from tests.loopback import Loopback
from tests.scripts import function

GENERATE_CONTEXTS = function("generate_contexts")


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
    context.set_forkserver_preload(["tests.test_llm_crashes"])
    return context


N_REQUESTS, IN_FLIGHT, N_KILLS = 400, 8, 20


def make_project(folder: Path, base_url: str) -> None:
    """Make a folder that the stage generate_contexts can run in."""
    values = yaml.safe_load(Path("profiles/embedded.yaml").read_text(encoding="utf-8"))
    values["llm"] = params(base_url, max_in_flight=IN_FLIGHT).model_dump()
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    seeds = [example(f"q{number}") for number in range(N_REQUESTS)]
    write_table(folder / "seed_questions.parquet", seeds, QAExample)


def run_stage(folder: str) -> None:
    """Run the stage there; in a process of its own."""
    os.chdir(folder)
    os.environ.update(AUGQA_TEST_KEY=KEY, DVC_ROOT=folder)
    GENERATE_CONTEXTS(
        seed_questions=Path("seed_questions.parquet"),
        contexts=Path("contexts.parquet"),
        metrics=Path("m.json"),
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


def killed_between(base_url: str, cache: str) -> None:
    """Be killed when the fifth answer has arrived and is not yet stored; a process of its own."""
    os.environ["AUGQA_TEST_KEY"] = KEY
    store, n_arrived = CacheWriter.store, 0

    async def last_words(self: CacheWriter, *arguments: Any, **more: Any) -> Response:
        nonlocal n_arrived
        n_arrived += 1
        if n_arrived == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return await store(self, *arguments, **more)

    CacheWriter.store = last_words  # type: ignore[method-assign]
    with llm.open_client(params(base_url, max_in_flight=1), cache_path=Path(cache)) as client:
        list(client.complete(requests(8)))


def test_a_kill_between_arrival_and_the_cache_costs_that_answer_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Any
) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)
    cache = tmp_path / "c.sqlite"
    with Loopback() as server:
        process = processes.Process(target=killed_between, args=(server.base_url, str(cache)))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert [call.seed for call in server.calls] == [0, 1, 2, 3, 4]
        server.calls.clear()
        write_all_of(server, cache, 8)
        # The four that were stored are not asked for again, whoever had their results.
        assert sorted(call.seed for call in server.calls) == [4, 5, 6, 7]


def write_all_of(server: Loopback, cache: Path, n: int) -> None:
    with llm.open_client(params(server.base_url), cache_path=cache) as client:
        assert [result.failure for result in client.complete(requests(n))] == [None] * n


def test_what_has_arrived_is_stored_when_a_run_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)
    cache = tmp_path / "c.sqlite"
    handed_over = CacheWriter._hand_over
    closing = False

    def late(self: CacheWriter) -> None:
        """Leave what has arrived waiting until the end, as on a disk that is slow."""
        if closing:
            handed_over(self)

    with Loopback() as server:
        with monkeypatch.context() as patch:
            patch.setattr(CacheWriter, "_hand_over", late)
            (request,) = requests(1)
            with (
                contextlib.suppress(KeyboardInterrupt),
                llm.open_client(params(server.base_url), cache_path=cache) as client,
            ):
                future: Any = concurrent.futures.Future()
                client._sender.submit([(client._renderer.render(request), future)])
                while not client._sender.writer._waiting:
                    time.sleep(0.01)
                closing = True
                raise KeyboardInterrupt
        server.calls.clear()
        write_all_of(server, cache, 1)
        assert server.calls == []
