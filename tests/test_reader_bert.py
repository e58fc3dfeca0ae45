"""The layers written out, held against autograd and against transformers' modules."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augqa.reader import Reader
from augqa.reader.batch import make_batch
from augqa.reader.buffers import Masks, Workspace
from augqa.reader.ranks import Ranks
from augqa.reader.steps import ModuleStep, WrittenOutStep
from tests.readers import lessons, load, tiny_model, train, written_out


# At 1e6 exponentials of attention's logits leave the range of float32 at its upper end; with a
# shift of 20 a query all of them do at the lower one.
@pytest.mark.parametrize(
    ("factor", "shift"), [(1.0, 0.0), (1e3, 0.0), (1e6, 0.0), (1.0, 3.0), (1.0, 20.0)]
)
def test_written_out_logits_are_those_of_the_modules_however_sharp_attention_is(
    factor: float, shift: float, tmp_path: Path
) -> None:
    tiny_model("bert", tmp_path)
    reader = load(tmp_path)
    assert reader.bert is not None
    with torch.no_grad():
        for layer in reader.model.base_model.encoder.layer:
            layer.attention.self.query.weight *= factor
            layer.attention.self.query.bias += shift
            layer.attention.self.key.bias -= shift
    reader.bert.weights.refresh(training=False)
    windows = written_out(reader, lessons())[0].windows
    batch = make_batch(windows, np.arange(len(windows)))
    found = reader.bert.infer(batch, Workspace())
    start, end = reader.encoder.logits(batch)
    assert torch.isfinite(found).all()
    assert torch.allclose(found, torch.stack([start, end], 1), atol=1e-4 if shift else 1e-5)


def gradients(reader: Reader, step: Any, rows: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    losses = step.gradients(rows, 1)
    named = reader.model.named_parameters()
    return losses, {name: p.grad.clone() for name, p in named}


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("threads", [1, 2])
def test_written_out_gradients_are_those_of_autograd(
    kind: str, threads: int, tmp_path: Path
) -> None:
    tiny_model(kind, tmp_path, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    reader = load(tmp_path)
    assert reader.bert is not None
    lessons_, rows = written_out(reader, lessons())
    ours = WrittenOutStep(reader.bert, lessons_, seed=1, threads=threads, ranks=Ranks())
    losses, found = gradients(reader, ours, rows)
    theirs = ModuleStep(reader.encoder, lessons_, seed=1, pass_tokens=64, bf16=False, ranks=Ranks())
    expected_losses, expected = gradients(reader, theirs, rows)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, atol=1e-6, rtol=1e-3), name


# Each factor is rounded to 8 bits of mantissa.
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_gradients_in_bfloat16_are_near_those_in_float32(
    kind: str, dropout: float, tmp_path: Path
) -> None:
    drops = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    tiny_model(kind, tmp_path, **drops)
    reader = load(tmp_path)
    assert reader.bert is not None
    lessons_, rows = written_out(reader, lessons())
    (exact_losses, exact), (losses, found) = (
        gradients(
            reader,
            WrittenOutStep(reader.bert, lessons_, seed=1, threads=2, ranks=Ranks(), bf16=bf16),
            rows,
        )
        for bf16 in (False, True)
    )
    assert losses == pytest.approx(exact_losses, rel=0.01)
    assert (losses != exact_losses).any()
    for name, gradient in exact.items():
        assert found[name].dtype == torch.float32
        # A key's bias moves all logits of a row alike, so that its gradient is rounding alone.
        if not name.endswith("key.bias"):
            assert (found[name] - gradient).norm() < 0.03 * gradient.norm() + 1e-6, name


def test_a_reader_that_was_trained_in_bfloat16_answers_in_float32(tmp_path: Path) -> None:
    tiny_model("bert", tmp_path / "tiny")
    made, report = train(tmp_path / "tiny", lessons(), precision="bfloat16")
    _, exact = train(tmp_path / "tiny", lessons())
    assert report.loss_per_epoch == pytest.approx(exact.loss_per_epoch, rel=0.01)
    assert report.loss_per_epoch != exact.loss_per_epoch
    made.save(tmp_path / "made")
    scores = [
        [answer.score for answer in reader.answer_all(lessons())]
        for reader in (made, load(tmp_path / "made", max_answer_tokens=8, n_best=5))
    ]
    assert scores[0] == scores[1]
    assert {p.dtype for p in made.model.parameters()} == {torch.float32}


def test_written_out_gradients_under_dropout_are_slopes_of_the_loss(tmp_path: Path) -> None:
    tiny_model("bert", tmp_path, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3)
    reader = load(tmp_path)
    assert reader.bert is not None
    lessons_, rows = written_out(reader, lessons())
    step = WrittenOutStep(reader.bert, lessons_, seed=1, threads=1, ranks=Ranks())
    losses, found = gradients(reader, step, rows)
    # Along the gradient itself the loss falls by its squared length.
    length = torch.sqrt(sum((g**2).sum() for g in found.values()))
    shift = 1e-2 / length
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            for name, parameter in reader.model.named_parameters():
                parameter += sign * shift * found[name]
            values.append(step.gradients(rows, 1).mean())
    slope = (values[0] - values[1]) / (2 * float(shift))
    assert slope == pytest.approx(float(length) ** 2, rel=0.02)
    assert losses.mean() == pytest.approx(sum(values) / 2, rel=0.01)


def test_dropout_does_not_depend_on_how_windows_are_dealt_out(tmp_path: Path) -> None:
    tiny_model("bert", tmp_path, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3)
    reader = load(tmp_path)
    assert reader.bert is not None
    lessons_, rows = written_out(reader, lessons())
    one, two = (
        WrittenOutStep(reader.bert, lessons_, seed=1, threads=n, ranks=Ranks()) for n in (1, 3)
    )
    assert one.gradients(rows, 1) == pytest.approx(two.gradients(rows, 1), rel=1e-5)
    assert one.gradients(rows, 1) != pytest.approx(one.gradients(rows, 2), rel=1e-5)


def test_each_window_step_and_seed_has_dropout_of_its_own(tmp_path: Path) -> None:
    tiny_model("bert", tmp_path, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3)
    reader = load(tmp_path)
    assert reader.bert is not None
    lessons_, rows = written_out(reader, lessons()[:1] * 2)
    losses = [
        loss
        for seed in (1, 2)
        for step in (1, 2)
        for loss in WrittenOutStep(
            reader.bert, lessons_, seed=seed, threads=1, ranks=Ranks()
        ).gradients(rows, step)
    ]
    assert len(losses) == 8
    assert len(set(losses)) == 8


def test_masks_drop_the_share_asked_for_and_scale_makes_up_for_it() -> None:
    masks = Masks([2, 4], 0.1)
    mask = torch.empty(100, 1001, dtype=torch.bool)
    masks.draw(0, mask)
    assert float(mask.float().mean()) == pytest.approx(0.9, abs=0.005)
    assert float(mask.float().mean()) * masks.scale == pytest.approx(1, abs=0.005)
    other = torch.empty_like(mask)
    masks.draw(1, other)
    assert not torch.equal(mask, other)
