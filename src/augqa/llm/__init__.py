"""Language models behind one face: any OpenAI-compatible endpoint, or the embedded one.

with llm.open_client(params.llm, cache_path=llm.default_cache_path()) as client:
    for result in client.complete(requests, total=n):
        ...
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from augqa.llm.address import Place, read_places
from augqa.llm.client import ChatClient
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
    """Open a client for the addresses that `params` name; stop all that it started at the end.

    Raises:
        CheckpointError: If the embedded model is not there.
        GenerationError: If the key is missing, or the embedded server does not come up.
    """
    with contextlib.ExitStack() as stack:
        if params.provider == "embedded":
            model = find_embedded(params.model)
            url = stack.enter_context(serve(model))
            # The port differs from run to run: the cache knows the server by its name.
            endpoint = model.endpoint
            places = [Place(base_url=url, api_key="none", api_key_env=params.api_key_envs[0])]
            # Records name the model, not where it lies on this machine.
            params = params.model_copy(update={"model": model.name})
        else:
            places = read_places(params.base_urls, params.api_key_envs, params.headers)
            endpoint = params.cached_as or _name(places[0])
        client = ChatClient(params, places=places, endpoint=endpoint, cache_path=cache_path)
        stack.callback(client.close)
        yield client


def _name(place: Place) -> str:
    """Return what the cache calls an address: without a query, whose api-version may be newer."""
    return "openai" if place.base_url is None else place.base_url.split("?")[0]
