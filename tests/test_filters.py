"""Filters that judge a pair by itself, each at its bound, and the catalogue of them."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from augqa import filters
from augqa.errors import ParamsError
from augqa.filters import FILTERS, Filter, advice, counts, n_seed_questions_needed, reasons
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.schema import PositiveInt, Section
from tests.filtering import SETTINGS, decided, held_out, pair, read, reason

CONTEXT = "Mary Shelley wrote Frankenstein in 1818 while she lived in Bath."
THREE_TIMES = "She wrote it in a day. She wrote it in a day. She wrote it in a day."


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who wrote Frankenstein?", None),
        ("Who wrote?", "question_too_short"),
        ("Who wrote the book in the end?", None),  # 7 words
        ("Who wrote the book in the very end?", None),  # 8 words: the most
        ("Who wrote the book in the very last end?", "question_too_long"),
        ("Who wrote Frankenstein", "not_a_question"),
        ("Tell me the author?", "not_a_question"),
        ("Is Mary Shelley the author?", "answer_in_question"),
        ("Was it mary  the SHELLEY?", "answer_in_question"),
        ("Was it Mary, née Shelley?", None),  # not in a row
        ("Was it Rosemary Shelley then?", None),  # not the same word
    ],
)
def test_a_question_is_judged_by_its_length_form_and_words(
    question: str, expected: str | None
) -> None:
    assert reason(pair(question=question)) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("谁写了弗兰肯斯坦？", None),  # 8 characters: the most
        ("谁写了弗兰肯斯坦呢？", "question_too_long"),
        ("谁写？", "question_too_short"),
        ("谁写了", "not_a_question"),
        ("Wer schrieb das Buch?", None),
        ("¿Ella escribió el libro?", None),
        ("Ποιος έγραψε το βιβλίο;", None),
        ("من كتب الكتاب؟", None),
        ("Ո՞վ գրեց գիրքը։", None),
    ],
)
def test_a_question_of_another_language_is_judged_like_an_english_one(
    question: str, expected: str | None
) -> None:
    assert reason(pair(question=question)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("When was it built?", True),
        ("It was built when?", True),
        ("In 1901, was it sold?", True),
        ("Did she leave ?", True),
        ("“Who is it?”", True),
        ("She did leave?", False),
        ("The showhow of it?", False),
        ("When was it built.", False),
        ("من كتب الكتاب؟", True),
        ("谁写的？", True),
        ("谁写的", False),
    ],
)
def test_a_question_ends_with_its_mark_and_asks(text: str, expected: bool) -> None:
    found = reason(pair(question=text), min_question_words=1, drop_garbled=False)
    assert found == (None if expected else "not_a_question")


def test_an_answer_may_have_the_most_words_and_no_more() -> None:
    assert reason(pair(answer="wrote Frankenstein in")) is None
    assert reason(pair(answer="wrote Frankenstein in 1818")) == "answer_too_long"


@pytest.mark.parametrize(
    ("answer", "changes", "expected"),
    [
        (read(f1=50.0), {}, None),
        (read(f1=49.9), {}, "not_round_trip_consistent"),
        (read(f1=0.0), {"min_round_trip_f1": 0.0}, None),
        (read(score=0.0), {}, None),
        (read(score=-0.1), {}, "low_reader_score"),
        (read(score=-0.1), {"min_reader_score": None}, None),
        (read(f1=0.0, score=-1), {"max_answer_words": 1}, "answer_too_long"),  # the first
    ],
)
def test_a_pair_is_judged_by_what_the_reader_answers(
    answer: RoundTripAnswer, changes: Mapping[str, Any], expected: str | None
) -> None:
    assert reason(pair(), answer, **changes) == expected


def test_an_exact_match_may_be_asked_for_beside_f1() -> None:
    assert reason(pair(), read(text="the Mary Shelley!"), round_trip_exact_match=True) is None
    other = read(text="Shelley", f1=66.7)
    assert reason(pair(), other) is None
    assert reason(pair(), other, round_trip_exact_match=True) == "not_round_trip_consistent"


def test_a_rejection_says_the_value_that_decided() -> None:
    assert decided([pair()], [read(f1=12.34)]).rejected == {
        0: Rejection(
            id="q1",
            reason="not_round_trip_consistent",
            detail="F1 12.3, the reader answers 'Percy'",
        )
    }


def test_what_shares_too_many_ngrams_with_a_test_set_is_dropped() -> None:
    # The context has 9 trigrams; the first four stand in the test context: 0.444.
    seen = held_out(["mary shelley WROTE frankenstein, in 1818 -- again"])
    judged = pair(context=CONTEXT)
    assert reason(judged, test=seen) is None
    assert reason(judged, test=seen, max_test_overlap_fraction=4 / 9) is None
    assert reason(judged, test=seen, max_test_overlap_fraction=0.44) == "context_in_test_set"
    asked = held_out(questions=["Who wrote Frankenstein"])
    assert reason(judged, test=asked) == "question_in_test_set"
    assert reason(judged, test=asked, max_test_overlap_fraction=1.0) is None


def test_text_that_goes_round_in_circles_is_dropped_in_context_and_question() -> None:
    # 12 of its 18 words stand in a run of six that came before.
    looping = pair(context=THREE_TIMES, question="What did she write?", answer="a day")
    assert reason(looping) == "looping"
    assert reason(looping, max_repeated_fraction=12 / 18) is None
    assert reason(looping, max_repeated_fraction=None) is None
    asked = pair(question=f"When? {THREE_TIMES[:-1]}?")
    assert reason(asked, max_question_words=99) == "looping"


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("When did Lee die?", 2),
        ("What is the Lee of Lee’s?", 1),  # the same word twice
        ("Who wrote it in 1818?", 2),
        ("When was the Treaty of Versailles signed?", 3),
    ],
)
def test_an_english_question_tells_what_it_is_about_in_so_many_words(text: str, n: int) -> None:
    judged = pair(question=text)
    assert reason(judged, min_content_words=n) is None
    assert reason(judged, min_content_words=n + 1) == "vague_question"
    assert reason(judged, min_content_words=None) is None


@pytest.mark.parametrize("text", ["谁写的？", "من كتب الكتاب؟", "Wer schrieb es?"])
def test_a_question_in_another_language_is_not_vague(text: str) -> None:
    asked = {"min_question_words": 1, "min_content_words": 9}
    assert reason(pair(question=text), **asked) is None


@pytest.mark.parametrize(
    "text",
    [
        "When did Lee die?",
        "Who’s Lee’s well-known friend, don't you say?",
        "What's 'the' U.S.A. in 1818 and in 1843?",
        "谁写的？",
        "من كتب الكتاب؟",
        "Wer schrieb es?",
    ],
)
@pytest.mark.parametrize("n", [1, 2, 3, 6, 99])
def test_the_gate_stops_at_no_question_that_the_filter_of_vague_ones_keeps(
    text: str, n: int
) -> None:
    (promise,) = FILTERS.get("vague").promises
    assert promise.measure is not None
    settings = {"min_question_words": 1, "max_question_words": 99, "min_content_words": n}
    if reason(pair(question=text), **settings) != "vague_question":
        assert promise.measure({"question": text}) >= n


@pytest.mark.parametrize("param", ["min_question_words", "max_question_words", "max_answer_words"])
def test_bounds_hold_with_equality(param: str) -> None:
    judged = pair(question="Who wrote the book then?", answer="wrote Frankenstein")
    n = 2 if param == "max_answer_words" else 5
    assert reason(judged, **{param: n}) is None
    assert reason(judged, **{param: n + 1 if param.startswith("min") else n - 1}) is not None


# --- The catalogue ---------------------------------------------------------------------------


def test_each_reason_is_loosened_by_a_param_that_exists_or_by_none() -> None:
    keys = filters.schema().model_fields
    assert {param for param in reasons().values() if param is not None} <= set(keys)
    text = advice(dict.fromkeys(reasons(), 1))
    assert len(text.splitlines()) == len(reasons())
    assert "1 low_reader_score: change filter_pairs.min_reader_score" in text
    assert "1 duplicate_question: no param loosens it" in text


def test_no_reason_is_given_by_two_filters() -> None:
    given = [reason for f in FILTERS for reason in f.reasons]
    assert len(given) == len(set(given))


def test_each_filter_drops_for_its_reasons_and_promises_to_the_gate() -> None:
    for f in FILTERS:
        assert f.reasons
        assert (f.alone is None) != (f.among is None)
        assert f.promises


def test_pairs_are_counted_in_the_order_of_the_checks() -> None:
    rows = [Rejection(id="a", reason=r) for r in ("over_target_kept", "looping", "looping")]
    assert list(counts(rows).items()) == [("looping", 2), ("over_target_kept", 1)]


NUMBERS = [key for key, value in SETTINGS.items() if not isinstance(value, bool)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), True, "1"])
@pytest.mark.parametrize("key", NUMBERS)
def test_no_filter_is_turned_off_by_a_value_that_is_no_number(key: str, value: Any) -> None:
    filters.schema().model_validate(SETTINGS)
    with pytest.raises(ValidationError, match=key):
        filters.schema().model_validate({**SETTINGS, key: value})


def test_two_filters_with_a_key_of_one_name_are_refused() -> None:
    class Other(Section):
        target_kept: PositiveInt

    FILTERS.register(Filter(name="other", reasons={"other": "target_kept"}, params=Other))
    try:
        with pytest.raises(ParamsError, match="target_kept is a key of Target and of Other"):
            filters.schema()
    finally:
        FILTERS.unregister("other")


def test_a_pair_without_a_fault_passes_every_filter() -> None:
    judged: QAExample = pair()
    assert reason(judged, read(text="Mary Shelley"), round_trip_exact_match=True) is None


@pytest.mark.parametrize(
    ("n_kept", "n_seed_questions", "expected"),
    [
        (10, 10, 21),  # one a seed: 20 and a twentieth
        (19, 100, 111),  # 105.3 · 1.05
        (1, 10, 200),  # 210, but the pool has 200
        (20, 10, None),  # reached
        (10, 200, None),  # no seed is left
        (0, 10, None),  # nothing to go by
    ],
)
def test_the_seeds_needed_follow_from_the_yield(
    n_kept: int, n_seed_questions: int, expected: int | None
) -> None:
    found = n_seed_questions_needed(
        n_kept=n_kept, target_kept=20, n_seed_questions=n_seed_questions, n_pool=200
    )
    assert found == expected
