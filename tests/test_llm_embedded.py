"""The embedded model: its text is its request's alone, and its server never outlives its parent."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from augqa import llm
from augqa.errors import GenerationError
from augqa.llm import embedded
from augqa.llm.embedded_models import find_embedded
from augqa.params import Llm, load_params

N_TOKENS = 12
SUBJECTS = ["bread", "the sea", "iron", "bees", "snow"]
SCHEMA = {
    "type": "object",
    "properties": {"old": {"type": "boolean"}},
    "required": ["old"],
    "additionalProperties": False,
}


def _params(max_in_flight: int) -> Llm:
    params = load_params(Path("profiles/embedded.yaml")).llm
    return params.model_copy(update={"max_in_flight": max_in_flight})


def _request(number: int, subject: str, schema: dict[str, Any] | None) -> llm.ChatRequest:
    examples: tuple[dict[str, str], ...] = (
        {"role": "system", "content": "You write one sentence."},
    )
    if schema is not None:
        # Without an example in one line, a model this small fills its lines with spaces.
        examples = (
            {"role": "user", "content": "Write about glass."},
            {"role": "assistant", "content": '{"old": true}'},
            {"role": "user", "content": "Write about radar."},
            {"role": "assistant", "content": '{"old": false}'},
        )
    return llm.ChatRequest(
        id=str(number),
        messages=(*examples, {"role": "user", "content": f"Write about {subject}."}),
        max_tokens=N_TOKENS,
        seed=number,
        json_schema=schema,
    )


def _requests() -> list[llm.ChatRequest]:
    """Return free texts and, between them, such as are held to a schema."""
    return [
        _request(number, subject, SCHEMA if number % 2 else None)
        for number, subject in enumerate(SUBJECTS)
    ]


def test_a_text_does_not_depend_on_what_is_computed_beside_it(tmp_path: Path) -> None:
    texts = []
    for max_in_flight in (1, len(SUBJECTS)):
        with llm.open_client(
            _params(max_in_flight), cache_path=tmp_path / f"{max_in_flight}.sqlite"
        ) as client:
            results = list(client.complete(_requests()))
            if max_in_flight > 1:
                with pytest.raises(GenerationError, match="nonsense"):
                    list(client.complete([_request(9, "wool", {"type": "nonsense"})]))
        assert [result.failure for result in results] == [None] * len(SUBJECTS)
        assert {result.model for result in results} == {"SmolLM2-135M-Instruct"}
        assert all(0 < result.completion_tokens <= N_TOKENS for result in results)
        texts.append([result.text for result in results])
    assert texts[0] == texts[1]
    assert len(set(texts[0][::2])) == 3
    for text in texts[0][1::2]:
        assert json.loads(text).keys() == {"old"}
        assert json.loads(text)["old"] in (True, False)


PARENT = """
import signal, sys, time
from augqa.llm.embedded import child
# What a shell starts in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
server = "import sys; print('http://127.0.0.1:1', flush=True); sys.stdin.buffer.read()"
with child([sys.executable, "-c", server], name="server") as (_, pid):
    print(pid, flush=True)
    if sys.argv[1] == "error":
        raise ValueError
    if sys.argv[1] != "normal":
        time.sleep(60)
"""


def _log_probabilities(url: str, prompt: str) -> list[tuple[str, float]]:
    """Return the first tokens of an answer, each with the logarithm of its probability."""
    body = {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 4,
        "temperature": 0,
        "logprobs": True,
    }
    request = urllib.request.Request(f"{url}/chat/completions", data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=300) as answer:
        content = json.load(answer)["choices"][0]["logprobs"]["content"]
    return [(token["token"], token["logprob"]) for token in content]


def test_not_even_the_last_bits_of_a_probability_depend_on_what_is_computed_beside_it() -> None:
    # Prompts short and long, and two that begin alike: what one leaves must not change another.
    shared = "The tower of the town was built of stone and wood. " * 12
    prompts = ["Write.", shared + "Who built it?", shared + "Where is it?", "Name a river in Asia."]
    with embedded.serve(find_embedded("SmolLM2-135M-Instruct")) as url:
        alone = [_log_probabilities(url, prompt) for prompt in prompts]
        with ThreadPoolExecutor(len(prompts)) as pool:
            beside = list(pool.map(partial(_log_probabilities, url), reversed(prompts)))
    assert alone == beside[::-1]
    assert len({tuple(found) for found in alone}) == len(prompts)


@pytest.mark.parametrize("way", ["normal", "error", "SIGTERM", "SIGINT", "SIGKILL"])
def test_the_server_leaves_with_its_parent_however_that_ends(way: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, way],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    if way.startswith("SIG"):
        parent.send_signal(signal.Signals[way])
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 120
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        # A zombie whose parent is gone is reaped by init, which may take its time.
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
