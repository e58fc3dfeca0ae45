"""Batches of the OpenAI API that end otherwise than hoped for: what was paid for is kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import GenerationError
from augqa.llm import batch_submitting
from tests.asking_loopback import KEY
from tests.loopback import Loopback
from tests.test_llm_batch import run, submitted


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def sizes(server: Loopback) -> list[int]:
    """Return the number of requests of each batch made, in their order."""
    state = server.server.batch_api
    return [
        state.files[batch["input_file_id"]].count(b"custom_id") for batch in state.batches.values()
    ]


def limit(server: Loopback, most: int, *, at_create: bool = False) -> None:
    """Let at most so many requests wait in batches at once; refuse a batch beyond them."""
    state = server.server.batch_api
    answer = state.answer
    waiting: dict[str, int] = {}
    fault = {
        "code": "token_limit_exceeded",
        "message": "Enqueued token limit reached. Please try again later.",
        "line": None,
        "param": None,
    }

    def limited(
        method: str, path: str, headers: dict[str, str], content: bytes
    ) -> tuple[int, dict[str, Any]]:
        status, reply = answer(method, path, headers, content)
        if (method, path) == ("POST", "/v1/batches"):
            name = reply["id"]
            n = state.files[reply["input_file_id"]].count(b"custom_id")
            if n + sum(waiting.values()) <= most:
                waiting[name] = n
            elif at_create:
                del state.batches[name]
                return 400, {"error": fault}
            else:
                state.batches[name].update(
                    status="failed", errors={"object": "list", "data": [fault]}
                )
                reply = state.shown(name)
        elif isinstance(reply, dict) and reply.get("status") not in (None, "in_progress"):
            waiting.pop(reply["id"], None)
        return status, reply

    state.answer = limited  # type: ignore[method-assign]


@pytest.mark.parametrize("at_create", [False, True], ids=["once made", "when made"])
def test_what_finds_no_room_beside_others_is_submitted_when_they_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_create: bool
) -> None:
    monkeypatch.setattr(batch_submitting, "MAX_REQUESTS", 4)
    with Loopback() as server:
        limit(server, 9, at_create=at_create)
        results = run(server, tmp_path / "c.sqlite", 20, "openai_batch")
        assert max(sizes(server)) == 4  # none was split
        if at_create:
            assert sorted(submitted(server)) == sorted(set(submitted(server)))
        server.server.batches.clear()
        assert run(server, tmp_path / "c.sqlite", 20, "openai_batch") == results
        assert sizes(server) == []
    assert [failure for _, _, failure in results] == [None] * 20


@pytest.mark.parametrize("at_create", [False, True], ids=["once made", "when made"])
def test_a_batch_that_alone_has_too_many_tokens_is_split(tmp_path: Path, at_create: bool) -> None:
    with Loopback() as server:
        limit(server, 5, at_create=at_create)
        results = run(server, tmp_path / "c.sqlite", 18, "openai_batch")
        assert sizes(server)[-1] <= 4  # 18, 9, then 4
    assert [failure for _, _, failure in results] == [None] * 18


def test_a_single_request_with_too_many_tokens_ends_the_run_and_nothing_else(
    tmp_path: Path,
) -> None:
    with Loopback() as server:
        done = run(server, tmp_path / "c.sqlite", 2, "openai_batch")
        limit(server, 0)
        with pytest.raises(GenerationError, match="a batch of a single request"):
            run(server, tmp_path / "c.sqlite", 5, "openai_batch")
        limit(server, 100)
        n_made = len(server.server.batches)
        assert run(server, tmp_path / "c.sqlite", 2, "openai_batch") == done
        assert len(server.server.batches) == n_made


def test_a_batch_refused_for_another_reason_ends_the_run_after_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_submitting, "MAX_REQUESTS", 4)
    with Loopback(batch_polls=0) as server:
        state = server.server.batch_api
        end = state.end

        def refuse_first(batch: dict[str, Any]) -> None:
            if batch["id"] == "batch-0":
                fault = {"code": "invalid_model", "message": "no such model"}
                batch.update(status="failed", errors={"object": "list", "data": [fault]})
            else:
                end(batch)

        state.end = refuse_first  # type: ignore[method-assign]
        with pytest.raises(GenerationError, match="batch-0 was refused: no such model"):
            run(server, tmp_path / "c.sqlite", 8, "openai_batch")
        results = run(server, tmp_path / "c.sqlite", 8, "openai_batch")
        assert sizes(server) == [4, 4, 4]
    assert [failure for _, _, failure in results] == [None] * 8


def edited(server: Loopback, edit: Callable[[dict[str, Any], int], None]) -> None:
    """Let `edit` change each batch once it has ended; it gets the batch and its number."""
    state = server.server.batch_api
    end = state.end

    def ended(batch: dict[str, Any]) -> None:
        end(batch)
        edit(batch, int(batch["id"].removeprefix("batch-")))

    state.end = ended  # type: ignore[method-assign]


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_a_batch_that_ended_early_keeps_what_it_has_answered(tmp_path: Path, status: str) -> None:
    with Loopback(batch_expires_after=3) as server:

        def early(batch: dict[str, Any], number: int) -> None:
            if number == 0:
                batch["status"] = status
                if status == "cancelled":  # then the rest may stand in no file at all
                    batch["error_file_id"] = None

        edited(server, early)
        results = run(server, tmp_path / "c.sqlite", 7, "openai_batch")
        assert sizes(server) == [7, 4, 1]
    assert [failure for _, _, failure in results] == [None] * 7


def test_answers_and_errors_of_one_batch_are_both_read(tmp_path: Path) -> None:
    with Loopback(fault=lambda body, _n: "400" if body["seed"] in (1, 4) else None) as server:
        results = run(server, tmp_path / "c.sqlite", 6, "openai_batch")
        assert sizes(server) == [6]
    failures = [failure for _, _, failure in results]
    assert failures == [None, "http_400", None, None, "http_400", None]


def test_lines_that_cannot_be_read_are_kept_aside_and_only_theirs_are_asked_for_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Loopback() as server:
        files = server.server.files

        def spoil(batch: dict[str, Any], number: int) -> None:
            if number == 0:
                lines = files[batch["output_file_id"]].split(b"\n")
                lines[1] = lines[1].replace(b"was built", b"was \xff built")
                lines[2] = lines[2][:40]
                lines.append(lines[0].replace(b'"custom_id": "', b'"custom_id": "x'))
                lines.append(lines[0])
                files[batch["output_file_id"]] = b"\n".join(lines)
                files["spoilt"] = files[batch["output_file_id"]]

        edited(server, spoil)
        results = run(server, tmp_path / "c.sqlite", 6, "openai_batch")
        assert sizes(server) == [6, 2]
        (kept,) = (tmp_path / "batch").glob("*.unread")
        assert kept.read_bytes() == files["spoilt"]
    assert [failure for _, _, failure in results] == [None] * 6
    for words in ("line 2 is not UTF-8", "line 3 is no JSON", "unknown custom_id", str(kept)):
        assert words in caplog.text


def test_line_separators_within_a_paid_answer_are_read(tmp_path: Path) -> None:
    with Loopback() as server:

        def raw(batch: dict[str, Any], _number: int) -> None:
            rows = server.server.files[batch["output_file_id"]].split(b"\n")
            server.server.files[batch["output_file_id"]] = b"\r\n".join(
                json.dumps(json.loads(row), ensure_ascii=False)
                .replace("was built", "was\u2028\u2029\x85built")
                .encode()
                for row in rows
            )

        edited(server, raw)
        results = run(server, tmp_path / "c.sqlite", 5, "openai_batch")
        assert sizes(server) == [5]
    assert all("was\u2028\u2029\x85built" in text for _, text, _ in results)


def test_after_an_outage_of_batches_only_what_failed_is_submitted_again(tmp_path: Path) -> None:
    outage = True

    def faulty(body: dict[str, Any], _n: int) -> str | None:
        return "500" if outage and body["seed"] >= 2 else None

    with Loopback(fault=faulty) as server:
        with pytest.raises(GenerationError, match="4 of 6 requests"):
            run(server, tmp_path / "c.sqlite", 6, "openai_batch", max_failed_fraction=0.1)
        outage = False
        n_before = len(sizes(server))
        results = run(server, tmp_path / "c.sqlite", 6, "openai_batch", max_failed_fraction=0.1)
        assert sizes(server)[n_before:] == [4]
    assert [failure for _, _, failure in results] == [None] * 6


@pytest.mark.parametrize("fault", ["500", "400", "empty-text"])
def test_a_finished_run_of_batches_is_repeated_without_a_submission(
    tmp_path: Path, fault: str
) -> None:
    def faulty(body: dict[str, Any], _n: int) -> str | None:
        return fault if body["seed"] % 1_000_003 == 1 else None

    with Loopback(fault=faulty) as server:
        first = run(server, tmp_path / "c.sqlite", 4, "openai_batch")
        n_before = len(sizes(server))
        assert run(server, tmp_path / "c.sqlite", 4, "openai_batch") == first
        assert len(sizes(server)) == n_before
    assert [failure is None for _, _, failure in first] == [True, False, True, True]


def test_empty_texts_of_an_outage_give_way_in_batches_too(tmp_path: Path) -> None:
    outage = True
    with Loopback(fault=lambda _b, _n: "empty-text" if outage else None) as server:
        with pytest.raises(GenerationError, match="5 of 5"):
            run(server, tmp_path / "c.sqlite", 5, "openai_batch", max_failed_fraction=0.1)
        n_before = len(sizes(server))
        # what stays bad is submitted once in a run, not for ever
        with pytest.raises(GenerationError, match="5 of 5"):
            run(server, tmp_path / "c.sqlite", 5, "openai_batch", max_failed_fraction=0.1)
        assert sizes(server)[n_before:] == [5]
        outage = False
        results = run(server, tmp_path / "c.sqlite", 5, "openai_batch")
        assert sizes(server)[n_before:] == [5, 5]
        online = run(server, tmp_path / "o.sqlite", 5, "online")
    assert results == online
