"""What an endpoint means when it does not answer: one reading for all forms of an error.

OpenAI and Azure write ``{"error": {"message", "type", "code"}}``, Gemini a list of that with
``status`` and details, OpenRouter a number as code, also inside an answer's choice, vLLM and SGLang
``{"object": "error", "message", "type", "code"}``, Ollama ``{"error": "words"}``, FastAPI
``{"detail": ...}``. Some of it comes with status 200.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from augqa.llm import waits
from augqa.llm.inbound import Redactor, line


class Kind(Enum):
    """What to do about a fault."""

    AGAIN = "again"  # it may pass
    BUSY = "busy"  # everybody waits
    QUOTA = "quota"  # nothing works until the account has more
    FILTERED = "content_filter"  # this prompt will not be answered
    TOO_LONG = "prompt_too_long"
    REFUSED = "refused"  # this request will not be answered, for a reason of its own or of all
    STOP = "stop"  # nothing works until the user acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error, read.

    Attributes:
        kind: What to do about it.
        status: Of HTTP, or where that is 200 the one that the error amounts to.
        message: The endpoint's words without the key; empty where there are none.
        after_s: Seconds to wait that the body names.
    """

    kind: Kind
    status: int
    message: str
    after_s: float | None


_QUOTA_CODES = frozenset(
    [
        "insufficient_quota",
        "quota_exceeded",
        "billing_hard_limit_reached",
        "insufficient_credits",
        "insufficient_balance",
        "insufficient_funds",
        "billing_not_active",
        "exceeded_current_quota",
    ]
)
_FILTER_CODES = frozenset(
    [
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "moderation",
        "content_filter_error",
        "contentpolicyviolationerror",
    ]
)
_LENGTH_CODES = frozenset(
    [
        "context_length_exceeded",
        "string_above_max_length",
        "exceed_context_size_error",
        "contextwindowexceedederror",
        "prompt_too_long",
    ]
)
# The first list that has one of the error's codes tells the status.
_STATUS_OF = (
    (429, "rate_limit_exceeded rate_limit_error ratelimiterror ratelimitreached too_many_requests"
          " resource_exhausted requests tokens throttled"),
    (401, "invalid_api_key authentication_error authenticationerror unauthenticated unauthorized"),
    (403, "permission_denied permission_error permissiondeniederror access_denied forbidden"),
    (404, "model_not_found not_found not_found_error notfounderror deploymentnotfound"),
    (503, "overloaded_error overloaded unavailable unavailable_error service_unavailable"
          " serviceunavailableerror"),
    (504, "timeout deadline_exceeded gateway_timeout"),
    (500, "server_error internal_error internal_server_error internalservererror internal"
          " api_error"),
    (400, "invalid_request_error badrequesterror bad_request invalid_argument failed_precondition"),
)  # fmt: skip
_STATUSES = tuple((status, frozenset(codes.split())) for status, codes in _STATUS_OF)
_QUOTA_WORDS = re.compile(
    r"exceeded your current quota|insufficient (?:quota|credits?|balance|funds)|out of credits?"
    r"|credit balance is too low|quota (?:is )?(?:exhausted|used up)|billing hard limit"
    r"|requires more credits|payment required",
    re.IGNORECASE,
)
_FILTER_WORDS = re.compile(
    r"content (?:management )?policy|content[_ ]filter|was flagged|safety system|input was blocked",
    re.IGNORECASE,
)
_LENGTH_WORDS = re.compile(
    r"contextwindowexceeded|maximum context length|context (?:length|window|size)"
    r"|maximum model length|(?:prompt|input|request) is too long|too many (?:input |prompt )?tokens"
    r"|exceeds? the (?:maximum|limit)[^.]{0,40}tokens",
    re.IGNORECASE,
)
_STATUS_WORDS = (
    (429, re.compile(r"rate[ -]?limit|too many requests|slow down", re.IGNORECASE)),
    (401, re.compile(r"api[ -]?key|unauthori[sz]ed|authenticat", re.IGNORECASE)),
    (404, re.compile(r"model\b.{0,80}(?:not found|does not exist)", re.IGNORECASE)),
)
# An engine's paths may come before what it has to say.
_MAX_MESSAGE = 1000
# A 200 that says nothing of what it means.
_UNKNOWN = 500
_PASSING = (408, 409, 425)
_STOPPING = (401, 403, 404, 405)


def has_answer(body: Any) -> bool:
    """Whether a body has a choice with a message, whatever else it says."""
    if not isinstance(body, dict):
        return False
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return False
    return "message" in choices[0] and not choices[0].get("error")


