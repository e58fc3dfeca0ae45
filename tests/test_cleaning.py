"""What a model writes around its text is cut off; texts that only look like it stay."""

from collections.abc import Callable
from typing import Any

import pytest

from augqa.chatter import without_chatter, without_emphasis
from augqa.cleaning import json_values, printable, without_thinking
from augqa.prompts import finish_context, parse_pairs, parse_question
from augqa.refusals import is_refusal
from tests.work import no_hang


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure! Here is a paragraph: The bridge is old.", "The bridge is old."),
        ("Sure! Here is a paragraph:\n\nThe bridge is old.", "The bridge is old."),
        ("Certainly! The bridge is old.", "The bridge is old."),
        ("Of course, here's a short passage about it: The bridge is old.", "The bridge is old."),
        ('Here is a passage that answers "Who?":\n\nThe bridge is old.', "The bridge is old."),
        ("Sure.\nThe bridge is old.", "The bridge is old."),
        ("# The bridge\n\nThe bridge is old.", "The bridge is old."),
        ("**The bridge**\nThe bridge is old.", "The bridge is old."),
        ("**Title: The bridge**\n\nThe bridge is old.", "The bridge is old."),
        ("Passage: The bridge is old.", "The bridge is old."),
        ("The **old** bridge *is* __old__.", "The old bridge is old."),
        ("The bridge is old. (Word count: 5)", "The bridge is old."),
        ("The bridge is old.\n\n(Word count: 5)", "The bridge is old."),
        ("The bridge is old.\n\n*Word count: 5 words*", "The bridge is old."),
        ("The bridge is old.\n\n[5 words]", "The bridge is old."),
        ("The bridge is old.\n\nLet me know if you need more!", "The bridge is old."),
        ("Here is the rewritten passage.\n\nThe bridge is old.", "The bridge is old."),
        ("Sure thing — here you go:\nThe bridge is old.", "The bridge is old."),
        ("Here you go: The bridge is old.", "The bridge is old."),
        ("Assistant: The bridge is old.", "The bridge is old."),
        ("The bridge is old.\n\nNote: This passage is fictional.", "The bridge is old."),
        ("The bridge is old.\n\n(Note: 4 words)", "The bridge is old."),
        ("```\nThe bridge is old.\n```", "The bridge is old."),
        ("```text\nThe bridge is old.\n```", "The bridge is old."),
        ("<passage>\nThe bridge is old.\n</passage>", "The bridge is old."),
        ('"The bridge is old."', "The bridge is old."),
        ("Here is a paragraph:\n\n“The bridge is old.”", "The bridge is old."),
        ("Hier ist der Absatz:\n\nDie Brücke ist alt.", "Die Brücke ist alt."),
        ("Voici le paragraphe :\n\nLe pont est vieux.", "Le pont est vieux."),
        ("¡Claro! Aquí tienes el texto:\nEl puente.", "El puente."),
        ("当然！以下是一段文字：\n\n这座桥很老。", "这座桥很老。"),
        ("Конечно! Вот текст:\n\nМост старый.", "Мост старый."),
        ("Sure! Here is a paragraph:\n\n# B\n\n**It** is.\n\n(Word count: 2)", "It is."),
    ],
)
def test_talk_around_a_text_is_cut_off(text: str, expected: str) -> None:
    assert without_chatter(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Sure-footed goats climb high.",
        "Sure, goats climb high.",
        "Okay, the phone is bad, but it rings.",
        "Great phone. I love it.",
        "Here is the church: it was built in 1900.",
        "This is the story of a bridge.",
        "The report has a word count: 500 words were asked for.",
        "2 * 3 * 4 = 24, and a_b_c is a name.",
        "#1 in the charts it was.",
        "If you'd like a quiet phone, buy it.",
        "A line.\n\nIf you'd like a quiet phone, buy it.",
        "Here is the report of the storm.\nRain fell for a day.",
        "Here it is cold.",
        "Hier ist der Grund:\nEs regnet.",
        "Note: the bridge is closed.",
        "The bridge is old.\nNote: this passage of the river is closed.",
        "The bridge is old.\n\nNote: bring a coat.",
        '"Old" is what they call the "bridge"',
        "<b>Old</b> bridges stay.",
        "# Heading alone",
        "",
    ],
)
def test_what_only_looks_like_talk_stays(text: str) -> None:
    assert without_chatter(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t assist with that request.",
        "I am sorry, I cannot provide this information.",
        "Sorry, I can't write about this person.",
        "I apologize, but I am unable to create such a text.",
        "I cannot fulfill your request.",
        "I can't help you with that.",
        "As an AI language model, I cannot write that.",
        "**I'm sorry, but I can't help with that.**",
        "Unfortunately, I am unable to provide that.",
        "I won't be able to write that.",
        "I'm not able to help with that.",
        "I must respectfully decline.",
        "I do not feel comfortable writing this.",
        "This request violates our content policy.",
        "As a responsible AI, I can't write that.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Leider kann ich bei dieser Anfrage nicht helfen.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudar con eso.",
        "Mi dispiace, ma non posso aiutarti.",
        "Desculpe, mas não posso ajudar com isso.",
        "Извините, но я не могу помочь с этим.",
        "عذرًا، لا أستطيع المساعدة في ذلك.",
        "抱歉，我无法提供该内容。",
        "申し訳ありませんが、そのリクエストにはお応えできません。",
        "죄송합니다만, 도와드릴 수 없습니다.",
    ],
)
def test_a_refusal_is_known_wherever_a_text_is_read(text: str) -> None:
    assert is_refusal(text)
    assert finish_context(text, finish_reason="stop", max_words=50) == ("", "refusal")
    assert [part.reason for part in parse_pairs(text).refusals] == ["refusal"]
    assert parse_question(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "\"I'm sorry, but I can't help with that,\" said the clerk.",
        "I'm sorry, but I can't help with that,\" she said, and left.",
        "I'm sorry, but I can't help with that, she wrote in 1900.",
        "The clerk said: I'm sorry, but I can't help with that.",
        "I'm sorry but I can't stand this phone.",
        "I cannot recommend it.",
        "I can't write a review without the noise it makes.",
        "Sorry is a card game.",
        "I must decline the Latin noun before I know it.",
        "I am not comfortable on this chair.",
        "I cannot provide for my family on this wage.",
        "Leider kann ich das Telefon nicht empfehlen.",
        "Es tut mir leid, aber ich kann nicht kommen“, sagte er.",
        "Lo siento, pero no puedo ir, dijo la reina.",
        "No puedo creerlo: este teléfono es malo.",
        "我无法想象没有它的生活。",
        "抱歉，我无法提供该内容。" + "这座桥很老。" * 200,
        "I'm sorry, but I can't help with that. " + "The bridge is old. " * 30,
    ],
)
def test_a_text_that_tells_of_an_apology_is_no_refusal(text: str) -> None:
    assert not is_refusal(text)
    assert finish_context(text, finish_reason="stop", max_words=500)[1] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", ("b", True)),
        ("<THINK>a</Think>\n b", ("b", True)),
        ("a</think>b", ("b", True)),
        ("<think>a", ("", True)),
        ("A <think>x</think>B", ("A B", True)),
        ("<think>a <think> b</think>c", ("c", True)),
        ("a</think>b</think>c", ("c", True)),
        ("[THINK]a[/THINK]b", ("b", True)),
        ("<thought>a</thought>b", ("b", True)),
        ("I think <b> so.", ("I think <b> so.", False)),
    ],
)
def test_thinking_is_cut_off_with_or_without_its_tags(
    text: str, expected: tuple[str, bool]
) -> None:
    assert without_thinking(text) == expected


