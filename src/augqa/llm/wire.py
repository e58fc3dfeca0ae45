"""One call to a Chat Completions endpoint, and what its outcome means.

Address, key and headers are those of the openai client. The calls themselves go through aiohttp:
the openai client's own HTTP library takes so much CPU that it bounds the rate at 128 in flight
(docs/generation.md has the numbers). Every outcome is a `Response`, an `Again` (send it again), a
`Busy` (everybody waits), a `Refused` (this one will not be answered) or a `GenerationError`
(nothing will work until the user acts).
"""

import json
import logging
import re
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import certifi
import openai

from augqa.errors import GenerationError
from augqa.llm.cache import Response

log = logging.getLogger("augqa.llm")

_RETRIED_STATUS = (408, 409, 425)
_MODELS_TIMEOUT_S = 10.0
# OpenAI, OpenRouter, Mistral.
_SHUTDOWN_FIELDS = ("shutdown_date", "expiration_date", "deprecation")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Again(Exception):
    """The call failed in a way that may pass; `reason` is its code."""

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s


class Busy(Exception):
    """The endpoint has had too many requests (429); it may say for how long."""

    def __init__(self, *, after_s: float | None) -> None:
        super().__init__("rate limited")
        self.after_s = after_s


class Refused(Exception):
    """The endpoint will not answer this one request; `reason` is its code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the headers of an answer say about the endpoint's limits; None: nothing.

    Attributes:
        requests: Requests a minute.
        tokens: Tokens a minute.
        pause_s: Seconds until the limit that is reached gives way.
    """

    requests: int | None
    tokens: int | None
    pause_s: float | None


class Endpoint:
    """A Chat Completions endpoint.

    Args:
        base_url: None for OpenAI's own.
        api_key: Goes into the Authorization header and nowhere else.
        api_key_env: Name of the variable the key came from, for messages.
        model: Name asked for, for messages.
        max_connections: Most connections at once.
        timeout_s: Longest time for one call, from sending to the last byte.
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str,
        api_key_env: str,
        model: str,
        max_connections: int,
        timeout_s: float,
    ) -> None:
        self._api_key = api_key
        self._api_key_env = api_key_env
        self._model = model
        self._max_connections = max_connections
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        client = openai.OpenAI(base_url=base_url, api_key=api_key)
        self.where = str(client.base_url).rstrip("/")
        self._url = f"{self.where}/chat/completions"
        self._headers = {
            name: value
            for name, value in {**client.default_headers, **client.auth_headers}.items()
            if isinstance(value, str)
        }
        client.close()

    def _open(self) -> aiohttp.ClientSession:
        """Return the one session; it can only be made inside the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, ssl=_trust(self._url)),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                headers=self._headers,
                # Asked once: aiohttp's trust_env asks in a thread, twice a request.
                proxy=_proxy(self._url),
            )
        return self._session

    async def chat(self, body: bytes, *, attempts: int) -> tuple[Response, Limits]:
        """Send one request, rendered as JSON.

        Raises:
            Again, Busy, Refused, GenerationError: As the module says.
        """
        started = time.perf_counter()
        try:
            async with self._open().post(self._url, data=body, allow_redirects=False) as reply:
                content = await reply.read()
        except TimeoutError as error:
            raise Again("timeout") from error
        except aiohttp.InvalidURL as error:
            raise GenerationError(f"llm.base_url: {self.where!r} is no URL") from error
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError) as error:
            raise GenerationError(
                f"{self.where}: no secure connection: {self.scrub(str(error))}"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise Again("connection") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Again("reset") from error
        if reply.status != 200:
            raise self._meaning(reply.status, reply.headers, content)
        response = read_completion(
            content, latency_s=time.perf_counter() - started, attempts=attempts
        )
        return response, _limits(reply.headers)

    async def shutdown_date(self) -> str | None:
        """Return the day that ``GET /models`` gives for the model's end.

        None where it gives none, and where the endpoint does not answer: it tells nothing then.
        """
        patience = aiohttp.ClientTimeout(total=_MODELS_TIMEOUT_S)
        try:
            async with self._open().get(f"{self.where}/models", timeout=patience) as reply:
                listed = json.loads(await reply.read())
            for model in listed["data"]:
                if model["id"] == self._model:
                    dates = [model.get(name) for name in _SHUTDOWN_FIELDS]
                    return next((date for date in dates if date and isinstance(date, str)), None)
        except (TimeoutError, aiohttp.ClientError, OSError):
            log.debug("%s: no list of models", self.where)
        except (ValueError, LookupError, TypeError, AttributeError):
            log.debug("%s: its list of models is of another form", self.where)
        return None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _meaning(self, status: int, headers: Mapping[str, str], content: bytes) -> Exception:
        code = error_code(content)
        after_s = _retry_after(headers)
        if status == 429 and code != "insufficient_quota":
            return Busy(after_s=after_s)
        if status in _RETRIED_STATUS or status >= 500:
            return Again(f"http_{status}", after_s=after_s)
        if code == "content_filter":
            return Refused("content_filter")
        what_to_do = {
            401: f"the key in {self._api_key_env} is not accepted: put a valid one there",
            403: f"the key in {self._api_key_env} may not use {self._model!r}: ask for access,"
            " or set llm.model to one it may use",
            404: f"there is no model {self._model!r} or no such path: check llm.model, and"
            " llm.base_url, which ends in /v1 as a rule",
            429: "the quota of the account is used up: add to it, or wait for its next period",
        }.get(status, "the request is not accepted: check section llm of params.yaml")
        # Some servers repeat the key, whole or in part, where they refuse it.
        says = (
            "(withheld, since it may hold a part of the key)"
            if status in (401, 403)
            else self.scrub(content[:500].decode("utf-8", "replace"))
        )
        return GenerationError(f"{self.where}: HTTP {status}: {what_to_do}. Its answer: {says}")

    def scrub(self, text: str) -> str:
        """Return `text` without the key."""
        return text.replace(self._api_key, "***")


def _trust(url: str) -> ssl.SSLContext | bool:
    if not url.startswith("https:"):
        return True
    return ssl.create_default_context(cafile=certifi.where())


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for `url`."""
    parts = urllib.parse.urlsplit(url)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def error_code(content: bytes) -> str | None:
    """Return ``error.code`` of an error's body; None where there is none."""
    try:
        code = json.loads(content)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) else None


