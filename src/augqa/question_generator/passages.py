"""Which contexts pairs are asked on."""

from collections.abc import Iterable, Iterator

from augqa import ids
from augqa.question_generator.proposals import Passage
from augqa.records import GeneratedContext, QAExample, Rejection


def generated_passages(contexts: Iterable[GeneratedContext]) -> Iterator[Passage]:
    """Yield the generated contexts that have a text."""
    for context in contexts:
        if context.failure is None:
            yield Passage(id=context.id, text=context.text, origin=context.origin)


def all_passages(
    contexts: Iterable[GeneratedContext], seeds: Iterable[QAExample]
) -> Iterator[Passage]:
    """Yield the generated contexts that have a text, then the own contexts of `seeds`."""
    yield from generated_passages(contexts)
    yield from real_passages(seeds)


def failed_contexts(contexts: Iterable[GeneratedContext]) -> Iterator[Rejection]:
    """Yield a rejection for each generated context that has no text."""
    for context in contexts:
        if context.failure is not None:
            yield Rejection(id=context.id, reason=context.failure)


def real_passages(seeds: Iterable[QAExample]) -> Iterator[Passage]:
    """Yield the seeds' own contexts, each once, under the id of the first seed on it."""
    seen: set[str] = set()
    for seed in seeds:
        if seed.context_id not in seen:
            seen.add(seed.context_id)
            id_ = ids.real_context(seed.id)
            yield Passage(id=id_, text=seed.context, origin=seed.context_origin)
