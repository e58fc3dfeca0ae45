"""Choosers of pairs: each leaves what it says, and the others have a reason."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from augqa.blends import KINDS
from augqa.blends.selecting import by_diversity, by_hardness, by_question_word
from augqa.drift import question_word
from augqa.errors import BlendError
from augqa.records import RoundTripAnswer
from tests.blends.test_kinds import TABLES, make, pair

READ = {
    f"g{n}": RoundTripAnswer(id=f"g{n}", text="1818", score=score, f1=100.0)
    for n, score in enumerate([3.0, -1.0, 5.0, 3.0])
}
PAIRS = [pair(f"g{n}") for n in range(4)]


@pytest.mark.parametrize(
    ("keep", "fraction", "expected"),
    [
        ("hardest", 0.25, ["g1"]),
        ("hardest", 0.5, ["g0", "g1"]),  # of two equal scores the first id
        ("easiest", 0.25, ["g2"]),
        ("easiest", 0.3, ["g0", "g2"]),  # rounded up
        ("easiest", 1.0, ["g0", "g1", "g2", "g3"]),
    ],
)
def test_hardness_is_the_readers_score(keep: Any, fraction: float, expected: list[str]) -> None:
    kept, out = by_hardness(PAIRS, READ, keep=keep, fraction=fraction)
    assert [p.id for p in kept] == expected
    assert {r.id for r in out} == {p.id for p in PAIRS} - set(expected)
    assert {r.reason for r in out} <= {"not_hard_enough" if keep == "hardest" else "too_hard"}


def embed(texts: Sequence[str]) -> Any:
    """Put questions on a circle: the number in them is the angle in degrees."""
    angles = np.radians([float(text.split()[1]) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize(
    ("max_alike", "expected"),
    [(1, ["g0", "g3"]), (2, ["g0", "g1", "g3"]), (9, ["g0", "g1", "g2", "g3"])],
)
def test_at_most_so_many_are_alike(max_alike: int, expected: list[str]) -> None:
    pairs = [pair(f"g{n}", question=f"Is {a} it?") for n, a in enumerate([0, 10, 20, 90])]
    kept, out = by_diversity(pairs, embed, max_alike=max_alike, min_similarity=0.9)
    assert [p.id for p in kept] == expected
    assert {r.reason for r in out} <= {"too_alike"}
    assert len(kept) + len(out) == 4


QUESTIONS = ["What is it?"] * 6 + ["Who is it?"] * 4 + ["Why is it?"]
ASKING = [pair(f"g{n}", question=question) for n, question in enumerate(QUESTIONS)]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"what": 0.5, "who": 0.5}, {"what": 4, "who": 4}),
        ({"what": 0.75, "who": 0.25}, {"what": 6, "who": 2}),
        ({"what": 0.5, "when": 0.5}, {"what": 6}),  # nothing makes up for what nobody asks
        ({"why": 1.0}, {"why": 1}),
    ],
)
def test_question_words_have_their_shares(
    weights: dict[str, float], expected: dict[str, int]
) -> None:
    kept, out = by_question_word(ASKING, weights, recipe="mine", seed=1)
    assert Counter(question_word(p.question) for p in kept) == expected
    assert len(kept) + len(out) == len(ASKING)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"wher": 1.0}, "names 'wher', which is none of what"),
        ({"when": 1.0}, "there are {'what': 6"),
    ],
)
def test_weights_that_cannot_be_met_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(BlendError, match=message):
        by_question_word(ASKING, weights, recipe="mine", seed=1)


def test_a_recipe_chooses_among_its_pairs() -> None:
    choose = [{"kind": "hardness", "keep": "easiest", "kept_fraction": 0.5}]
    made = make("generated", n_examples=None, choose=choose)
    assert (len(made.examples), made.counts["n_dropped"]) == (6, {"too_hard": 6})


def test_the_pool_gives_the_shares() -> None:
    tables = TABLES | {"kept": ASKING}
    (asked,) = {question_word(e.question) for e in TABLES["pool"]}
    made = make(
        "generated", tables=tables, n_examples=None, choose=[{"kind": "balance", "weights": None}]
    )
    assert {question_word(e.question) for e in made.examples} == {asked}


def test_an_unknown_chooser_is_refused() -> None:
    knobs = {"kind": "generated", "n_examples": None, "choose": [{"kind": "luck"}]}
    with pytest.raises(ValidationError, match="luck"):
        KINDS.get("generated").knobs.model_validate(knobs)