def read_completion(content: bytes, *, latency_s: float, attempts: int) -> Response:
    """Read the body of a good answer.

    Raises:
        Again: ``empty_choices`` or ``malformed_response``, where it is no chat completion.
    """
    try:
        body = json.loads(content)
        choices = body["choices"]
        if not choices:
            raise Again("empty_choices")
        message = choices[0]["message"]
        text = message.get("content")
        refusal = message.get("refusal")
        usage = body.get("usage") or {}
        for value in (text, refusal, body.get("model"), choices[0].get("finish_reason")):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{value!r} is no text")
        return Response(
            text=text,
            model=body.get("model"),
            finish_reason=choices[0].get("finish_reason"),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            refusal=refusal,
            system_fingerprint=body.get("system_fingerprint"),
            latency_s=latency_s,
            attempts=attempts,
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Again("malformed_response") from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            try:
                return max(0.0, float(value) * unit)
            except ValueError:
                continue
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0":
            return _duration_s(headers.get(f"x-ratelimit-reset-{kind}"))
    return None


def _limits(headers: Mapping[str, str]) -> Limits:
    pauses = []
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0":
            pause = _duration_s(headers.get(f"x-ratelimit-reset-{kind}"))
            if pause is not None:
                pauses.append(pause)
    return Limits(
        requests=_whole(headers.get("x-ratelimit-limit-requests")),
        tokens=_whole(headers.get("x-ratelimit-limit-tokens")),
        pause_s=max(pauses) if pauses else None,
    )


def _whole(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


def _duration_s(value: str | None) -> float | None:
    """Read ``6m0s``, ``120ms`` or plain seconds."""
    if value is None:
        return None
    parts = _DURATION.findall(value)
    if parts:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return max(0.0, float(value))
    except ValueError:
        return None