def test_thinking_reaches_no_context_question_or_pair() -> None:
    thought = "<think>Question: Bad?\nAnswer: Bad</think>\n"
    assert finish_context(f"{thought}It is.", finish_reason="stop", max_words=9)[0] == "It is."
    assert parse_question(f"{thought}Who?") == "Who?"
    (pair,) = parse_pairs(f"{thought}Question: Who?\nAnswer: Ada (Ada)").pairs
    assert (pair.question, pair.answer) == ("Who?", "Ada (Ada)")


def test_talk_around_a_question_is_cut_off() -> None:
    assert parse_question("Sure! Here is a question: **Who** built it?") == "Who built it?"
    assert parse_question("Certainly!\n\nQuestion: Who built it?") == "Who built it?"


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ('Here: {"a": 1} and [{"b": 2}]', 2),
        ("[1, 2] {x} [a]", 0),
        ("[" * 3000, 0),
        ("[{" * 3000, 0),
        ('{"a": ' + "9" * 5000 + "}", 0),
        ('{"a":' * 3000, 0),
    ],
)
def test_json_is_found_or_not_and_never_a_traceback(text: str, n: int) -> None:
    assert len(list(json_values(text))) == n
    parse_pairs(text)


def context(text: str) -> Any:
    return finish_context(text, finish_reason="length", max_words=10**6)


