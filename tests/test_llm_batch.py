"""The batch executors: same requests, same cache, same results as online."""

import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import batch as batch_module
from augqa.llm import batch_submitting
from augqa.params import ModelPrice
from tests.asking_loopback import KEY, params, requests
from tests.loopback import MODEL, Loopback, answer_text, completion


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def run(server: Loopback, cache: Path, n: int, executor: str, **changes: Any) -> list[Any]:
    with llm.open_client(
        params(server.base_url, executor=executor, **changes), cache_path=cache
    ) as client:
        return [(r.id, r.text, r.failure) for r in client.complete(requests(n))]


def test_a_batch_gives_what_the_online_client_gives(tmp_path: Path) -> None:
    with Loopback() as server:
        online = run(server, tmp_path / "a.sqlite", 12, "online")
        batched = run(server, tmp_path / "b.sqlite", 12, "openai_batch")
        again = run(server, tmp_path / "b.sqlite", 12, "openai_batch")
        assert server.server.n_uploaded == 1
    assert batched == online == again


def test_only_what_failed_is_submitted_again(tmp_path: Path) -> None:
    def fault(body: dict[str, Any], n_before: int) -> str | None:
        return "500" if body["seed"] in (2, 5) and n_before == 0 else None

    with Loopback(fault=fault) as server:
        results = run(server, tmp_path / "c.sqlite", 8, "openai_batch")
        uploads = [content for content in server.server.files.values() if b'"method"' in content]
    assert [failure for _, _, failure in results] == [None] * 8
    assert [upload.count(b"custom_id") for upload in uploads] == [8, 2]


def test_what_expired_is_submitted_again(tmp_path: Path) -> None:
    with Loopback(batch_expires_after=3) as server:
        results = run(server, tmp_path / "c.sqlite", 7, "openai_batch")
        assert len(server.server.batches) == 3
    assert [failure for _, _, failure in results] == [None] * 7


def test_a_request_that_stays_refused_is_a_row_with_its_reason(tmp_path: Path) -> None:
    with Loopback(fault=lambda body, _n: "400" if body["seed"] == 1 else None) as server:
        results = run(server, tmp_path / "c.sqlite", 3, "openai_batch")
    assert [failure for _, _, failure in results] == [None, "http_400", None]


@pytest.mark.parametrize("moment", ["upload", "create", "ledger", "poll", "collect"])
def test_a_run_stopped_at_any_point_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class Stopped(BaseException):
        pass

    def stop(*_: Any, **__: Any) -> Any:
        raise Stopped

    cache = tmp_path / "c.sqlite"
    with Loopback() as server, monkeypatch.context() as patch:
        submit = batch_submitting.SubmittedBatches._submit
        match moment:
            case "upload":
                patch.setattr("openai.resources.files.Files.create", stop)
            case "create":
                patch.setattr("openai.resources.batches.Batches.create", stop)
            case "ledger":
                # the batch is made, and its id does not reach the ledger
                def lose(self: Any, part: Any) -> None:
                    submit(self, part)
                    self._cache.execute("UPDATE submissions SET batch = NULL")
                    raise Stopped

                patch.setattr(batch_submitting.SubmittedBatches, "_submit", lose)
            case "poll":
                patch.setattr("openai.resources.batches.Batches.retrieve", stop)
            case "collect":
                patch.setattr("openai.resources.files.Files.content", stop)
        with pytest.raises(Stopped):
            run(server, cache, 6, "openai_batch")
        patch.undo()
        monkeypatch.setenv("AUGQA_TEST_KEY", KEY)
        results = run(server, cache, 6, "openai_batch")
        assert [failure for _, _, failure in results] == [None] * 6
        assert len(server.server.batches) == 1


def test_a_batch_file_is_written_and_its_results_are_read(tmp_path: Path) -> None:
    cache, folder = tmp_path / "c.sqlite", tmp_path / "batch"
    with Loopback() as server:
        with pytest.raises(GenerationError, match=r"requests\.jsonl"):
            run(server, cache, 5, "batch_file")
        rows = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
        assert {row["url"] for row in rows} == {"/v1/chat/completions"}

        def answers(part: list[dict[str, Any]]) -> str:
            return "".join(
                json.dumps(
                    {
                        "custom_id": row["custom_id"],
                        "response": {
                            "status_code": 200,
                            "body": completion(row["body"], answer_text(row["body"])),
                        },
                        "error": None,
                    }
                )
                + "\n"
                for row in part
            )

        (folder / "results-1.jsonl").write_text(answers(rows[:3]))
        with pytest.raises(GenerationError, match="2 requests"):
            run(server, cache, 5, "batch_file")
        (folder / "results-2.jsonl").write_text(answers(rows[3:]))
        batched = run(server, cache, 5, "batch_file")
        assert batched == run(server, tmp_path / "o.sqlite", 5, "online")
    assert len(batched) == 5


