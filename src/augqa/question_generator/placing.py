"""From what a question generator drafts to pairs whose answer is a span of its context."""

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
        The pairs, and a rejection for each draft that is none. Draft number k becomes ``.../pk``
        either way; what the generator itself refused becomes ``.../x0``, ``.../x1``.
    """
    passage = proposal.passage
    pairs: list[QAExample] = []
    rejections = [
        Rejection(id=f"{passage.id}/x{number}", reason=refusal.reason, detail=refusal.detail)
        for number, refusal in enumerate(proposal.refusals)
    ]
    for number, draft in enumerate(proposal.drafts):
        id_ = f"{passage.id}/p{number}"
        question = " ".join(draft.question.split())
        answer = _answer(passage.text, draft)
        detail = f"{question} | {draft.answer}"
        if not question:
            rejections.append(Rejection(id=id_, reason="no_question", detail=detail))
        elif not draft.answer.strip():
            rejections.append(Rejection(id=id_, reason="no_answer", detail=detail))
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
