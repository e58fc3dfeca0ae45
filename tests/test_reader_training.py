"""Training: the same bytes again, whatever happens on the way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from augqa.errors import DataError, ReaderError
from augqa.records import Answer, QAExample
from tests.examples import example
from tests.readers import CONTEXT, Killed, digest, lessons, tiny_model, train
from tests.tiny import encoder

__all__ = ["encoder"]  # the fixture


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    encoder: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(name) + seed)  # what went before must not matter
        train(encoder, lessons(), seed=seed)[0].save(tmp_path / name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


def test_training_learns_its_examples(encoder: Path) -> None:
    seen = []
    reader, report = train(
        encoder,
        lessons(),
        epochs=60,
        learning_rate=1e-2,
        on_epoch=lambda epoch, loss: seen.append((epoch, loss)),
    )
    assert [loss for _, loss in seen] == list(report.loss_per_epoch)
    assert seen[-1][0] == 60
    assert report.loss_per_epoch[-1] < report.loss_per_epoch[0] / 2
    assert reader.answer("who wrote frankenstein?", CONTEXT).text == "Mary Shelley"


def test_the_loss_of_an_epoch_is_the_mean_over_all_its_windows(tmp_path: Path) -> None:
    tiny_model("bert", tmp_path, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    two, all_at_once = (
        train(tmp_path, lessons(), batch_size=size, learning_rate=1e-9)[1].loss_per_epoch
        for size in (2, 8)
    )
    assert two == pytest.approx(all_at_once, rel=1e-5)


def test_an_answer_that_no_window_holds_is_counted_and_not_learned(encoder: Path) -> None:
    long = "the novel by lord byron " * 8
    cut = QAExample(
        id="long",
        context_id="c",
        context=long,
        question="what?",
        answers=(Answer(text=long.strip(), start=0),),
        origin="real",
        context_origin="real",
    )
    _, report = train(encoder, [*lessons(), cut])
    assert report.cut_off == ("long",)
    assert report.n_examples == 5
    with pytest.raises(ReaderError, match="no example to train on: no window"):
        train(encoder, [cut])


def test_an_empty_training_set_is_refused(encoder: Path) -> None:
    with pytest.raises(ReaderError, match="the training set is empty"):
        train(encoder, [])


def test_a_loss_that_is_not_finite_names_step_and_examples(encoder: Path) -> None:
    with pytest.raises(ReaderError, match=r"the loss is \S+ at step \d+ of 150, in a batch of q\d"):
        train(encoder, lessons(), learning_rate=1e30, max_grad_norm=1e30, epochs=50)


def test_training_stops_early_and_keeps_the_best_epoch(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [
        example(f"q{i}", context=f"London is on the Thames. {1800 + i}", answer="London")
        for i in range(6)
    ]
    f1_per_epoch = [10.0, 30.0, 20.0, 20.0, 90.0]
    scores = iter(f1_per_epoch * 2)
    weights: list[dict[str, torch.Tensor]] = []

    def held_out_f1(course: Any, _: Any) -> float:
        weights.append({k: v.clone() for k, v in course.reader.model.state_dict().items()})
        return next(scores)

    monkeypatch.setattr("augqa.reader.training._Course._f1", held_out_f1)
    settings: Any = {"held_out_fraction": 0.34, "patience": 2, "epochs": 5}
    reader, report = train(encoder, examples, **settings)
    assert report.held_out_f1 == (10.0, 30.0, 20.0, 20.0)
    assert report.best_epoch == 2
    assert len(report.held_out) == 2
    assert report.n_examples == 4
    kept = reader.model.state_dict()
    assert all(torch.equal(kept[name], weight) for name, weight in weights[1].items())
    assert any(not torch.equal(kept[name], weight) for name, weight in weights[3].items())

    seen: list[int] = []

    def kill(done: int, _loss: float) -> None:
        seen.append(done)
        if done == 3:
            raise Killed

    scores = iter(f1_per_epoch)
    with pytest.raises(Killed):
        train(encoder, examples, **settings, resume=tmp_path / "run", on_epoch=kill)
    resumed, again = train(encoder, examples, **settings, resume=tmp_path / "run")
    assert again == report
    for name, weight in reader.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_a_question_too_long_for_its_context_is_cut_off_and_counted(encoder: Path) -> None:
    long = example("long", context=CONTEXT, question="who " * 40, answer="1818")
    _, report = train(encoder, [long, *lessons()])
    assert report.cut_off == ("long",)
    assert report.n_examples == 5
    _, alone = train(encoder, lessons())
    assert report.loss_per_epoch == pytest.approx(alone.loss_per_epoch, abs=0.5)
    with pytest.raises(ReaderError, match="no example to train on: no window"):
        train(encoder, [long])


def test_every_training_set_of_a_seed_holds_out_the_same_real_contexts(encoder: Path) -> None:
    pool = [
        example(f"q{i}", context=f"London is on the Thames. {1800 + i}", answer="London")
        for i in range(6)
    ]
    generated = [
        example(
            f"q{i}/c0/p0",
            context=f"A town called London lies there. {i}",
            answer="London",
            origin="generated",
            context_origin="generated",
        )
        for i in range(6)
    ]
    settings: Any = {"held_out_fraction": 0.34, "epochs": 1, "pool": pool}
    _, of_real = train(encoder, pool, **settings)
    _, of_generated = train(encoder, generated, **settings)
    assert of_real.held_out == of_generated.held_out
    assert len(of_real.held_out) == 2
    # What was generated from a held-out question is not learned.
    assert of_generated.n_examples == 4


def test_a_held_out_question_that_cannot_be_read_scores_nothing(encoder: Path) -> None:
    examples = [
        example(f"q{i}", context=f"London is on the Thames. {1800 + i}", answer="London")
        for i in range(6)
    ]
    _, report = train(encoder, examples, held_out_fraction=0.34, epochs=1)
    held = [replace(e, question="who " * 40) if e.id in report.held_out else e for e in examples]
    _, blind = train(encoder, held, held_out_fraction=0.34, epochs=1)
    assert blind.held_out_f1 == (0.0,)


def test_a_full_disk_keeps_the_last_whole_checkpoint(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def fills_up(tensors: Any, path: Any) -> None:
        calls.append(path)
        save_file(tensors, path)
        if len(calls) == 2:
            raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr("augqa.finetuning.resuming.save_file", fills_up)
    with pytest.raises(DataError, match=r"run/step-000000006: a checkpoint .* No space left"):
        train(encoder, lessons(), resume=tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step-000000003"]
    resumed, _ = train(encoder, lessons(), resume=tmp_path / "run")
    whole, _ = train(encoder, lessons())
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name])
