import pytest
from hypothesis import given

from augqa.candidates import answer_candidates, choose_candidates
from augqa.spans import cut_points
from tests.test_spans import ODD_TEXT


def found(text: str) -> list[tuple[str, str]]:
    return [(candidate.text, candidate.kind) for candidate in answer_candidates(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It fell on 27 January 1756.", [("27 January 1756", "date")]),
        ("It fell on January 27, 1756.", [("January 27, 1756", "date")]),
        ("It fell in 1756 or so.", [("1756", "date")]),
        ("It fell in the 1980s.", [("the 1980s", "date")]),
        ("It fell in the 3rd century BC.", [("3rd century BC", "date")]),
        ("It may rain in May.", [("May", "date")]),
        ("It has 1756 rooms.", [("1756", "number")]),
        ("It weighs 1,200.5 tonnes.", [("1,200.5 tonnes", "number")]),
        ("It took twenty years.", [("twenty years", "number")]),
        ("It cost $3.5 million then.", [("$3.5 million", "number")]),
        ("About 40% agreed.", [("40%", "number")]),
        ("One of us fell.", []),  # a pronoun, not a number
        ("He met J. R. R. Tolkien.", [("J. R. R. Tolkien", "name")]),
        ("He left the University of Oxford.", [("University of Oxford", "name")]),
        ("He read Newton's notes.", [("Newton's notes", "name")]),
        ("It is Newton's.", [("Newton", "name")]),  # nothing goes on
        ("So the origins of coffee are old.", [("the origins of coffee", "phrase")]),
        ("He read Newton's laws of motion.", [("Newton's laws of motion", "name")]),
        ("At the end of it all fell.", []),  # what it is the end of is not told
        ("He flew with Apollo 11 today.", [("Apollo 11", "name")]),
        ("Rain fell. Then Rain came.", [("Rain", "name"), ("Rain", "name")]),
        ("Rain fell.", []),  # a capital where a sentence begins says nothing
        ("I've seen it.", []),
        ("She sang “Let it be” twice.", [("Let it be", "title")]),
        ("It has a stone bridge.", [("a stone bridge", "phrase")]),
        ("The river formed it.", [("The river", "phrase")]),
        ("It's the very long and wide one.", [("the very long", "phrase")]),
        ("Zoe\u0308 Bell met Zoe\u0308.", [("Zoe\u0308 Bell", "name"), ("Zoe\u0308", "name")]),
        ("", []),
        ("הוא נולד באולם.", []),
    ],
)
def test_a_rule_finds_its_kind_of_answer(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_no_candidate_overlaps_another() -> None:
    text = "On 27 January 1756 Wolfgang Amadeus Mozart wrote “The 2 Roses” for 3 dollars."
    assert [kind for _, kind in found(text)] == ["date", "name", "title", "number"]


@given(text=ODD_TEXT)
def test_a_candidate_stands_at_its_offset_and_cuts_nothing(text: str) -> None:
    may_cut = cut_points(text)
    for candidate in answer_candidates(text):
        assert text[candidate.start : candidate.end] == candidate.text
        assert may_cut[candidate.start]
        assert may_cut[candidate.end]


def test_the_chosen_candidates_differ_in_sentence_kind_and_text() -> None:
    text = "Ada met Bob Hall and Cy Dee in 1843. In 1843 she paid 5 dollars to Bob Hall."
    chosen = choose_candidates(answer_candidates(text), text, n=3)
    # One of each sentence first (Bob Hall, then a year), then the kind that is still missing.
    assert [candidate.text for candidate in chosen] == ["Bob Hall", "1843", "5 dollars"]
    everything = choose_candidates(answer_candidates(text), text, n=99)
    assert [c.text for c in everything] == ["Bob Hall", "Cy Dee", "1843", "5 dollars"]
