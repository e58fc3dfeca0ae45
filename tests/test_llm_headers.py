"""Headers of the user's own: sent with every call, filled from the environment, not repeated."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import GenerationError, ParamsError
from augqa.llm.address import read_headers
from augqa.params import load_params
from tests.asking_loopback import requests, run
from tests.loopback import Loopback, Reply, completion
from tests.test_llm_batch import run as run_batches

GATEWAY_KEY = "gw-0123456789abcdef"
HEADERS = {
    "X-Api-Key": "${GATEWAY_KEY}",
    "cf-aig-authorization": "Bearer ${GATEWAY_KEY}",
    "HTTP-Referer": "https://example.org",
}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", "sk-test-1234567890")
    monkeypatch.setenv("GATEWAY_KEY", GATEWAY_KEY)


def with_headers(tmp_path: Path, headers: Any) -> Path:
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["llm"]["headers"] = headers
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_headers_go_with_every_call_beside_the_key(tmp_path: Path) -> None:
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", requests(2), headers=HEADERS)
        sent = server.server.headers
    assert len(sent) >= 2
    for headers in sent:
        assert headers["x-api-key"] == GATEWAY_KEY
        assert headers["cf-aig-authorization"] == f"Bearer {GATEWAY_KEY}"
        assert headers["http-referer"] == "https://example.org"
        assert headers["authorization"] == "Bearer sk-test-1234567890"


def test_headers_go_with_the_calls_of_a_batch(tmp_path: Path) -> None:
    with Loopback() as server:
        run_batches(server, tmp_path / "c.sqlite", 2, "openai_batch", headers=HEADERS)
        sent = server.server.headers
    assert all(headers["x-api-key"] == GATEWAY_KEY for headers in sent)
    assert all(headers["authorization"] == "Bearer sk-test-1234567890" for headers in sent)


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_a_header_may_take_the_place_of_the_client_s_own(tmp_path: Path, name: str) -> None:
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", requests(1), headers={name: "Basic ${GATEWAY_KEY}"})
        sent = server.server.headers
    assert [headers["authorization"] for headers in sent] == [f"Basic {GATEWAY_KEY}"] * len(sent)


def test_another_header_asks_for_nothing_anew(tmp_path: Path) -> None:
    with Loopback() as server:
        run(server, tmp_path / "c.sqlite", requests(2))
        n_calls = len(server.calls)
        run(server, tmp_path / "c.sqlite", requests(2), headers=HEADERS)
        assert len(server.calls) == n_calls


def test_what_came_out_of_the_environment_is_taken_out_of_answers(tmp_path: Path) -> None:
    with Loopback(
        reply=lambda body, _n: Reply(
            content=completion(body, f"It was {GATEWAY_KEY} who built it.")
        )
    ) as server:
        (result,) = run(server, tmp_path / "c.sqlite", requests(1), headers=HEADERS)
    assert result.text == "It was *** who built it."
    for path in tmp_path.iterdir():
        assert GATEWAY_KEY.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X-A": "${NOT_SET_ANYWHERE}"}, r"variable NOT_SET_ANYWHERE \(llm.headers, X-A\)"),
        ({"X-A": "a\nX-B: b"}, "X-A holds characters that no header has"),
        ({"X-A": "ключ"}, "X-A holds characters that no header has"),
    ],
)
def test_a_header_that_cannot_be_filled_is_named(headers: dict[str, str], says: str) -> None:
    with pytest.raises(GenerationError, match=says):
        read_headers(headers)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X-Api-Key": "gw-s3cret"}, "'X-Api-Key' looks like a key"),
        ({"Authorization": "Bearer s3cret"}, "'Authorization' looks like a key"),
        ({"cf-aig-authorization": "s3cret"}, "'cf-aig-authorization' looks like a key"),
        ({"Cookie": "session=s3cret"}, "'Cookie' looks like a key"),
        ({"Content-Type": "text/plain"}, "'Content-Type' is the client's own"),
        ({"X A": "b"}, "'X A' is no name of a header"),
        ({"X-A\r\nX-B": "b"}, "is no name of a header"),
        ({"": "b"}, "'' is no name of a header"),
        ({"X-A": 3}, "llm.headers.X-A"),
        ("X-A: b", "llm.headers"),
    ],
)
def test_headers_that_cannot_be_meant_are_refused_and_no_key_is_shown(
    tmp_path: Path, headers: Any, says: str
) -> None:
    with pytest.raises(ParamsError, match=says) as caught:
        load_params(with_headers(tmp_path, headers))
    assert "s3cret" not in str(caught.value)
