"""Exact match and F1: goldens by hand, and equal to an independent implementation."""

import random

import pytest
from torchmetrics.functional.text import squad as torchmetrics_squad

from augqa.scoring import best_scores, exact_match, f1, normalize_answer, score


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  U.S. Army!", "us army"),
        ("an A the", ""),
        ("another theory", "another theory"),  # articles are whole words
        ("“Curly” – dash", "“curly” – dash"),  # only ASCII punctuation goes
        ("a-b", "ab"),
        ("tab\tnew\nline", "tab new line"),
    ],
)
def test_normalization_is_that_of_the_official_script(text: str, normalized: str) -> None:
    assert normalize_answer(text) == normalized


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("Mary Shelley", "the Mary Shelley.", 100.0),
        ("Mary Shelley", "Mary", 0.0),
        ("", "", 100.0),
        ("the", "a", 100.0),  # both are empty after normalization
    ],
)
def test_exact_match(gold: str, answer: str, expected: float) -> None:
    assert exact_match(gold, answer) == expected


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("Mary Shelley", "Mary", 200 / 3),  # precision 1, recall 1/2
        ("to be or not to be", "to be", 50.0),  # precision 1, recall 2/6
        ("to be", "to to to", 40.0),  # multisets: one shared "to"; precision 1/3, recall 1/2
        ("Mary", "Percy", 0.0),
        ("the", "a", 0.0),  # no token in common, as in the official script
    ],
)
def test_f1_counts_token_multisets(gold: str, answer: str, expected: float) -> None:
    assert f1(gold, answer) == pytest.approx(expected)


def test_each_metric_takes_its_own_maximum_over_the_golds() -> None:
    # "b" matches the second gold exactly; no gold needs to win both.
    assert best_scores(["b c d", "b"], "b") == (100.0, 100.0)
    assert best_scores(["x y", "x z w"], "x y z w") == (0.0, pytest.approx(600 / 7))


def test_a_missing_prediction_scores_zero_and_counts() -> None:
    result = score({"q1": ["yes"], "q2": ["no"]}, {"q1": "yes"})
    assert (result.exact_match, result.f1, result.n_questions) == (50.0, 50.0, 2)


def test_a_prediction_to_another_question_does_not_count() -> None:
    assert score({"q1": ["yes"]}, {"q1": "yes", "q9": "no"}).exact_match == 100.0


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="no question"):
        score({}, {})
    with pytest.raises(ValueError, match="gold"):
        best_scores([], "yes")


def test_scores_equal_an_independent_implementation_on_10000_random_cases() -> None:
    rng = random.Random(0)
    words = ["the", "a", "An", "cat", "Cat.", "U.S.", "1,000", "é", "—", "dog", "sat", "", "of"]

    def text() -> str:
        return " ".join(rng.choice(words) for _ in range(rng.randint(0, 6)))

    # Every gold has a token: where gold and answer both have none, the official v1.1 script gives
    # F1 0 and torchmetrics, which follows v2, gives 1 (the case stands by hand above).
    golds = {
        str(n): [f"{text()} {rng.choice(words[3:5])}" for _ in range(rng.randint(1, 4))]
        for n in range(10_000)
    }
    predictions = {id_: text() for id_ in golds}
    # Case by case would take minutes there; 100 blocks of 100 leave nothing to cancel out.
    ids = list(golds)
    for block in (ids[n : n + 100] for n in range(0, len(ids), 100)):
        ours = score({i: golds[i] for i in block}, {i: predictions[i] for i in block})
        theirs = torchmetrics_squad(
            [{"id": i, "prediction_text": predictions[i]} for i in block],
            [
                {"id": i, "answers": {"text": golds[i], "answer_start": [0] * len(golds[i])}}
                for i in block
            ],
        )
        assert ours.exact_match == pytest.approx(theirs["exact_match"].item(), abs=1e-3)
        assert ours.f1 == pytest.approx(theirs["f1"].item(), abs=1e-3)
