"""One call to a Chat Completions endpoint, and what its outcome means.

The calls go through aiohttp: the openai library's own transports take so much CPU that they bound
the rate at 128 in flight (docs/generation.md has the numbers). Every outcome is a `Response`, an
`Again` (send it again), a `Busy` (everybody waits), a `Refused` (this one will not be answered) or
a `GenerationError` (nothing will work until the user acts).
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import aiohttp

from augqa.errors import GenerationError
from augqa.llm import faults, waits
from augqa.llm.address import Place, certificates, proxy, read_address
from augqa.llm.events import whole_answer
from augqa.llm.faults import Fault, Kind
from augqa.llm.inbound import MAX_BODY_BYTES, Again, Redactor, line, read_completion, read_json
from augqa.llm.response import Response
from augqa.llm.waits import Limits

if TYPE_CHECKING:
    from augqa.llm.batch_calls import BatchCalls

__all__ = ["Again", "Busy", "Endpoint", "Limits", "Refused", "read_completion"]
log = logging.getLogger("augqa.llm")
_MODELS_TIMEOUT_S = 10.0
# OpenAI, OpenRouter, Mistral.
_SHUTDOWN_FIELDS = ("shutdown_date", "expiration_date", "deprecation")


class Busy(Exception):
    """The endpoint has had too many requests (429); it may say for how long."""

    def __init__(self, *, after_s: float | None, detail: str = "") -> None:
        super().__init__("rate limited")
        self.after_s = after_s
        self.detail = detail


class Refused(Exception):
    """The endpoint will not answer this one request; `reason` is its code.

    Args:
        reason: In snake_case.
        detail: The endpoint's words, checked.
        by_shape: Whether the form of all requests may be what it does not take.
    """

    def __init__(self, reason: str, *, detail: str = "", by_shape: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.by_shape = by_shape
        self.attempts = 0


class Endpoint:
    """A Chat Completions endpoint.

    Args:
        place: Where it is, and its key.
        model: Name asked for, for messages.
        max_connections: Most connections at once.
        timeout_s: Longest time for one call, from sending to the last byte.

    Attributes:
        redact: Takes the key, and what else came out of the environment, out of texts.

    Raises:
        GenerationError: If address, key, proxy or certificates cannot be used.
    """

    def __init__(self, place: Place, *, model: str, max_connections: int, timeout_s: float) -> None:
        self._address = read_address(place)
        self._api_key_env = place.api_key_env
        self._model = model
        self._max_connections = max_connections
        self._timeout_s = timeout_s
        self.redact = Redactor(place.api_key, *place.secrets)
        self._session: aiohttp.ClientSession | None = None
        # Asked once: aiohttp's trust_env asks in a thread, twice a request.
        self._proxy = proxy(self._address.chat)
        self._trusted = certificates(self._address.chat)

    @property
    def where(self) -> str:
        """Its base URL, for messages."""
        return self._address.where

    def batches(self) -> "BatchCalls":
        """Return its Batch API."""
        from augqa.llm.batch_calls import BatchCalls  # noqa: PLC0415 - the openai library

        return BatchCalls(
            self._address,
            redact=self.redact,
            api_key_env=self._api_key_env,
            model=self._model,
        )

    def _open(self) -> aiohttp.ClientSession:
        """Return the one session; it can only be made inside the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, ssl=self._trusted),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                headers=self._address.headers,
                proxy=self._proxy,
            )
        return self._session

    async def chat(self, body: bytes, *, attempts: int) -> tuple[Response, Limits]:
        """Send one request, rendered as JSON.

        Raises:
            Again, Busy, Refused, GenerationError: As the module says.
        """
        started = time.perf_counter()
        with self._telling():
            async with self._open().post(
                self._address.chat, data=body, allow_redirects=False
            ) as reply:
                content = whole_answer(await _read(reply))
        if not 200 <= reply.status < 300:
            raise self._meaning(self._fault(reply.status, content), reply)
        try:
            response = read_completion(
                content,
                latency_s=time.perf_counter() - started,
                attempts=attempts,
                redact=self.redact,
            )
        except Again as again:
            fault = self._error_in_answer(content)
            if fault is not None:
                raise self._meaning(fault, reply) from again
            if again.reason == "oversized_response":
                # Another try would be as long, and is paid for.
                raise Refused(again.reason) from again
            raise
        if response.finish_reason == "error":
            fault = self._error_in_answer(content)
            raise Again("http_500", detail=fault.message if fault else "")
        return response, waits.read_limits(reply.headers)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell of a connection that cannot be made or kept as an `Again` or a `GenerationError`."""
        try:
            yield
        except TimeoutError as error:
            raise Again("timeout") from error
        except aiohttp.InvalidURL as error:
            raise GenerationError(f"llm.base_url: {self.where!r} is no URL") from error
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError) as error:
            raise GenerationError(
                f"{self.where}: no secure connection: {self._words(str(error))}. Certificates of"
                " your own go into a file that SSL_CERT_FILE names."
            ) from error
        except aiohttp.ClientHttpProxyError as error:
            raise GenerationError(
                f"{self.where}: the proxy that the environment names answers HTTP {error.status}"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise Again("connection") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Again("reset", detail=type(error).__name__) from error

    async def reach(self, *, timeout_s: float) -> str | None:
        """Return why nothing answers at the address; None where something does, be it an error.

        Asks for the list of models, which costs nothing.
        """
        patience = aiohttp.ClientTimeout(total=timeout_s)
        try:
            with self._telling():
                async with self._open().get(
                    self._address.models, timeout=patience, allow_redirects=False
                ):
                    return None
        except GenerationError as error:
            return str(error).removeprefix(f"{self.where}: ")
        except Again as again:
            words = {"timeout": f"no answer within {timeout_s:g} s", "connection": "no connection"}
            return words.get(again.reason, again.reason)

    async def shutdown_date(self) -> str | None:
        """Return the day that ``GET /models`` gives for the model's end.

        None where it gives none, and where the endpoint does not answer: it tells nothing then.
        """
        patience = aiohttp.ClientTimeout(total=_MODELS_TIMEOUT_S)
        try:
            async with self._open().get(
                self._address.models, timeout=patience, allow_redirects=False
            ) as reply:
                listed = read_json(await _read(reply))
            for model in listed["data"]:
                if model["id"] == self._model:
                    dates = [line(model.get(name), self.redact) for name in _SHUTDOWN_FIELDS]
                    return next((date for date in dates if date), None)
        except (TimeoutError, aiohttp.ClientError, OSError, Refused):
            log.debug("%s: no list of models", self.where)
        except (ValueError, LookupError, TypeError, AttributeError):
            log.debug("%s: its list of models is of another form", self.where)
        return None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _fault(self, status: int, content: bytes) -> Fault:
        try:
            body = read_json(content)
        except ValueError:
            body = content[:2000].decode("utf-8", "replace")
        return faults.read_fault(status, body, self.redact)

    def _error_in_answer(self, content: bytes) -> Fault | None:
        """Return the error that came with status 200; None where the body is none."""
        try:
            body = read_json(content)
        except ValueError:
            return None
        return faults.read_fault(200, body, self.redact) if faults.has_error(body) else None

    def _meaning(self, fault: Fault, reply: aiohttp.ClientResponse) -> Exception:
        after_s = waits.retry_after(reply.headers) or fault.after_s
        match fault.kind:
            case Kind.BUSY:
                return Busy(after_s=after_s, detail=fault.message)
            case Kind.AGAIN:
                return Again(f"http_{fault.status}", after_s=after_s, detail=fault.message)
            case Kind.FILTERED | Kind.TOO_LONG:
                return Refused(fault.kind.value, detail=fault.message)
            case Kind.REFUSED:
                return Refused(f"http_{fault.status}", detail=fault.message, by_shape=True)
        place = self._words(reply.headers.get("location", ""))
        advice = faults.advice(fault, model=self._model, api_key_env=self._api_key_env, place=place)
        return GenerationError(
            f"{self.where}: HTTP {fault.status}: {advice}. Its answer:"
            f" {fault.message or 'no words'}"
        )

    def _words(self, text: str) -> str:
        return self.redact.message(line(text, self.redact))


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    """Read a body up to its greatest length, counted after it is unpacked.

    Raises:
        Refused: If it is longer.
    """
    parts: list[bytes] = []
    size = 0
    async for part in reply.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            # What is left of it must not be read for the sake of the connection.
            reply.close()
            raise Refused("oversized_response")
        parts.append(part)
    return b"".join(parts)
