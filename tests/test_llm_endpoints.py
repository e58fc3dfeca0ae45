"""Each endpoint's answers and errors are read for what they mean, from its own form of them."""

from pathlib import Path
from typing import Any

import pytest

from augqa.errors import GenerationError
from augqa.llm import faults, sending, waits
from augqa.llm.faults import Kind
from augqa.llm.inbound import Redactor
from tests.asking_loopback import KEY, requests, run
from tests.loopback import Loopback, Reply
from tests.loopback import endpoints as field
from tests.loopback.endpoints import SERVED, Said


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def named(said: Said) -> str:
    return said[0]


@pytest.mark.parametrize("endpoint", SERVED)
def test_an_answer_of_each_endpoint_is_read(tmp_path: Path, endpoint: str) -> None:
    asked, served = SERVED[endpoint]
    with Loopback(reply=field.answering(endpoint)) as server:
        changes = {"model": asked, "served_model": None if asked == served else served}
        results = run(server, tmp_path / "c.sqlite", requests(3), **changes)
        again = run(server, tmp_path / "c.sqlite", requests(3), **changes)
        assert len(server.calls) == 3
    assert [result.failure for result in results] == [None] * 3
    assert {result.model for result in results} == {served}
    assert all(result.text.startswith("The ") and result.prompt_tokens == 5 for result in results)
    assert [result.text for result in again] == [result.text for result in results]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (kind, said)
        for kind, all_said in (
            (Kind.QUOTA, field.QUOTA),
            (Kind.BUSY, field.BUSY),
            (Kind.AGAIN, field.PASSING),
            (Kind.FILTERED, field.FILTERED),
            (Kind.TOO_LONG, field.TOO_LONG),
            (Kind.STOP, field.STOPPING),
            (Kind.REFUSED, field.REFUSED),
        )
        for said in all_said
    ],
    ids=lambda part: part[0] if isinstance(part, tuple) else part.name,
)
def test_an_error_means_the_same_in_every_form(kind: Kind, said: Said) -> None:
    _, status, _, body = said
    assert faults.read_fault(status, body, Redactor(KEY)).kind is kind


@pytest.mark.parametrize("said", field.QUOTA, ids=named)
def test_a_used_up_quota_stops_the_run_with_the_words_it_came_in(
    tmp_path: Path, said: Said
) -> None:
    _, status, headers, body = said
    reply = Reply(status=status, headers=headers, content=body)
    with Loopback(reply=lambda _b, _n: reply) as server:
        with pytest.raises(GenerationError, match="quota of the account") as error:
            run(server, tmp_path / "c.sqlite", requests(60))
        assert len(server.calls) == 1
    error_body = body[0] if isinstance(body, list) else body
    assert error_body["error"]["message"] in str(error.value)


@pytest.mark.parametrize("said", field.BUSY, ids=named)
def test_busy_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.setattr("augqa.llm.limiter._COOL_DOWN_S", (0.05, 0.1))
    _, status, headers, body = said
    reply = Reply(status=status, headers=headers, content=body)
    with Loopback(reply=lambda _b, n: reply if n == 0 else None) as server:
        results = run(server, tmp_path / "c.sqlite", requests(2), max_retries=0)
    assert [result.failure for result in results] == [None, None]


@pytest.mark.parametrize("said", field.PASSING, ids=named)
def test_what_passes_is_asked_again(tmp_path: Path, said: Said) -> None:
    _, status, headers, body = said
    reply = Reply(status=status, headers=headers, content=body)
    with Loopback(reply=lambda _b, n: reply if n == 0 else None) as server:
        results = run(server, tmp_path / "c.sqlite", requests(2))
        assert len(server.calls) == 4
    assert [result.failure for result in results] == [None, None]


REFUSED_PROMPTS = [
    *(("content_filter", said) for said in field.FILTERED),
    *(("prompt_too_long", said) for said in field.TOO_LONG),
]


