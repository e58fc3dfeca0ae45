import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa.sentences import sentence_spans, word_starts
from augqa.spans import cut_points, locate_answer, whole_words, window_around, windows

CONTEXT = "Mary Shelley wrote Frankenstein in 1818. The U.S. Army paid $3.5 million for it."

# Letters, digits, punctuation, white space, emoji with modifiers and joiners, combining marks,
# right-to-left and unspaced scripts, zero-width characters, CR and LF.
ODD_TEXT = st.text(
    st.sampled_from(
        "abC 19.,'\"-?()\t\r\né́̈ß🎉👩\u200d🏽️🇫🇷\u200b\u200f\u2060\ufeffשלום العربية東京ไท"
    )
)


def located(context: str, answer: str, question: str = "What?") -> str | None:
    found = locate_answer(context, answer, question=question)
    return None if found is None else found.text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Mary Shelley", "Mary Shelley"),
        (" mary  shelley\n", "Mary Shelley"),  # case and white space
        ('"Frankenstein".', "Frankenstein"),  # punctuation at the edges
        ("the Frankenstein", "Frankenstein"),  # an article the context lacks
        ("US army", "U.S. Army"),  # punctuation inside a word
        ("U.S. Army, paid", "U.S. Army paid"),  # and between words
        ("$3.5 million", "$3.5 million"),
        ('"$3.5 million"', "$3.5 million"),  # only punctuation at the edges goes
        ("The U.S. Army,", "The U.S. Army"),
        ("3.5 million", "3.5 million"),
        ("35 million", None),  # another number
        ("5 million", None),  # part of a number
        ("181", None),
        ("Frank", None),  # part of a word
        ("Percy Shelley", None),
        ("", None),
        (" \u200b ", None),
        ("...", None),
        ("THE", "The"),
    ],
)
def test_answer_is_found_as_the_context_writes_it(answer: str, expected: str | None) -> None:
    assert located(CONTEXT, answer) == expected


def test_exact_occurrence_wins_over_an_earlier_normalized_one() -> None:
    found = locate_answer("MAY came. May left.", "May", question="Who?")
    assert found is not None
    assert (found.text, found.start) == ("May", 10)


@pytest.mark.parametrize(
    ("context", "answer", "expected"),
    [
        ("Cafe\u0301 Zoe\u0308 opened.", "Café Zoë", "Cafe\u0301 Zoe\u0308"),  # composed, not
        ("Café Zoë opened.", "Cafe\u0301 Zoe\u0308", "Café Zoë"),
        ("Cafe\u0301 opened.", "Cafe", None),  # never without its accent
        ("Caf\u00e9 opened.", "cafe", None),
        ("Cafe\u0301teria opened.", "Café", None),  # never within a word, behind its accent
        ("wan\u00addering stars", "wan", None),  # nor at a soft hyphen
        ("wan\u200bdering stars", "wan", "wan"),  # a space without width parts words
        ("The 👩\u200d🚀 flew.", "👩\u200d🚀", "👩\u200d🚀"),
        ("The 👩\u200d🚀 flew.", "👩", None),  # half an emoji
        ("I ❤\ufe0f Rome.", "❤ rome", "❤\ufe0f Rome"),
        ("co\u00adoper\u200bation won.", "cooperation", "co\u00adoper\u200bation"),
        ("\ufeffRome fell.", "Rome", "Rome"),
        ("הוא נולד בשנת 1879 באולם.", "בשנת 1879", "בשנת 1879"),
        ("\u200fاللغة العربية\u200f جميلة.", "العربية", "العربية"),
        ("Ada\r\nLovelace wrote.", "Ada Lovelace", "Ada\r\nLovelace"),
        ("彼は東京で生まれた。", "東京", "東京"),  # no spaces between words
        ("Die Straße.", "STRASSE", "Straße"),
        ("ﬁnal result", "final result", "ﬁnal result"),
        ("He said “it’s over”.", '"it\'s over"', "“it’s over”"),
        ("the years 1914–18 were", "1914-18", "1914–18"),
    ],
)
def test_any_script_is_matched_but_never_cut_inside_a_character(
    context: str, answer: str, expected: str | None
) -> None:
    assert located(context, answer) == expected


def test_offsets_count_code_points_not_bytes_or_utf16_units() -> None:
    found = locate_answer("🎉🎉 é 東 Rome", "Rome", question="Where?")
    assert found is not None
    assert found.start == 7


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("When did the king of Sweden die?", 48),
        ("When was the treaty signed?", 25),
        ("When?", 25),  # nothing shared: the first
    ],
)
def test_of_several_occurrences_the_one_in_the_most_related_sentence_is_taken(
    question: str, start: int
) -> None:
    context = "The treaty was signed in 1648. The king died in 1648 in Sweden. In 1648 it rained."
    found = locate_answer(context, "1648", question=question)
    assert found is not None
    assert found.start == start


