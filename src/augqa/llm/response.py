"""What one call to a model returned, and what of it a file can hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

_MOST_TOKENS = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one call returned, read but not judged.

    Attributes:
        text: Content of the first choice; None where it has none.
        model: Model name as the server gave it.
        finish_reason: Of the first choice.
        prompt_tokens: As the server counted them; 0 where it did not.
        completion_tokens: As the server counted them; 0 where it did not.
        refusal: The model's words of refusal, where the API has a field for them.
        system_fingerprint: Of the serving backend.
        latency_s: Seconds from sending to the last byte.
        attempts: Times the request was sent until this came back.
    """

    text: str | None
    model: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    refusal: str | None
    system_fingerprint: str | None
    latency_s: float
    attempts: int


def storable(response: Response) -> Response:
    """Return a response as the file can hold it: the same one, as a rule.

    Half of a surrogate pair, which is no character, becomes U+FFFD; a count of tokens that is none
    becomes 0, which says that the server did not count.
    """
    changes: dict[str, object] = {}
    for name in ("text", "model", "finish_reason", "refusal", "system_fingerprint"):
        value = getattr(response, name)
        if value is None or (isinstance(value, str) and is_encodable(value)):
            continue
        changes[name] = _characters(value) if isinstance(value, str) else None
    for name in ("prompt_tokens", "completion_tokens", "attempts"):
        value = getattr(response, name)
        if type(value) is not int or not 0 <= value < _MOST_TOKENS:
            changes[name] = 0
    latency_s = response.latency_s
    if type(latency_s) is not float or not math.isfinite(latency_s):
        is_number = type(latency_s) is int and abs(latency_s) < _MOST_TOKENS
        changes["latency_s"] = float(latency_s) if is_number else 0.0
    return replace(response, **changes) if changes else response  # type: ignore[arg-type]


def is_encodable(text: str) -> bool:
    """Whether a text is one: no half of a surrogate pair stands in it."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _characters(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def response_of(values: Sequence[Any]) -> Response:
    """Return the response of a row, in the order of `COLUMNS`."""
    text, model, finish, prompt, completion, refusal, fingerprint, latency, attempts = values
    return Response(
        text=text,
        model=model,
        finish_reason=finish,
        prompt_tokens=prompt,
        completion_tokens=completion,
        refusal=refusal,
        system_fingerprint=fingerprint,
        latency_s=latency,
        attempts=attempts,
    )
