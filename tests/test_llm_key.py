"""The key stands in its header, and in nothing that is kept, logged or told."""

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import pool, sending
from augqa.llm.inbound import Redactor
from augqa.records import QAExample
from augqa.tables import write_table
from tests.asking_loopback import params, requests, run
from tests.examples import example
from tests.loopback import ECHO, MODEL, Loopback, Reply, completion
from tests.scripts import function

GENERATE_CONTEXTS = function("generate_contexts")
CANARY = "sk-canary/0123456789abcdef"
SPOKEN = ECHO.decode()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setattr(pool, "_MAX_STALLED_S", 0.5)
    monkeypatch.setattr("augqa.llm.limiter._COOL_DOWN_S", (0.2, 0.2))
    monkeypatch.setenv("AUGQA_TEST_KEY", CANARY)


def spoken(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an answer that repeats the key wherever an answer has a text."""
    good = completion(body, f"It was {SPOKEN} who built it.")
    choice = good["choices"][0]
    choice["message"] |= {"reasoning_content": SPOKEN, **changes}
    return {**good, "system_fingerprint": SPOKEN, "id": SPOKEN}


ERROR = {"error": {"message": f"bad key {SPOKEN}", "code": SPOKEN, "type": SPOKEN}}
QUOTA = {"error": {"message": f"no money for {SPOKEN}", "code": "insufficient_quota"}}
OUTCOMES = {
    "200": lambda b: Reply(content=spoken(b)),
    "200, as the model": lambda b: Reply(content={**spoken(b), "model": SPOKEN}),
    "200, as a dated model": lambda b: Reply(content={**spoken(b), "model": f"{MODEL}-{SPOKEN}"}),
    "200, as a finish": lambda _b: Reply(
        content={"choices": [{"message": {"content": "a"}, "finish_reason": SPOKEN}]}
    ),
    "200, refused": lambda b: Reply(content=spoken(b, content=None, refusal=f"No, {SPOKEN}.")),
    "200, reasoning alone": lambda b: Reply(content=spoken(b, content="")),
    "200, no answer": lambda _b: Reply(content=b"<html>" + ECHO),
    "200, an error": lambda _b: Reply(content=ERROR),
    "200, a quota": lambda _b: Reply(content=QUOTA),
    "200, in headers": lambda b: Reply(content=spoken(b), headers={"x-request-id": CANARY}),
    "cut": lambda b: Reply(content=spoken(b), cut=True),
    **{
        str(status): lambda _b, status=status: Reply(status=status, content=ERROR)
        for status in (301, 400, 401, 403, 404, 422, 429, 500, 503)
    },
    "301, to a place": lambda _b: Reply(
        status=301, content=b"", headers={"location": f"http://{CANARY}/"}
    ),
    "401, in part": lambda _b: Reply(
        status=401, content={"error": {"message": f"Incorrect key: {CANARY[:12]}****cdef"}}
    ),
    "429, a quota": lambda _b: Reply(status=429, content=QUOTA),
    "500, as text": lambda _b: Reply(status=500, content=b"Traceback: " + ECHO),
}


def all_that_is_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_key_that_the_server_repeats_reaches_nothing(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    outcome: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    told = ""
    with Loopback(
        reply=lambda b, _n: OUTCOMES[outcome](b), echo=True, models={"data": [{"id": MODEL}]}
    ) as server:
        values = yaml.safe_load(Path("profiles/embedded.yaml").read_text(encoding="utf-8"))
        values["llm"] = params(server.base_url, max_retries=1).model_dump()
        values["generate_contexts"]["max_words"] = 100
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        seeds = [example(f"q{number}") for number in range(2)]
        write_table(tmp_path / "seed_questions.parquet", seeds, QAExample)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DVC_ROOT", str(tmp_path))
        try:
            told = str(
                GENERATE_CONTEXTS(
                    seed_questions=Path("seed_questions.parquet"),
                    contexts=Path("c.parquet"),
                    metrics=Path("m.json"),
                )
            )
        except GenerationError as error:
            told = f"{error} {error.__cause__}"
        assert f"Bearer {CANARY}" in server.server.authorization  # it was there to be repeated
    captured = capfd.readouterr()
    for text in (told, caplog.text, captured.out, captured.err):
        assert CANARY[:12] not in text
        assert "0123456789abcdef" not in text
    written = all_that_is_written(tmp_path)
    assert b"responses" in written
    assert b"0123456789abcdef" not in written


def test_a_key_in_the_end_date_of_a_model_is_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = {"data": [{"id": MODEL, "shutdown_date": f"2026-12-11 {CANARY}"}]}
    with (
        Loopback(models=models) as server,
        llm.open_client(params(server.base_url), cache_path=tmp_path / "c.sqlite") as client,
    ):
        client.announce("contexts", requests(1))
    assert "2026-12-11 ***" in caplog.text


@pytest.mark.parametrize("key", ["none", "EMPTY", "ollama", "lm-studio", "not-needed", "x"])
def test_a_word_in_place_of_a_key_stays_in_texts(key: str) -> None:
    text = f"There was {key} in the lm-studio, {key}."
    assert Redactor(key)(text) == text
    assert Redactor(key).message(text) == text


@pytest.mark.parametrize("text", [CANARY, CANARY.replace("/", "%2F"), CANARY.replace("/", "\\/")])
def test_a_key_is_known_in_every_spelling(text: str) -> None:
    assert Redactor(CANARY)(f"a {text} b") == "a *** b"


def test_a_message_loses_a_part_of_the_key_too() -> None:
    said = Redactor(CANARY).message("Incorrect key sk-canary/01****cdef, or 456789abcdef.")
    assert said == "Incorrect key *** or ***"


def test_the_key_is_nowhere_but_in_the_header(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "c.sqlite"
    messages = []
    with Loopback() as server:
        run(server, cache, requests(5))
        assert server.server.authorization == {f"Bearer {CANARY}"}
    for changes in ({"require_key": "another"}, {"fault": lambda _b, _n: "400"}):
        with Loopback(**changes) as server, pytest.raises(GenerationError) as error:
            run(server, tmp_path / "d.sqlite", requests(1))
        messages.append(str(error.value))
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert CANARY not in caplog.text + "".join(messages)
    assert CANARY.encode() not in stored
