"""An answer that comes as a stream of server-sent events, put together as if it had come whole.

Some models answer only so (``extra_body: {stream: true}``), and some gateways stream whatever was
asked. Nothing here is gained by reading a token at a time.
"""

import json
import re
from typing import Any

from augqa.llm.inbound import read_json

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
# Those of the protocol alone: a text may hold U+2028, which str.splitlines takes for one.
_LINE_END = re.compile(r"\r\n|\n|\r")
_EVENT_END = "[DONE]"


def whole_answer(content: bytes) -> bytes:
    """Return the chat completion that a stream adds up to, as JSON; any other body as it is.

    A stream that ends before the answer does gives no answer: an empty body.
    """
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_FIELDS):
        return content
    whole: dict[str, Any] = {}
    pieces: dict[str, list[Any]] = {}
    finish: Any = None
    for event in _events(content.decode("utf-8-sig", "replace")):
        try:
            chunk = read_json(event.encode())
        except ValueError:
            return b""
        if not isinstance(chunk, dict):
            continue
        if chunk.get("error"):
            return event.encode()
        whole |= {key: value for key, value in chunk.items() if value is not None}
        choice = _first_choice(chunk)
        finish = choice.get("finish_reason") or finish
        delta = choice.get("delta") or choice.get("message")
        for key, value in (delta if isinstance(delta, dict) else {}).items():
            if value is not None:
                pieces.setdefault(key, []).append(value)
    if finish is None:
        return b""
    message = {key: _joined(values) for key, values in pieces.items()}
    whole["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    return json.dumps(whole).encode()


def _events(text: str) -> list[str]:
    """Return the data of each event up to the one that ends the stream."""
    events: list[str] = []
    data: list[str] = []
    for line in [*_LINE_END.split(text), ""]:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            event = "\n".join(data)
            if event.strip() == _EVENT_END:
                break
            events.append(event)
            data = []
    return events


def _first_choice(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict) and choice.get("index") in (None, 0):
            return choice
    return {}


def _joined(values: list[Any]) -> Any:
    """Return pieces as one: texts as a text, lists and texts as a list, the first of all else."""
    if all(isinstance(value, str) for value in values):
        return "".join(values)
    if all(isinstance(value, str | list) for value in values):
        return [part for value in values for part in ([value] if isinstance(value, str) else value)]
    return values[0]
