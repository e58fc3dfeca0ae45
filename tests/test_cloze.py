import pytest
from hypothesis import given

from augqa.candidates import answer_candidates
from augqa.question_generator.cloze import ClozeGenerator, cloze_question
from augqa.question_generator.proposals import Passage
from augqa.question_generator.verbs import base_of
from tests.test_spans import ODD_TEXT


def asked(text: str, answer: str) -> str | None:
    (candidate,) = (c for c in answer_candidates(text) if c.text == answer)
    return cloze_question(text, candidate)


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        # The answer is the subject.
        (
            "Mary Shelley wrote Frankenstein in Bath.",
            "Mary Shelley",
            "Who wrote Frankenstein in Bath?",
        ),
        ("Four towns lie on the river.", "Four", "How many towns lie on the river?"),
        # An auxiliary goes to the front.
        ("The bridge was built in 1901.", "1901", "When was the bridge built?"),
        ("Alan Turing was born in London.", "London", "Where was Alan Turing born?"),
        ("The town was founded by Mary Hall.", "Mary Hall", "Who was the town founded by?"),
        ("In 1901 the bridge was sold.", "1901", "When was the bridge sold?"),
        # A verb without one is asked for with do.
        (
            "The sport of rugby began in Australia in 1864.",
            "1864",
            "When did the sport of rugby begin in Australia?",
        ),
        (
            "The company sold the old mill in 1901.",
            "1901",
            "When did the company sell the old mill?",
        ),
        ("The engine weighs 12 tonnes.", "12 tonnes", "How many tonnes does the engine weigh?"),
        ("The owners paid $5 million.", "$5 million", "How much money did the owners pay?"),
        ("The singer sang “Let it be” twice.", "Let it be", None),
        ("The bridge has 23 arches.", "23", "How many arches does the bridge have?"),
        # What was said of the time before moves behind.
        ("In 1901, the town bought a mill.", "a mill", "What did the town buy in 1901?"),
        # Another clause is left out.
        ("It was shut, but Mary opened the mill in 1901.", "1901", "When did Mary open the mill?"),
        # What the rules cannot ask well, they do not ask.
        ("It was sold in 1901.", "1901", None),  # what was?
        ("The mill was shut until 1901.", "1901", None),
        ("The man who wrote it and the town sold the mill.", "the mill", None),
        ("The law adopted in 1901 was good.", "1901", None),
        ("About 40% agreed.", "40%", None),
        ("The mill made flour and “Let it be”.", "Let it be", None),
    ],
)
def test_a_statement_becomes_a_question_or_none(
    text: str, answer: str, expected: str | None
) -> None:
    assert asked(text, answer) == expected


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("sold", ("did", "sell")),
        ("moved", ("did", "move")),
        ("started", ("did", "start")),
        ("created", ("did", "create")),
        ("treated", ("did", "treat")),
        ("stopped", ("did", "stop")),
        ("called", ("did", "call")),
        ("controlled", ("did", "control")),
        ("carried", ("did", "carry")),
        ("died", ("did", "die")),
        ("agreed", ("did", "agree")),
        ("passed", ("did", "pass")),
        ("changed", ("did", "change")),
        ("belonged", ("did", "belong")),
        ("contains", ("does", "contain")),
        ("varies", ("does", "vary")),
        ("lies", ("does", "lie")),
        ("goes", ("does", "go")),
        ("reaches", ("does", "reach")),
        ("added", ("did", "add")),
        ("hundred", None),
        ("bridges", None),
        ("river", None),
    ],
)
def test_a_verb_is_told_with_its_base_form(verb: str, expected: tuple[str, str] | None) -> None:
    assert base_of(verb) == expected


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
