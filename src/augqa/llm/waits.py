"""How long an endpoint wants to be left alone, read out of its headers and words.

Waits are seconds above 0; None where nothing is said that can be meant: 0, a negative number and
NaN ask for nothing. Infinity, and what lies years ahead, is for the caller to refuse.
"""

import email.utils
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

# A pause up to this is waited through; beyond it the run stops and says when to come back.
LONGEST_PAUSE_S = 600.0
# A stated reset of a limit is only waited for so long before the next request finds out.
_LONGEST_RESET_S = 60.0
_MAX_CHARS = 64
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+|inf(?:inity)?|nan)(?:e\d{1,3})?", re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h|d)")
_DURATIONS = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|s|m|h|d)\s?)+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Numbers from here on are moments since 1970, not durations: in seconds, in milliseconds.
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
_WORDS = re.compile(
    r"(?:try again|retry|come back|available again)\D{0,20}?"
    r"(\d{1,9}(?:\.\d{1,9})?\s?(?:ms|milliseconds?|s|seconds?|m|minutes?|h|hours?|d|days?)(?![a-z])"
    r"(?:\s?\d{1,9}(?:\.\d{1,9})?\s?(?:ms|s|m)(?![a-z]))*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the headers of an answer say about the endpoint's limits; None: nothing.

    Attributes:
        requests: Requests a minute.
        tokens: Tokens a minute.
        pause_s: Seconds until the limit that is reached gives way, at most a minute.
    """

    requests: int | None
    tokens: int | None
    pause_s: float | None


def seconds(value: str | None, *, now: float) -> float | None:
    """Read ``6m0s``, ``120ms``, plain seconds, or a date as HTTP and ISO 8601 write it.

    Args:
        value: As it stands in a header.
        now: The server's time where it states one, in seconds since 1970.
    """
    text = (value or "").strip()
    if not text or len(text) > _MAX_CHARS:
        return None
    if _NUMBER.fullmatch(text):
        return _positive(float(text))
    if _DURATIONS.fullmatch(text):
        return _positive(sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(text)))
    moment = _moment(text)
    return None if moment is None else _positive(moment - now)


def _positive(value: float) -> float | None:
    return value if value > 0 else None


def _moment(text: str) -> float | None:
    for read in (email.utils.parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
            if found.tzinfo is None:
                found = found.replace(tzinfo=UTC)
            return found.timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def in_words(message: str) -> float | None:
    """Return the wait that a message names: "Please try again in 6m0s"."""
    match = _WORDS.search(message[:2000])
    if match is None:
        return None
    short = re.sub(
        r"(\d)\s?(milliseconds?|ms|seconds?|minutes?|hours?|days?|s|m|h|d)(?![a-z])",
        lambda found: found[1] + _unit(found[2]),
        match[1].lower(),
    )
    return seconds(short, now=0.0)


def _unit(name: str) -> str:
    return "ms" if name.startswith(("ms", "milli")) else name[0]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait that the headers of a refusal ask for."""
    now = server_time(headers)
    milliseconds = seconds(headers.get("retry-after-ms"), now=now)
    if milliseconds is not None:
        return milliseconds / 1000
    stated = seconds(headers.get("retry-after"), now=now)
    return stated if stated is not None else _reset(headers, now)


def read_limits(headers: Mapping[str, str]) -> Limits:
    """Return what the headers of a good answer say."""
    pause = _reset(headers, server_time(headers))
    return Limits(
        requests=_count(headers.get("x-ratelimit-limit-requests")),
        tokens=_count(headers.get("x-ratelimit-limit-tokens")),
        pause_s=None if pause is None else min(pause, _LONGEST_RESET_S),
    )


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the longest wait for a limit of which nothing is left."""
    waits = []
    for kind in ("-requests", "-tokens", ""):
        if headers.get(f"x-ratelimit-remaining{kind}") == "0":
            wait = seconds(headers.get(f"x-ratelimit-reset{kind}"), now=now)
            if wait is not None and wait >= _EPOCH_MS:
                wait = _positive(wait / 1000 - now)
            elif wait is not None and wait >= _EPOCH_S:
                wait = _positive(wait - now)
            if wait is not None:
                waits.append(wait)
    return max(waits) if waits else None


def server_time(headers: Mapping[str, str]) -> float:
    """Return the time that the answer states; ours where it states none."""
    stated = headers.get("date")
    moment = _moment(stated) if stated and len(stated) <= _MAX_CHARS else None
    return time.time() if moment is None else moment


def _count(value: str | None) -> int | None:
    """Return a limit; None for 0, which is how some say that there is none."""
    text = (value or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return None
    return int(text) or None


def when(after_s: float, *, now: float) -> str:
    """Return in words when a wait ends."""
    # Ten years: what is beyond is no date that anybody means.
    if not math.isfinite(after_s) or after_s > 10 * 366 * 86400:
        return "at no time that it names"
    moment = datetime.fromtimestamp(now + after_s, tz=UTC)
    return f"after {moment:%Y-%m-%d %H:%M} UTC"