@pytest.mark.parametrize(
    ("reason", "said"), REFUSED_PROMPTS, ids=[f"{r}-{said[0]}" for r, said in REFUSED_PROMPTS]
)
def test_a_refused_prompt_is_a_row_and_costs_one_call(
    tmp_path: Path, reason: str, said: Said
) -> None:
    _, status, headers, body = said
    reply = Reply(status=status, headers=headers, content=body)
    with Loopback(reply=lambda b, _n: reply if b["seed"] == 1 else None) as server:
        results = run(server, tmp_path / "c.sqlite", requests(3))
        assert len(server.calls) == 3
    assert [result.failure for result in results] == [None, reason, None]


@pytest.mark.parametrize("said", field.REFUSED, ids=named)
def test_a_request_refused_among_good_ones_is_a_row(tmp_path: Path, said: Said) -> None:
    _, status, headers, body = said
    reply = Reply(status=status, headers=headers, content=body)
    with Loopback(reply=lambda b, _n: reply if b["seed"] in (1, 4) else None) as server:
        results = run(server, tmp_path / "c.sqlite", requests(6))
        again = run(server, tmp_path / "c.sqlite", requests(6))
        assert len(server.calls) == 6 + 2
    reason = f"http_{status if status != 200 else 400}"
    for found in (results, again):
        assert [result.failure for result in found] == [None, reason, None, None, reason, None]


def test_refused_prompts_stop_the_run_beyond_their_fraction(tmp_path: Path) -> None:
    reply = Reply(status=400, content=field.TOO_LONG[0][3])
    with (
        Loopback(reply=lambda b, _n: reply if b["seed"] % 4 == 1 else None) as server,
        pytest.raises(GenerationError, match=r"max_failed_fraction.*prompt_too_long.*maximum"),
    ):
        run(server, tmp_path / "c.sqlite", requests(200), max_failed_fraction=0.1)


@pytest.mark.parametrize("n", [1, 2, 500])
def test_a_form_that_is_never_taken_stops_the_run_with_the_reason(tmp_path: Path, n: int) -> None:
    reply = Reply(status=400, content=field.REFUSED[0][3])
    with Loopback(reply=lambda _b, _n: reply) as server:
        with pytest.raises(GenerationError, match=r"Unsupported parameter: .*params\.yaml"):
            run(server, tmp_path / "c.sqlite", requests(n))
        assert len(server.calls) == min(n, 3)


def test_an_endpoint_that_never_answers_stops_the_run(tmp_path: Path) -> None:
    with Loopback(fault=lambda _b, _n: "500") as server:
        with pytest.raises(GenerationError, match=r"not one of the first 3.*http_500"):
            run(server, tmp_path / "c.sqlite", requests(500), max_retries=1)
        assert len(server.calls) == 6


@pytest.mark.parametrize(
    ("spelled", "reason"),
    [("content_filter", "content_filter"), ("SAFETY", "content_filter"), ("length", None)],
)
def test_a_finish_reason_is_read_in_every_spelling(
    tmp_path: Path, spelled: str, reason: str | None
) -> None:
    def reply(body: dict[str, Any], _n: int) -> Reply:
        answer = field.answer("openai", body)
        answer["choices"][0]["finish_reason"] = spelled
        return Reply(content=answer)

    with Loopback(reply=reply) as server:
        results = run(server, tmp_path / "c.sqlite", requests(1), model="gpt-4o")
    assert [result.failure for result in results] == [reason]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Please try again in 6m0s.", 360.0),
        ("Please retry in 34.07s.", 34.07),
        ("Please try again in 20ms", 0.02),
        ("Try again in 2 minutes", 120.0),
        ("retry after 1 second.", 1.0),
        ("Try again.", None),
        ("retry " * 5000 + "9", None),
    ],
)
def test_a_wait_is_read_out_of_words(message: str, expected: float | None) -> None:
    assert waits.in_words(message) == (None if expected is None else pytest.approx(expected))
