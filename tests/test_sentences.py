"""Sentence ends, question marks and lengths, in scripts of every kind."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from augqa.prompts import finish_context, parse_pairs, parse_question
from augqa.sentences import (
    ends_as_question,
    first_words,
    is_question,
    last_sentence_end,
    n_words,
    not_english,
    reads_as_english,
    sentence_spans,
    word_spans,
    words,
)

QUESTIONS = {
    "English": "Who wrote the book?",
    "German": "Wer schrieb das Buch?",
    "French": "Qui a écrit ce livre ?",
    "Spanish": "¿Ella escribió el libro?",
    "Italian": "Quando è nato l'autore?",
    "Polish": "Kto napisał tę książkę?",
    "Turkish": "Kitabı kim ve nerede yazdı?",
    "Vietnamese": "Cuốn sách này ở đâu?",
    "Greek": "Ποιος έγραψε το βιβλίο;",
    "Greek of Unicode": "Ποιος έγραψε το βιβλίο\u037e",
    "Russian": "Кто написал книгу?",
    "Arabic": "من كتب الكتاب؟",
    "Armenian": "Ո՞վ է գրել գիրքը։",
    "Hindi": "किताब किसने लिखी?",
    "Amharic": "መጽሐፉን የጻፈው ማነው፧",
    "Chinese": "谁写了这本书？",
    "Chinese about a name": "iPhone是哪家公司开发的？",
    "Japanese": "この本は誰が書きましたか？",
    "Japanese without a mark": "「この本は誰が書きましたか。」",
    "Korean": "누가 이 책을 썼습니까?",
    "Thai": "ใครเขียนหนังสือเล่มนี้?",
    "Hebrew": "מי כתב את הספר?",
    "Persian": "چه کسی این کتاب را نوشت؟",
    "Urdu": "یہ کتاب کس نے لکھی؟",
    "Bengali": "বইটি কে লিখেছেন?",
    "Tamil": "புத்தகத்தை எழுதியது யார்?",
    "Georgian": "ვინ დაწერა წიგნი?",
    "Khmer": "តើអ្នកណាសរសេរសៀវភៅ?",
    "Burmese": "ဒီစာအုပ်ကို ဘယ်သူရေးသလဲ။",
    "Ukrainian": "Хто написав книгу?",
    "English with a full-width mark": "Who wrote the book？",
    "German with a full-width mark": "Wer schrieb das Buch？",
    "Chinese with a half-width mark": "谁写了这本书?",
    "Chinese in quotes": "“谁写了这本书？”",
    "Spanish with the opening mark alone": "¿Quién escribió el libro",
    "Spanish with a full stop": "¿Quién escribió el libro.",
    "Armenian, typed with a colon": "Ո՞վ գրեց այս գիրքը:",
    "Ethiopic": "ይህን መጽሐፍ ማን ጻፈው፧",
}
STATEMENTS = {
    "English": "She wrote the book.",
    "English with a mark": "She did write the book?",
    "a semicolon": "Who wrote the book; she did;",
    "German": "Er schrieb das Buch.",
    "Greek": "Αυτός έγραψε το βιβλίο.",
    "Armenian": "Նա է գրել գիրքը։",
    "Chinese": "他写了这本书。",
    "Chinese without a mark": "谁写了这本书",
    "Japanese": "彼がこの本を書きました。",
    "English about a Chinese name": "The author of 红楼梦?",
    "Spanish, asked and answered": "¿Quién lo escribió? Ella lo escribió.",
    "Burmese": "သူမ ဒီစာအုပ်ကို ရေးခဲ့သည်။",
    "Hebrew": "היא כתבה את הספר.",
    "Hindi": "उसने किताब लिखी।",
    "nothing": "",
}


@pytest.mark.parametrize("language", QUESTIONS)
def test_a_question_of_any_language_is_one(language: str) -> None:
    assert ends_as_question(QUESTIONS[language])
    assert is_question(QUESTIONS[language])


@pytest.mark.parametrize("language", STATEMENTS)
def test_a_statement_of_any_language_is_no_question(language: str) -> None:
    assert not is_question(STATEMENTS[language])


@pytest.mark.parametrize(
    "sentences",
    [
        ["彼は来た。", "彼女も来た！", "誰？"],
        ["圆周率是３．１４。", "好。"],
        ["「はい。」", "と言った。"],
        ["Τι είναι;", "Αυτό είναι."],
        ["Նա եկավ։", "Ո՞վ գնաց։"],
        ["ის მოვიდა.", "ის წავიდა."],
        ["वह आया।", "वह गया।"],
        ["من هو؟", "هو علي.", "وه علی ہے۔", "ہاں۔"],
        ["እሱ መጣ።", "ማን ሄደ፧", "እሷ።"],
        ["Он пришёл.", "«Кто?»", "Я ушёл."],
        ["¿Quién vino?", "¡Ana!", "Sí."],
    ],
)
def test_sentences_end_at_the_marks_of_their_script(sentences: list[str]) -> None:
    text = " ".join(sentences)
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences
    assert last_sentence_end(text + " Und") == len(text)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("他来了。她也来了。然后他们一起去了", "他来了。她也来了。"),
        ("彼は来た。「はい。」と言", "彼は来た。「はい。」"),
        ("Он пришёл. Она у", "Он пришёл."),
        ("वह आया। वह ग", "वह आया।"),
        ("Τι είναι; Αυτό εί", "Τι είναι;"),
        ("It is 30 °C. In the 90s. And th", "It is 30 °C. In the 90s."),
        ("He came at 5 p.m.", ""),
        ("Hello. He met J. R.", "Hello."),
    ],
)
def test_a_text_that_breaks_off_ends_with_its_last_whole_sentence(text: str, whole: str) -> None:
    assert text[: last_sentence_end(text)] == whole


def test_a_chinese_context_that_the_token_limit_ends_is_cut_back_not_refused() -> None:
    text = "他来了。她也来了。然后他们一起去了"
    assert finish_context(text, finish_reason="length", max_words=250) == (
        "他来了。她也来了。",
        None,
    )
    # 3 + 4 characters; marks do not count.
    assert finish_context(text, finish_reason="stop", max_words=8) == ("他来了。她也来了。", None)
    assert finish_context(text, finish_reason="stop", max_words=6) == ("他来了。", None)
    assert finish_context(text, finish_reason="stop", max_words=2) == ("", "too_long")


@pytest.mark.parametrize("language", ["Chinese", "Arabic", "Greek", "Armenian"])
def test_the_reply_of_a_model_is_read_in_any_script(language: str) -> None:
    question = QUESTIONS[language]
    assert parse_question(f"OK:\n{question}\nrest") == question
    (pair,) = parse_pairs(f"Question: {question}\nAnswer: x").pairs
    assert pair.question == question


def test_a_numbered_question_of_another_script_is_read() -> None:
    (pair,) = parse_pairs("1. 谁写了这本书？\nAnswer: 曹雪芹").pairs
    assert (pair.question, pair.answer) == ("谁写了这本书？", "曹雪芹")


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("Who wrote it?", 3),
        ("a - b", 3),  # what white space parts, marks too
        ("谁写了这本书？", 6),
        ("iPhone 15是什么？", 5),
        ("ใคร เขียน", 7),  # letters, not the marks above them
        ("누가 썼습니까?", 2),
        ("", 0),
        ("น้ำดื่ม", 3),  # a sign that is a letter to Unicode, and part of the one before it to the eye
        ("ท\u200d1", 2),
    ],
)
def test_lengths_go_by_words_or_by_characters_where_there_are_no_spaces(text: str, n: int) -> None:
    assert n_words(text) == n


@given(text=st.text(alphabet="ab1 .谁写ーกิ", max_size=30), n=st.integers(0, 10))
def test_the_first_words_are_a_beginning_of_at_most_so_many(text: str, n: int) -> None:
    shortened = first_words(text, n)
    assert text.startswith(shortened)
    assert n_words(shortened) == min(n, n_words(text))


@given(text=st.text(alphabet="ab1 .,'’-é", max_size=40))
def test_where_spaces_part_words_they_alone_count(text: str) -> None:
    assert n_words(text) == len(text.split())


@given(text=st.text(alphabet=[chr(code) for code in range(128)], max_size=60))
@example(text="Rock'n'roll isn't the '90s' o'3 it's5_a-b\x1fC")
def test_a_text_in_ascii_has_the_words_that_it_has_among_other_letters(text: str) -> None:
    """The short ways for ASCII give what the rule for all scripts does."""
    assert (*words(text), "é") == words(f"{text} é")


def test_words_are_characters_where_there_are_no_spaces() -> None:
    assert words("Ada's 谁-写 กิน") == ("ada's", "谁", "写", "กิ", "น")


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("Ada wrote the notes.", True),
        ("Who is it?", True),
        ("Mary Shelley, 1818", True),  # no telling
        ("谁写了这本书？", False),
        ("Ada Лов", True),  # half its letters are Latin
        ("Ad Лов", False),
        ("Кто написал книгу?", False),
        ("¿Ella escribió el libro?", False),
        ("Wer schrieb Frankenstein?", False),
        (
            "Der Turm wurde im Jahr 1889 gebaut und war lange Zeit das höchste Gebäude der Welt."
            " Er steht in Paris an der Seine und wird jedes Jahr von vielen Menschen besucht.",
            False,
        ),
        (
            "De toren staat in Parijs en was lang het hoogste gebouw van de wereld. Hij is in 1889"
            " gebouwd en wordt elk jaar door veel mensen bezocht, die er over de stad kijken.",
            False,
        ),
        (
            "The tower was built in 1889 and was for a long time the tallest building in the world."
            " It stands in Paris by the river and is seen by many people each year.",
            True,
        ),
    ],
)
def test_what_does_not_read_as_english_is_told(text: str, english: bool) -> None:
    assert reads_as_english(text) is english


def test_a_full_stop_of_an_abbreviation_ends_a_sentence_where_a_quotation_ends_with_it() -> None:
    text = 'She met Dr. Lee. He was "the Dr." They spoke.'
    said = [text[start:end] for start, end in sentence_spans(text)]
    assert said == ["She met Dr. Lee.", 'He was "the Dr."', "They spoke."]


def test_spans_of_words_leave_out_what_stands_around_them() -> None:
    text = 'A well-known "book", in 世界語 (1938).'
    assert [text[start:end] for start, end in word_spans(text)] == [
        *("A", "well", "known", "book", "in", "世界語", "1938"),
    ]


@pytest.mark.parametrize(("n", "told"), [(0, False), (49, False), (50, True), (1000, True)])
def test_more_than_a_chance_few_that_are_not_english_are_told(n: int, told: bool) -> None:
    said = not_english(n, 1000, "pairs", "the filters")
    assert said == (
        f"; warning: {n} of 1000 pairs do not read as English, but the filters know it alone"
        if told
        else ""
    )
