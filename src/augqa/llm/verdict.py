"""What a response is worth: a result, or a named reason why it is none."""

import json
import re
from collections.abc import Mapping
from typing import Any

from augqa.llm.cache import Response
from augqa.llm.request import ChatRequest, ChatResult, Rendered

# Texts that may be asked for again with another seed, and how often.
MAX_INVALID_TRIES = 2
_FINAL = ("content_filter",)
_JSON_START = re.compile(r"[\[{]")


def fault(request: ChatRequest, response: Response, model: str) -> str | None:
    """Return the reason code of a response that is not valid, or None.

    ``content_filter``, ``truncated``, ``empty``, ``wrong_model`` or ``wrong_schema``.
    """
    if response.finish_reason == "content_filter" or response.refusal:
        return "content_filter"
    # "gpt-x" may be served as "gpt-x-2026-07-18".
    if response.model is not None and not response.model.startswith(model):
        return "wrong_model"
    blank = not (response.text or "").strip()
    if response.finish_reason == "length" and (request.whole or blank):
        return "truncated"
    if blank:
        return "empty"
    if request.json_schema is not None and not _has_json(response.text or "", request.json_schema):
        return "wrong_schema"
    return None


def is_final(reason: str | None, rendered: Rendered) -> bool:
    """Whether a response is the last word on its request."""
    return reason is None or reason in _FINAL or rendered.try_number >= MAX_INVALID_TRIES


def may_change(reason: str | None) -> bool:
    """Whether another answer to the same request may lack this fault."""
    return reason is not None and reason not in _FINAL


def result_of(
    request: ChatRequest, response: Response, reason: str | None, *, cached: bool
) -> ChatResult:
    """Return the result that a response makes."""
    return ChatResult(
        id=request.id,
        text=(response.text or "") if reason is None else "",
        failure=reason,
        model=response.model,
        finish_reason=response.finish_reason,
        prompt_tokens=response.prompt_tokens,
        completion_tokens=response.completion_tokens,
        attempts=response.attempts,
        latency_s=response.latency_s,
        system_fingerprint=response.system_fingerprint,
        cached=cached,
    )


def no_result(request: ChatRequest, reason: str, attempts: int = 0) -> ChatResult:
    """Return the result of a request that nothing came back for."""
    return ChatResult(
        id=request.id,
        text="",
        failure=reason,
        model=None,
        finish_reason=None,
        prompt_tokens=0,
        completion_tokens=0,
        attempts=attempts,
    )


def _has_json(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether there is an object with the schema's required keys, talk around it or not."""
    decoder = json.JSONDecoder()
    required = set(schema.get("required", ()))
    for match in _JSON_START.finditer(text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict) and required <= value.keys():
            return True
    return False