@given(before=ODD_TEXT, answer=ODD_TEXT, after=ODD_TEXT, question=ODD_TEXT)
def test_a_found_answer_stands_at_its_offset(
    before: str, answer: str, after: str, question: str
) -> None:
    context = before + answer + after
    found = locate_answer(context, answer, question=question)
    if found is not None:
        end = found.start + len(found.text)
        assert context[found.start : end] == found.text
        may_cut = cut_points(context)
        assert may_cut[found.start]
        assert may_cut[end]


@given(context=ODD_TEXT, data=st.data())
def test_every_whole_piece_of_a_context_is_found_word_for_word(
    context: str, data: st.DataObject
) -> None:
    ends = [index for index, may in enumerate(cut_points(context)) if may]
    start = data.draw(st.sampled_from(ends))
    end = data.draw(st.sampled_from(ends))
    piece = context[min(start, end) : max(start, end)]
    if piece.strip():
        may_cut = cut_points(context)
        stripped = context.index(piece.strip(), min(start, end))
        if may_cut[stripped] and may_cut[stripped + len(piece.strip())]:
            assert located(context, piece) == piece.strip()


@given(
    words=st.lists(st.sampled_from(["Ada", "Zoë", "Straße", "naïve", "1,000", "Crème"]), min_size=1)
)
def test_case_composition_and_white_space_do_not_hide_an_answer(words: list[str]) -> None:
    context = "Yes: " + " ".join(words) + " indeed."
    for form in ("NFC", "NFD", "NFKD"):
        answer = unicodedata.normalize(form, "\t".join(words).upper())
        assert located(context, answer) == " ".join(words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. J. Smith of the U.S. Army came. He left.", None),
        ("It cost $3.5 million. Then 4.", ["It cost $3.5 million.", "Then 4."]),
        ("“Stop.” He ran.", ["“Stop.”", "He ran."]),
        ("a heading\r\n\r\nAnd text", ["a heading", "And text"]),
        ("彼は来た。彼女も来た。", ["彼は来た。", "彼女も来た。"]),
        ("من هو؟ هو علي.", ["من هو؟", "هو علي."]),
        ("  ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = ["Dr. J. Smith of the U.S. Army came.", "He left."]
    assert [text[start:end] for start, end in sentence_spans(text)] == expected


def test_windows_hold_whole_sentences_and_lose_no_word() -> None:
    text = "One two three. Four five. Six seven eight nine. Ten."
    spans = windows(text, word_starts(text), max_units=5)
    assert [text[start:end] for start, end in spans] == [
        "One two three. Four five.",
        "Six seven eight nine. Ten.",
    ]


def test_sentence_longer_than_a_window_is_cut_between_words() -> None:
    text = "One two three four five. Six."
    spans = windows(text, word_starts(text), max_units=2)
    assert [text[start:end] for start, end in spans] == ["One two", "three four", "five. Six."]


def test_text_without_spaces_is_windowed_between_characters() -> None:
    text = "東京は日本の首都である"
    spans = windows(text, range(len(text)), max_units=4)
    assert [text[start:end] for start, end in spans] == ["東京は日", "本の首都", "である"]
    assert window_around(text, (3, 5), range(len(text)), max_units=6) == (1, 7)


@given(text=ODD_TEXT, max_units=st.integers(1, 4))
def test_windows_are_small_enough_and_cover_every_word(text: str, max_units: int) -> None:
    starts = word_starts(text)
    spans = windows(text, starts, max_units=max_units)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(
        text.split()
    )
    for start, end in spans:
        assert sum(start <= unit < end for unit in starts) <= max_units


def test_window_around_a_span_grows_by_sentences_on_both_sides() -> None:
    text = "Aa bb. Cc dd. Ee ff. Gg hh. Ii jj."
    start = text.index("ff")
    window = window_around(text, (start, start + 2), word_starts(text), max_units=6)
    assert text[slice(*window)] == "Cc dd. Ee ff. Gg hh."


def test_window_in_a_sentence_too_long_for_it_keeps_the_span_whole() -> None:
    text = "a b c d e f g h i j k l."
    start = text.index("f g")
    window = window_around(text, (start, start + 3), word_starts(text), max_units=4)
    assert text[slice(*window)] == "e f g h"


@given(text=ODD_TEXT, data=st.data())
def test_window_around_never_cuts_its_span(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    first, past = window_around(text, (start, end), word_starts(text), max_units=3)
    assert first <= start
    assert end <= past


@pytest.mark.parametrize(
    ("text", "wanted", "starts"),
    [
        ("In 1066, 10 men came; 10.", "10", [9, 22]),
        ("3.10 or 1,010 or 110", "10", []),
        ("A party for art.", "art", [12]),
        ("Ada's notes by Ada", "Ada", [0, 15]),
        ("北京大学", "大学", [2]),
        ("Cafe\u0301 or Cafe", "Cafe", [9]),
        ("Art and art", "art", [8]),
        ("any", "", []),
    ],
)
def test_whole_words_are_found_and_parts_of_words_are_not(
    text: str, wanted: str, starts: list[int]
) -> None:
    assert [start for start, _ in whole_words(text, wanted)] == starts
