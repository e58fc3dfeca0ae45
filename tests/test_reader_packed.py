"""Windows end to end give what they give padded, and each alone."""

from pathlib import Path

import pytest

from tests.readers import lessons, load, tiny_model
from tests.tiny import checkpoint

__all__ = ["checkpoint"]  # the fixture


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_packed_logits_are_those_of_the_padded_model(kind: str, tmp_path: Path) -> None:
    tiny_model(kind, tmp_path)
    reader = load(tmp_path)
    assert reader.encoder.packs
    examples = lessons()
    packed = [(a.text, a.start) for a in reader.answer_all(examples, batch_size=3)]
    scores = [a.score for a in reader.answer_all(examples, batch_size=3)]
    with reader.encoder.plain_attention():
        reader.encoder.packs = False
        padded = reader.answer_all(examples, batch_size=5)
    assert [(a.text, a.start) for a in padded] == packed
    assert [a.score for a in padded] == pytest.approx(scores, abs=1e-4)


def test_an_answer_does_not_depend_on_its_neighbours_or_the_order(checkpoint: Path) -> None:
    reader = load(checkpoint)
    examples = lessons()
    together = reader.answer_all(examples, batch_size=4)
    backwards = reader.answer_all(examples[::-1], batch_size=2)[::-1]
    alone = [reader.answer(e.question, e.context) for e in examples]
    for a, b, c in zip(together, backwards, alone, strict=True):
        assert a.text == b.text == c.text
        assert a.score == pytest.approx(c.score, abs=1e-5)
