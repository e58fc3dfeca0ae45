"""What goes to a language model and what comes back, and the key a response is kept under."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# From one try's seed to the next one's: prime, so that no two requests meet soon.
_SEED_STEP = 1_000_003

# One turn of a chat: {"role": "user", "content": "..."}.
Message = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request for one text.

    Attributes:
        id: Unique in a run; the result carries it. Not part of the cache key.
        messages: Turns of the chat, the system's first.
        max_tokens: Most tokens to write.
        seed: Sampling seed, different for each request.
        json_schema: JSON schema the text must follow, where the endpoint supports it.
        stop: Texts that end the output.
        whole: Whether a text cut off by `max_tokens` is worth nothing.
        sample: Number of the sample among requests that are equal otherwise.
        repetition_penalty: Makes tokens that were there less likely, from 1 on; None: not sent.
            The embedded engine and vLLM know it.
    """

    id: str
    messages: tuple[Message, ...]
    max_tokens: int
    seed: int
    json_schema: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    whole: bool = False
    sample: int = 0
    repetition_penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatResult:
    """The text that came back, or why none did.

    Attributes:
        id: Id of the request.
        text: The text; empty where `failure` says why, and for `length` what there was.
        failure: Reason code in snake_case (docs/generation.md lists them); None for a good one.
        model: Model name as the server gave it; None where nothing came back.
        finish_reason: As the server gave it: ``stop``, ``length``, ...
        prompt_tokens: Tokens of the prompt, as the server counted them.
        completion_tokens: Tokens written, as the server counted them.
        attempts: Times the request was sent. Differs from run to run: never into a DVC out.
        latency_s: Seconds of the last attempt. Never into a DVC out.
        system_fingerprint: Of the serving backend. Never into a DVC out.
        cached: Whether the response was at hand before this run. Never into a DVC out.
    """

    id: str
    text: str
    failure: str | None
    model: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    attempts: int = 0
    latency_s: float = 0.0
    system_fingerprint: str | None = None
    cached: bool = False


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value`: sorted keys, no spaces, code points as they are."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def request_key(endpoint: str, content: bytes, sample: str) -> str:
    """Return the SHA-256 of a rendered request: what is asked, of whom, and which sample.

    It is that of the canonical JSON of an object with these three; `content`, the body's own
    canonical JSON, is put in as it stands.
    """
    others = canonical_json({"endpoint": endpoint, "sample": sample}).encode("utf-8")
    return hashlib.sha256(b'{"body":' + content + b"," + others[1:]).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A request as it is sent, and the key its response is kept under.

    Attributes:
        request: What it was made from.
        try_number: 0, and one more for each text before it that was not valid.
        body: Body of the call.
        content: The body as canonical JSON, which is what is sent.
        key: SHA-256 of endpoint, body and sample.
    """

    request: ChatRequest
    try_number: int
    body: Mapping[str, Any]
    content: bytes
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Makes the body of a call; sampling parameters that are None are not sent."""

    endpoint: str
    model: str
    token_limit_param: str
    temperature: float | None
    top_p: float | None

    def render(self, request: ChatRequest, try_number: int = 0) -> Rendered:
        """Render a request; a later try has another seed, or it would give the same text."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [dict(message) for message in request.messages],
            self.token_limit_param: request.max_tokens,
            "seed": request.seed + try_number * _SEED_STEP,
        }
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.top_p is not None:
            body["top_p"] = self.top_p
        if request.repetition_penalty is not None:
            body["repetition_penalty"] = request.repetition_penalty
        if request.stop:
            body["stop"] = list(request.stop)
        if request.json_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "strict": True,
                    "schema": dict(request.json_schema),
                },
            }
        content = canonical_json(body).encode("utf-8")
        key = request_key(self.endpoint, content, f"{request.sample}/{try_number}")
        return Rendered(request=request, try_number=try_number, body=body, content=content, key=key)


def request_seed(seed: int, request_id: str) -> int:
    """Return the sampling seed of one request: of its id alone, whatever else is asked for."""
    digest = hashlib.sha256(f"{seed}:{request_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
