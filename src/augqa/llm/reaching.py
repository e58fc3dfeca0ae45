"""Whether something answers at the addresses that params name, asked before a run."""

import asyncio

from augqa.llm.address import read_places
from augqa.llm.wire import Endpoint
from augqa.params import Llm

_TIMEOUT_S = 10.0


def unreachable(params: Llm) -> dict[str, str]:
    """Return the addresses where nothing answers, each with its reason; all are asked at once.

    Raises:
        GenerationError: If an address, a key, a proxy or certificates cannot be used at all.
    """
    endpoints = [
        Endpoint(place, model=params.model, max_connections=1, timeout_s=_TIMEOUT_S)
        for place in read_places(params.base_urls, params.api_key_envs, params.headers)
    ]
    faults = asyncio.run(_asked(endpoints))
    return {
        endpoint.where: fault
        for endpoint, fault in zip(endpoints, faults, strict=True)
        if fault is not None
    }


async def _asked(endpoints: list[Endpoint]) -> list[str | None]:
    try:
        return await asyncio.gather(*(one.reach(timeout_s=_TIMEOUT_S) for one in endpoints))
    finally:
        for one in endpoints:
            await one.close()
