"""Batches go where the online client goes: address, proxy, certificates, key, counts, errors."""

import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm.batch_results import read_results
from augqa.llm.inbound import Redactor
from augqa.params import ModelPrice
from tests.asking_loopback import params, requests
from tests.loopback import MODEL, Loopback
from tests.test_llm_address import PROXIES, certificate
from tests.test_llm_batch import run
from tests.test_llm_batch_faults import edited

__all__ = ["certificate"]  # the fixture

CANARY = "sk-canary/0123456789abcdef"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", CANARY)
    for name in (*PROXIES, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "OPENAI_BASE_URL"):
        for spelled in (name, name.lower()):
            monkeypatch.delenv(spelled, raising=False)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("value", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "socks5h://x:9"])
def test_batches_of_this_machine_go_through_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with Loopback() as server:
        results = run(server, tmp_path / "c.sqlite", 2, "openai_batch")
    assert [failure for _, _, failure in results] == [None, None]


def test_batches_on_azure_keep_the_query_and_send_the_key_in_its_own_header(
    tmp_path: Path,
) -> None:
    with Loopback() as server:
        root = server.base_url.removesuffix("/v1")

        class Azure(Loopback):
            base_url = f"{root}/openai/deployments/d?api-version=2024-10-21"

        results = run(Azure(), tmp_path / "c.sqlite", 3, "openai_batch")
        assert [failure for _, _, failure in results] == [None] * 3
        calls = [path for path in server.server.paths if "models" not in path]
        assert {path.split("?")[0].rsplit("/", 1)[0] for path in calls} >= {"/openai"}
        assert all(path.startswith(("/openai/files", "/openai/batches")) for path in calls)
        assert all("api-version=2024-10-21" in path for path in calls)
        assert all(headers.get("api-key") == CANARY for headers in server.server.headers)
        assert not any("authorization" in headers for headers in server.server.headers)
        uploaded = next(iter(server.server.files.values())).decode()
        assert {json.loads(line)["url"] for line in uploaded.splitlines()} == {"/chat/completions"}
        assert {b["endpoint"] for b in server.server.batches.values()} == {"/chat/completions"}


def test_batches_trust_the_certificates_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with Loopback(tls=tls) as server:
        with pytest.raises(GenerationError, match="batch call failed: APIConnectionError"):
            run(server, tmp_path / "c.sqlite", 1, "openai_batch")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        results = run(server, tmp_path / "c.sqlite", 1, "openai_batch")
    assert [failure for _, _, failure in results] == [None]


def test_an_organization_of_the_environment_is_not_told_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", 1, "openai_batch")
        assert not any("openai-organization" in headers for headers in server.server.headers)
        assert {h.get("authorization") for h in server.server.headers} == {f"Bearer {CANARY}"}


