"""What goes to a language model and what comes back, and the key a response is kept under."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# From one try's seed to the next one's: prime, so that no two requests meet soon.
_SEED_STEP = 1_000_003
# Endpoints that keep a seed in 32 bits with a sign refuse a larger one.
_SEEDS = 1 << 31
# "gpt-4o" is served as "gpt-4o-2024-08-06", others as "...-20241022", "...-0613", "...-002".
_SNAPSHOT = re.compile(r"-(?:\d{4}-\d\d-\d\d|20\d{6}|[0-2]\d[0-3]\d|00\d)")

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
        text: The text, without the model's thinking; empty where `failure` says why, and for
            `length` what there was.
        failure: Reason code in snake_case (docs/generation.md lists them); None for a good one.
        model: Model name as the server gave it; None where nothing came back.
        finish_reason: As the server gave it: ``stop``, ``length``, ...
        prompt_tokens: Tokens of the prompt, as the server counted them.
        completion_tokens: Tokens written, as the server counted them.
        attempts: Times the request was sent. Differs from run to run: never into a DVC out.
        latency_s: Seconds of the last attempt. Never into a DVC out.
        system_fingerprint: Of the serving backend. Never into a DVC out.
        cached: Whether the response was at hand before this run. Never into a DVC out.
        detail: The endpoint's words on a failure. Never into a DVC out.
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
    detail: str = ""


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
class ServedModel:
    """The names under which an endpoint may serve the model that is asked for.

    Attributes:
        asked: The name asked for.
        accepted: Another name that is as good; None: none.
    """

    asked: str
    accepted: str | None = None

    def accepts(self, name: str | None) -> bool:
        """Whether a served name is one of them, or a dated snapshot; None: the server says none."""
        return name is None or any(
            name == known or (name.startswith(known) and _SNAPSHOT.fullmatch(name, len(known)))
            for known in (self.asked, self.accepted)
            if known is not None
        )

    def fault(self, name: str | None) -> str:
        """Return what to say of a name that is none of them."""
        wanted = repr(self.asked)
        if self.accepted is not None:
            wanted += f" (or {self.accepted!r})"
        return f"asked for model {wanted}, and {name!r} answered"

    def advice(self, name: str | None) -> str:
        """Return what to say and to do where nothing but such a name answers."""
        return (
            f"{self.fault(name)}. If that is the model you mean, set llm.served_model to {name!r}:"
            " what was answered counts then, and is not asked for again. If not, correct"
            " llm.model."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A request as it is sent, and the key its response is kept under.

    Attributes:
        request: What it was made from.
        try_number: 0, and one more for each text before it that was not valid.
        body: Body of the call.
        content: The body as canonical JSON, which is what is sent.
        key: SHA-256 of endpoint, body and sample; seed and stops count as part of the body where
            they are not sent, too.
    """

    request: ChatRequest
    try_number: int
    body: Mapping[str, Any]
    content: bytes
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Makes the body of a call; sampling parameters that are None are not sent.

    Attributes:
        endpoint: Name of the endpoint, part of the key.
        model: Name of the model.
        token_limit_param: Under which name the limit on tokens goes.
        temperature: None: not sent.
        top_p: None: not sent.
        send_seed: Whether the seed is sent; it is part of the key either way.
        send_stop: Whether stops are sent; the text is cut at them either way.
        extra_body: Further keys of the body, part of the key.
        served_model: Name that the model may be served under; None: its own.
    """

    endpoint: str
    model: str
    token_limit_param: str
    temperature: float | None
    top_p: float | None
    send_seed: bool = True
    send_stop: bool = True
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    served_model: str | None = None

    @property
    def served(self) -> ServedModel:
        """The names that an answer may carry."""
        return ServedModel(asked=self.model, accepted=self.served_model)

    def render(self, request: ChatRequest, try_number: int = 0) -> Rendered:
        """Render a request; a later try has another seed, or it would give the same text."""
        body: dict[str, Any] = {
            **self.extra_body,
            "model": self.model,
            "messages": [dict(message) for message in request.messages],
            self.token_limit_param: request.max_tokens,
        }
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.top_p is not None:
            body["top_p"] = self.top_p
        if request.repetition_penalty is not None:
            body["repetition_penalty"] = request.repetition_penalty
        if request.json_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "strict": True,
                    "schema": dict(request.json_schema),
                },
            }
        withheld: dict[str, Any] = {}
        seed = (request.seed + try_number * _SEED_STEP) % _SEEDS
        (body if self.send_seed else withheld)["seed"] = seed
        if request.stop:
            (body if self.send_stop else withheld)["stop"] = list(request.stop)
        content = asked = canonical_json(body).encode("utf-8")
        if withheld:
            asked = canonical_json({**body, **withheld}).encode("utf-8")
        key = request_key(self.endpoint, asked, f"{request.sample}/{try_number}")
        return Rendered(request=request, try_number=try_number, body=body, content=content, key=key)


def request_seed(seed: int, request_id: str) -> int:
    """Return the sampling seed of one request: of its id alone, whatever else is asked for."""
    digest = hashlib.sha256(f"{seed}:{request_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
