"""What the cache knows of requests: which have their last word, and what to send for the rest.

A request whose text is not valid has further tries, each with another seed and under a key of its
own. A run that has finished has taken even the last invalid one for its result, and so does every
later run. One that was stopped, as it is after an outage, has not: its requests are sent again, the
first try first, whose valid text then takes the place of the invalid one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from augqa.llm import verdict
from augqa.llm.cache import ResponseCache
from augqa.llm.request import ChatRequest, Rendered, Renderer
from augqa.llm.response import Response

_FIRST = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Where a request stands.

    Attributes:
        rendered: The try that has the last word, or else the one to send.
        response: The last word; None where there is none yet.
        reason: What is wrong with it; None for a valid one.
        former: Where all tries are to be sent again: the last one's response as it stands.
    """

    rendered: Rendered
    response: Response | None
    reason: str | None = None
    former: Response | None = None


def look_up(
    requests: Iterable[ChatRequest], *, renderer: Renderer, cache: ResponseCache
) -> list[Found]:
    """Return where each of `requests` stands, in their order."""
    found: dict[int, Found] = {}
    chains: dict[int, list[str]] = {}
    current = [(n, renderer.render(request)) for n, request in enumerate(requests)]
    while current:
        later: list[tuple[int, Rendered]] = []
        at_hand = cache.find(each.key for _, each in current)
        for n, each in current:
            response = at_hand.get(each.key)
            if response is None:
                found[n] = Found(each, None)
                continue
            reason = verdict.fault(each.request, response, renderer.served)
            if verdict.is_final(reason, each):
                found[n] = Found(each, response, reason)
            else:
                later.append((n, renderer.render(each.request, each.try_number + 1)))
            if reason is not None:
                chains.setdefault(n, []).append(each.key)
        current = later
    spent = {
        n: chains[n]
        for n, each in found.items()
        if each.response is not None and verdict.may_change(each.reason)
    }
    if spent:
        settled = cache.settled(key for keys in spent.values() for key in keys)
        for n, keys in spent.items():
            if settled.isdisjoint(keys):
                last = found[n]
                first = renderer.render(last.rendered.request, _FIRST)
                # However it was judged before: it gives way to a valid one.
                cache.degrade(first.key)
                found[n] = Found(first, None, last.reason, former=last.response)
    return [found[n] for n in range(len(found))]
