"""Filters that judge pairs among each other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augqa.records import QAExample
from augqa.scoring import normalize_answer
from tests.filtering import decided, kept, pair, read

CONTEXT = "Mary Shelley wrote Frankenstein in 1818 while she lived in Bath."
OTHER = "Percy Shelley wrote Ozymandias. Mary Shelley read it. Frankenstein is hers."


def test_a_question_may_repeat_only_on_another_context_with_another_answer() -> None:
    pairs = [
        pair("first"),
        pair("again", question="who wrote the Frankenstein?"),  # equal but for case and article
        pair("other-answer", question="Who wrote Frankenstein?", answer="1818"),
        pair("same-answer", context=OTHER, answer="Mary Shelley"),
        pair("fine", context=OTHER, answer="Percy Shelley"),
    ]
    decision = decided(pairs)
    assert kept(pairs, decision) == ["first", "fine"]
    assert {r.id: (r.reason, r.detail) for r in decision.rejected.values()} == {
        "again": ("duplicate_question", "of first"),
        "other-answer": ("duplicate_question", "of first"),
        "same-answer": ("duplicate_question", "of first"),
    }


def test_a_nearly_equal_question_goes_the_same_way() -> None:
    pairs = [
        pair("first", question="Who wrote the novel Frankenstein?"),
        pair("near", question="Who wrote a novel, Frankensteins?"),
        pair("far", question="Whose novel is it?"),
    ]
    assert kept(pairs, decided(pairs, min_duplicate_similarity=0.95)) == ["first", "near", "far"]
    decision = decided(pairs, min_duplicate_similarity=0.8)
    assert kept(pairs, decision) == ["first", "far"]
    assert [(r.id, r.reason) for r in decision.rejected.values()] == [
        ("near", "near_duplicate_question")
    ]


def test_a_nearly_equal_question_may_stand_elsewhere_with_another_answer() -> None:
    pairs = [
        pair("first", question="Who wrote the famous novel?"),
        pair("stranger", question="Who wrote the famous novels?", context=OTHER, answer="Percy"),
        pair("same", question="Who wrote a famous novel then?", context=OTHER),
    ]
    decision = decided(pairs, min_duplicate_similarity=0.7)
    assert kept(pairs, decision) == ["first", "stranger"]
    assert [r.reason for r in decision.rejected.values()] == ["near_duplicate_question"]


def test_a_similarity_that_is_just_the_bound_is_near() -> None:
    pairs = [pair("a", question="Who wrote the novel?"), pair("b", question="Who wrote novels?")]
    one, other = (four_characters(p.question) for p in pairs)
    bound = len(one & other) / len(one | other)
    assert 0 < bound < 1
    assert kept(pairs, decided(pairs, min_duplicate_similarity=bound)) == ["a"]
    above = bound + 1e-9
    assert kept(pairs, decided(pairs, min_duplicate_similarity=above)) == ["a", "b"]


def test_a_rejected_pair_hides_no_later_one_as_its_duplicate() -> None:
    pairs = [pair("bad"), pair("good")]
    answers = [read("bad", f1=0.0), read("good")]
    assert kept(pairs, decided(pairs, answers, min_duplicate_similarity=0.5)) == ["good"]


def test_a_near_duplicate_hides_no_equal_one_of_another_context() -> None:
    pairs = [
        pair("first", question="Who wrote the famous novel?"),
        pair("near", question="Who wrote the famous novels?", answer="1818"),
        # Equal to the one before, with its answer; but that one is gone.
        pair("equal", question="Who wrote the famous novels?", context=CONTEXT, answer="1818"),
    ]
    decision = decided(pairs, min_duplicate_similarity=0.8)
    assert kept(pairs, decision) == ["first", "equal"]


def test_of_one_context_the_best_scored_pairs_stay_in_their_order() -> None:
    questions = ["Who wrote Frankenstein?", "What is her name?", "Which author lived there?"]
    pairs = [pair(f"q{n}", question=question) for n, question in enumerate(questions)]
    pairs.append(pair("alone", context=CONTEXT))
    scores = [2.0, 1.0, 2.0, 0.0]
    answers = [read(p.id, score=score) for p, score in zip(pairs, scores, strict=True)]
    decision = decided(pairs, answers, max_pairs_per_context=2, min_reader_score=None)
    # "alone" has another context, but repeats question and answer of q0.
    assert kept(pairs, decision) == ["q0", "q2"]
    assert [r.reason for r in decision.rejected.values()] == [
        "over_max_pairs_per_context",
        "duplicate_question",
    ]
    assert kept(pairs, decided(pairs[:3], answers[:3], max_pairs_per_context=3))[:3] == [
        "q0",
        "q1",
        "q2",
    ]


def test_the_pairs_of_the_first_seeds_make_up_the_target() -> None:
    # Pairs on real contexts come last in the table, and still belong to their seeds.
    ids = ("b/c1/p0", "b/c1/p1", "a/x/c1/p0", "b/r/p0", "a/x/r/p0")
    asked = ("rain", "snow", "wind", "hail", "fog")
    pairs = [pair(id_, question=f"When did {w} fall?") for id_, w in zip(ids, asked, strict=True)]

    def dropped(target: int | None) -> list[str]:
        decision = decided(pairs, seed_ids=["a/x", "b"], target_kept=target)
        return [row.id for row in decision.rejected.values()]

    assert dropped(3) == ["b/c1/p1", "b/r/p0"]
    assert dropped(1) == ["b/c1/p0", "b/c1/p1", "b/r/p0", "a/x/r/p0"]
    assert dropped(5) == dropped(None) == []


# --- Against a plain reference ---------------------------------------------------------------


def four_characters(question: str) -> set[str]:
    padded = f" {normalize_answer(question)} "
    return {padded[i : i + 4] for i in range(max(1, len(padded) - 3))}


def reference(pairs: list[QAExample], min_similarity: float | None) -> dict[str, tuple[str, str]]:
    """Compare each pair with every one kept so far, as the filter is described."""
    stay: list[QAExample] = []
    dropped = {}
    for p in pairs:
        question, answer = normalize_answer(p.question), normalize_answer(p.answers[0].text)
        same_context = [k for k in stay if k.context_id == p.context_id]
        same_answer = [k for k in stay if normalize_answer(k.answers[0].text) == answer]
        equal = [k for k in same_context + same_answer if normalize_answer(k.question) == question]
        if equal:
            dropped[p.id] = ("duplicate_question", f"of {equal[0].id}")
            continue
        mine = four_characters(p.question)
        nearest: tuple[float, QAExample] | None = None
        for k in stay:
            theirs = four_characters(k.question)
            similarity = len(mine & theirs) / len(mine | theirs)
            near = min_similarity is not None and similarity >= min_similarity
            related = k in same_context or k in same_answer
            if near and related and (nearest is None or similarity > nearest[0]):
                nearest = (similarity, k)
        if nearest is not None:
            detail = f"of {nearest[1].id}, similarity {nearest[0]:.2f}"
            dropped[p.id] = ("near_duplicate_question", detail)
            continue
        stay.append(p)
    return dropped


WORDS = ["who", "wrote", "the", "novel", "novels", "of", "1818", "Bath", "baths", "then"]
QUESTIONS = st.lists(st.sampled_from(WORDS), min_size=2, max_size=5).map(
    lambda words: "Who " + " ".join(words) + "?"
)
PAIRS = st.lists(
    st.tuples(QUESTIONS, st.sampled_from(["Mary Shelley", "Percy", "Bath"]), st.integers(0, 4)),
    max_size=60,
)


@given(drawn=PAIRS, min_similarity=st.sampled_from([None, 0.4, 0.6, 0.8, 1.0]))
@settings(max_examples=150, deadline=None)
def test_repetitions_are_those_that_a_comparison_of_all_with_all_finds(
    drawn: list[tuple[str, str, int]], min_similarity: float | None
) -> None:
    pairs = [
        pair(
            f"q{n}",
            question=question,
            answer=answer,
            context=f"Mary Shelley, Percy and others went to Bath in year {context}.",
        )
        for n, (question, answer, context) in enumerate(drawn)
    ]
    decision = decided(
        pairs,
        min_duplicate_similarity=min_similarity,
        min_question_words=1,
        max_test_overlap_fraction=1.0,
        drop_garbled=False,
    )
    alone = {"answer_in_question"}
    found = {r.id: (r.reason, r.detail) for r in decision.rejected.values()}
    judged = [p for p in pairs if found.get(p.id, ("",))[0] not in alone]
    among = {id_: value for id_, value in found.items() if value[0] not in alone}
    assert among == reference(judged, min_similarity)


@pytest.mark.parametrize("n", [10, 40])  # in one group: all compared, or those with rare shingles
def test_a_large_group_is_searched_as_a_small_one(n: int) -> None:
    pairs = [pair(f"q{k}", question=f"Who wrote the {k * 7919}th novel of all?") for k in range(n)]
    decision = decided(pairs, min_duplicate_similarity=0.6, max_question_words=9)
    found = {r.id: (r.reason, r.detail) for r in decision.rejected.values()}
    assert found == reference(pairs, 0.6)
    assert found
