"""The Batch API of an endpoint, by the openai library over the online client's own address.

Where a call goes, by which proxy, whom it trusts and which header has the key is `address`'s to
say; what an error means is `faults`' to say. The library brings files of parts and pages of lists.
"""

import contextlib
import re
import time
from collections.abc import Iterator, Set
from typing import Any

import httpx2
import openai

from augqa.errors import GenerationError
from augqa.llm import faults, waits
from augqa.llm.address import Address, certificates, proxy
from augqa.llm.batch_executor import CHAT_PATH
from augqa.llm.inbound import Redactor, line

_METADATA_KEY = "augqa_submission"
# Azure's deployments answer chats, the place above them batches, whose lines have another path.
_DEPLOYMENT = re.compile(r"/openai/deployments/[^/]+$")
_AZURE_PATH = "/chat/completions"
# For a file of 190 MB over a slow line.
_TIMEOUT_S = 600.0


class CallFailed(GenerationError):
    """A batch call failed.

    Attributes:
        code: The endpoint's code of the error; empty where it gave none.
        is_lost: Whether nobody knows if it was carried out.
    """

    def __init__(self, message: str, *, code: str, is_lost: bool) -> None:
        super().__init__(message)
        self.code = code
        self.is_lost = is_lost


class BatchCalls:
    """The Batch API of one endpoint.

    Args:
        address: Where it is, and its headers.
        redact: Takes the key out of messages.
        api_key_env: Name of the variable the key came from, for messages.
        model: Name asked for, for messages.

    Attributes:
        where: Its base URL, for messages.
        chat_path: Path of Chat Completions, as lines of a file and batches name it.

    Raises:
        GenerationError: If proxy or certificates cannot be used.
    """

    def __init__(self, address: Address, *, redact: Redactor, api_key_env: str, model: str) -> None:
        self._redact = redact
        self._api_key_env = api_key_env
        self._model = model
        self.where = _DEPLOYMENT.sub("/openai", address.where)
        self.chat_path = _AZURE_PATH if self.where != address.where else CHAT_PATH
        sent = {k: v for k, v in address.headers.items() if k not in ("Content-Type", "Accept")}

        def set_headers(request: httpx2.Request) -> None:
            # The address's own alone: the library reads others from the environment.
            for name in ("Authorization", "OpenAI-Organization", "OpenAI-Project"):
                request.headers.pop(name, None)
            request.headers.update(sent)

        self._client = openai.OpenAI(
            base_url=self.where,
            api_key="in-a-header",
            default_query=address.query,
            http_client=httpx2.Client(
                proxy=proxy(address.chat),
                verify=certificates(address.chat),
                trust_env=False,
                # A key in `api-key` would follow to another host.
                follow_redirects=False,
                timeout=_TIMEOUT_S,
                event_hooks={"request": [set_headers]},
            ),
            timeout=_TIMEOUT_S,
        )

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file of requests; return its id."""
        with self._calls():
            return self._client.files.create(file=(name, content), purpose="batch").id

    def create(self, file_id: str, mark: str) -> str:
        """Make a batch of an uploaded file, in one try; return its id.

        The library's own retries are off: a call whose answer was lost has made its batch, and
        the next one would make another.
        """
        with self._calls():
            return (
                self._client.with_options(max_retries=0)
                .batches.create(
                    input_file_id=file_id,
                    endpoint=self.chat_path,  # type: ignore[arg-type]  # Azure's own
                    completion_window="24h",
                    metadata={_METADATA_KEY: mark},
                )
                .id
            )

    def look(self, batch_id: str) -> Any:
        """Return a batch as it stands."""
        with self._calls():
            return self._client.batches.retrieve(batch_id)

    def find(self, marks: Set[str]) -> dict[str, str]:
        """Return the ids of the batches that carry one of `marks`, by the mark."""
        found: dict[str, str] = {}
        with self._calls():
            for batch in self._client.batches.list(limit=100):
                mark = (batch.metadata or {}).get(_METADATA_KEY, "")
                if mark in marks:
                    found[mark] = batch.id
                    if len(found) == len(marks):
                        break
        return found

    def content(self, file_id: str) -> bytes:
        """Return a file."""
        with self._calls():
            return self._client.files.content(file_id).content

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    @contextlib.contextmanager
    def _calls(self) -> Iterator[None]:
        try:
            yield
        except openai.APIStatusError as error:
            raise self._fault(error) from error
        except openai.APIError as error:
            raise CallFailed(
                f"{self.where}: batch call failed: {type(error).__name__}. {_GOES_ON}",
                code="",
                is_lost=True,
            ) from error

    def _fault(self, error: openai.APIStatusError) -> CallFailed:
        """Return what an answer means that is an error, in the words of the online client."""
        response = error.response
        try:
            body: Any = response.json()
        except ValueError:
            body = response.text[:2000]
        fault = faults.read_fault(error.status_code, body, self._redact)
        headers = response.headers
        after_s = waits.retry_after(headers) or fault.after_s
        what = f"HTTP {fault.status}"
        if fault.kind in (faults.Kind.STOP, faults.Kind.QUOTA):
            place = self._redact.message(line(headers.get("location", ""), self._redact))
            what += ": " + faults.advice(
                fault, model=self._model, api_key_env=self._api_key_env, place=place
            )
        elif after_s is not None and after_s > waits.LONGEST_PAUSE_S:
            what += f": asks to be asked again {waits.when(after_s, now=time.time())}"
        code = error.code if isinstance(error.code, str) else ""
        return CallFailed(
            f"{self.where}: batch call failed: {what}. Its answer:"
            f" {fault.message or 'no words'}. {_GOES_ON}",
            code=code,
            is_lost=fault.kind in (faults.Kind.AGAIN, faults.Kind.BUSY),
        )


_GOES_ON = "What was submitted stands in the ledger: run again, and the stage goes on from there."
