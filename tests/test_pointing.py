"""Questions and answers that lean on a passage, and texts that repeat themselves."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa import pointing
from augqa.expectations.measures import names_its_passage
from augqa.expectations.measures import repeated_fraction as measured_fraction
from augqa.looping import repeated_fraction
from augqa.pointing import lead_in, points_at_passage
from augqa.question_generator.placing import placed
from augqa.question_generator.proposals import Draft, Passage, Proposal

POINTING = [
    "According to the passage, who wrote it?",
    "Who wrote it according to this text?",
    "What is mentioned in the text above?",
    "What does the author say about it?",
    "What does this paragraph describe?",
    "What is the main idea of the passage?",
    "Which city is named in the article?",
    "What did the writer conclude?",
    "Based on the given text, who won?",
    "What does the passage suggest?",
    "Who, as stated in the passage, won?",
    "Which river is mentioned above?",
    "What is the tone of the text?",
    "In the above passage, who won?",
    "Per the passage, who won?",
    "What is the author's opinion of iron?",
    "Who is the narrator?",
    "Which paragraph mentions iron?",
    "What does the second paragraph describe?",
    "What does it refer to in line 3?",
    "What did the reviewer think of it?",
    "Laut dem Text, wer gewann?",
    "Wer wird im Text erwähnt?",
    "Selon le passage, qui a gagné ?",
    "D'après l'article, qui a gagné ?",
    "Según el texto, ¿quién ganó?",
    "Secondo il testo, chi ha vinto?",
    "Segundo o texto, quem ganhou?",
    "Согласно тексту, кто победил?",
    "根据文章，谁赢了？",
    "文中提到了谁？",
    "この文章によると、誰が勝ちましたか？",
]
STANDING_ALONE = [
    "Who found the Northwest Passage?",
    "When did the passage of the Reform Act succeed?",
    "Who wrote A Passage to India?",
    "Who is the author of Frankenstein?",
    "What is the text of the law?",
    "Which word stands in the text of the treaty?",
    "In which article of the constitution does it stand?",
    "What did the writer of the letter give him?",
    "Who wrote the story of his life?",
    "According to the text of the treaty, who owns it?",
    "Which floors are above the shop?",
    "How long is the Simplon passage?",
    "According to Darwin, what changes?",
    "What does this river flow into?",
    "Who is the narrator of Moby-Dick?",
    "How many people per article of clothing work there?",
    "What is the author's name?",
    "Which sentence did the judge give him?",
    "Who runs line 3?",
    "Nach dem Abschnitt der Autobahn bei Ulm, was kommt?",
    "Was steht im Text der Verfassung?",
    "Selon le texte de la loi, qui vote ?",
    "Según el artículo 3, ¿quién vota?",
    "Dans quel article est-ce écrit ?",
    "谁写了这本书？",
]


TURNED = (
    """
    according to the {}?|this {}|in the {}?|the {} says|does the {}|laut dem {}|der {} sagt
    selon le {}|selon l'{}|en el {}|nel {}|segundo o {}|in {} 3|the first {} says|mentioned {}
    who is the {}?|{}-mentioned|the {}'s view
""".strip()
    .replace("\n    ", "|")
    .split("|")
)


def test_the_short_way_for_ascii_overlooks_nothing() -> None:
    patterns = (pointing._POINTS, pointing._POINTS_ELSEWHERE)
    words = {word for p in patterns for word in re.findall(r"[A-Za-z]{2,}", p.pattern)}
    assert {"trecho", "earlier"} <= words
    pointed_at = set()
    for word in sorted(words):
        for turn in TURNED:
            question = turn.format(word)
            points = any(p.search(question) for p in patterns)
            assert points_at_passage(question) == points, question
            if points:
                pointed_at.add(word)
    assert len(pointed_at) >= 25


@pytest.mark.parametrize("question", POINTING)
def test_a_question_that_speaks_of_its_passage_points_at_it(question: str) -> None:
    assert points_at_passage(question)


@pytest.mark.parametrize("question", STANDING_ALONE)
def test_a_question_that_makes_sense_alone_does_not(question: str) -> None:
    assert not points_at_passage(question)
    assert not names_its_passage(question, "")


TURNS = """
    according to the this in text passage, paragraph of excerpt? does author say law based on who it
    article text? passage
"""
PARTS = st.sampled_from(TURNS.split())


@given(parts=st.lists(PARTS, min_size=1, max_size=12))
def test_what_the_gate_takes_for_pointing_the_filter_does_too(parts: list[str]) -> None:
    text = " ".join(parts)
    if names_its_passage(text, ""):
        assert points_at_passage(text)
    if names_its_passage("", text):
        assert lead_in(text) or points_at_passage(text)


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("According to the passage, Ada Lovelace", "Ada Lovelace"),
        ("“According to the text: Ada”", "Ada”"),
        ("As stated in the article, 1818", "1818"),
        ("According to this passage", ""),
        ("According to Darwin, it changes", "According to Darwin, it changes"),
        ("the passage", "the passage"),
    ],
)
def test_the_beginning_of_an_answer_that_names_its_passage_is_told(answer: str, left: str) -> None:
    assert answer[lead_in(answer) :] == left


def placed_draft(context: str, draft: Draft) -> tuple[list[tuple[str, int]], list[str]]:
    passage = Passage(id="q/c1", text=context, origin="generated")
    proposal = Proposal(passage=passage, drafts=(draft,))
    pairs, rejections = placed(proposal, method="llm", n_pairs=1)
    return [(p.answers[0].text, p.answers[0].start) for p in pairs], [r.reason for r in rejections]


def test_an_answer_that_names_its_passage_is_taken_without_that() -> None:
    context = "In 1843 Ada Lovelace wrote notes."
    for answer in ("According to the passage, Ada Lovelace", "Ada Lovelace"):
        draft = Draft(question="Who wrote notes?", answer=answer)
        assert placed_draft(context, draft) == ([("Ada Lovelace", 8)], [])


def test_an_answer_whose_place_is_known_moves_with_its_beginning() -> None:
    context = "So: According to the passage, Ada wrote."
    draft = Draft(question="Who wrote?", answer="According to the passage, Ada", start=4)
    assert placed_draft(context, draft) == ([("Ada", 30)], [])


def test_an_answer_that_only_names_its_passage_is_refused() -> None:
    draft = Draft(question="Who wrote?", answer="According to the passage", start=0)
    assert placed_draft("According to the passage.", draft) == ([], ["passage_dependent"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He ran. He ran. He ran. He ran.", 6 / 8),
        ("One two three four five six. One two three four five six.", 6 / 12),
        ("One two three four five six. ONE TWO, three four five - six!", 6 / 12),
        ("One two three four five. One two three four five.", 0.0),  # a run of five
        ("one two three four five six seven " * 3, 14 / 21),
        ("这是一本关于大海和远航的书。" * 2, 13 / 26),  # characters, in runs of twelve
        ("这是一本书。" * 2, 0.0),
        ("", 0.0),
    ],
)
def test_the_repeated_fraction_is_of_words_in_runs_that_came_before(
    text: str, expected: float
) -> None:
    assert repeated_fraction(text) == pytest.approx(expected)


@given(text=st.lists(st.sampled_from(["a", "b", "谁", "c d"]), max_size=60).map(" ".join))
def test_the_gate_measures_the_fraction_that_the_filter_does(text: str) -> None:
    assert measured_fraction(text) == repeated_fraction(text)
