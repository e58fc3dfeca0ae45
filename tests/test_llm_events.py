"""Answers that come as a stream of server-sent events are what they would be as a whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from augqa.llm import sending
from augqa.llm.events import whole_answer
from augqa.llm.inbound import MAX_BODY_BYTES, Again, read_completion
from augqa.llm.response import Response
from tests.asking_loopback import KEY, requests, run
from tests.loopback import MODEL, Loopback, Reply
from tests.work import no_hang


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}


USAGE = {"model": MODEL, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
ANSWER = [
    chunk(role="assistant", content=""),
    chunk(content="It was"),
    chunk(content=" Ada."),
    chunk("stop"),
]


def stream(*chunks: Any, end: str = "\n", done: bool = True) -> bytes:
    events = [json.dumps(one) if isinstance(one, dict) else one for one in chunks]
    lines = [f"data: {event}{end}{end}" for event in [*events, *["[DONE]"] * done]]
    return "".join(lines).encode()


def read(content: bytes) -> Response:
    return read_completion(whole_answer(content), latency_s=0.0, attempts=1)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("done", [True, False])
def test_a_stream_is_read_as_the_answer_it_adds_up_to(end: str, done: bool) -> None:
    found = read(stream(*ANSWER, USAGE, end=end, done=done))
    assert (found.text, found.model, found.finish_reason) == ("It was Ada.", MODEL, "stop")
    assert (found.prompt_tokens, found.completion_tokens) == (7, 3)


@pytest.mark.parametrize(
    "before", ["", "\ufeff", "\n\n", ": OPENROUTER PROCESSING\n\n", "event: message\nid: 1\n"]
)
def test_what_stands_before_the_first_event_does_not_matter(before: str) -> None:
    assert read(before.encode() + stream(*ANSWER)).text == "It was Ada."


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        ([{"content": "a\u2028"}, {"content": "b"}], "a\u2028b"),
        ([{"content": "a"}, {"content": None}, {"content": "b"}], "ab"),
        ([{"content": [{"type": "text", "text": "a"}]}, {"content": "b"}], "ab"),
        ([{"reasoning_content": "hm"}, {"reasoning_content": "m"}, {"content": "a"}], "a"),
        ([{"reasoning_content": "hm"}, {"reasoning_content": "m"}], "<think>hmm"),
        ([], None),
    ],
)
def test_pieces_of_a_message_are_joined(deltas: list[dict[str, Any]], text: str | None) -> None:
    assert read(stream(*[chunk(**delta) for delta in deltas], chunk("stop"))).text == text


def test_a_character_in_two_pieces_is_whole() -> None:
    pieces = [chunk(content="@1"), chunk(content="@2"), chunk("stop")]
    raw = stream(*pieces).replace(b"@1", b"\\ud83d").replace(b"@2", b"\\ude00")
    assert read(raw).text == "\U0001f600"


def test_another_choice_is_no_part_of_the_answer() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}]}
    assert read(stream(chunk(content="A"), other, chunk("stop"))).text == "A"


@pytest.mark.parametrize(
    "content",
    [
        stream(*ANSWER[:-1]),
        stream(*ANSWER[:-1], done=False),
        stream("{no json"),
        stream("[1]"),
        b"data:",
        b": only a comment\n\n",
        stream({"choices": 3}, {"choices": [3]}, {"choices": [{"delta": 3}]}),
    ],
)
def test_a_stream_without_an_end_is_no_answer(content: bytes) -> None:
    with pytest.raises(Again, match="malformed_response"):
        read(content)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"data": 1}', b"<html>", b"database"])
def test_what_is_no_stream_stays_as_it_is(content: bytes) -> None:
    assert whole_answer(content) is content


def test_a_stream_of_many_pieces_is_read_in_linear_time() -> None:
    piece = json.dumps(chunk(content="x" * 40))
    n_pieces = MAX_BODY_BYTES // len(piece)
    content = stream(*[piece] * n_pieces, chunk("stop"))
    with no_hang():
        assert len(read(content).text or "") == 40 * n_pieces


def test_an_endpoint_that_streams_whatever_was_asked_is_read(tmp_path: Path) -> None:
    with Loopback(reply=lambda _b, _n: Reply(content=stream(*ANSWER, USAGE))) as server:
        results = run(server, tmp_path / "c.sqlite", requests(2))
    assert [(result.text, result.failure) for result in results] == [("It was Ada.", None)] * 2


def test_a_model_that_only_streams_is_asked_to(tmp_path: Path) -> None:
    with Loopback(reply=lambda _b, _n: Reply(content=stream(*ANSWER))) as server:
        extra = {"stream": True, "stream_options": {"include_usage": True}}
        (result,) = run(server, tmp_path / "c.sqlite", requests(1), extra_body=extra)
        assert [json.loads(call.content)["stream"] for call in server.calls] == [True]
    assert result.text == "It was Ada."


def test_an_error_in_a_stream_means_what_it_means_elsewhere(tmp_path: Path) -> None:
    quota = {"error": {"message": "slow down", "code": 429, "type": "rate_limit_exceeded"}}
    with Loopback(
        reply=lambda _b, n: Reply(content=stream(quota) if n == 0 else stream(*ANSWER))
    ) as server:
        (result,) = run(server, tmp_path / "c.sqlite", requests(1))
        n_calls = len(server.calls)
    assert (result.text, n_calls) == ("It was Ada.", 2)
