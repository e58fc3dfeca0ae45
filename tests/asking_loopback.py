"""What tests of the client share: params for a server on loopback, requests, a run."""

from pathlib import Path
from typing import Any

from augqa import llm
from augqa.params import Llm
from tests.loopback import MODEL, Loopback

KEY = "sk-test-1234567890"


def params(base_url: str | list[str], **changes: Any) -> Llm:
    values: dict[str, Any] = {
        "provider": "openai",
        "base_url": base_url,
        "cached_as": None,
        "model": MODEL,
        "served_model": None,
        "api_key_env": "AUGQA_TEST_KEY",
        "temperature": 0.7,
        "top_p": None,
        "seed": 1,
        "send_seed": True,
        "send_stop": True,
        "token_limit_param": "max_tokens",
        "extra_body": {},
        "headers": {},
        "max_in_flight": 4,
        "max_retries": 2,
        "timeout_s": 5.0,
        "max_failed_fraction": 1.0,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "executor": "online",
        "batch_poll_s": 0.01,
        "max_cost": None,
        "prices": {},
    }
    return Llm(**{**values, **changes})


def requests(n: int, **changes: Any) -> list[llm.ChatRequest]:
    return [
        llm.ChatRequest(
            id=f"q{number}",
            messages=({"role": "user", "content": f"Question: who built bridge {number}?"},),
            max_tokens=60,
            seed=number,
            **changes,
        )
        for number in range(n)
    ]


def run(
    server: Loopback, cache: Path, asked: list[llm.ChatRequest], **changes: Any
) -> list[llm.ChatResult]:
    with llm.open_client(params(server.base_url, **changes), cache_path=cache) as client:
        return list(client.complete(asked))
