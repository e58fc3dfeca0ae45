"""Goldens computed by hand; the sums stand in the comments."""

import pytest

from augqa.quality.measures import (
    answer_positions,
    answer_words,
    distinct_n,
    duplicate_fraction,
    flesch_reading_ease,
    histogram,
    seed_answer_fraction,
    self_bleu,
    syllables,
    two_sample_auc,
    vocabulary_growth,
)
from tests.examples import example


@pytest.mark.parametrize(
    ("texts", "n", "expected"),
    [
        (["a b a b", "A b."], 1, 2 / 6),  # a, b
        (["a b a b", "A b."], 2, 2 / 4),  # ab, ba of ab, ba, ab, ab: no run across texts
        (["a b"], 3, 0.0),
        ([], 1, 0.0),
    ],
)
def test_distinct_n_counts_runs_of_words(texts: list[str], n: int, expected: float) -> None:
    assert distinct_n(texts, n=n) == pytest.approx(expected)


def test_equal_texts_have_self_bleu_100_and_foreign_ones_0() -> None:
    assert self_bleu(["the cat sat on the mat"] * 3, n_sample=3, seed=1) == pytest.approx(100)
    apart = self_bleu(["a b c d e", "f g h i j", "k l m n o"], n_sample=3, seed=1)
    assert apart == pytest.approx(0.0)


def test_self_bleu_is_the_mean_over_the_sample() -> None:
    # "a b c d" and "a b c e": of 4, 3, 2 and 1 runs, 3, 2, 1 and 0 match. The last is smoothed to
    # 1/2, so BLEU is (3/4 · 2/3 · 1/2 · 1/2) ** (1/4), the same both ways.
    expected = 100 * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25
    assert self_bleu(["a b c d", "a b c e"], n_sample=9, seed=1) == pytest.approx(expected)


def test_self_bleu_reads_a_seeded_sample_alone() -> None:
    texts = ["one two three four"] * 5 + ["five six seven eight"] * 5
    scores = {round(self_bleu(texts, n_sample=2, seed=seed)) for seed in range(20)}
    assert scores == {0, 100}
    assert self_bleu(texts, n_sample=4, seed=3) == self_bleu(texts, n_sample=4, seed=3)
    with pytest.raises(ValueError, match="there are 1"):
        self_bleu(["alone"], n_sample=2, seed=1)


def test_vocabulary_grows_with_new_words_only() -> None:
    assert vocabulary_growth(["a b a", "B c d e"], every_words=3) == [(3, 2), (6, 4), (7, 5)]
    assert vocabulary_growth(["a b"], every_words=2) == [(2, 2)]
    assert vocabulary_growth([], every_words=2) == []


def test_answers_are_measured_in_words_and_by_place() -> None:
    context = "0123456789 Ada Hall."  # 20 characters, the answer from 11 on
    examples = [example(context=context, answer="Ada Hall"), example(context="Ada.", answer="Ada")]
    assert answer_words(examples) == [2, 1]
    assert answer_positions(examples) == [11 / 20, 0.0]


def test_a_histogram_holds_fractions() -> None:
    assert histogram([0.0, 0.5, 0.5, 1.0], edges=[0, 0.5, 1]) == [0.25, 0.75]
    assert histogram([1, 9], edges=[0, 2, 4]) == [0.5, 0.0]
    assert histogram([], edges=[0, 1]) == [0.0]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cat", 1),
        ("the", 1),
        ("make", 1),
        ("makes", 1),
        ("table", 2),
        ("tables", 2),
        ("whole", 1),
        ("walked", 1),
        ("wanted", 2),
        ("boxes", 2),
        ("wishes", 2),
        ("water", 2),
        ("banana", 3),
        ("rhythm", 1),
        ("1843", 1),
    ],
)
def test_syllables_of_common_words(word: str, expected: int) -> None:
    assert syllables(word) == expected


def test_reading_ease_follows_flesch_s_formula() -> None:
    # 6 words, 2 sentences, 7 syllables: 206.835 − 1.015 · 3 − 84.6 · 7/6.
    assert flesch_reading_ease("The cat sat. The water boils.") == pytest.approx(105.09)
    assert flesch_reading_ease("...") is None


def test_duplicates_are_equal_after_normalization() -> None:
    assert duplicate_fraction(["Who?", "who", "The who!", "When?"]) == 0.5
    assert duplicate_fraction([]) == 0.0


def test_a_classifier_tells_different_texts_apart_and_equal_ones_not() -> None:
    animals = [f"the {animal} runs in the field" for animal in ("dog", "cat", "cow", "pig", "hen")]
    tools = [f"a {tool} lies on some bench" for tool in ("saw", "file", "axe", "nail", "rasp")]
    assert two_sample_auc(animals, tools, n_folds=5, seed=1) == 1.0
    same = [f"text number {n}" for n in range(20)]
    assert two_sample_auc(same, same, n_folds=5, seed=1) < 0.6
    with pytest.raises(ValueError, match="one has 1"):
        two_sample_auc(animals, tools[:1], n_folds=2, seed=1)


def test_a_seed_answer_may_be_held_by_the_contexts_for_it() -> None:
    seeds = [example("s1", answer="Mary Shelley"), example("s2", answer="1818"), example("s3")]
    contexts = {"s1": ["It was mary  shelley's.", "Percy wrote."], "s2": ["In 18181."]}
    assert seed_answer_fraction(contexts, seeds) == pytest.approx(1 / 3)
    assert seed_answer_fraction({}, seeds) == 0.0
