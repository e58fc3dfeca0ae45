"""One call to a Chat Completions endpoint, and what its outcome means.

Only this module knows the openai library. Every outcome is a `Response`, an `Again` (send it
again), a `Busy` (everybody waits) or a `GenerationError` (nothing will work until the user acts).
"""

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import openai

from augqa.errors import GenerationError
from augqa.llm.cache import Response

_RETRIED_STATUS = (408, 409, 425)


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


class Endpoint:
    """A Chat Completions endpoint.

    Args:
        base_url: None for OpenAI's own.
        api_key: Goes into the Authorization header and nowhere else.
        api_key_env: Name of the variable the key came from, for messages.
        model: Name asked for, for messages.
        max_connections: Most connections at once.
        timeout_s: Longest one call may take, from sending to the last byte.
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
        self._timeout_s = timeout_s
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            timeout=httpx2.Timeout(timeout_s),
            http_client=httpx2.AsyncClient(
                limits=httpx2.Limits(
                    max_connections=max_connections, max_keepalive_connections=max_connections
                ),
                timeout=timeout_s,
            ),
        )
        self.where = str(self._client.base_url)

    async def chat(self, body: Mapping[str, Any], *, attempts: int) -> Response:
        """Send one request.

        Raises:
            Again, Busy, Refused, GenerationError: As the module says.
        """
        started = time.perf_counter()
        try:
            reply = await self._client.post(
                "/chat/completions", cast_to=httpx2.Response, body=dict(body)
            )
        except openai.APITimeoutError as error:
            raise Again("timeout") from error
        except openai.APIStatusError as error:
            raise self._meaning(error) from error
        except openai.APIConnectionError as error:
            raise Again("connection") from error
        return _read(reply.content, latency_s=time.perf_counter() - started, attempts=attempts)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    def _meaning(self, error: openai.APIStatusError) -> Exception:
        status = error.status_code
        code = error.code if isinstance(error.code, str) else None
        after_s = _retry_after(error.response.headers)
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
            404: f"there is no {self._model!r} or no such path: check llm.base_url (it ends in"
            " /v1 as a rule) and llm.model",
            429: "the quota of the account is used up: add to it, or wait for the next period",
        }.get(status, "the request is not accepted: check section llm of params.yaml")
        return GenerationError(
            f"{self.where}: HTTP {status}: {what_to_do}. The server says: {self._says(error)}"
        )

    def _says(self, error: openai.APIStatusError) -> str:
        text = error.response.text[:500]
        # Some servers repeat the key, whole or in part, where they refuse it.
        return "(withheld)" if error.status_code in (401, 403) else self.scrub(text)

    def scrub(self, text: str) -> str:
        """Return `text` without the key."""
        return text.replace(self._api_key, "***")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            try:
                return max(0.0, float(value) * unit)
            except ValueError:
                continue
    return None


def _read(content: bytes, *, latency_s: float, attempts: int) -> Response:
    """Read the body of a 200; what is not a chat completion is worth another try."""
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message = choice["message"]
        usage = body.get("usage") or {}
        return Response(
            text=message.get("content"),
            model=body.get("model"),
            finish_reason=choice.get("finish_reason"),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            refusal=message.get("refusal"),
            system_fingerprint=body.get("system_fingerprint"),
            latency_s=latency_s,
            attempts=attempts,
        )
    except IndexError as error:
        raise Again("empty_choices") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Again("malformed_response") from error
