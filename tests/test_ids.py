"""Ids: what is made from another id leads back to it, whatever that looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa import ids

# Parts that look like what is added to an id, so that a question's own id may.
PARTS = st.sampled_from(["a", "/", "/c1", "/r", "/p0", "/x2", "/seed", "..", "\n", "é", "/w3"])
QUESTIONS = st.lists(PARTS, min_size=1).map("".join)


@given(question=QUESTIONS, number=st.integers(min_value=0, max_value=10**9))
def test_what_is_on_a_context_leads_back_to_context_and_question(
    question: str, number: int
) -> None:
    contexts = [ids.generated_context(question, number), ids.real_context(question)]
    for context in contexts:
        assert ids.seed_of(context) == question
        for made in (
            ids.pair(context, number),
            ids.refusal(context, number),
            ids.ask(context, number, kind="window"),
            ids.ask(context, number, kind="answer"),
            ids.seed_on_context(context),
        ):
            assert ids.context_of(made) == context
            assert ids.seed_of(made) == question


@given(question=QUESTIONS)
def test_no_two_kinds_of_ids_are_the_same(question: str) -> None:
    context = ids.generated_context(question, 1)
    made = [
        context,
        ids.real_context(question),
        ids.pair(context, 1),
        ids.refusal(context, 1),
        ids.ask(context, 1, kind="window"),
        ids.ask(context, 1, kind="answer"),
        ids.seed_on_context(context),
    ]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("id_", ["q1", "q1/p0", "q1/c/p0", "/c1", "q1/context", "q1/cx", "q1/c1 "])
def test_an_id_of_another_form_leads_nowhere(id_: str) -> None:
    assert ids.seed_of(id_) is None
    assert ids.context_of(id_) is None


def test_a_generated_context_names_its_own_question_alone() -> None:
    assert ids.is_generated_context_of("a/b/c12", "a/b")
    for id_, question in (("a/b/c12", "a"), ("a/b/r", "a/b"), ("a/b/c", "a/b"), ("a/bc1", "a/b")):
        assert not ids.is_generated_context_of(id_, question)


def test_the_grammar_is_what_the_tables_have() -> None:
    assert ids.pair(ids.generated_context("q1", 1), 0) == "q1/c1/p0"
    assert ids.pair(ids.real_context("q1"), 2) == "q1/r/p2"
    assert ids.seed_on_context(ids.generated_context("q1", 1)) == "q1/c1/seed"


@given(question=QUESTIONS, number=st.integers(min_value=0, max_value=10**9))
def test_a_copy_leads_back_to_its_original_alone(question: str, number: int) -> None:
    original = f"{question}/copy"  # whatever it looks like
    assert ids.original(ids.copy(original, number)) == original
    assert ids.original(original) == original
