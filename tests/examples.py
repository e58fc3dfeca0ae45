"""Short ways to make records in tests."""

from augqa.records import Answer, GeneratedContext, Origin, QAExample, context_id


def example(
    id_: str = "q1",
    *,
    context: str = "Mary Shelley wrote Frankenstein in 1818.",
    question: str = "Who wrote Frankenstein?",
    answer: str = "Mary Shelley",
    origin: Origin = "real",
    context_origin: Origin = "real",
) -> QAExample:
    """Return a sound example; the answer is at its first occurrence."""
    return QAExample(
        id=id_,
        context_id=context_id(context),
        context=context,
        question=question,
        answers=(Answer(text=answer, start=context.index(answer)),),
        origin=origin,
        context_origin=context_origin,
    )


def generated_context(
    text: str, *, id_: str = "q1/c0", failure: str | None = None
) -> GeneratedContext:
    """Return a context of the source question that its id begins with."""
    return GeneratedContext(
        id=id_,
        source_id=id_.split("/")[0],
        text=text,
        failure=failure,
        model="m",
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        prompt_sha256="0",
        style="encyclopedic",
    )