def has_error(body: Any) -> bool:
    """Whether a body is an error, not an answer."""
    return not has_answer(body) and next(_errors(body), None) is not None


def read_fault(status: int, body: Any, redact: Redactor) -> Fault:
    """Read an error.

    Args:
        status: Of HTTP.
        body: The body's JSON value; a text where it is no JSON.
        redact: Takes the key out of the message.
    """
    error = next(_errors(body), None)
    if error is None:
        error = {"message": body if isinstance(body, str) else ""}
    codes = frozenset(_codes(error))
    message = redact.message(line(_message(error), redact, most=_MAX_MESSAGE))
    after_s = _retry_delay(error) or waits.in_words(message)
    if status == 200:
        status = _status(error, codes, message)
    return Fault(
        kind=_kind(status, codes, message, after_s, flagged=_is_flagged(error)),
        status=status,
        message=message,
        after_s=after_s,
    )


def advice(fault: Fault, *, model: str, api_key_env: str, place: str) -> str:
    """Return what the user may do about a fault that nothing else helps against.

    Args:
        fault: The fault.
        model: Name of the model asked for.
        api_key_env: Name of the variable the key came from.
        place: Where the answer points to; empty where it does not.
    """
    if fault.kind is Kind.QUOTA:
        return "the quota of the account is used up: add to it, or wait for its next period"
    if fault.status < 400:
        return f"it points to another place ({place or 'unnamed'}): set llm.base_url to that"
    return {
        401: f"the key in {api_key_env} is not accepted: put a valid one there",
        403: f"the key in {api_key_env} may not use {model!r}: ask for access,"
        " or set llm.model to one it may use",
    }.get(
        fault.status,
        f"there is no model {model!r} or no such path: check llm.model, and"
        " llm.base_url, which ends in /v1 as a rule",
    )


def _errors(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the errors that stand in a body, each as an object."""
    if isinstance(body, list):
        body = next((item for item in body if isinstance(item, dict)), None)
    if not isinstance(body, dict):
        return
    choices = body.get("choices")
    places: list[Any] = [body.get("error"), body.get("errors"), body.get("detail")]
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        places.insert(0, choices[0].get("error"))
    for place in places:
        if isinstance(place, list):
            place = next((item for item in place if item), None)
        if isinstance(place, str) and place:
            yield {"message": place}
        elif isinstance(place, dict) and place:
            yield place
    if body.get("object") == "error" or ("choices" not in body and body.get("message")):
        yield body


def _codes(error: dict[str, Any]) -> Iterator[str]:
    inner = error.get("innererror") or error.get("inner_error")
    for holder in (error, inner if isinstance(inner, dict) else {}):
        for name in ("code", "type", "status"):
            if isinstance(holder.get(name), str):
                yield holder[name][:80].lower()


def _message(error: dict[str, Any]) -> str:
    for name in ("message", "msg", "detail"):
        if isinstance(error.get(name), str):
            found: str = error[name]
            return found
    return ""


def _retry_delay(error: dict[str, Any]) -> float | None:
    """Return the delay of Gemini's RetryInfo."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str):
            return waits.seconds(delay, now=0.0)
    return None


def _is_flagged(error: dict[str, Any]) -> bool:
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _status(error: dict[str, Any], codes: frozenset[str], message: str) -> int:
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if len(text) == 3 and text.isdigit() and 400 <= int(text) < 600:
            return int(text)
    for status, known in _STATUSES:
        if codes & known:
            return status
    return next((status for status, words in _STATUS_WORDS if words.search(message)), _UNKNOWN)


def _kind(
    status: int, codes: frozenset[str], message: str, after_s: float | None, *, flagged: bool
) -> Kind:
    # Gemini says "exceeded your current quota" of a minute's limit too, with a delay.
    in_words = after_s is None and _QUOTA_WORDS.search(message)
    if codes & _QUOTA_CODES or status == 402 or (status in (400, 403, 429, 500) and in_words):
        return Kind.QUOTA
    if status == 429:
        return Kind.BUSY
    if codes & _FILTER_CODES or flagged or (status in (400, 422) and _FILTER_WORDS.search(message)):
        return Kind.FILTERED
    if codes & _LENGTH_CODES or (status in (400, 413, 422) and _LENGTH_WORDS.search(message)):
        return Kind.TOO_LONG
    if status in _PASSING or status >= 500:
        return Kind.AGAIN
    if status in _STOPPING or status < 400:
        return Kind.STOP
    return Kind.REFUSED
