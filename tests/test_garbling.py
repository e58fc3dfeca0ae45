import pytest

from augqa.filters.wording import FILTERS
from augqa.garbling import garbled
from tests.filtering import decided, pair


@pytest.mark.parametrize(
    "question",
    [
        "When was the bridge built?",
        "In 1901, what did the town buy?",
        "To whom was the house sold?",
        "Did the river freeze?",
        "How many arches does the bridge have?",
        "When referring to Europe, which country is meant?",
        "Who opened the V&A?",
        "Quand le pont a-t-il été construit par la ville?",  # another language: not judged
    ],
)
def test_a_sound_question_passes(question: str) -> None:
    assert garbled(question) is None


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        ("The bridge was built when?", "the question word is not at the front"),
        ("When the bridge was built?", "no verb behind the question word"),
        ("What is the the bridge of the town?", "'the' twice"),
        ("What is the bridge on the?", "it breaks off"),
        ("What is the bridge (in the town?", "brackets or quotes without their other half"),
        ('What is the "bridge of the town?', "brackets or quotes without their other half"),
    ],
)
def test_a_fault_is_named(question: str, fault: str) -> None:
    assert garbled(question) == fault


def test_the_filter_drops_it_unless_it_is_off() -> None:
    bad = pair(question="The novel was written by whom?")
    (rejected,) = decided([bad]).rejected.values()
    assert rejected.reason == "garbled"
    assert decided([bad], drop_garbled=False).n_kept == 1


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("Who wrote the novel?", True),
        ("In 1901, what did the town buy?", True),
        ("The novel was written by whom?", False),
        ("Who wrote the the novel?", False),
        ("Who wrote to the?", False),
    ],
)
def test_the_gate_measures_by_itself(question: str, holds: bool) -> None:
    (promise,) = FILTERS.get("garbled").promises
    assert promise.measure is not None
    assert promise.measure({"question": question}) is holds


@pytest.mark.parametrize(
    "question",
    [
        "Who was the first of them to see the. The fair of 1940?",
        'Who sang of "the"?',
        "Which of them came to a, a bridge or a ford?",
    ],
)
def test_the_gate_lets_through_what_the_filter_lets_through(question: str) -> None:
    (promise,) = FILTERS.get("garbled").promises
    assert promise.measure is not None
    assert garbled(question) is not None or promise.measure({"question": question})
