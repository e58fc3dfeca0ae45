"""What is sent: what an endpoint refuses can be left out, what it wants can be added."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import ParamsError
from augqa.llm import sending
from augqa.params import load_params
from tests.asking_loopback import KEY, requests, run
from tests.loopback import Loopback, Reply, completion


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


def sent(server: Loopback) -> list[dict[str, Any]]:
    return [json.loads(call.content) for call in server.calls]


def test_everything_that_an_endpoint_may_refuse_can_be_left_out(tmp_path: Path) -> None:
    changes = {"temperature": None, "top_p": None, "send_seed": False, "send_stop": False}
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", requests(1, stop=("\n",)), **changes)
        (body,) = sent(server)
    assert body.keys() == {"model", "messages", "max_tokens"}


def test_a_seed_that_is_not_sent_tells_requests_apart(tmp_path: Path) -> None:
    with Loopback() as server:
        asked = requests(1) + requests(2)[1:]
        run(server, tmp_path / "c.sqlite", asked, send_seed=False)
        run(server, tmp_path / "c.sqlite", asked, send_seed=False)
        assert len(server.calls) == 2


@pytest.mark.parametrize("first", [True, False])
def test_sending_the_seed_or_not_asks_for_nothing_anew(tmp_path: Path, first: bool) -> None:
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", requests(2, stop=("x",)), send_seed=first)
        for changes in ({"send_seed": not first}, {"send_stop": False}):
            run(server, tmp_path / "c.sqlite", requests(2, stop=("x",)), **changes)
        assert len(server.calls) == 2


@pytest.mark.parametrize("send_stop", [True, False])
@pytest.mark.parametrize(
    "text", ["Who?\nAnswer: Ada", "<think>Line\nline</think>\n\nWho?\nMore", "\nWho?\n"]
)
def test_a_text_is_cut_at_its_stop_here_too(tmp_path: Path, send_stop: bool, text: str) -> None:
    with Loopback(reply=lambda b, _n: Reply(content=completion(b, text))) as server:
        (result,) = run(
            server, tmp_path / "c.sqlite", requests(1, stop=("\n",)), send_stop=send_stop
        )
        assert len(server.calls) == 1
    assert (result.text, result.failure) == ("Who?", None)


def test_extra_keys_are_sent_and_make_another_request(tmp_path: Path) -> None:
    extra = {"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False}}
    with Loopback() as server:
        for body in ({}, extra, extra):
            run(server, tmp_path / "c.sqlite", requests(1), extra_body=body)
        plain, more = sent(server)
    assert more == plain | extra


def test_a_seed_stays_within_31_bits(tmp_path: Path) -> None:
    with Loopback(fault=lambda _b, _n: "empty-text") as server:
        (request,) = requests(1)
        run(server, tmp_path / "c.sqlite", [replace(request, seed=2**31 - 1)])
        assert len({body["seed"] for body in sent(server)}) == 3
        assert all(0 <= body["seed"] < 2**31 for body in sent(server))


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"model": "x"}, "'model' is set by llm.model"),
        ({"messages": []}, "'messages' is set by the prompts"),
        ({"max_completion_tokens": 5}, "'max_completion_tokens' is set by"),
        ({"seed": 5}, "'seed' is set by llm.seed"),
        ({"n": 2}, "'n' is set by generate_contexts"),
        ({"a": float("nan")}, "extra_body.*finite"),
        ({"a": "\ud800"}, "half of a surrogate pair"),
    ],
)
def test_extra_keys_may_not_replace_others(
    tmp_path: Path, extra: dict[str, Any], says: str
) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["llm"]["extra_body"] = extra
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ParamsError, match=says):
        load_params(path)


def test_a_batch_may_not_stream(tmp_path: Path) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["llm"] |= {"extra_body": {"stream": True}, "executor": "openai_batch"}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ParamsError, match="no batch streams its answers"):
        load_params(path)
