"""What the cache keeps of several responses to one request, and what a rerun asks for again."""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import AugQAError, GenerationError
from augqa.llm import cache as cache_module
from augqa.llm import cache_writer, sending
from augqa.llm.cache import ResponseCache, Stored
from augqa.llm.cache_writer import CacheWriter
from augqa.llm.response import Response
from tests.asking_loopback import KEY, requests, run
from tests.loopback import Loopback, answer_text

GOOD, OTHER = "Ada built it.", "Bob built it."


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def response(text: str | None = GOOD, **changes: Any) -> Response:
    values: dict[str, Any] = {
        "model": "m",
        "finish_reason": "stop",
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "refusal": None,
        "system_fingerprint": None,
        "latency_s": 0.25,
        "attempts": 1,
    }
    return Response(text=text, **{**values, **changes})


def key(number: int) -> str:
    return f"{number:064x}"


BAD = {
    "empty": response(""),
    "blank": response(" \n\u2003"),
    "none": response(None),
    "refused": response(GOOD, refusal="No."),
    "filtered": response(GOOD, finish_reason="content_filter"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_good_response_replaces_a_bad_one_and_stays(tmp_path: Path, bad: Response) -> None:
    with contextlib.closing(ResponseCache(tmp_path / "c.sqlite")) as cache:
        assert cache.store(key(1), "e", bad) == bad
        assert cache.store(key(1), "e", response()) == response()
        assert cache.store(key(1), "e", bad) == response()
        assert cache.store(key(1), "e", response(OTHER)) == response()
        assert cache.find([key(1)]) == {key(1): response()}


def test_a_response_that_breaks_its_request_gives_way_to_a_valid_one(tmp_path: Path) -> None:
    with contextlib.closing(ResponseCache(tmp_path / "c.sqlite")) as cache:
        cache.store(key(1), "e", response("no JSON"), valid=False)
        assert cache.store(key(1), "e", response("[]"), valid=True).text == "[]"
        assert cache.store(key(1), "e", response("no JSON"), valid=False).text == "[]"


def test_of_many_stored_together_each_keeps_its_better_one(tmp_path: Path) -> None:
    with contextlib.closing(ResponseCache(tmp_path / "c.sqlite")) as cache:
        cache.store_all([Stored(key(1), response("")), Stored(key(2), response())], "e")
        kept = cache.store_all(
            [Stored(key(n), response(OTHER)) for n in (1, 2, 3)] + [Stored(key(3), response(""))],
            "e",
        )
    assert [each.text for each in kept] == [OTHER, GOOD, OTHER, OTHER]


def first_tries(server: Loopback) -> list[int]:
    return sorted(call.seed for call in server.calls)


def test_a_request_whose_first_try_was_empty_is_not_sent_in_later_runs(tmp_path: Path) -> None:
    with Loopback(fault=lambda body, _n: "empty-text" if body["seed"] < 3 else None) as server:
        first = run(server, tmp_path / "c.sqlite", requests(6))
        assert [result.failure for result in first] == [None] * 6
        server.calls.clear()
        second = run(server, tmp_path / "c.sqlite", requests(6))
        assert server.calls == []
    assert [result.text for result in second] == [result.text for result in first]


@pytest.mark.parametrize("fault", ["empty-text", "refusal", "wrong-model"])
def test_a_finished_run_is_repeated_without_a_call(tmp_path: Path, fault: str) -> None:
    # Not the first one: another model there ends the run.
    with Loopback(
        fault=lambda body, _n: fault if body["seed"] % 1000003 in (2, 3) else None
    ) as server:
        first = run(server, tmp_path / "c.sqlite", requests(6))
        assert sum(result.failure is not None for result in first) == 2
        server.calls.clear()
        second = run(server, tmp_path / "c.sqlite", requests(6))
        assert server.calls == []
    assert [r.failure for r in second] == [r.failure for r in first]


@pytest.mark.parametrize("fault", ["empty-text", "wrong-model", "not-json-text"])
def test_after_an_outage_only_what_has_no_good_answer_is_asked_for_again(
    tmp_path: Path, fault: str
) -> None:
    outage = True
    changes = {"json_schema": {"required": []}} if fault == "not-json-text" else {}

    def text(body: dict[str, Any]) -> str:
        return "{}" if changes else answer_text(body)

    def faulty(body: dict[str, Any], _n: int) -> str | None:
        return fault if outage and body["seed"] % 1_000_003 >= 4 else None

    asked = requests(12, **changes)
    with Loopback(fault=faulty, text=text) as server:
        with pytest.raises(GenerationError, match=r"8 of 12 requests|'another-model' answered"):
            run(server, tmp_path / "c.sqlite", asked, max_failed_fraction=0.1)
        outage = False
        server.calls.clear()
        again = run(server, tmp_path / "c.sqlite", asked)
        assert first_tries(server) == list(range(4, 12))
        server.calls.clear()
        third = run(server, tmp_path / "c.sqlite", asked)
        assert server.calls == []
        undisturbed = run(server, tmp_path / "new.sqlite", asked)
    assert [r.text for r in third] == [r.text for r in again] == [r.text for r in undisturbed]
    assert [r.failure for r in again] == [None] * 12


def test_what_stays_bad_is_asked_for_once_more_in_each_run_until_one_finishes(
    tmp_path: Path,
) -> None:
    with Loopback(fault=lambda _body, _n: "empty-text") as server:
        for n_calls in (9, 3):
            server.calls.clear()
            with pytest.raises(GenerationError, match="3 of 3"):
                run(server, tmp_path / "c.sqlite", requests(3), max_failed_fraction=0.1)
            assert len(server.calls) == n_calls
        for n_calls in (3, 0):
            server.calls.clear()
            run(server, tmp_path / "c.sqlite", requests(3))
            assert len(server.calls) == n_calls


TEXTS = {
    "NUL": "a\0b\0",
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf\r\ng",
    "BOM": "\ufeffa\ufeff",
    "noncharacters": "\uffff\ufffe\U0010ffff",
    "combining": "e\u0301 \u00e9 \u200d",
    "5 MB": "Stra\u00dfe \U0001f600 " * 400_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_is_kept_exactly(tmp_path: Path, text: str) -> None:
    stored = response(text, refusal=None, model=text[:9], system_fingerprint=text[-9:])
    for _ in range(2):
        with contextlib.closing(ResponseCache(tmp_path / "c.sqlite")) as cache:
            cache.store(key(1), "e", stored)
            assert cache.find([key(1)]) == {key(1): stored}


UNSTORABLE = {
    "half a surrogate pair": ({"text": "a\ud800b"}, {"text": "a\ufffdb"}),
    "a pair in halves": ({"text": "\ud83d\ude00"}, {"text": "\U0001f600"}),
    "half in the model": ({"model": "m\udfff"}, {"model": "m\ufffd"}),
    "1e30 tokens": ({"completion_tokens": int(1e30)}, {"completion_tokens": 0}),
    "-1 tokens": ({"prompt_tokens": -1}, {"prompt_tokens": 0}),
    "2**63 tokens": ({"prompt_tokens": 2**63}, {"prompt_tokens": 0}),
    "tokens as text": ({"prompt_tokens": "7"}, {"prompt_tokens": 0}),
    "no seconds": ({"latency_s": float("nan")}, {"latency_s": 0.0}),
    "endless": ({"latency_s": float("inf")}, {"latency_s": 0.0}),
    "an object": ({"system_fingerprint": {"a": 1}}, {"system_fingerprint": None}),
}


@pytest.mark.parametrize(("changes", "kept"), UNSTORABLE.values(), ids=UNSTORABLE)
def test_a_value_that_the_file_cannot_hold_is_replaced_in_the_result_too(
    tmp_path: Path, changes: dict[str, Any], kept: dict[str, Any]
) -> None:
    with contextlib.closing(ResponseCache(tmp_path / "c.sqlite")) as cache:
        stored = cache.store(key(1), "e", response(**{"text": GOOD, **changes}))
        assert stored == response(**{"text": GOOD, **kept}) == cache.find([key(1)])[key(1)]


def write(path: Path, items: list[tuple[str, Response]]) -> list[Response | BaseException]:
    """Store items at once by a writer; fails where that takes 20 s."""

    async def store() -> list[Response | BaseException]:
        writer = CacheWriter(path, "e", asyncio.get_running_loop())
        try:
            waiting = [writer.store(*item) for item in items]
            async with asyncio.timeout(20):
                return await asyncio.gather(*waiting, return_exceptions=True)
        finally:
            writer.close()

    return asyncio.run(store())


def test_one_response_that_cannot_be_stored_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as if `storable` had overlooked something
    monkeypatch.setattr(cache_module, "storable", lambda response: response)
    broken = response(completion_tokens=int(1e30))
    items = [(key(0), response()), (key(1), broken), (key(2), response("\ud800"))]
    items += [(key(n), response()) for n in range(3, 9)]
    outcomes = write(tmp_path / "c.sqlite", items)
    for n, outcome in enumerate(outcomes):
        if n in (1, 2):
            assert isinstance(outcome, AugQAError)
            assert key(n) in str(outcome)
        else:
            assert outcome == response()
    with contextlib.closing(ResponseCache(tmp_path / "c.sqlite")) as cache:
        assert set(cache.find(key(n) for n in range(9))) == {key(n) for n in (0, *range(3, 9))}


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), KeyError("x")])
def test_any_error_of_the_writer_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(ResponseCache, "store_all", fail)
    outcomes = write(tmp_path / "c.sqlite", [(key(n), response()) for n in range(3)])
    for n, outcome in enumerate(outcomes):
        assert isinstance(outcome, AugQAError)
        assert key(n) in str(outcome)
        assert repr(error) in str(outcome)


def test_a_file_that_the_writer_cannot_open_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(cache_writer, "ResponseCache", fail)
    (outcome,) = write(tmp_path / "c.sqlite", [(key(1), response())])
    assert isinstance(outcome, AugQAError)
    assert key(1) in str(outcome)


def test_an_error_of_the_writer_ends_a_run_and_names_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(ResponseCache, "store_all", fail)
    with Loopback() as server, pytest.raises(GenerationError, match=r"request [0-9a-f]{64} is not"):
        run(server, tmp_path / "c.sqlite", requests(5))
    assert not [t for t in threading.enumerate() if t.name in ("augqa-cache", "augqa-llm")]
