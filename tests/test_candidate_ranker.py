"""A ranker of answer candidates learns what people asked about."""

from itertools import combinations, pairwise

import pytest

from augqa.candidate_ranker import CandidateRanker, learn
from augqa.errors import QuestionGeneratorError
from augqa.question_generator.choosing import load_chooser
from augqa.records import Answer, QAExample
from augqa.spans import cut_points

NAMES = ["Ada Hall", "Bob Dee", "Cy Moor", "Di Lund", "Eve Stone", "Flo Reed", "Guy West"]
NEW = "On Friday Max Oaks sold 47 lamps to the old harbour. Then Ida Frost came."


def examples(asks: str, n: int = 70) -> list[QAExample]:
    """Return contexts of one pattern, each asked for its number, its day or for who sold."""
    made = []
    for k in range(n):
        name, number = f"{NAMES[k % 7]}", str(100 + k)
        context = f"On Monday {name} sold {number} lamps to the old mill. Then Jo Pine came."
        text = {"number": number, "name": name, "day": "Monday"}[asks]
        answer = Answer(text=text, start=context.index(text))
        made.append(
            QAExample(
                id=f"q{k}",
                context_id=f"c{k}",
                context=context,
                question="What?",
                answers=(answer,),
                origin="real",
                context_origin="real",
            )
        )
    return made


@pytest.fixture(scope="module")
def ranker() -> CandidateRanker:
    return learn(examples("number"))


def test_what_people_asked_about_comes_first(ranker: CandidateRanker) -> None:
    assert [c.text for c in ranker(NEW, n=1)] == ["47"]
    assert [c.text for c in learn(examples("name"))(NEW, n=1)] == ["Max Oaks"]


def test_the_same_examples_give_the_same_choice(ranker: CandidateRanker) -> None:
    assert learn(examples("number"))(NEW, n=9) == ranker(NEW, n=9)


def test_a_smaller_choice_is_a_part_of_a_larger_one(ranker: CandidateRanker) -> None:
    for n in range(1, 9):
        assert {c.start for c in ranker(NEW, n=n)} <= {c.start for c in ranker(NEW, n=n + 1)}
        assert len(ranker(NEW, n=n)) == n


def test_candidates_stand_where_they_say_in_order_and_cut_no_letter(
    ranker: CandidateRanker,
) -> None:
    text = "The cafe\u0301 of Jose\u0301 sold 7 \U0001f44d\U0001f3fd lamps, said Zoe\u0308."
    may_cut = cut_points(text)
    found = ranker(text, n=20)
    assert found
    for candidate in found:
        assert text[candidate.start : candidate.end] == candidate.text
        assert may_cut[candidate.start]
        assert may_cut[candidate.end]
    assert all(one.start <= other.start for one, other in pairwise(found))


def test_two_candidates_never_share_half_of_what_they_hold(ranker: CandidateRanker) -> None:
    found = ranker(NEW, n=30)
    assert len(found) > 5
    for one, other in combinations(found, 2):
        shared = min(one.end, other.end) - max(one.start, other.start)
        assert shared < (max(one.end, other.end) - min(one.start, other.start)) / 2


def test_a_text_that_stands_there_twice_is_taken_once(ranker: CandidateRanker) -> None:
    texts = [c.text for c in ranker("Max Oaks sold 47 lamps. Max Oaks bought 47 lamps.", n=30)]
    assert texts.count("47") == 1


def test_a_span_has_the_kind_that_the_rules_give_it() -> None:
    for asks, text, kind in (("name", "Max Oaks", "name"), ("day", "Friday", "date")):
        (found,) = learn(examples(asks))(NEW, n=1)
        assert (found.text, found.kind) == (text, kind)


@pytest.mark.parametrize("text", ["", " ", "of the and", "\u2026", "\U0001f44d"])
def test_a_text_without_a_span_has_no_candidate(text: str, ranker: CandidateRanker) -> None:
    assert all(c.text.strip() for c in ranker(text, n=5))
    assert ranker("", n=5) == []


def test_too_few_answers_are_refused_with_their_number() -> None:
    with pytest.raises(QuestionGeneratorError, match=r"needs 50 real answers.* have 20; .*rules"):
        load_chooser("learnt", examples("number", n=20))


def test_rules_do_not_look_at_the_examples() -> None:
    looked = iter(examples("number", n=1))
    assert load_chooser("rules", looked)("Ada Hall came.", n=1)[0].text == "Ada Hall"
    assert next(looked)
