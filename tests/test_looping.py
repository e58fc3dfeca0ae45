"""Texts that go in a loop end where it begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa.looping import repeated_fraction, without_loop

BRIDGE = "The bridge was built in 1650. It stands on 23 arches."
LOOP = " It is the oldest bridge of the town. It is the oldest bridge of the town."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BRIDGE, BRIDGE),
        (BRIDGE + LOOP, BRIDGE + " It is the oldest bridge of the town."),
        (BRIDGE + LOOP + " Then it fell.", BRIDGE + " It is the oldest bridge of the town."),
        # The run that comes again begins in one sentence and ends in the next.
        (
            "We went. On we all went up. We went. On we all went.",
            "We went. On we all went up. We went.",
        ),
        # Nothing stands before this loop.
        ("round and round and round and round and round it goes.",) * 2,
        ("", ""),
    ],
)
def test_a_text_ends_before_the_sentence_that_begins_to_say_it_again(
    text: str, expected: str
) -> None:
    assert without_loop(text, above=0.0) == expected


def test_a_text_that_repeats_little_stays() -> None:
    text = BRIDGE + LOOP
    share = repeated_fraction(text)
    assert without_loop(text, above=share) == text
    assert without_loop(text, above=share - 0.01) != text


@given(
    st.lists(
        st.sampled_from(["He ran.", "She sat down there again today.", "谁", "a b c"]), max_size=30
    )
)
def test_what_is_left_is_the_beginning_and_repeats_no_more(sentences: list[str]) -> None:
    text = " ".join(sentences)
    left = without_loop(text, above=0.1)
    assert text.startswith(left)
    assert repeated_fraction(left) <= repeated_fraction(text) or left == text
