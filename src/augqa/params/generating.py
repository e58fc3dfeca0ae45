"""Sections of params.yaml on generated text: models, writers, question generators."""

import json
import re
import urllib.parse
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from augqa.address_text import FROM_ENVIRONMENT, is_secret
from augqa.context_writer import CONTEXT_WRITERS
from augqa.params.catalogues import registered
from augqa.params_text import nearest
from augqa.prompts import STYLES, Condition
from augqa.question_generator import QUESTION_GENERATORS
from augqa.schema import Fraction, Section
from augqa.yaml_text import cut


class ModelPrice(Section):
    """US dollars for a million tokens, and the day they were read off the price list."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    as_of: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


# What the client makes itself: another value in `llm.extra_body` would change it in silence.
_OWN_BODY_KEYS = {
    "model": "llm.model",
    "messages": "the prompts",
    "max_tokens": "max_tokens of the stage",
    "max_completion_tokens": "max_tokens of the stage",
    "temperature": "llm.temperature",
    "top_p": "llm.top_p",
    "seed": "llm.seed",
    "stop": "the stage",
    "response_format": "generate_pairs.structured",
    "n": "generate_contexts.contexts_per_seed",
}


Word = Annotated[str, Field(min_length=1)]


_OPENS = re.compile("auth|cookie", re.IGNORECASE)
# Set by the client, or by HTTP itself.
_OWN_HEADERS = frozenset(
    (
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"),
    )
)


class Llm(Section):
    provider: Literal["embedded", "openai"]
    base_url: str | Annotated[list[Word], Field(min_length=1)] | None
    cached_as: Word | None
    model: str = Field(min_length=1)
    served_model: str | None = Field(min_length=1)
    api_key_env: Word | Annotated[list[Word], Field(min_length=1)]
    temperature: float | None = Field(ge=0, le=2)
    top_p: float | None = Field(gt=0, le=1)
    seed: int
    send_seed: bool
    send_stop: bool
    token_limit_param: Literal["max_tokens", "max_completion_tokens"]
    extra_body: dict[str, JsonValue]
    headers: dict[str, str]
    max_in_flight: int = Field(gt=0)
    max_retries: int = Field(ge=0)
    timeout_s: float = Field(gt=0)
    max_failed_fraction: Fraction
    requests_per_minute: int | None = Field(gt=0)
    tokens_per_minute: int | None = Field(gt=0)
    executor: Literal["online", "batch_file", "openai_batch"]
    batch_poll_s: float = Field(gt=0)
    max_cost: float | None = Field(ge=0)
    prices: dict[str, ModelPrice]

    @field_validator("api_key_env")
    @classmethod
    def api_key_env_is_a_name(cls, names: str | list[str]) -> str | list[str]:
        for name in names if isinstance(names, list) else [names]:
            # Not shown: whoever puts something else here has most often put the key itself.
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
                raise ValueError(
                    "must be the name of an environment variable, such as OPENAI_API_KEY, not the"
                    " key itself (what stands there is not repeated here)"
                )
        return names

    @model_validator(mode="after")
    def extra_body_is_extra(self) -> Self:
        for key in self.extra_body:
            if key in _OWN_BODY_KEYS:
                raise ValueError(f"extra_body: {key!r} is set by {_OWN_BODY_KEYS[key]}")
        if self.extra_body.get("stream") and self.executor != "online":
            raise ValueError(
                f"extra_body: no batch streams its answers, and executor is {self.executor}"
            )
        try:
            json.dumps(self.extra_body, allow_nan=False, ensure_ascii=False).encode("utf-8")
        except ValueError as error:
            raise ValueError(f"extra_body cannot be sent: {error}") from error
        return self

    @field_validator("headers")
    @classmethod
    def headers_can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", name):
                raise ValueError(f"{cut(name)!r} is no name of a header")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"{name!r} is the client's own to set")
            # Not shown: whoever puts a key here has put it into git with params.yaml.
            if (is_secret(name) or _OPENS.search(name)) and not FROM_ENVIRONMENT.search(value):
                raise ValueError(
                    f"{name!r} looks like a key, which params.yaml would hand on: put the key into"
                    " an environment variable and write ${ITS_NAME} here (what stands there is not"
                    " repeated here)"
                )
        return headers

    @property
    def base_urls(self) -> list[str]:
        """The addresses; none: the provider's own."""
        url = self.base_url
        return url if isinstance(url, list) else [url] if url else []

    @property
    def api_key_envs(self) -> list[str]:
        """The variables that hold a key: one for all addresses, or one for each."""
        return self.api_key_env if isinstance(self.api_key_env, list) else [self.api_key_env]

    @model_validator(mode="after")
    def addresses_are_several(self) -> Self:
        urls, names = self.base_urls, self.api_key_envs
        places: dict[str, int] = {}
        for number, url in enumerate(urls, 1):
            first = places.setdefault(_same_place(url), number)
            if first != number:
                raise ValueError(f"base_url: addresses {first} and {number} are the same")
        if len(names) > 1 and len(names) != len(urls):
            raise ValueError(
                f"api_key_env has {len(names)} names and base_url {len(urls)} addresses: give one"
                " name for all of them, or one for each"
            )
        if len(urls) > 1 and self.executor == "openai_batch":
            raise ValueError(
                f"executor openai_batch goes to one address, and base_url has {len(urls)}: a batch"
                " stays where it was submitted. Name one, or set executor to online"
            )
        return self