def submitted(server: Loopback) -> list[str]:
    """Return the custom ids of all batches made, in their order."""
    return [
        json.loads(line)["custom_id"]
        for made in server.server.batches.values()
        for line in server.server.files[made["input_file_id"]].decode().splitlines()
    ]


def test_nothing_is_submitted_that_could_pass_max_cost(tmp_path: Path) -> None:
    cache = tmp_path / "c.sqlite"
    prices = {MODEL: ModelPrice(prompt=0.0, completion=1000.0, as_of="2026-11-01")}
    with Loopback() as server:
        # 60 tokens a request at most: 0.06 each
        with pytest.raises(GenerationError, match=r"max_cost 0\.59.*0\.6000 more"):
            run(server, cache, 10, "openai_batch", prices=prices, max_cost=0.59)
        assert server.server.n_uploaded == 0
        results = run(server, cache, 10, "openai_batch", prices=prices, max_cost=0.61)
    words = sum(len(text.split()) for _, text, _ in results)
    used = [json.loads(line) for line in (tmp_path / "usage.jsonl").read_text().splitlines()]
    assert used[-1]["n_sent"] == 10
    assert used[-1]["paid_completion_tokens"] == words
    assert used[-1]["paid"] == pytest.approx(words / 1000)


def test_what_a_first_batch_has_cost_counts_for_the_second(tmp_path: Path) -> None:
    prices = {MODEL: ModelPrice(prompt=0.0, completion=1000.0, as_of="2026-11-01")}
    # An empty text is paid for, and asked for again.
    with Loopback(fault=lambda _body, _n: "empty-text") as server:
        with pytest.raises(GenerationError, match="max_cost") as error:
            run(server, tmp_path / "c.sqlite", 10, "openai_batch", prices=prices, max_cost=0.7)
        assert len(server.server.batches) == 1
    assert "0.4400 is paid, and 10 requests" in str(error.value)  # 44 words a text


def test_a_batch_whose_making_was_not_confirmed_is_not_made_again(tmp_path: Path) -> None:
    with Loopback(lost_creates=1) as server:
        results = run(server, tmp_path / "c.sqlite", 4, "openai_batch")
        assert len(server.server.batches) == 1
    assert [failure for _, _, failure in results] == [None] * 4


def test_what_another_is_about_to_submit_is_not_taken_for_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Event()
    create = batch_submitting.SubmittedBatches._create

    def slow_create(self: Any, file_id: str, submission: str) -> str:
        entered.set()
        time.sleep(0.5)  # the other looks at the ledger meanwhile: an intention, and no batch
        return create(self, file_id, submission)

    monkeypatch.setattr(batch_submitting.SubmittedBatches, "_create", slow_create)
    with Loopback(batch_polls=20) as server, ThreadPoolExecutor(2) as pool:
        first = pool.submit(run, server, tmp_path / "c.sqlite", 6, "openai_batch")
        entered.wait(10)
        second = pool.submit(run, server, tmp_path / "c.sqlite", 9, "openai_batch")
        assert second.result()[:6] == first.result()
        keys = submitted(server)
    assert len(keys) == len(set(keys)) == 9


def test_two_that_start_at_once_submit_no_request_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, both, own = batch_module._missing, threading.Barrier(2), threading.local()

    def together(*arguments: Any) -> Any:
        found = missing(*arguments)
        if not hasattr(own, "waited"):
            own.waited = both.wait(10)
        return found

    monkeypatch.setattr(batch_module, "_missing", together)
    with Loopback(batch_polls=3) as server, ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, server, tmp_path / "c.sqlite", n, "openai_batch") for n in (6, 9)]
        assert runs[0].result() == runs[1].result()[:6]
        keys = submitted(server)
    assert len(keys) == len(set(keys)) == 9


def test_a_run_killed_between_upload_and_ledger_leaves_one_batch(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from augqa.llm import batch_submitting as batch
from tests.loopback import Loopback
from tests import test_llm_batch
os.environ["AUGQA_TEST_KEY"] = "k"
create = batch.SubmittedBatches._create
def killed(self, *arguments):
    create(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)
batch.SubmittedBatches._create = killed
class Server:
    base_url = BASE_URL
test_llm_batch.run(Server, Path({str(tmp_path / "c.sqlite")!r}), 5, "openai_batch")
"""
    with Loopback() as server:
        done = subprocess.run(
            [sys.executable, "-c", script.replace("BASE_URL", repr(server.base_url))],
            check=False,
            capture_output=True,
        )
        assert done.returncode == -signal.SIGKILL
        results = run(server, tmp_path / "c.sqlite", 5, "openai_batch")
        assert len(submitted(server)) == 5
    assert [failure for _, _, failure in results] == [None] * 5
