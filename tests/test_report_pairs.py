"""The page of single cases."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa.report.pairs import LONGEST, disputed_questions, marked, pairs_page
from tests.example_pages import DISPUTED, PAIRS, sampled
from tests.examples import example


def cards(html: str) -> list[str]:
    return re.findall(r"<article.*?</article>", html, flags=re.DOTALL)


def test_a_card_has_all_that_decided() -> None:
    (card,) = cards(pairs_page([PAIRS[2]]))
    for text in (
        "not round trip consistent",
        "40.0, at least 60",
        "Who led the second voyage?",
        "the elder</bdi>",
        "F1 40.0",
        "Who wrote Frankenstein?",
        "voyage, <mark>the younger brother</mark> the second",
    ):
        assert text in card


def test_kept_ones_come_first_and_are_neutral_then_reasons_by_how_often() -> None:
    html = pairs_page(PAIRS[::-1])
    titles = re.findall(r'<h3 class="g\d+">([^<]*?) <', html)
    assert titles == ["kept", "not round trip consistent", "answer in question"]
    assert ["neutral" in card for card in cards(html)] == [True, True, False, False, False]


def test_every_group_can_be_shown_alone_without_a_script() -> None:
    html = pairs_page(PAIRS)
    for n, label in enumerate(["kept 2", "not round trip consistent 2", "answer in question 1"]):
        assert f'<label for="show-{n}">{label}</label>' in html
        assert f":has(#show-{n}:checked) .pairs > :not(.g{n})" in html
    assert "<script" not in html


def test_pairs_that_were_not_asked_come_after_all_others_by_f1() -> None:
    html = pairs_page([sampled(round_trip_f1=None, round_trip_answer=None), PAIRS[2], PAIRS[0]])
    assert re.findall(r"--n: (\d+)", html) == ["101", "100", "40"]
    assert "not asked" in html


def test_line_breaks_stay_and_text_has_its_own_direction() -> None:
    html = pairs_page(PAIRS)
    assert "near Geneva.\nIt was published" in html
    assert "white-space: pre-wrap" in html
    assert re.search(r'class="words question" dir="auto">متى', html)


def test_equal_pairs_give_equal_bytes() -> None:
    assert pairs_page(PAIRS, DISPUTED) == pairs_page(PAIRS, DISPUTED)


def test_no_pairs_are_said() -> None:
    assert "There is none." in pairs_page([])


def test_disputed_questions_show_both_answers() -> None:
    card = cards(pairs_page([], DISPUTED))[0]
    assert "<b>augment</b> 100.0, real_longer 0.0" in card
    assert "<mark>nine hours</mark>" in card
    assert "two days" in card


# -- the marked context ------------------------------------------------------------------------


@given(st.text(max_size=60), st.text(min_size=1, max_size=20), st.text(max_size=60))
def test_the_parts_of_a_marked_text_are_the_text(before: str, answer: str, after: str) -> None:
    text = marked(before + answer + after, answer, len(before))
    assert (text.before, text.marked, text.after, text.cut) == (before, answer, after, 0)


@given(st.integers(0, 9_000), st.integers(1, 5_000), st.integers(0, 9_000))
def test_a_long_text_is_cut_but_shows_where_its_answer_begins(
    n_before: int, n_answer: int, n_after: int
) -> None:
    answer = "x" * n_answer
    text = marked("b" * n_before + answer + "a" * n_after, answer, n_before)
    shown = len(text.before) + len(text.marked) + len(text.after)
    assert shown <= LONGEST
    assert shown + text.cut == n_before + n_answer + n_after
    assert text.marked
    assert set(text.marked) == {"x"}
    assert text.before in "b" * n_before


@pytest.mark.parametrize(("answer", "start"), [("1818", 3), ("1818", -1), ("", 0)])
def test_an_answer_that_is_not_there_is_not_marked(answer: str, start: int) -> None:
    text = marked("It was in 1818.", answer, start)
    assert (text.before, text.marked) == ("It was in 1818.", "")


# -- disputed questions ------------------------------------------------------------------------


def test_the_widest_gaps_come_first_half_of_them_from_each_side() -> None:
    examples = [example(f"q{n}") for n in range(5)]
    f1 = {"mix": [100.0, 90.0, 80.0, 0.0, 50.0], "real": [0.0, 0.0, 0.0, 30.0, 50.0]}
    said = {recipe: {"nyt": [f"{recipe} {n}" for n in range(5)]} for recipe in f1}
    found = disputed_questions(
        {"nyt": examples},
        {recipe: {"nyt": values} for recipe, values in f1.items()},
        said,
        recipes=("mix", "real"),
        n=3,
    )
    # One of `real` alone is there: `mix` fills up.
    assert [(one.id, one.winner, one.gap) for one in found] == [
        ("q0", "mix", 100.0),
        ("q1", "mix", 90.0),
        ("q3", "real", 30.0),
    ]
    assert found[2].said == ("real 3", "mix 3")
    assert found[0].golds == ("Mary Shelley",)


def test_a_tie_is_not_disputed() -> None:
    assert (
        disputed_questions(
            {"nyt": [example()]},
            {"a": {"nyt": [50.0]}, "b": {"nyt": [50.0]}},
            {"a": {"nyt": [""]}, "b": {"nyt": [""]}},
            recipes=("a", "b"),
            n=4,
        )
        == []
    )
