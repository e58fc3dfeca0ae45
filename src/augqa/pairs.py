"""From what a question generator drafts to pairs whose answer is a span of its context.

Every question generator has one face: passages in, one proposal a passage out, in their order.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

from augqa import ids
from augqa.pointing import lead_in
from augqa.records import (
    Answer,
    GeneratedContext,
    Origin,
    QAExample,
    Rejection,
    RoundTripAnswer,
    context_id,
)
from augqa.sentences import Span
from augqa.spans import locate_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A context that pairs are asked on.

    Attributes:
        id: Id of the generated context, or of the real one of the first seed on it.
        text: The context.
        origin: Where it comes from.
    """

    id: str
    text: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question and an answer as a generator gave them.

    Attributes:
        question: The question.
        answer: The answer, which may not be a span of the context.
        start: Offset of the answer in the passage, where the generator knows it.
        window: Part of the passage that the generator read, where it did not read all.
    """

    question: str
    answer: str
    start: int | None = None
    window: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A part of a generator's output that is no draft, and why, in snake_case."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a generator drafted for one passage.

    Attributes:
        passage: The passage.
        drafts: Its question-answer drafts, in the generator's order.
        refusals: What came back beside them.
        model: Served name of the model; None where no model did it.
        prompt_sha256: Hash of the prompt template; None without one.
    """

    passage: Passage
    drafts: tuple[Draft, ...]
    refusals: tuple[Refusal, ...] = ()
    model: str | None = None
    prompt_sha256: str | None = None


class QuestionGenerator(Protocol):
    """Drafts question-answer pairs."""

    def propose(self, passages: Sequence[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order."""
        ...


def generated_passages(contexts: Iterable[GeneratedContext]) -> Iterator[Passage]:
    """Yield the generated contexts that have a text."""
    for context in contexts:
        if context.failure is None:
            yield Passage(id=context.id, text=context.text, origin="generated")


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
            yield Passage(
                id=ids.real_context(seed.id), text=seed.context, origin=seed.context_origin
            )


def in_step(
    pairs: Iterable[QAExample], answers: Iterable[RoundTripAnswer]
) -> Iterator[tuple[QAExample, RoundTripAnswer | None]]:
    """Yield each pair with the round-trip answer to it, None where there is none.

    Both are read one at a time: answers in the order of the pairs take no memory, those of another
    order are remembered until their pair comes.
    """
    rest = iter(answers)
    waiting: dict[str, RoundTripAnswer] = {}
    for pair in pairs:
        found = waiting.pop(pair.id, None)
        while found is None and (answer := next(rest, None)) is not None:
            if answer.id == pair.id:
                found = answer
            else:
                waiting[answer.id] = answer
        yield pair, found


def placed(
    proposal: Proposal, *, method: str, n_pairs: int
) -> tuple[list[QAExample], list[Rejection]]:
    """Turn the drafts for one passage into pairs.

    Args:
        proposal: The drafts.
        method: Name of the question generator, for the record.
        n_pairs: Most pairs to take; further ones are rejected.

    Returns:
        The pairs, and a rejection for each draft that is none. An answer that begins by naming its
        passage (``According to the passage, ...``) is taken without that. Draft number k becomes
        ``.../pk`` either way; what the generator itself refused becomes ``.../x0``, ``.../x1``.
    """
    passage = proposal.passage
    pairs: list[QAExample] = []
    rejections = [
        Rejection(id=ids.refusal(passage.id, number), reason=refusal.reason, detail=refusal.detail)
        for number, refusal in enumerate(proposal.refusals)
    ]
    for number, draft in enumerate(proposal.drafts):
        id_ = ids.pair(passage.id, number)
        given = draft.answer
        names_passage = lead_in(draft.answer)
        if names_passage:
            draft = _without_beginning(draft, names_passage)
        question = " ".join(draft.question.split())
        answer = _answer(passage.text, draft) if draft.answer.strip() else None
        detail = f"{question} | {given}"
        if not question:
            rejections.append(Rejection(id=id_, reason="no_question", detail=detail))
        elif not draft.answer.strip():
            reason = "passage_dependent" if names_passage else "no_answer"
            rejections.append(Rejection(id=id_, reason=reason, detail=detail))
        elif answer is None:
            rejections.append(Rejection(id=id_, reason="answer_not_a_span", detail=detail))
        elif len(pairs) == n_pairs:
            rejections.append(Rejection(id=id_, reason="over_pairs_per_context", detail=detail))
        else:
            pairs.append(
                QAExample(
                    id=id_,
                    context_id=context_id(passage.text),
                    context=passage.text,
                    question=question,
                    answers=(answer,),
                    origin="generated",
                    context_origin=passage.origin,
                    method=method,
                    model=proposal.model,
                    prompt_sha256=proposal.prompt_sha256,
                )
            )
    return pairs, rejections


def _answer(context: str, draft: Draft) -> Answer | None:
    if draft.start is not None:
        return Answer(text=draft.answer, start=draft.start)
    first, past = draft.window or (0, len(context))
    found = locate_answer(context[first:past], draft.answer, question=draft.question)
    return None if found is None else Answer(text=found.text, start=first + found.start)


def _without_beginning(draft: Draft, n: int) -> Draft:
    start = None if draft.start is None else draft.start + n
    return dataclasses.replace(draft, answer=draft.answer[n:], start=start)


def in_turn(parts: Iterable[Sequence[Draft]]) -> tuple[Draft, ...]:
    """Merge the drafts of a passage's windows, one of each in turn: a limit favours none."""
    return tuple(draft for turn in zip_longest(*parts) for draft in turn if draft is not None)
