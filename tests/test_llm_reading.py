"""All that an endpoint says is checked where it comes in: odd and hostile answers."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import GenerationError
from augqa.llm import sending, verdict
from augqa.llm.inbound import MAX_BODY_BYTES, Again, line, read_completion
from augqa.llm.response import Response
from augqa.params import ModelPrice
from tests.asking_loopback import KEY, requests, run
from tests.loopback import MODEL, Loopback, Reply, completion
from tests.work import no_hang


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def body(**changes: Any) -> dict[str, Any]:
    """Return a good answer with a message of another form."""
    good = completion({"model": MODEL, "messages": [{"content": "a b"}]}, "It was Ada.")
    good["choices"][0]["message"] |= changes
    return good


def read(content: Any) -> Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_completion(raw, latency_s=0.0, attempts=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a\\ud83d"', "a\ufffd"),
        ('"\\ude00b"', "\ufffdb"),
        ('"\\ud83d\\ude00"', "😀"),
        ('"a\\u0000b\\u001b[31mc\\u0085\\td\\n"', "ab[31mc\x85\td\n"),
        ('["a\\ud83d", {"type": "text", "text": "\\ude00b"}]', "a😀b"),
        ('[{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]', "a"),
        ('[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "a"]', "a"),
        ("[]", ""),
        ("null", None),
    ],
)
def test_a_text_is_mended_and_its_parts_are_joined(text: str, expected: str | None) -> None:
    raw = json.dumps(body(content="@")).replace('"@"', text).encode()
    response = read(raw)
    (response.text or "").encode("utf-8")
    (request,) = requests(1)
    result = verdict.result_of(request, response, None, cached=False)
    assert result.text == (expected or "")


HOSTILE_COUNTS = ["1e30", "-1", '"7"', "1e999", "null", "true", "[]", "9" * 5000, "NaN", "1.5"]


@pytest.mark.parametrize("count", HOSTILE_COUNTS)
def test_a_count_that_is_none_is_not_believed(count: str) -> None:
    raw = json.dumps(body()).replace('"completion_tokens": 3', f'"completion_tokens": {count}')
    assert f": {count}" in raw
    response = read(raw.encode())
    assert (response.completion_tokens, response.text) == (0, "It was Ada.")
    assert response.prompt_tokens == 2


@pytest.mark.parametrize("usage", ["1e999", "null", "[]", '"many"', "{}", "7"])
def test_a_usage_that_is_none_is_not_believed(usage: str) -> None:
    good = body()
    good["usage"] = "@"
    response = read(json.dumps(good).replace('"@"', usage).encode())
    assert (response.prompt_tokens, response.completion_tokens) == (0, 0)


# Small on its way.
BOMB = gzip.compress(b" " * (3 * MAX_BODY_BYTES))
DEEP = b"[" * 100_000
MALFORMED = {
    "deep": DEEP,
    "deep and closed": DEEP + b"]" * 100_000,
    "deep in an answer": b'{"choices": ' + DEEP + b"]" * 100_000 + b"}",
    "objects": b'{"a":' * 100_000,
    "nothing": b"",
    "text": b"<html>Bad gateway</html>",
    "events": b'data: {"choices": []}\n\ndata: [DONE]\n',
    "number": b"9" * 5000,
    "a model that is no text": json.dumps({**body(), "model": 7}).encode(),
    "no message": b'{"choices": [{"text": "a"}]}',
    "choices that are none": b'{"choices": 7}',
    "a choice that is none": b'{"choices": [7]}',
    "a message that is none": b'{"choices": [{"message": 7}]}',
    "content that is none": b'{"choices": [{"message": {"content": 7}}]}',
    "parts that are none": b'{"choices": [{"message": {"content": [7]}}]}',
    "nul": b"\x00" * 1000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_answer_is_malformed_and_no_traceback(tmp_path: Path, name: str) -> None:
    with pytest.raises(Again, match="malformed_response"):
        read(MALFORMED[name])
    with Loopback(
        reply=lambda b, _n: Reply(content=MALFORMED[name]) if b["seed"] == 1 else None
    ) as server:
        results = run(server, tmp_path / "c.sqlite", requests(3))
    assert [result.failure for result in results] == [None, "malformed_response", None]


@pytest.mark.parametrize(
    ("headers", "content", "reason"),
    [
        ({"content-encoding": "gzip"}, b"no gzip", "reset"),
        ({"content-encoding": "gzip"}, gzip.compress(json.dumps(body()).encode()), None),
        ({"content-encoding": "nonsense"}, json.dumps(body()).encode(), None),
        ({"content-type": "text/html; charset=utf-99"}, json.dumps(body()).encode(), None),
        ({}, json.dumps(body()).encode("utf-16"), None),
        ({}, b"\xef\xbb\xbf" + json.dumps(body()).encode(), None),
        ({}, json.dumps(body(content="caf@")).replace("@", "é").encode("latin-1"), None),
        (
            {"content-encoding": "gzip"},
            gzip.compress(b" " * (3 * MAX_BODY_BYTES)),
            "oversized_response",
        ),
        ({}, json.dumps(body(content="a " * 2_500_000)).encode(), "oversized_response"),
        ({}, json.dumps(body(content="a " * 600_000)).encode(), "oversized_response"),
    ],
)
def test_an_encoding_or_a_length_is_no_traceback(
    tmp_path: Path, headers: dict[str, str], content: bytes, reason: str | None
) -> None:
    reply = Reply(headers=headers, content=content)
    with Loopback(reply=lambda b, _n: reply if b["seed"] == 1 else None) as server:
        results = run(server, tmp_path / "c.sqlite", requests(3))
    assert [result.failure for result in results] == [None, reason, None]


def test_a_cut_answer_is_asked_for_again(tmp_path: Path) -> None:
    with Loopback(
        reply=lambda _b, n: Reply(content=body(), cut=True) if n == 0 else None
    ) as server:
        results = run(server, tmp_path / "c.sqlite", requests(2))
    assert [result.failure for result in results] == [None, None]


THOUGHTS = [
    ({"content": "<think>Ada? Yes.</think>\n\nAda."}, "Ada."),
    ({"content": "Ada? Yes.\n</think>\n\nAda."}, "Ada."),
    ({"content": "Ada.", "reasoning_content": "Hm."}, "Ada."),
    ({"content": "<think>Ada? Yes"}, None),
    ({"content": "<think></think>"}, None),
    ({"content": "", "reasoning_content": "Hm."}, None),
    ({"content": None, "reasoning": "Hm <think> hm </think>."}, None),
    ({"content": [{"type": "thinking", "thinking": "Hm."}]}, None),
]


@pytest.mark.parametrize(("message", "text"), THOUGHTS)
def test_thinking_is_cut_off_and_thinking_alone_is_paid_for_once(
    tmp_path: Path, message: dict[str, Any], text: str | None
) -> None:
    reply = Reply(content=body(**message))
    with Loopback(reply=lambda b, _n: reply if b["seed"] == 1 else None) as server:
        for _ in range(2):
            results = run(server, tmp_path / "c.sqlite", requests(3))
            assert len(server.calls) == 3
    assert results[1].failure == (None if text else "only_reasoning")
    assert results[1].text == (text or "")


def test_reasoning_that_is_counted_and_not_shown_is_told_from_an_empty_text(tmp_path: Path) -> None:
    hidden = body(content="")
    hidden["choices"][0]["finish_reason"] = "length"
    hidden["usage"]["completion_tokens_details"] = {"reasoning_tokens": 60}
    with Loopback(reply=lambda b, _n: Reply(content=hidden) if b["seed"] == 1 else None) as server:
        results = run(server, tmp_path / "c.sqlite", requests(2))
        assert len(server.calls) == 2
    assert results[1].failure == "only_reasoning"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -5, "completion_tokens": 1e30}])
def test_max_cost_holds_without_a_count_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, usage: Any
) -> None:
    good = {**body(), "usage": usage}
    prices = {MODEL: ModelPrice(prompt=1000.0, completion=1000.0, as_of="2026-11-01")}
    with Loopback(reply=lambda _b, _n: Reply(content=good)) as server:
        with pytest.raises(GenerationError, match="max_cost"):
            run(server, tmp_path / "c.sqlite", requests(100), prices=prices, max_cost=1.0)
        # about 25 tokens a request by the estimate, 60 more set aside for the next one
        assert 20 <= len(server.calls) < 45
    assert caplog.text.count("tokens and cost are estimated") == 1
    used = json.loads((tmp_path / "usage.jsonl").read_text())
    assert 0.8 < used["paid"] <= 1.0


def test_a_name_is_one_printable_line_of_bounded_length() -> None:
    told = line("a\x1b[31m\nb\u202ec\ud800" + "x" * 10**6)
    assert told.isprintable()
    assert len(told) <= 200


def test_a_long_body_takes_no_time_in_the_square_of_its_length() -> None:
    raw = json.dumps(body(content="\u0007 a <think> " * 75_000)).encode()
    with no_hang():
        read(raw)
