"""N-grams shared with a set of texts, and texts nearly equal to others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa import overlap
from augqa.overlap import HeldOutTexts, NgramIndex, ngram_hashes, shingles, similar_texts
from augqa.sentences import words
from tests.examples import example

WORDS = st.sampled_from(["a", "b", "c", "d", "E", "é", "谁", "x,", "-"])
TEXTS = st.lists(WORDS, max_size=14).map(" ".join)


def runs(text: str, n: int) -> list[tuple[str, ...]]:
    """Return the runs of `n` words, in order; all of a text that is shorter."""
    found = words(text)
    return [found[i : i + n] for i in range(max(1, len(found) - n + 1))] if found else []


def test_no_more_hashes_of_words_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = " ".join(f"w{n}" for n in range(9))
    expected = ngram_hashes(text, 2).tolist()
    monkeypatch.setattr(overlap, "_N_DISTINCT_WORDS", 4)
    monkeypatch.setattr(overlap, "_WORD_HASHES", overlap._WordHashes())
    assert ngram_hashes(text, 2).tolist() == expected
    assert len(overlap._WORD_HASHES) <= 4


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [("A b, c!", 2, 2), ("A b", 3, 1), ("?!", 2, 0), ("a b a b", 2, 3), ("谁写的", 2, 2)],
)
def test_ngrams_are_runs_of_words(text: str, n: int, expected: int) -> None:
    assert len(ngram_hashes(text, n)) == expected


@given(one=TEXTS, other=TEXTS, n=st.integers(1, 9))
def test_two_runs_have_one_hash_exactly_where_their_words_are_the_same(
    one: str, other: str, n: int
) -> None:
    named = list(zip(ngram_hashes(one, n).tolist(), runs(one, n), strict=True))
    named += zip(ngram_hashes(other, n).tolist(), runs(other, n), strict=True)
    for hash_one, run_one in named:
        for hash_other, run_other in named:
            assert (hash_one == hash_other) == (run_one == run_other)


@given(texts=st.lists(TEXTS, max_size=4), text=TEXTS, n=st.integers(1, 9))
def test_the_shared_fraction_is_that_of_sets_of_words(texts: list[str], text: str, n: int) -> None:
    indexed = {run for one in texts for run in runs(one, n)}
    own = set(runs(text, n))
    expected = len(own & indexed) / len(own) if own else 0.0
    assert NgramIndex(texts, n_words=n).shared_fraction(text) == expected


def test_held_out_texts_are_contexts_and_questions_apart() -> None:
    found = HeldOutTexts.of([example()], n_words=3)
    assert found.contexts.shared_fraction("Mary Shelley wrote") == 1.0
    assert found.contexts.shared_fraction("Who wrote Frankenstein?") == 0.0
    assert found.questions.shared_fraction("Who wrote Frankenstein?") == 1.0


def test_similarity_is_the_jaccard_index_of_four_character_sets() -> None:
    # " abc", "abcd", "bcd "; " abc", "abce", "bce ": one of five; "abcd e" has the first three.
    texts = ["The ABCD!", "abcd", "abce", "abcd e"]
    assert similar_texts(texts, [range(4)], 0.3) == {
        0: [(1, 1.0), (3, 3 / 5)],
        1: [(0, 1.0), (3, 3 / 5)],
        3: [(0, 3 / 5), (1, 3 / 5)],
    }


def test_texts_of_different_groups_are_not_compared() -> None:
    assert similar_texts(["abcd", "abcd", "abcd"], [[0, 2], [1]], 0.5) == {
        0: [(2, 1.0)],
        2: [(0, 1.0)],
    }


@given(
    texts=st.lists(st.text("abcd ", max_size=12), min_size=18, max_size=30),
    minimum=st.sampled_from([0.2, 0.5, 0.75, 0.8, 1.0]),
)
def test_in_a_large_group_no_similar_text_is_overlooked(texts: list[str], minimum: float) -> None:
    found = similar_texts(texts, [range(len(texts))], minimum)
    for one, text in enumerate(texts):
        expected = []
        for other, another in enumerate(texts):
            mine, theirs = shingles(text), shingles(another)
            similarity = len(mine & theirs) / len(mine | theirs)
            if one != other and similarity >= minimum:
                expected.append((other, similarity))
        assert found.get(one, []) == expected
