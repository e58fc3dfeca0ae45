"""Read a results file of a batch, whoever wrote it: line by line, whatever a line holds.

A file comes from a server, from ``vllm run-batch``, or through somebody's editor. Each line is a
`Row`, an answer or the reason why there is none, or an `Unread`, which says what is wrong with it:
no line keeps another from being read.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from augqa.llm.inbound import Again, Redactor, read_completion
from augqa.llm.response import Response

_MARKS = (
    # The longer ones first: UTF-32 begins as UTF-16 does.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_MAX_REASON_CHARS = 60
_MAX_SHOWN = 60
_NO_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: an answer, or why there is none.

    Attributes:
        line: Its number, from 1.
        key: Its custom id.
        response: The answer.
        reason: Why there is none, in snake_case.
    """

    line: int
    key: str
    response: Response | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A line that is no result of any request, and what is wrong with it."""

    line: int
    fault: str


def read_results(content: bytes, redact: Redactor | None = None) -> Iterator[Row | Unread]:
    """Yield what each line says; lines end with LF or CR LF, and empty ones say nothing.

    Args:
        content: The file.
        redact: Takes the key out of what its lines say.
    """
    redact = redact or Redactor("")
    encoding, start = _encoding(content)
    content = content[start:]
    if encoding != "utf-8":
        try:
            content = content.decode(encoding).encode("utf-8")
        except UnicodeError as error:
            yield Unread(line=1, fault=f"the file is not whole {encoding.upper()}: {error}")
            return
    # Never `splitlines`: a text may hold U+2028 and other ends of lines as they are.
    for number, line in enumerate(content.split(b"\n"), start=1):
        stripped = line.strip(b" \t\r")
        if stripped:
            yield _read_line(number, stripped, redact)


def _encoding(content: bytes) -> tuple[str, int]:
    """Return a file's encoding, and where its first character lies."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, len(mark)
    # A line begins with "{", which is one byte in UTF-8 and a zero more in UTF-16.
    head = content[:2]
    if len(head) == 2 and 0 in head and head != b"\0\0":
        return ("utf-16-be" if head[0] == 0 else "utf-16-le"), 0
    return "utf-8", 0


def _read_line(number: int, line: bytes, redact: Redactor) -> Row | Unread:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Unread(line=number, fault=f"is not UTF-8 at byte {error.start + 1}")
    except (ValueError, RecursionError):
        return Unread(line=number, fault=f"is no JSON: {_shown(line, redact)}")
    if not isinstance(row, dict):
        return Unread(line=number, fault=f"is no object: {_shown(line, redact)}")
    key = row.get("custom_id")
    if not isinstance(key, str) or not key:
        shown = redact.message(json.dumps(key)[: 4 * _MAX_SHOWN])[:_MAX_SHOWN]
        return Unread(line=number, fault=f"custom_id is no text: {shown}")
    answer = _answer(row, redact)
    if isinstance(answer, str):
        return Row(line=number, key=key, response=None, reason=answer)
    return Row(line=number, key=key, response=answer, reason=None)


def _shown(line: bytes, redact: Redactor) -> str:
    # Redacted before it is cut: half a key is a key's half.
    return repr(redact.message(line[: 4 * _MAX_SHOWN].decode("utf-8", "replace"))[:_MAX_SHOWN])


def _answer(row: dict[str, Any], redact: Redactor) -> Response | str:
    """Return the answer of a line, or why there is none."""
    reply = row.get("response")
    if reply is None:
        return _reason(row.get("error"), redact)
    if not isinstance(reply, dict):
        return "malformed_response"
    status = _status(reply.get("status_code", 200))
    if status is None:
        return "malformed_response"
    if status != 200:
        return f"http_{status}"
    body = reply.get("body")
    if not isinstance(body, dict):
        return "malformed_response"
    try:
        return read_completion(
            json.dumps(body).encode("ascii"), latency_s=0.0, attempts=1, redact=redact
        )
    except Again as again:
        return again.reason
    except (ValueError, ArithmeticError, RecursionError):
        return "malformed_response"


def _status(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.strip().isdigit():
        value = int(value) if len(value) < 10 else None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1000:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 100 <= value < 1000:
        return None
    return value


def _reason(error: object, redact: Redactor) -> str:
    """Return the reason code of an error, an object or words."""
    named: object = error
    if isinstance(error, dict):
        named = next((error[name] for name in ("code", "type", "message") if error.get(name)), None)
    if isinstance(named, int) and not isinstance(named, bool) and 100 <= named < 1000:
        return f"http_{named}"
    if not isinstance(named, str):
        return "no_answer"
    reason = (
        _NO_WORD.sub("_", redact.message(named[:1000]).lower())
        .strip("_")[:_MAX_REASON_CHARS]
        .rstrip("_")
    )
    return {"batch_expired": "expired", "batch_cancelled": "cancelled"}.get(
        reason, reason or "no_answer"
    )
