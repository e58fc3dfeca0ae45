"""Eight bits: near the exact products, whatever the weights are."""

import re
from pathlib import Path

import pytest
import torch

from augqa.reader import Reader, int8
from augqa.reader.buffers import Workspace
from augqa.reader.int8 import gelu_product, levels, product, quantised
from tests.apart import ROOT, child
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


def test_scaled_sums_are_the_products_that_onednn_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(7)
    # More rows than GELU is computed of at once.
    x = levels(torch.randn(300, 96, generator=generator), Workspace())
    weights = quantised(torch.randn(48, 96, generator=generator), torch.randn(48))
    found = {}
    for by_sums in (False, True):
        monkeypatch.setattr(int8, "_BY_SUMS", by_sums)
        found[by_sums] = product(x, weights), gelu_product(x, weights, (0.03, 6))
    assert torch.allclose(found[True][0], found[False][0], atol=1e-5)
    differing = found[True][1].bytes.int() - found[False][1].bytes.int()
    assert differing.abs().max() <= 1
    assert (differing == 0).float().mean() > 0.999
    assert found[True][1].bytes.unique().numel() > 100


ANSWERS = """
import sys
from tests.readers import lessons, load
from augqa.reader.int8 import use_own_instructions
if sys.argv[2] == "own":
    use_own_instructions()
reader = load(sys.argv[1], engine="int8")
print("answers", [answer.score.hex() for answer in reader.answer_all(lessons() * 40)])
"""


def test_a_processor_s_own_instructions_for_bytes_give_the_same_answers(
    checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text("reproducible: x86_64\n")
    said = {
        whose: child(
            ANSWERS, tmp_path, str(checkpoint), whose, ONEDNN_VERBOSE="1"
        ).stdout.splitlines()
        for whose in ("own", "avx2")
    }
    answers = {w: [line for line in lines if line[:7] == "answers"] for w, lines in said.items()}
    assert len(answers["own"]) == 1
    assert answers["own"] == answers["avx2"]
    # All that oneDNN does is sums: nothing whose bytes go by the instructions.
    done = {line.split(",")[5] for line in said["own"] if ",exec," in line}
    assert done == {"matmul", "reorder"}
    known = [next(line for line in lines if ",isa:" in line) for lines in said.values()]
    if torch.cpu._is_vnni_supported():
        assert known[0] != known[1]


@pytest.mark.parametrize("script", ["evaluate", "answer_round_trip"])
def test_stages_that_answer_in_eight_bits_use_them_from_the_start(script: str) -> None:
    text = (ROOT / f"stages/{script}.py").read_text(encoding="utf-8")
    asked = re.search(r'engine == "int8":\n +use_own_instructions\(\)\n', text)
    assert asked is not None
    assert asked.end() < text.index("Reader.load(")