def rewritten(server: Loopback, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` change each line of a batch's output."""
    files = server.server.files

    def edit(batch: dict[str, Any], _number: int) -> None:
        rows = [json.loads(line) for line in files[batch["output_file_id"]].split(b"\n")]
        for row in rows:
            change(row)
        files[batch["output_file_id"]] = b"\n".join(json.dumps(row).encode() for row in rows)

    edited(server, edit)


def test_a_key_that_a_batch_repeats_reaches_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="augqa")
    with Loopback() as server:
        files = server.server.files

        def repeat(batch: dict[str, Any], number: int) -> None:
            rows = [json.loads(line) for line in files[batch["output_file_id"]].split(b"\n")]
            for row in rows:
                body = row["response"]["body"]
                body["choices"][0]["message"]["content"] += f" {CANARY}"
                body["system_fingerprint"] = CANARY
            lines = [json.dumps(row) for row in rows]
            if number == 0:
                lines[1] = f'{{"custom_id": "{CANARY}'  # no JSON: put aside and named
                lines.append(json.dumps({"custom_id": f"of another {CANARY}", "error": CANARY}))
                error = {"message": f"bad {CANARY}"}
                lines[2] = json.dumps({"custom_id": rows[2]["custom_id"], "error": error})
            files[batch["output_file_id"]] = "\n".join(lines).encode()

        edited(server, repeat)
        results = run(server, tmp_path / "c.sqlite", 4, "openai_batch", max_retries=0)
    assert [failure for _, _, failure in results] == [None, "malformed_response", "bad", None]
    assert results[0][1].endswith("***")
    written = b"".join(p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file())
    assert list(tmp_path.rglob("*.unread"))
    for told in (written.decode("utf-8", "replace"), caplog.text, str(results)):
        assert CANARY not in told
        assert "0123456789abcdef" not in told


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
def test_a_key_in_a_file_of_any_encoding_is_taken_out(encoding: str) -> None:
    content = f'{{"custom_id": "a {CANARY} b"'.encode(encoding)
    hidden = Redactor(CANARY).bytes(content).decode(encoding)
    assert hidden == '{"custom_id": "a *** b"'


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, {"error": {"message": f"wrong key {CANARY}"}}, "AUGQA_TEST_KEY is not accepted"),
        (404, {"error": {"message": "no such route"}}, "check llm.model, and llm.base_url"),
        (429, {"error": {"message": "x", "code": "insufficient_quota"}}, "quota of the account"),
        (400, [{"error": {"message": "no batches here"}}], "no batches here"),
        (301, {}, "points to another place"),
    ],
)
def test_an_error_of_a_batch_call_says_what_to_do_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: Any, says: str
) -> None:
    monkeypatch.setattr("openai._constants.INITIAL_RETRY_DELAY", 0.01)
    with Loopback() as server:
        server.server.batch_api.answer = (  # type: ignore[method-assign]
            lambda *_: (status, body)
        )
        with pytest.raises(GenerationError, match=says) as error:
            run(server, tmp_path / "c.sqlite", 1, "openai_batch")
    assert "0123456789abcdef" not in str(error.value)
    assert "the ledger: run again" in str(error.value)


def without_usage(row: dict[str, Any]) -> None:
    del row["response"]["body"]["usage"]


def test_tokens_that_a_batch_does_not_count_are_estimated_and_paid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prices = {MODEL: ModelPrice(prompt=1000.0, completion=1000.0, as_of="2026-11-01")}
    with Loopback() as server:
        rewritten(server, without_usage)
        results = run(
            server, tmp_path / "c.sqlite", 10, "openai_batch", prices=prices, max_cost=100.0
        )
    used = json.loads((tmp_path / "usage.jsonl").read_text())
    n_bytes = sum(len(text.encode()) for _, text, _ in results)
    assert used["paid_completion_tokens"] >= n_bytes // 3
    assert used["paid_prompt_tokens"] >= 10 * 10
    assert used["paid"] > 0
    assert caplog.text.count("tokens and cost are estimated") == 1


def test_a_later_run_counts_what_a_former_one_has_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        pass

    def stop(*_: Any) -> Any:
        raise Stopped

    cache = tmp_path / "c.sqlite"
    prices = {MODEL: ModelPrice(prompt=1000.0, completion=1000.0, as_of="2026-11-01")}
    with Loopback() as server:
        rewritten(server, without_usage)
        with monkeypatch.context() as patch:
            patch.setattr("augqa.llm.batch_calls.BatchCalls.look", stop)
            with pytest.raises(Stopped):
                run(server, cache, 6, "openai_batch", prices=prices)
        # One that asks for nothing of it: by the ledger alone.
        run(server, cache, 0, "openai_batch", prices=prices)
    used = [json.loads(line) for line in (tmp_path / "usage.jsonl").read_text().splitlines()]
    assert sum(each["paid_prompt_tokens"] for each in used) >= 6 * 10


def test_a_results_file_without_counts_is_estimated(tmp_path: Path) -> None:
    with Loopback() as server:
        with pytest.raises(GenerationError, match="4 requests wait"):
            run(server, tmp_path / "c.sqlite", 4, "batch_file")
        rows = [
            json.loads(line)
            for line in (tmp_path / "batch" / "requests.jsonl").read_text().splitlines()
        ]
        answer = {"choices": [{"message": {"content": f"A text, {CANARY}."}}]}
        lines = [
            json.dumps({"custom_id": r["custom_id"], "response": {"body": answer}}) for r in rows
        ]
        (tmp_path / "batch" / "results.jsonl").write_text("\n".join(lines))
        own = params(server.base_url, executor="batch_file")
        with llm.open_client(own, cache_path=tmp_path / "c.sqlite") as client:
            results = list(client.complete(requests(4)))
    assert [result.text for result in results] == ["A text, ***."] * 4
    # Twelve bytes of text and some forty of prompt, three to a token.
    assert all(result.completion_tokens == 4 for result in results)
    assert all(15 <= result.prompt_tokens <= 40 for result in results)


def test_a_reason_of_a_line_loses_the_key() -> None:
    line = json.dumps({"custom_id": "k", "error": f"Incorrect key {CANARY}!"}).encode()
    (row,) = read_results(line, Redactor(CANARY))
    assert row.reason == "incorrect_key"  # type: ignore[union-attr]
