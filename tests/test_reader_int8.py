"""Eight bits: near the exact products, whatever the weights are."""

from pathlib import Path

import pytest
import torch

from augqa.reader import Reader
from augqa.reader.buffers import Workspace
from augqa.reader.int8 import gelu_product, levels, product, quantised
from tests.readers import CONTEXT, lessons, load
from tests.tiny import checkpoint

__all__ = ["checkpoint"]  # the fixture


@pytest.mark.parametrize("shift", [-5.0, 0.0, 5.0])
def test_an_eight_bit_product_is_near_the_exact_one(shift: float) -> None:
    generator = torch.Generator().manual_seed(7)
    x = torch.rand(64, 96, generator=generator) * 2 - 1 + shift
    weight = torch.randn(48, 96, generator=generator)
    bias = torch.randn(48, generator=generator)
    exact = x @ weight.t() + bias
    found = product(levels(x, Workspace()), quantised(weight, bias))
    assert float((found - exact).norm() / exact.norm()) < 0.02
    highest = float(exact.max())
    coarse = gelu_product(levels(x, Workspace()), quantised(weight, bias), (highest / 250, 3))
    assert coarse.bytes.dtype == torch.uint8
    activated = (coarse.bytes.float() - coarse.zero) * coarse.scale
    expected = torch.nn.functional.gelu(exact)
    assert float((activated - expected).norm() / expected.norm()) < 0.03


def test_eight_bits_give_nearly_the_logits_of_thirty_two(checkpoint: Path) -> None:
    exact = load(checkpoint)
    coarse = load(checkpoint, engine="int8")
    scores = [
        [answer.score for answer in reader.answer_all(lessons())] for reader in (exact, coarse)
    ]
    assert scores[1] == pytest.approx(scores[0], abs=0.0005)
    assert scores[1] != scores[0]


def test_eight_bits_bear_a_channel_that_reaches_far(checkpoint: Path) -> None:
    exact = load(checkpoint)
    coarse = load(checkpoint, engine="int8")
    for reader in (exact, coarse):
        for layer in reader.model.bert.encoder.layer:
            with torch.no_grad():
                layer.intermediate.dense.bias[3] += 20
                layer.output.dense.weight[:, 3] /= 20
    scores = [
        [answer.score for answer in reader.answer_all(lessons())] for reader in (exact, coarse)
    ]
    assert scores[1] == pytest.approx(scores[0], abs=0.0005)


def test_eight_bits_follow_a_change_of_the_weights(checkpoint: Path) -> None:
    reader = load(checkpoint, engine="int8")
    before = reader.answer("who?", CONTEXT).score
    with torch.no_grad():
        reader.model.qa_outputs.weight *= 2
        reader.model.bert.encoder.layer[0].output.dense.weight *= 2
    after = reader.answer("who?", CONTEXT).score
    fresh = Reader(
        model=reader.model,
        tokenizer=reader.tokenizer,
        max_seq_length=32,
        doc_stride=4,
        threads=1,
        engine="int8",
    )
    assert after != before
    assert after == fresh.answer("who?", CONTEXT).score
