"""A broken record cannot exist."""

from typing import Any

import pytest

from augqa.errors import RecordError
from augqa.records import Answer, GeneratedContext, QAExample, Rejection, context_id

SOUND: dict[str, Any] = {
    "id": "q1",
    "context_id": context_id("The sky is blue."),
    "context": "The sky is blue.",
    "question": "Which colour?",
    "answers": (Answer(text="blue", start=11),),
    "origin": "real",
    "context_origin": "real",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": (Answer(text="blue", start=10),)}, "'blue' is not at 10, found ' blu'"),
        ({"answers": ()}, "no answer"),
        ({"context": " "}, "the context is empty"),
        ({"question": ""}, "the question is empty"),
        ({"id": ""}, "no id"),
        ({"origin": "fake"}, "origin is 'fake'"),
    ],
)
def test_a_broken_example_is_refused_with_the_value_found(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordError, match=message):
        QAExample(**{**SOUND, **change})


def test_an_answer_has_text_and_a_place() -> None:
    with pytest.raises(RecordError, match="empty"):
        Answer(text="", start=0)
    with pytest.raises(RecordError, match="negative"):
        Answer(text="x", start=-1)


def test_a_context_has_a_text_or_a_failure() -> None:
    with pytest.raises(RecordError, match="no text"):
        GeneratedContext(
            id="q1/c0",
            source_id="q1",
            text="",
            failure=None,
            model="m",
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=0,
            prompt_sha256="0",
            style="encyclopedic",
        )


def test_a_rejection_has_a_reason() -> None:
    with pytest.raises(RecordError, match="without a reason"):
        Rejection(id="q1", reason="")
