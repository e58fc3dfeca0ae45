"""Which real examples are the pool, and which are set aside.

The reserve answers what annotating more would have given (recipe real_more), so nothing that makes
or judges generated data may have seen it: neither its questions nor its contexts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from augqa.errors import DataError
from augqa.records import QAExample
from augqa.sampling import choose, rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Ids of real examples, divided.

    Attributes:
        pool: What everything is made from, in seeded order.
        reserve: What is set aside; a smaller reserve is the beginning of a larger one.
        beside_reserve: In neither, because the context is one of the reserve's.
    """

    pool: list[str]
    reserve: list[str]
    beside_reserve: list[str]


def divide(
    examples: Mapping[str, QAExample], *, n_pool: int | None, n_reserve: int, seed: int
) -> Division:
    """Divide examples into pool and reserve, which share no context.

    With a size of its own the pool is the first examples of the seeded order, whatever the reserve
    is. The reserve is the last ones of that order whose contexts the pool does not have: single
    examples, as the pool is, for a reserve of whole contexts would be less varied than the pool and
    make annotating look worse than it is.

    A pool of all (None) is all that the reserve leaves. There whole contexts are set aside, in an
    order of their own: the last single examples would take the context from many others, which then
    could be in neither.

    Raises:
        DataError: If there are not as many as asked for.
    """
    order = choose(examples, None, seed=seed)
    if n_pool is not None:
        pool = order[:n_pool]
        taken = {examples[id_].context_id for id_ in pool}
        free = [id_ for id_ in reversed(order) if examples[id_].context_id not in taken]
        if n_reserve > len(free):
            raise DataError(
                f"prepare.n_reserve is {n_reserve}, but beside a pool of {len(pool)} only"
                f" {len(free)} training examples stand on contexts that the pool does not have."
                " Lower prepare.n_reserve or prepare.n_pool in params.yaml."
            )
        return Division(pool=pool, reserve=free[:n_reserve], beside_reserve=[])

    by_context: dict[str, list[str]] = {}
    for id_ in reversed(order):
        by_context.setdefault(examples[id_].context_id, []).append(id_)
    whole: list[str] = []
    for context in sorted(by_context, key=lambda id_: rank(id_, seed=seed), reverse=True):
        if len(whole) >= n_reserve:
            break
        whole += by_context[context]
    reserve, beside = whole[:n_reserve], whole[n_reserve:]
    out = set(whole)
    pool = [id_ for id_ in order if id_ not in out]
    if len(reserve) < n_reserve or not pool:
        raise DataError(
            f"prepare.n_reserve is {n_reserve}, which leaves nothing of {len(order)} training"
            " examples for the pool. Lower it in params.yaml."
        )
    return Division(pool=pool, reserve=reserve, beside_reserve=sorted(beside))