def _same_place(url: str) -> str:
    """Return an address in the one form that all its spellings have."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return url.strip()
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.hostname}:{port}{path}?{parts.query}"


class GenerateContexts(Section):
    """What every context writer is given; the sections of their own come from their room."""

    writer: str
    seed: int
    contexts_per_seed: int = Field(gt=0)
    choose: Literal["all", "best"]
    styles: dict[str, Annotated[float, Field(ge=0)]]
    condition: Condition
    prompt: str | None
    max_words: int = Field(gt=0)
    max_tokens: int = Field(gt=0)
    repetition_penalty: float | None = Field(ge=1)
    cut_loops_above: Fraction | None = None
    reader: str | None = Field(default=None, min_length=1)

    @field_validator("writer")
    @classmethod
    def writer_is_registered(cls, writer: str) -> str:
        return registered(CONTEXT_WRITERS, writer)

    @field_validator("styles")
    @classmethod
    def styles_are_known(cls, styles: dict[str, float]) -> dict[str, float]:
        for style in styles:
            if style not in STYLES and not style.endswith(".md"):
                raise ValueError(
                    f"style {style!r} is not one of {', '.join(STYLES)}, nor a prompt file of your"
                    f" own, such as prompts/tickets.md{nearest(style, STYLES)}"
                )
        if not any(styles.values()):
            raise ValueError("styles: no style has a weight above 0")
        return styles

    @model_validator(mode="after")
    def reader_is_asked_and_stays(self) -> Self:
        if self.reader is None:
            return self
        if self.choose != "best":
            raise ValueError("reader is asked where choose is best alone: set that, or no reader")
        if PurePath(self.reader).parts[:2] == ("data", "models"):
            raise ValueError(
                f"reader {self.reader!r} is made by a later stage, which would change it unseen:"
                " copy it, say to data/external/reader, and name the copy"
            )
        return self

    def own(self, name: str) -> Any:
        """Return the section of one writer; None where it has none."""
        return getattr(self, name, None)


class GeneratePairs(Section):
    """What every question generator is given; the sections of their own come from their room."""

    method: str
    pairs_per_context: int = Field(gt=0)
    real_contexts: bool
    candidates: Literal["rules", "learnt"] = "rules"

    @field_validator("method")
    @classmethod
    def method_is_registered(cls, method: str) -> str:
        return registered(QUESTION_GENERATORS, method)

    def own(self, name: str) -> Any:
        """Return the section of one question generator; None where it has none."""
        return getattr(self, name, None)


class LoraAdapters(Section):
    rank: int = Field(gt=0)
    alpha: int = Field(gt=0)
    targets: list[str] | None = Field(min_length=1)


class GeneratorTraining(Section):
    """What is trained, and how much of it."""

    checkpoint: str = Field(min_length=1)
    layers: Literal["all"] | Annotated[int, Field(gt=0)]
    lora: LoraAdapters | None
    learning_rate: float = Field(gt=0)


class CausalTraining(GeneratorTraining):
    share_contexts: bool


class Training(Section):
    """What every training of a language model is given."""

    seed: int
    n_examples: int | None = Field(gt=0)
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    pass_tokens: int = Field(gt=0)
    warmup_fraction: Fraction
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    precision: Literal["float32", "bfloat16"]
    threads: int = Field(gt=0)


class TrainQuestionGenerator(Training):
    max_source_tokens: int = Field(ge=32)
    max_question_tokens: int = Field(gt=1)
    causal: CausalTraining
    seq2seq: GeneratorTraining


class TrainContextWriter(Training, GeneratorTraining):
    style: str = Field(min_length=1)
    max_prompt_tokens: int = Field(ge=16)
    max_context_tokens: int = Field(ge=32)
