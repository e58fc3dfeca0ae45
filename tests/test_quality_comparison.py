"""Sets beside each other: cut to one size where size matters, bounds, and pairs to look at."""

from collections.abc import Sequence

import numpy as np
import pytest

from augqa.quality.comparison import (
    answer_measures,
    chosen_pairs,
    first_words,
    near_duplicate_fraction,
    one_a_context,
    seed_measures,
    shuffled,
    text_measures,
    two_sample_aucs,
    vocabulary,
)
from augqa.records import QAExample, Rejection, RoundTripAnswer
from tests.examples import example


def seeds(*contexts: str) -> list[QAExample]:
    return [example(f"s{n}", context=c, answer=c.split()[0]) for n, c in enumerate(contexts)]


def test_a_set_is_cut_to_its_first_words() -> None:
    assert first_words(["A b.", "c, d e", "f"], 4) == ["a b", "c d"]
    assert first_words(["a b"], 2) == ["a b"]
    assert first_words(["a"], 0) == []


def test_the_vocabulary_is_counted_after_each_tenth() -> None:
    # 21 words: a tenth is 2, and the last word is beyond the tenth one.
    text = " ".join(["a", "b"] * 5 + [str(n) for n in range(11)])
    assert vocabulary([text], n_words=21) == [2, 2, 2, 2, 2, 4, 6, 8, 10, 12]
    assert vocabulary(["a b c"], n_words=3) == []


def test_diversity_does_not_depend_on_how_many_texts_a_set_has() -> None:
    texts = [f"word{n} and word{n + 1} meet" for n in range(40)]
    measured = text_measures({"real": texts * 5, "kept": texts[:3]}, n_self_bleu=9, seed=1)
    assert measured["n_words_compared"] == 12  # those of the smaller set
    assert measured["n_self_bleu"] == 3
    assert measured["sets"]["real"]["n"] == 200
    assert len(measured["sets"]["real"]["vocabulary"]) == 10
    assert measured["sets"]["kept"]["mean_words"] == 4.0
    assert measured["sets"]["real"]["duplicate_fraction"] == 160 / 200


def test_the_order_of_the_texts_does_not_matter() -> None:
    texts = [f"word{n} and word{n + 1} meet" for n in range(9)]
    sets = [{"real": order, "kept": ["one two three"] * 2} for order in (texts, texts[::-1])]
    first, second = (text_measures(one, n_self_bleu=2, seed=1) for one in sets)
    assert first == second


def test_a_lone_text_has_no_self_bleu() -> None:
    measured = text_measures({"real": ["one two", "three"], "kept": ["one"]}, n_self_bleu=5, seed=1)
    assert {row["self_bleu"] for row in measured["sets"].values()} == {None}


def test_a_text_that_nearly_repeats_an_earlier_one_is_a_near_duplicate() -> None:
    texts = [
        "In which year was the old stone bridge over the river built?",
        "In which year was the old stone bridge over the river rebuilt?",
        "Who wrote it?",
        "who wrote it",
    ]
    assert near_duplicate_fraction(texts) == 0.5
    assert near_duplicate_fraction([]) == 0.0


def test_answers_are_counted_by_length_and_place() -> None:
    context = "0123456789 " * 9 + "x"  # 100 characters
    examples = [
        example(context=context, answer="0123456789"),  # 1 word at 0.0
        example(context=context, answer=" ".join(["0123456789"] * 5)),  # 5 words at 0.0
        example(context=context, answer="x"),  # 1 word at 0.99
        example(context="a b c d e f g h i j k l", answer="b c d e f g h i j k l"),  # 11 words
    ]
    assert answer_measures(examples) == {
        "n": 4,
        "mean_words": 18 / 4,
        "words": {"1": 0.5, "2": 0.0, "3": 0.0, "4 to 5": 0.25, "6 to 10": 0.0, "over 10": 0.25},
        "position": [0.75, 0.0, 0.0, 0.0, 0.25],
    }


def test_shuffled_pairs_have_a_foreign_context() -> None:
    first, second, third = seeds("One fell.", "One fell.", "Two rose.")
    pairs = [(seed, seed.context) for seed in (first, second, third)]
    assert [text for _, text in shuffled(pairs)] == ["Two rose.", "Two rose.", "One fell."]
    assert shuffled(pairs[:2]) == []


