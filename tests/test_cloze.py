import pytest
from hypothesis import given

from augqa.candidates import answer_candidates
from augqa.question_generator.cloze import ClozeGenerator, cloze_question
from augqa.question_generator.proposals import Passage
from tests.test_spans import ODD_TEXT


def asked(text: str, answer: str) -> str | None:
    (candidate,) = (c for c in answer_candidates(text) if c.text == answer)
    return cloze_question(text, candidate)


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        # The answer is the subject.
        ("Mary Shelley wrote it in Bath.", "Mary Shelley", "Who wrote it in Bath?"),
        ("Four towns lie on it.", "Four", "How many towns lie on it?"),
        # An auxiliary goes to the front.
        ("The bridge was built in 1901.", "1901", "When was the bridge built?"),
        ("Alan Turing was born in London.", "London", "Where was Alan Turing born?"),
        ("It was founded by Ada Hall.", "Ada Hall", "Who was it founded by?"),
        ("In 1901 the bridge was sold.", "1901", "When was the bridge sold?"),
        # The question word stays where the answer is.
        ("The company sold it in 1901.", "1901", "The company sold it when?"),
        ("It weighs 12 tonnes.", "12 tonnes", "It weighs how many tonnes?"),
        ("They paid $5 million.", "$5 million", "They paid how much money?"),
        ("It rained for two hours.", "two hours", "It rained how long?"),
        ("About 40% agreed.", "40%", "About what percentage agreed?"),
        ("She sang “Let it be” twice.", "Let it be", "She sang what twice?"),
        # Another clause is left out, unless the answer's has hardly a word.
        ("It was shut, but Bob opened it in 1901.", "1901", "Bob opened it when?"),
        (
            "It was shut by the mayor, until 1901.",
            "1901",
            "It was shut by the mayor, until when?",
        ),
    ],
)
def test_a_statement_becomes_a_question(text: str, answer: str, expected: str) -> None:
    assert asked(text, answer) == expected


def test_nothing_around_an_answer_makes_no_question() -> None:
    assert asked("“Let it be”.", "Let it be") is None


@given(text=ODD_TEXT)
def test_any_text_gives_questions_that_end_with_one_mark(text: str) -> None:
    passage = Passage(id="s1/c1", text=text, origin="generated")
    (proposal,) = ClozeGenerator(n_pairs=3).propose([passage])
    for draft in proposal.drafts:
        assert draft.question.endswith("?")
        assert draft.start is not None
        assert text[draft.start :].startswith(draft.answer)
    assert proposal.drafts or proposal.refusals
