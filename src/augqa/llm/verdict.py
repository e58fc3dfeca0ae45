"""What a response is worth: a result, or a named reason why it is none."""

from collections.abc import Mapping
from typing import Any

from augqa.cleaning import cut_at, json_values, printable, without_thinking
from augqa.llm.request import ChatRequest, ChatResult, Rendered, ServedModel
from augqa.llm.response import Response

# Texts that may be asked for again with another seed, and how often.
MAX_INVALID_TRIES = 2
# Another try would meet the same filter, the same limit.
_LAST_WORDS = ("content_filter", "refusal", "only_reasoning")
# Within a run the same model answers; a later one may find another.
_FINAL = (*_LAST_WORDS, "wrong_model")


def fault(request: ChatRequest, response: Response, served: ServedModel) -> str | None:
    """Return the reason code of a response that is not valid, or None.

    ``content_filter``, ``refusal``, ``wrong_model``, ``only_reasoning``, ``truncated``, ``empty``
    or ``wrong_schema``.
    """
    if response.finish_reason == "content_filter":
        return "content_filter"
    if response.refusal:
        return "refusal"
    if not served.accepts(response.model):
        return "wrong_model"
    text, has_thought = _text(request, response)
    blank = not text.strip()
    if blank and has_thought:
        return "only_reasoning"
    if response.finish_reason == "length" and (request.whole or blank):
        return "truncated"
    if blank:
        return "empty"
    if request.json_schema is not None and not _has_json(text, request.json_schema):
        return "wrong_schema"
    return None


def is_final(reason: str | None, rendered: Rendered) -> bool:
    """Whether a response is the last word on its request."""
    return reason is None or reason in _FINAL or rendered.try_number >= MAX_INVALID_TRIES


def may_change(reason: str | None) -> bool:
    """Whether another answer to the same request may lack this fault."""
    return reason is not None and reason not in _LAST_WORDS


def result_of(
    request: ChatRequest, response: Response, reason: str | None, *, cached: bool
) -> ChatResult:
    """Return the result that a response makes."""
    return ChatResult(
        id=request.id,
        text=_text(request, response)[0] if reason is None else "",
        failure=reason,
        model=response.model,
        finish_reason=response.finish_reason,
        prompt_tokens=response.prompt_tokens,
        completion_tokens=response.completion_tokens,
        attempts=response.attempts,
        latency_s=response.latency_s,
        system_fingerprint=response.system_fingerprint,
        cached=cached,
        detail=response.refusal or "",
    )


def no_result(
    request: ChatRequest, reason: str, attempts: int = 0, *, detail: str = ""
) -> ChatResult:
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
        detail=detail,
    )


def _text(request: ChatRequest, response: Response) -> tuple[str, bool]:
    """Return the text without thinking, up to the first stop, and whether there was thinking."""
    text, has_thought = without_thinking(printable(response.text or ""))
    # A server that was sent the stops has cut there; one that writes thinking first has not.
    return (cut_at(text.lstrip(), request.stop) if request.stop else text), has_thought


def _has_json(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether there is an object with the schema's required keys, talk around it or not."""
    required = set(schema.get("required", ()))
    return any(isinstance(value, dict) and required <= value.keys() for value in json_values(text))