def values(text: str) -> list[Any]:
    return list(json_values(text))


READERS: list[Callable[[str], Any]] = [
    parse_pairs,
    parse_question,
    context,
    without_thinking,
    without_emphasis,
    without_chatter,
    is_refusal,
    printable,
    values,
]
HOSTILE = {
    "spaces after a label": lambda n: "Question" + " " * n,
    "labels and spaces": lambda n: "Question 1 \t\n" * (n // 12),
    "stars after a label": lambda n: "Question*" + "* " * (n // 2) + "x",
    "digits and spaces": lambda n: " 1" * (n // 2),
    "line breaks": lambda n: "\n" * n,
    "line breaks and text": lambda n: "a" + "\n" * n + "b",
    "a number and spaces": lambda n: "1." + " " * n + "x",
    "brackets": lambda n: "[" * n,
    "objects": lambda n: '{"a":' * (n // 5),
    "closed objects": lambda n: '{"a":1} ' * (n // 8),
    "unclosed arrays": lambda n: "[{" * (n // 2),
    "marks": lambda n: "." * n + "x",
    "marks and quotes": lambda n: '."' * (n // 2) + "x",
    "sentences": lambda n: "A b. " * (n // 5),
    "stars": lambda n: "*" * n,
    "stars and letters": lambda n: "*a" * (n // 2),
    "underscores": lambda n: "_a " * (n // 3),
    "tags": lambda n: "<think>" * (n // 7),
    "closing tags": lambda n: "a</think>" * (n // 9),
    "apologies": lambda n: "I'm sorry, " * (n // 11),
    "introductions": lambda n: "Sure! Here is a " * (n // 16),
    "introductions and colons": lambda n: "Here is a text: " * (n // 16),
    "headings": lambda n: "# a\n" * (n // 4),
    "counts": lambda n: "(Word count: 5)\n" * (n // 16),
    "fences": lambda n: "```\n" * (n // 4),
    "backticks": lambda n: "`" * n,
    "half pairs": lambda n: "\ud800" * n,
    "controls": lambda n: "\x1b" * n,
    "one word": lambda n: "a" * n,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_long_text_takes_no_time_in_the_square_of_its_length(name: str) -> None:
    text = HOSTILE[name](1_000_000)
    for read in READERS:
        with no_hang():
            read(text)


@pytest.mark.parametrize(("n_broken", "found"), [(19, [{"a": 1}]), (20, [])])
def test_json_is_looked_for_in_twenty_places_at_most(n_broken: int, found: list[Any]) -> None:
    assert list(json_values('{"no ' * n_broken + '{"a": 1}')) == found