def test_similarity_is_the_cosine_and_an_answer_is_looked_for() -> None:
    (seed,) = seeds("One fell.")
    vectors = {
        seed.question: np.array([1.0, 0.0], dtype=np.float32),
        "one fell down": np.array([0.6, 0.8], dtype=np.float32),
        "Two rose.": np.array([0.0, 1.0], dtype=np.float32),
    }
    sets = {"kept": [(seed, "one fell down"), (seed, "Two rose.")], "generated": []}
    measured = seed_measures(sets, vectors)
    assert measured["kept"]["similarity"] == pytest.approx(0.3)
    assert measured["kept"]["similarity_std"] == pytest.approx(0.3)
    assert measured["kept"]["seed_answer_fraction"] == 0.5
    assert measured["generated"]["similarity"] is None


def test_sets_are_told_apart_at_one_size() -> None:
    def numbered(word: str, n: int) -> list[str]:
        return [f"{word} number {i}" for i in range(n)]

    sets = {"real": numbered("dog", 30), "kept": numbered("cat", 12)}
    against = {"real": sets["real"], "nyt": numbered("cat", 20), "amazon": numbered("hen", 4)}
    found = two_sample_aucs(sets, against, n_sample=100, n_folds=5, seed=1)
    assert found["real"] == {"n": 12, "kept": 1.0}  # not against itself
    assert found["nyt"]["n"] == 12
    assert found["nyt"]["real"] == 1.0
    assert (found["nyt"]["kept"] or 0) < 0.6  # the same texts
    assert found["amazon"] == {"n": 4, "real": None, "kept": None}  # fewer than folds


def test_one_example_stands_for_each_context() -> None:
    rows = [example(f"q{n}", context=c) for n, c in enumerate(["Mary Shelley.", "A Mary Shelley."])]
    rows += [example("q2", context="Mary Shelley.")]
    chosen = one_a_context(rows, seed=1)
    assert {row.context for row in chosen} == {"Mary Shelley.", "A Mary Shelley."}
    assert one_a_context(rows[::-1], seed=1) == chosen


@pytest.mark.parametrize(
    ("n_kept", "n_rejected", "expected"),
    [(9, 9, (3, 3)), (9, 1, (5, 1)), (1, 9, (1, 5)), (1, 1, (1, 1))],
)
def test_half_of_the_pairs_to_look_at_are_rejected_ones(
    n_kept: int, n_rejected: int, expected: tuple[int, int]
) -> None:
    pairs = [example(f"p{n}") for n in range(n_kept + n_rejected)]
    dropped = [Rejection(id=f"p{n}", reason="too_odd", detail="7") for n in range(n_rejected)]
    shown = chosen_pairs(pairs, dropped, seeds=[], round_trip=[], n=6, seed=1)
    assert (sum(row.kept for row in shown), sum(not row.kept for row in shown)) == expected
    assert {(row.reason, row.detail) for row in shown if not row.kept} == {("too_odd", "7")}
    assert {row.reason for row in shown if row.kept} <= {None}


def test_a_larger_sample_holds_the_smaller_one() -> None:
    pairs = [example(f"p{n}") for n in range(40)]

    def ids(n: int) -> Sequence[str]:
        dropped = [Rejection(id=f"p{i}", reason="too_odd") for i in range(20)]
        return [
            row.id for row in chosen_pairs(pairs, dropped, seeds=[], round_trip=[], n=n, seed=3)
        ]

    assert set(ids(4)) < set(ids(10))


def test_a_pair_to_look_at_has_its_seed_question_and_what_the_round_trip_answered() -> None:
    pairs = [example("train/7/c0/p1"), example("8/c0/p0")]
    (first, second) = chosen_pairs(
        pairs,
        [],
        # An id may hold slashes of its own: the longest beginning counts.
        seeds=[example("train"), example("train/7", question="Which novel did she write?")],
        round_trip=[RoundTripAnswer(id="train/7/c0/p1", text="Shelley", score=3.0, f1=66.7)],
        n=2,
        seed=1,
    )
    by_id = {row.id: row for row in (first, second)}
    asked, other = by_id["train/7/c0/p1"], by_id["8/c0/p0"]
    assert asked.seed_question == "Which novel did she write?"
    assert (asked.round_trip_answer, asked.round_trip_f1) == ("Shelley", 66.7)
    assert asked.context[asked.answer_start :].startswith(asked.answer)
    assert (other.seed_question, other.round_trip_answer, other.round_trip_f1) == ("", None, None)
