from collections.abc import Iterator

import pytest

from augqa import prompts
from augqa.question_generator.prompting import Reply, pairs_asks, proposals, question_asks
from augqa.question_generator.proposals import Draft, Passage, Refusal

TEXT = "Ada Hall was born in Rome. Bob saw 1843 birds there."


def passage(text: str = TEXT, id_: str = "s1/c1") -> Passage:
    return Passage(id=id_, text=text, origin="generated")


def test_a_whole_context_is_one_window() -> None:
    (ask,) = pairs_asks([passage()], n_pairs=3, max_context_words=None, structured=False)
    assert (ask.id, ask.window) == ("s1/c1/w0", (0, len(TEXT)))
    assert ask.messages[-1]["content"].startswith(f"Passage: {TEXT}\n")
    assert "3 questions" in ask.messages[-1]["content"]


def test_the_model_is_asked_for_the_question_to_each_answer() -> None:
    asks = list(question_asks([passage()], n_pairs=2, max_context_words=5))
    assert [(ask.id, ask.candidate and ask.candidate.text) for ask in asks] == [
        ("s1/c1/a0", "Ada Hall"),
        ("s1/c1/a1", "1843"),
    ]
    assert asks[1].messages[-1]["content"] == (
        "Passage: Bob saw 1843 birds there.\n\nSentence: Bob saw 1843 birds there.\nAnswer: 1843"
    )


def test_a_question_to_a_given_answer_keeps_its_place() -> None:
    asks = list(question_asks([passage()], n_pairs=2, max_context_words=None))
    replies = [
        Reply(text="Question: Who was born in Rome?", model="m"),
        Reply(text="How many", model="m", cut_off=True),
    ]
    (proposal,) = proposals([passage()], asks, replies, prompt_sha256="0")
    assert proposal.drafts == (Draft(question="Who was born in Rome?", answer="Ada Hall", start=0),)
    assert proposal.refusals == (Refusal(reason="output_cut_off", detail="How many"),)
    assert (proposal.model, proposal.prompt_sha256) == ("m", "0")


def test_a_passage_without_answer_candidate_is_refused_not_lost() -> None:
    passages = [passage("it rains", "s0/c1"), passage()]
    asks = list(question_asks(passages, n_pairs=1, max_context_words=None))
    found = list(proposals(passages, asks, [Reply(text="Who?")], prompt_sha256="0"))
    assert [proposal.passage.id for proposal in found] == ["s0/c1", "s1/c1"]
    assert [refusal.reason for refusal in found[0].refusals] == ["no_answer_candidate"]


def test_drafts_of_several_windows_come_in_turn() -> None:
    asks = list(pairs_asks([passage()], n_pairs=2, max_context_words=6, structured=False))
    replies = [
        Reply(text="Question: A?\nAnswer: Ada Hall\nQuestion: B?\nAnswer: Rome"),
        Reply(text="Question: C?\nAnswer: 1843"),
    ]
    (proposal,) = proposals([passage()], asks, replies, prompt_sha256="0")
    assert [draft.question for draft in proposal.drafts] == ["A?", "C?", "B?"]
    assert [draft.window for draft in proposal.drafts] == [(0, 26), (27, len(TEXT)), (0, 26)]


def test_a_failed_request_is_refused_with_its_reason() -> None:
    asks = list(pairs_asks([passage()], n_pairs=2, max_context_words=None, structured=False))
    (proposal,) = proposals(
        [passage()], asks, [Reply(text="", failure="timeout")], prompt_sha256=""
    )
    assert proposal.refusals == (Refusal(reason="timeout", detail=""),)
    assert proposal.model is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who built it?", "Who built it?"),
        ("Question: Who built it? Answer: Ada", "Who built it?"),
        ("Sure!\n**Question:** “Who built it?”", "Who built it?"),
        ("Name the builder.", "Name the builder."),  # the filters judge it
        ("\n \n", ""),
        ("{{answer}}?", "{{answer}}?"),
    ],
)
def test_the_first_question_of_a_reply_is_read(text: str, expected: str) -> None:
    assert prompts.parse_question(text) == expected


def test_a_passage_is_done_as_soon_as_its_replies_are_there() -> None:
    passages = [passage(id_=f"s{n}/c1") for n in range(3)]
    asks = pairs_asks(passages, n_pairs=1, max_context_words=None, structured=False)
    n_replies = 0

    def replies() -> Iterator[Reply]:
        nonlocal n_replies
        for _ in range(3):
            n_replies += 1
            yield Reply(text="Question: Who?\nAnswer: Bob", model="m")

    proposed = proposals(passages, asks, replies(), prompt_sha256="0")
    assert next(proposed).passage.id == "s0/c1"
    assert n_replies == 2  # its own, and the one that tells that there is no further
    assert [proposal.passage.id for proposal in proposed] == ["s1/c1", "s2/c1"]


def test_asks_on_other_passages_are_a_fault() -> None:
    asks = list(pairs_asks([passage()], n_pairs=1, max_context_words=None, structured=False))
    with pytest.raises(ValueError, match="s1/c1/w0"):
        list(proposals([passage(id_="s2/c1")], asks, [Reply(text="")], prompt_sha256="0"))
