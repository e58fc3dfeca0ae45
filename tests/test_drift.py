"""The profile of real examples: kinds, shares, and none of them 0."""

import pytest

from augqa.drift import ASPECTS, aspects, profile, question_word_fractions
from tests.examples import example


def test_a_question_counts_under_its_first_question_word() -> None:
    questions = ["Who knew what?", "In which year?", "Whose is it?", "How much?", "Did he?"]
    found = question_word_fractions([*questions, "How?", "What's up?", "By whom?"])
    assert found == {
        "what": 1 / 8,
        "who": 3 / 8,
        "when": 0.0,
        "where": 0.0,
        "which": 1 / 8,
        "why": 0.0,
        "how many": 1 / 8,
        "how": 1 / 8,
        "other": 1 / 8,
    }
    assert set(question_word_fractions([]).values()) == {0.0}


@pytest.mark.parametrize(
    ("n_words", "expected"), [(1, "0 to 5"), (5, "0 to 5"), (6, "6 to 8"), (99, "21 or more")]
)
def test_a_length_is_of_the_bin_that_holds_it(n_words: int, expected: str) -> None:
    found = aspects(context="c", question="word " * n_words, answer="a")
    assert found["question_length"] == expected


def test_one_word_answers_have_a_bin_of_their_own() -> None:
    lengths = [
        aspects(context="c", question="q", answer="a " * n)["answer_length"] for n in (1, 2, 3, 4)
    ]
    assert lengths == ["0 to 1", "2", "3", "4 to 5"]


def test_a_profile_has_a_share_for_each_kind_and_none_is_zero() -> None:
    found = profile([example("q1"), example("q2"), example("q3", question="When was it?")])
    assert set(found) == set(ASPECTS)
    # Three questions and nine words: each word counts once more than it occurs.
    assert found["question_word"]["who"] == pytest.approx(3 / 12)
    assert found["question_word"]["when"] == pytest.approx(2 / 12)
    assert found["question_word"]["why"] == pytest.approx(1 / 12)
    for shares in found.values():
        assert sum(shares.values()) == pytest.approx(1)


def test_no_share_of_a_large_set_rounds_to_zero() -> None:
    found = profile([example()] * 90_000)
    assert min(min(shares.values()) for shares in found.values()) > 0.0009
