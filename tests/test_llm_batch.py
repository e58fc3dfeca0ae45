"""The batch executors: same requests, same cache, same results as online."""

import json
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import batch as batch_module
from tests.loopback import Loopback, answer_text, completion
from tests.test_llm import KEY, params, requests


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
        submit = batch_module._OpenAIBatch._submit
        match moment:
            case "upload":
                patch.setattr("openai.resources.files.Files.create", stop)
            case "create":
                patch.setattr("openai.resources.batches.Batches.create", stop)
            case "ledger":
                # the batch is made, and its id does not reach the ledger
                def lose(self: Any, part: Any) -> None:
                    submit(self, part)
                    self._db.execute("UPDATE submissions SET batch = NULL")
                    raise Stopped

                patch.setattr(batch_module._OpenAIBatch, "_submit", lose)
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
