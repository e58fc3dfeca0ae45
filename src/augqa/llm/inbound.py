"""Everything that an endpoint says, checked once, where it comes in.

Nothing of it is believed as it stands: texts lose half surrogate pairs and the key, names are cut
to a printable line, counts are whole numbers within reason or none, and what cannot be read is an
`Again` with its reason.
"""

import json
import urllib.parse
from collections.abc import Callable
from typing import Any

from augqa.cleaning import printable, whole_characters, without_tags_of_thinking
from augqa.llm.response import Response

# Of an answer's body: more than any limit on tokens that is asked for could fill.
MAX_BODY_BYTES = 4 << 20
MAX_TEXT_CHARS = 1_000_000
_MAX_TOKENS = 10_000_000
_MAX_LINE = 200
_HIDDEN = "***"
# Digits of a number that is read at all; Python refuses above 4,300 of them.
_MAX_DIGITS = 40
_FINISH_REASONS = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "safety": "content_filter",
    "content_filtered": "content_filter",
    "prohibited_content": "content_filter",
}
Redact = Callable[[str], str]


class Again(Exception):
    """The call failed in a way that may pass; `reason` is its code.

    Args:
        reason: In snake_case.
        after_s: Seconds that the endpoint wants to be left alone.
        detail: The endpoint's words, checked.
    """

    def __init__(self, reason: str, *, after_s: float | None = None, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s
        self.detail = detail
        self.attempts = 0


class Redactor:
    """Takes keys out of texts.

    A word that stands in for a key where a server wants none ("none", "EMPTY", "not-needed") is
    left alone, or texts with that word would lose it.

    Args:
        keys: The keys.
    """

    def __init__(self, *keys: str) -> None:
        real = [key for key in keys if _is_key(key)]
        forms = {
            form
            for key in real
            for form in (key, urllib.parse.quote(key, safe=""), key.replace("/", "\\/"))
        }
        self._forms = sorted(forms, key=len, reverse=True)
        self._parts = {key[n : n + 6] for key in real for n in range(len(key) - 5)}

    def __call__(self, text: str) -> str:
        """Return `text` without the key."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        return text

    def message(self, text: str) -> str:
        """Return an error's message without the key and without words that hold a part of it."""
        return " ".join(_HIDDEN if self._holds(word) else word for word in self(text).split())

    def bytes(self, content: bytes) -> bytes:
        """Return a file without the key, in whichever encoding of Unicode it is written."""
        for form in self._forms:
            for encoding in ("utf-8", "utf-16-le", "utf-16-be"):  # UTF-32's zeros stand between
                content = content.replace(form.encode(encoding), _HIDDEN.encode(encoding))
            for encoding in ("utf-32-le", "utf-32-be"):
                content = content.replace(form.encode(encoding), _HIDDEN.encode(encoding))
        return content

    def _holds(self, word: str) -> bool:
        return any(word[n : n + 6] in self._parts for n in range(len(word) - 5))


def _is_key(text: str) -> bool:
    has_both = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    return len(text) >= 16 or (len(text) >= 6 and has_both)


def as_it_is(text: str) -> str:
    """Return `text`: for what holds no key."""
    return text


def read_json(content: bytes) -> Any:
    """Return the JSON value of a body; numbers that nobody could mean become None.

    Raises:
        ValueError: If it is none, or nested too deep.
    """
    try:
        text = content.decode(json.detect_encoding(content), "replace")
        return json.loads(text, parse_int=_whole, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _no_number(_: str) -> None:
    return None


def line(value: Any, redact: Redact = as_it_is, *, most: int = _MAX_LINE) -> str:
    """Return a text from outside as one printable line of bounded length; empty for no text."""
    if not isinstance(value, str):
        return ""
    text = redact(printable(value[: 20 * most]))
    # Also marks that turn the direction of writing, which would change what a log shows.
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def tokens(value: Any) -> int:
    """Return a token count; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    # NaN is neither; infinity is above.
    return int(value) if 0 <= value <= _MAX_TOKENS and value == int(value) else 0


def read_completion(
    content: bytes, *, latency_s: float, attempts: int, redact: Redact = as_it_is
) -> Response:
    """Read the body of a good answer.

    A text that lies in parts is joined. Reasoning that stands in a field of its own is kept only
    where it is all there is, as an unclosed block of thinking. Token counts are 0 where the
    server gives none that can be believed.

    Args:
        content: The body.
        latency_s: Seconds the call took.
        attempts: Times the request was sent.
        redact: Takes the key out of a text.

    Raises:
        Again: ``empty_choices``, ``oversized_response`` or ``malformed_response``, where it is no
            chat completion.
    """
    try:
        body = read_json(content)
        choices = body["choices"]
        if not choices:
            raise Again("empty_choices")
        choice, message = choices[0], choices[0]["message"]
        text, reasoning = _content(message.get("content"))
        refusal = message.get("refusal")
        model, finish = body.get("model"), choice.get("finish_reason")
        for value in (refusal, model, finish):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{value!r} is no text")
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Again("malformed_response") from error
    if not (text or "").strip():
        reasoning = reasoning or _reasoning(message)
        if reasoning or _hidden_reasoning(usage):
            text = f"<think>{without_tags_of_thinking(reasoning)}"
    if text is not None:
        if len(text) > MAX_TEXT_CHARS:
            raise Again("oversized_response")
        # Controls stay in the cache, which keeps texts exactly; `verdict` takes them out.
        text = redact(whole_characters(text))
    finish = line(finish, redact) or None
    return Response(
        text=text,
        # Azure's filter answers under an empty name.
        model=line(model, redact) or None,
        finish_reason=_FINISH_REASONS.get((finish or "").lower(), finish),
        prompt_tokens=tokens(usage.get("prompt_tokens")),
        completion_tokens=tokens(usage.get("completion_tokens")),
        refusal=line(refusal, redact) or None,
        system_fingerprint=line(body.get("system_fingerprint"), redact) or None,
        latency_s=latency_s,
        attempts=attempts,
    )


def _content(content: Any) -> tuple[str | None, str]:
    """Return the text of a message's content, and the thinking that stands in it as a part."""
    if content is None or isinstance(content, str):
        return content, ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif part.get("type") in ("thinking", "reasoning"):
            thoughts.append(_plain(part.get("thinking") or part.get("text")))
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part.get("type") in (None, "text", "output_text"):
            raise TypeError(f"{part!r} is no part of a text")
    return "".join(texts), "".join(thoughts)


def _reasoning(message: dict[str, Any]) -> str:
    for name in ("reasoning_content", "reasoning", "thinking"):
        if found := _plain(message.get(name)):
            return found
    return ""


def _plain(value: Any) -> str:
    """Return a text, or the texts of a list of parts."""
    if isinstance(value, list):
        texts = (part.get("text") for part in value if isinstance(part, dict))
        value = "".join(text for text in texts if isinstance(text, str))
    return value if isinstance(value, str) else ""


def _hidden_reasoning(usage: dict[str, Any]) -> bool:
    """Whether the server counts reasoning that it does not show."""
    details = usage.get("completion_tokens_details")
    return isinstance(details, dict) and tokens(details.get("reasoning_tokens")) > 0
