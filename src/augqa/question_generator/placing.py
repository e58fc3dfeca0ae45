"""From what a question generator drafts to pairs whose answer is a span of its context."""

import dataclasses

from augqa import ids
from augqa.pointing import lead_in
from augqa.question_generator.proposals import Draft, Proposal
from augqa.records import Answer, QAExample, Rejection, context_id
from augqa.spans import locate_answer


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
        given, names_passage = draft.answer, lead_in(draft.answer)
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


def _without_beginning(draft: Draft, n: int) -> Draft:
    start = None if draft.start is None else draft.start + n
    return dataclasses.replace(draft, answer=draft.answer[n:], start=start)


def _answer(context: str, draft: Draft) -> Answer | None:
    if draft.start is not None:
        return Answer(text=draft.answer, start=draft.start)
    first, past = draft.window or (0, len(context))
    found = locate_answer(context[first:past], draft.answer, question=draft.question)
    return None if found is None else Answer(text=found.text, start=first + found.start)
