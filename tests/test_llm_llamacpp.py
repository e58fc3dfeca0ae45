"""The client against a real llama.cpp server, with and without an alias for its model."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import embedded
from augqa.llm.client import ChatClient
from augqa.packaged_models import packaged_path
from tests.asking_loopback import KEY, params

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None,
    reason="package xllamacpp is not installed: `make bench` installs it (requirements/bench.lock)",
)
MODEL = "SmolLM2-135M-Instruct"
SCHEMA = {
    "type": "object",
    "properties": {"old": {"type": "boolean"}},
    "required": ["old"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def server(*arguments: str) -> Iterator[str]:
    file = str(packaged_path(MODEL, param="llm.model"))
    command = [sys.executable, "benchmarks/xllamacpp_server.py", file, *arguments]
    with embedded.child(command, name="xllamacpp") as (address, _):
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def nameless() -> Iterator[str]:
    yield from server()


@pytest.fixture(scope="module")
def locked() -> Iterator[str]:
    yield from server(MODEL, KEY)


def request(number: int, content: str, **changes: Any) -> llm.ChatRequest:
    messages = ({"role": "user", "content": content},)
    values = {"max_tokens": 4, "seed": number, **changes}
    return llm.ChatRequest(id=str(number), messages=messages, **values)


def complete(
    base_url: str, cache: Path, asked: list[llm.ChatRequest], **changes: Any
) -> tuple[list[llm.ChatResult], ChatClient]:
    own = params(base_url, **{"model": MODEL, "timeout_s": 300.0, **changes})
    with llm.open_client(own, cache_path=cache) as client:
        return list(client.complete(asked)), client


def test_without_an_alias_the_file_answers_and_is_named(tmp_path: Path, nameless: str) -> None:
    asked = [request(number, f"Write about bridge {number}.") for number in range(3)]
    cache = tmp_path / "c.sqlite"
    with pytest.raises(GenerationError, match=r"asked for model .*\.gguf") as error:
        complete(nameless, cache, asked)
    served = str(error.value).split("llm.served_model to ")[1].split(":")[0].strip("'")
    results, client = complete(nameless, cache, asked, served_model=served)
    assert [result.failure for result in results] == [None] * 3
    assert {result.model for result in results} == {served}
    assert all(result.prompt_tokens > 5 and result.completion_tokens for result in results)
    assert client.usage.n_sent == 2  # the first was paid for already


def test_stop_schema_and_extra_keys_are_taken(tmp_path: Path, locked: str) -> None:
    asked = [
        request(1, "Count: 1, 2, 3,", stop=(",",), max_tokens=6),
        request(2, "Is iron old? Answer in JSON.", json_schema=SCHEMA, max_tokens=24),
    ]
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "cache_prompt": True}
    results, _ = complete(locked, tmp_path / "c.sqlite", asked, extra_body=extra)
    assert "," not in results[0].text
    assert results[1].failure is None
    assert "old" in results[1].text


def test_a_prompt_too_long_is_a_row(tmp_path: Path, locked: str) -> None:
    asked = [request(1, "Hello."), request(2, "word " * 9000), request(3, "Good day.")]
    results, _ = complete(locked, tmp_path / "c.sqlite", asked)
    assert [result.failure for result in results] == [None, "prompt_too_long", None]


def test_a_wrong_key_stops_the_run(
    tmp_path: Path, locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", "sk-another-0123456789")
    with pytest.raises(GenerationError, match="AUGQA_TEST_KEY is not accepted") as error:
        complete(locked, tmp_path / "c.sqlite", [request(1, "Hello.")])
    assert "sk-another" not in str(error.value)


def test_a_form_that_it_refuses_stops_the_run(tmp_path: Path, locked: str) -> None:
    asked = request(1, "Hello.", json_schema={"type": "nonsense"})
    with pytest.raises(GenerationError, match="not one of the first 1 requests got an answer"):
        complete(locked, tmp_path / "c.sqlite", [asked])
