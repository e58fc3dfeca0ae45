"""Prompts fill in data as it stands; the parser takes what small models write."""

import pytest

from augqa import prompts
from augqa.prompts import ParsedPair, finish_context, parse_pairs


def pairs(text: str) -> list[tuple[str, str]]:
    return [(pair.question, pair.answer) for pair in parse_pairs(text).pairs]


def reasons(text: str) -> list[str]:
    return [refusal.reason for refusal in parse_pairs(text).refusals]


@pytest.mark.parametrize("style", prompts.STYLES)
def test_each_style_has_worked_examples_and_states_the_word_cap(style: str) -> None:
    messages = prompts.context_messages(question="Who?", style=style, max_words=250)
    roles = [message["role"] for message in messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "250 words" in messages[0]["content"]
    assert messages[-1]["content"] == "Question: Who?"


def test_an_unknown_style_is_named() -> None:
    with pytest.raises(ValueError, match="poem"):
        prompts.context_messages(question="Who?", style="poem", max_words=250)


@pytest.mark.parametrize("data", ["{", "{{max_words}}", "{question}", "$x ${y}", "%s", "[[user]]"])
def test_braces_and_markers_in_data_stay_as_they_are(data: str) -> None:
    messages = prompts.context_messages(question=data, style="news", max_words=9)
    assert messages[-1]["content"] == f"Question: {data}"
    context = prompts.pairs_messages(context=data, n_pairs=2)[-1]["content"]
    assert context.startswith(f"Passage: {data}\n")


def test_no_template_leaves_a_place_open() -> None:
    for messages in (
        *(prompts.context_messages(question="q", style=s, max_words=1) for s in prompts.STYLES),
        prompts.pairs_messages(context="c", n_pairs=2),
        prompts.pairs_messages(context="c", n_pairs=2, structured=True),
    ):
        assert not any("{{" in message["content"] for message in messages)


def test_the_hash_of_a_prompt_is_of_its_template() -> None:
    hashes = {prompts.context_prompt_sha256(style) for style in prompts.STYLES}
    assert len(hashes) == len(prompts.STYLES)
    assert prompts.pairs_prompt_sha256() != prompts.pairs_prompt_sha256(structured=True)


@pytest.mark.parametrize("structured", [False, True])
def test_the_worked_examples_parse_as_what_they_show(structured: bool) -> None:
    messages = prompts.pairs_messages(context="c", n_pairs=2, structured=structured)
    for user, assistant in zip(messages[1:-1:2], messages[2:-1:2], strict=True):
        parsed = parse_pairs(assistant["content"])
        assert not parsed.refusals
        assert len(parsed.pairs) in (2, 3)
        for pair in parsed.pairs:
            assert pair.answer in user["content"]


WANTED = [("Who built it?", "Ada"), ("When?", "in 1900")]


@pytest.mark.parametrize(
    "text",
    [
        "Question: Who built it?\nAnswer: Ada\nQuestion: When?\nAnswer: in 1900",
        "Q: Who built it?\nA: Ada\n\nQ: When?\nA: in 1900\n",
        "Question 1: Who built it?\nAnswer 1: Ada\nQuestion 2: When?\nAnswer 2: in 1900",
        "1. Question: Who built it?\n   Answer: Ada\n2. Question: When?\n   Answer: in 1900",
        "**Question:** Who built it?\n**Answer:** Ada\n**Question:** When?\n**Answer:** in 1900",
        "Sure! Here you are:\n\n1. Who built it?\nAnswer: Ada\n2. When?\nAnswer: in 1900",
        "Question: Who built it? Answer: Ada\nQuestion: When? Answer: in 1900",
        "Question:\nWho built it?\nAnswer:\nAda\nQuestion:\nWhen?\nAnswer:\nin 1900",
        'Question: "Who built it?"\nAnswer: "Ada"\nQuestion: When?\nAnswer: “in 1900”',
        '{"pairs": [{"question": "Who built it?", "answer": "Ada"},'
        ' {"question": "When?", "answer": "in 1900"}]}',
        '```json\n[{"question": "Who built it?", "answer": "Ada"},'
        ' {"question": "When?", "answer": "in 1900"}]\n```',
    ],
)
def test_pairs_are_read_from_many_forms(text: str) -> None:
    assert pairs(text) == WANTED
    assert reasons(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["no_pairs"]),
        ("I cannot do that.", ["no_pairs"]),
        ("Question: Who?", ["no_answer"]),
        ("Question: Who?\nQuestion: When?\nAnswer: now", ["no_answer"]),
        ("Answer: Ada", ["no_question"]),
        ("Question: Who?\nAnswer: Ada\nQuestion: who?\nAnswer: Bob", ["duplicate_question"]),
        ('{"pairs": [{"question": 3, "answer": "x"}]}', ["no_question"]),
    ],
)
def test_what_is_no_pair_is_refused_with_its_reason(text: str, expected: list[str]) -> None:
    assert reasons(text) == expected


def test_what_an_escape_in_json_hides_is_mended_too() -> None:
    text = r'{"question": "Who\u0000 \ud83d\ude00 \ud800?", "answer": "Ada\u001b\udc00"}'
    assert pairs(text) == [("Who 😀 �?", "Ada�")]


def test_braces_in_a_pair_do_not_break_the_parser() -> None:
    text = "Question: What does {x} mean?\nAnswer: the set {1, 2}"
    assert parse_pairs(text).pairs == (
        ParsedPair(question="What does {x} mean?", answer="the set {1, 2}"),
    )


@pytest.mark.parametrize(
    ("text", "finish_reason", "max_words", "expected"),
    [
        ("One two. Three.", "stop", 10, ("One two. Three.", None)),
        ("One\n\ntwo.", "stop", 10, ("One two.", None)),
        ("One two. Three fo", "length", 10, ("One two.", None)),
        ("He met Dr. Who and J. R. Smi", "length", 10, ("", "truncated")),
        ('She said "no." Then', "length", 10, ('She said "no."', None)),
        ("One two. Three four five.", "stop", 3, ("One two.", None)),
        ("One two three four", "stop", 3, ("", "too_long")),
        ("  \n", "stop", 10, ("", "empty")),
        ("One two.\nQuestion: And now?\nMore", "length", 10, ("One two.", None)),
        ("It is 3.5 km long. And th", "length", 10, ("It is 3.5 km long.", None)),
    ],
)
def test_a_context_ends_with_a_full_sentence_within_its_cap(
    text: str, finish_reason: str, max_words: int, expected: tuple[str, str | None]
) -> None:
    assert finish_context(text, finish_reason=finish_reason, max_words=max_words) == expected
