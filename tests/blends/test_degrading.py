"""The quality dial: what is chosen or made worse, and that the same pairs go into the blend."""

import pytest

from augqa.blends import joined, sized
from augqa.blends.degrading import consistent, shuffled_answers, truncated_contexts
from augqa.records import QAExample, RoundTripAnswer, context_id
from tests.examples import example

CONTEXT = (
    "Mary Shelley wrote Frankenstein in 1818. It rained in Geneva. Byron told of ghosts there."
)


def pair(id_: str, *, context: str = CONTEXT, answer: str = "Mary Shelley") -> QAExample:
    return example(
        id_, context=context, answer=answer, origin="generated", context_origin="generated"
    )


def answers(pairs: list[QAExample]) -> dict[str, str]:
    return {pair.id: pair.answers[0].text for pair in pairs}


def test_consistent_pairs_reach_the_f1_and_the_others_say_theirs() -> None:
    f1s = {"a": 100.0, "b": 80.0, "c": 79.9}
    read = {id_: RoundTripAnswer(id=id_, text="", score=1.0, f1=f1) for id_, f1 in f1s.items()}
    good, rejected = consistent([pair(id_) for id_ in f1s], read, min_round_trip_f1=80.0)
    assert [row.id for row in good] == ["a", "b"]
    assert [(row.id, row.reason, row.detail) for row in rejected] == [
        ("c", "not_consistent_enough", "F1 79.9")
    ]


def test_a_shuffled_answer_is_that_of_another_pair_on_the_same_context() -> None:
    pairs = [pair("a"), pair("b", answer="ghosts"), pair("c", answer="Mary Shelley wrote")]
    graded, rejected = shuffled_answers(pairs, shuffled_fraction=1.0, seed=1)
    # The third answer shares words with the first, so neither stands for the other.
    assert answers(graded) == {"a": "ghosts", "c": "ghosts"} | {"b": answers(graded)["b"]}
    assert answers(graded)["b"] in ("Mary Shelley", "Mary Shelley wrote")
    assert rejected == []
    assert {row.context for row in graded} == {CONTEXT}
    assert {row.method for row in graded} == {"None+shuffled"}


def test_a_lone_pair_takes_another_answer_candidate_and_without_one_it_is_rejected() -> None:
    bare = "so it was and so it is"
    pairs = [pair("a"), pair("b", context=bare, answer=bare)]
    graded, rejected = shuffled_answers(pairs, shuffled_fraction=1.0, seed=1)
    assert [row.id for row in graded] == ["a"]
    assert not set(graded[0].answers[0].text.split()) & {"Mary", "Shelley"}
    assert [(row.id, row.reason) for row in rejected] == [("b", "no_other_answer")]


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_a_blend_has_its_fraction_of_shuffled_answers_whatever_its_size(fraction: float) -> None:
    pairs = [pair(f"p{n}") for n in range(40)]
    graded, _ = shuffled_answers(pairs, shuffled_fraction=fraction, seed=7)
    for n in (4, 8, 20, 40):
        blend = sized(graded, recipe="mix", what="generated", n_examples=n, seed=7)
        wrong = sum(row.answers[0].text != "Mary Shelley" for row in blend.examples)
        assert wrong == n * fraction


def test_the_same_pairs_are_chosen_in_the_same_order_whatever_their_quality() -> None:
    real = [example(f"r{n}") for n in range(20)]
    pairs = [pair(f"p{n}") for n in range(20)]
    shuffled_pairs, _ = shuffled_answers(pairs, shuffled_fraction=1.0, seed=7)
    short = truncated_contexts(pairs, max_context_words=6)
    ids = {
        tuple(row.id for row in made.examples)
        for made in (
            joined(
                [
                    sized(part, recipe="mix", what="any", n_examples=6, seed=7)
                    for part in (graded, real)
                ],
                seed=7,
            )
            for graded in (pairs, shuffled_pairs, short)
        )
    }
    assert len(ids) == 1


def test_a_truncated_context_is_the_text_around_the_answer() -> None:
    (cut,) = truncated_contexts([pair("a", answer="Geneva")], max_context_words=6)
    assert cut.context == "It rained in Geneva."
    assert (cut.answers[0].text, cut.answers[0].start) == ("Geneva", 13)
    assert cut.context_id == context_id(cut.context)
    assert cut.method == "None+truncated"


def test_a_context_that_is_short_enough_stays() -> None:
    assert truncated_contexts([pair("a")], max_context_words=15) == [pair("a")]


@pytest.mark.parametrize("n", range(1, 16))
def test_a_truncated_context_has_no_more_words_than_asked_for_or_the_answer_alone(n: int) -> None:
    (cut,) = truncated_contexts([pair("a", answer="told of ghosts")], max_context_words=n)
    assert "told of ghosts" in cut.context
    assert len(cut.context.split()) <= max(n, 3)
