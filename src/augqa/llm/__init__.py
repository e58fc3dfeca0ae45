"""Language models behind one face: any OpenAI-compatible endpoint, or the embedded one.

with llm.open_client(params.llm, cache_path=llm.default_cache_path()) as client:
    for result in client.complete(requests, total=n):
        ...
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from augqa.llm.client import ChatClient, read_api_key
from augqa.llm.embedded import serve
from augqa.llm.embedded_models import find_embedded
from augqa.llm.request import ChatRequest, ChatResult, Message, request_seed
from augqa.params import Llm
from augqa.stage import project_root

__all__ = [
    "ChatClient",
    "ChatRequest",
    "ChatResult",
    "Message",
    "default_cache_path",
    "open_client",
    "request_seed",
]


def default_cache_path() -> Path:
    """Return the response cache of the repository, shared by all its workspaces."""
    return project_root() / ".cache" / "llm" / "responses.sqlite"


@contextlib.contextmanager
def open_client(params: Llm, *, cache_path: Path) -> Iterator[ChatClient]:
    """Open a client for the endpoint that `params` name; stop everything it started at the end.

    Raises:
        CheckpointError: If the embedded model is not there.
        GenerationError: If the key is missing, or the embedded server does not come up.
    """
    with contextlib.ExitStack() as stack:
        if params.provider == "embedded":
            model = find_embedded(params.model)
            base_url: str | None = stack.enter_context(serve(model))
            # The port differs from run to run: the cache knows the server by its name.
            endpoint, api_key = model.endpoint, "none"
            # Records name the model, not where it lies on this machine.
            params = params.model_copy(update={"model": model.name})
        else:
            # The variable is the openai library's own, which batches go through.
            base_url = params.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or None
            api_key = read_api_key(params.api_key_env)
            # Without a query: a newer api-version asks for nothing anew.
            endpoint = "openai" if base_url is None else base_url.split("?")[0]
        client = ChatClient(
            params, base_url=base_url, endpoint=endpoint, api_key=api_key, cache_path=cache_path
        )
        stack.callback(client.close)
        yield client
