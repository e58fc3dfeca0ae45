"""Who answers is looked at before more is paid for; what was paid for is never paid for again."""

import logging
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import sending
from augqa.llm.request import ServedModel
from tests.asking_loopback import KEY, params, requests, run
from tests.loopback import Loopback, Reply, completion

N = 51


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def answer(body: dict[str, Any], *, model: str | None, text: str = "It was Ada.") -> Reply:
    return Reply(content={**completion(body, text), "model": model})


ANOTHER = [
    ("m", "Qwen3-0.6B-Q4_0.gguf"),
    ("my-deployment", "gpt-4o-2024-08-06"),
    ("x/y:free", "x/y"),
    ("grok-3-latest", "grok-3"),
    ("gpt-4o", "gpt-4o-mini-2024-07-18"),
    ("gpt-4", "gpt-4o"),
]


@pytest.mark.parametrize(("asked", "served"), ANOTHER)
def test_another_model_stops_the_run_after_one_call_and_both_are_named(
    tmp_path: Path, asked: str, served: str
) -> None:
    with Loopback(reply=lambda b, _n: answer(b, model=served)) as server:
        with pytest.raises(GenerationError) as error:
            run(server, tmp_path / "c.sqlite", requests(N), model=asked)
        assert len(server.calls) == 1
        assert repr(asked) in str(error.value)
        assert f"llm.served_model to {served!r}" in str(error.value)
        run(server, tmp_path / "c.sqlite", requests(N), model=asked, served_model=served)
        assert len(server.calls) == N  # what the first call has cost counts now


def test_a_server_that_has_got_its_right_model_is_asked_again(tmp_path: Path) -> None:
    served = "m2"
    with Loopback(reply=lambda b, _n: answer(b, model=served)) as server:
        with pytest.raises(GenerationError, match="'m2' answered"):
            run(server, tmp_path / "c.sqlite", requests(5), model="m")
        served = "m"
        results = run(server, tmp_path / "c.sqlite", requests(5), model="m")
        assert len(server.calls) == 6
    assert [result.failure for result in results] == [None] * 5


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("claude-haiku", "claude-haiku-20241022"),
        ("gemini-pro", "gemini-pro-002"),
        ("m", None),
        ("m", ""),
    ],
)
def test_a_dated_snapshot_is_the_model_and_no_name_is_no_other(
    tmp_path: Path, asked: str, served: str | None
) -> None:
    with Loopback(reply=lambda b, _n: answer(b, model=served)) as server:
        results = run(server, tmp_path / "c.sqlite", requests(3), model=asked)
    assert [result.failure for result in results] == [None] * 3


def test_an_accepted_name_does_not_accept_its_like() -> None:
    served = ServedModel(asked="a", accepted="gpt-4o")
    assert [served.accepts(name) for name in ("a", "gpt-4o", "gpt-4o-2024-08-06")] == [True] * 3
    assert not any(served.accepts(name) for name in ("b", "gpt-4o-mini", "a2", "gpt-4", "a-70b"))


def test_another_model_in_mid_run_is_told_once_and_is_a_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Loopback(
        reply=lambda b, _n: answer(b, model="m2" if b["seed"] in (20, 30) else "m")
    ) as server:
        results = run(server, tmp_path / "c.sqlite", requests(N), model="m", max_in_flight=1)
        assert len(server.calls) == N
    assert [r.id for r in results if r.failure == "wrong_model"] == ["q20", "q30"]
    (told,) = [record for record in caplog.records if "wrong_model" in record.getMessage()]
    assert "'m'" in told.getMessage()
    assert "'m2'" in told.getMessage()


def test_a_model_that_has_changed_for_good_stops_the_run(tmp_path: Path) -> None:
    with Loopback(reply=lambda b, _n: answer(b, model="m2" if b["seed"] >= 20 else "m")) as server:
        with pytest.raises(GenerationError, match="asked for model 'm', and 'm2' answered"):
            run(server, tmp_path / "c.sqlite", requests(500), model="m", max_in_flight=1)
        assert len(server.calls) <= 20 + 4


def test_a_change_between_names_that_are_right_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with Loopback(
        reply=lambda b, _n: answer(b, model=f"m-2024-0{1 + b['seed'] // 5}-01")
    ) as server:
        results = run(server, tmp_path / "c.sqlite", requests(10), model="m", max_in_flight=1)
    assert [result.failure for result in results] == [None] * 10
    assert "m-2024-02-01 answers now, m-2024-01-01 before" in caplog.text


# What came first -> what a first try may come to without being the last word.
EMPTY = {"empty": "", "white space": " \n", "null": None}


@pytest.mark.parametrize("first", EMPTY)
def test_a_good_second_try_is_not_paid_for_again_in_later_runs(tmp_path: Path, first: str) -> None:
    def reply(body: dict[str, Any], _n: int) -> Reply:
        good = completion(body, "It was Ada.")
        if body["seed"] < 5:  # each request's first seed
            good["choices"][0]["message"]["content"] = EMPTY[first]
        return Reply(content=good)

    with Loopback(reply=reply) as server:
        texts = []
        for _ in range(3):
            texts.append([r.text for r in run(server, tmp_path / "c.sqlite", requests(5))])
            assert len(server.calls) == 10
    assert texts == [["It was Ada."] * 5] * 3


def test_tries_that_all_came_to_nothing_are_not_paid_for_again(tmp_path: Path) -> None:
    with Loopback(fault=lambda _b, _n: "empty-text") as server:
        for _ in range(3):
            results = run(server, tmp_path / "c.sqlite", requests(4))
            assert [result.failure for result in results] == ["empty"] * 4
            assert len(server.calls) == 12


def test_a_run_stopped_between_two_tries_goes_on_with_the_second(tmp_path: Path) -> None:
    broken = True

    def reply(body: dict[str, Any], _n: int) -> Reply:
        if body["seed"] >= 1_000_003:
            return Reply(status=401 if broken else 200, content=completion(body, "It was Ada."))
        return Reply(content=completion(body, ""))

    with Loopback(reply=reply) as server:
        with pytest.raises(GenerationError, match="401"):
            run(server, tmp_path / "c.sqlite", requests(1))
        broken = False
        results = run(server, tmp_path / "c.sqlite", requests(1))
        seeds = [call.seed for call in server.calls]
    assert results[0].text == "It was Ada."
    assert seeds == [0, 1_000_003, 1_000_003]


def test_the_estimate_counts_a_good_second_try_as_at_hand(tmp_path: Path) -> None:
    with Loopback(fault=lambda b, _n: "empty-text" if b["seed"] < 5 else None) as server:
        run(server, tmp_path / "c.sqlite", requests(5))
        with llm.open_client(params(server.base_url), cache_path=tmp_path / "c.sqlite") as client:
            assert client.estimate(requests(5)).n_cached == 5
