import hashlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    BertForQuestionAnswering,
    RobertaConfig,
    RobertaForQuestionAnswering,
)

from augqa.errors import ReaderError
from augqa.reader import Reader, TrainingReport, train_reader
from augqa.reader.bert import Masks, Workspace
from augqa.reader.decoding import best_spans
from augqa.reader.feature_cache import cached_windows
from augqa.reader.features import label_windows, make_windows
from augqa.reader.int8 import gelu_product, levels, product, quantised
from augqa.reader.packed import make_batch
from augqa.reader.ranks import Ranks
from augqa.reader.resuming import save_progress
from augqa.reader.steps import Lessons, ModuleStep, WrittenOutStep
from augqa.records import Answer, QAExample
from tests.examples import example
from tests.tiny import checkpoint, encoder, tiny_config, tiny_tokenizer

__all__ = ["checkpoint", "encoder"]  # the fixtures

CONTEXT = "Mary Shelley wrote Frankenstein in 1818. Lord Byron was a poet, born in London."


def tiny_model(kind: str, folder: Path, **changes: Any) -> None:
    """Save a tiny random question-answering BERT or RoBERTa with its tokenizer."""
    torch.manual_seed(3)
    if kind == "bert":
        BertForQuestionAnswering(tiny_config(**changes)).save_pretrained(folder)
    else:
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32}
        config = RobertaConfig(
            vocab_size=64,
            num_attention_heads=2,
            max_position_embeddings=66,
            type_vocab_size=1,
            pad_token_id=1,
            **sizes,
            **changes,
        )
        RobertaForQuestionAnswering(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def load(folder: Path, **settings: int) -> Reader:
    return Reader.load(folder, **{"max_seq_length": 32, "doc_stride": 4, "threads": 1, **settings})


def train(folder: Path, examples: list[QAExample], **changes: Any) -> tuple[Reader, TrainingReport]:
    settings: dict[str, Any] = {
        "seed": 1,
        "max_seq_length": 32,
        "doc_stride": 4,
        "max_answer_tokens": 8,
        "n_best": 5,
        "threads": 1,
        "epochs": 2,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "warmup_fraction": 0.1,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
    }
    return train_reader(examples, checkpoint=folder, **{**settings, **changes})


def lessons() -> list[QAExample]:
    return [
        example("q1", context=CONTEXT, question="who wrote frankenstein?", answer="Mary Shelley"),
        example("q2", context=CONTEXT, question="when?", answer="1818"),
        example("q3", context=CONTEXT, question="where was byron born?", answer="London"),
        example("q4", context="London is on the Thames.", question="where?", answer="the Thames"),
        example("q5", context="London is on the Thames.", question="what city?", answer="London"),
    ]


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


# ---- windows


def test_windows_are_those_of_the_tokenizers_own_overflow(encoder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    questions = ["who wrote frankenstein?", "where?", "when was lord byron born?"]
    contexts = [CONTEXT, "London is on the Thames.", CONTEXT * 3]
    expected = tokenizer(
        questions,
        contexts,
        truncation="only_second",
        max_length=20,
        stride=5,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
        padding=False,
    )
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    windows = make_windows(
        tokenizer, questions, contexts, ids=["1", "2", "3"], max_seq_length=20, doc_stride=5
    )
    found = [
        windows.ids[a:b].tolist()
        for a, b in zip(windows.starts[:-1], windows.starts[1:], strict=True)
    ]
    assert found == expected["input_ids"]
    assert windows.question.tolist() == expected["overflow_to_sample_mapping"]
    for i, types in enumerate(expected["token_type_ids"]):
        at, n = windows.context_at[i], windows.n_context[i]
        assert types == [0] * at + [1] * (len(types) - at)
        begin = windows.context_from[i]
        spans = list(
            zip(
                windows.char_start[begin : begin + n].tolist(),
                windows.char_end[begin : begin + n].tolist(),
                strict=True,
            )
        )
        assert spans == expected["offset_mapping"][i][at : at + n]


def test_labels_point_at_the_answer_in_every_window_that_holds_it(encoder: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    context = "the novel " * 20 + "Lord Byron" + " was born." * 10
    start = context.index("Lord")
    windows = make_windows(
        tokenizer, ["who?"], [context], ids=["q"], max_seq_length=20, doc_stride=8
    )
    chosen, first, last = label_windows(windows, [start], [start + 10])
    assert 0 < len(chosen) < len(windows)
    for window, i, j in zip(chosen, first, last, strict=True):
        shift = windows.context_from[window] - windows.context_at[window]
        text = context[windows.char_start[shift + i] : windows.char_end[shift + j]]
        assert text == "Lord Byron"


def test_a_long_question_narrows_the_overlap_and_still_covers_the_context(encoder: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    windows = make_windows(
        tokenizer, ["who " * 25], [CONTEXT], ids=["q"], max_seq_length=32, doc_stride=16
    )
    covered = set()
    for begin, n in zip(windows.context_from, windows.n_context, strict=True):
        covered |= set(range(begin, begin + n))
    assert covered == set(range(len(windows.char_start)))


def test_equal_texts_are_tokenised_once(encoder: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    one = make_windows(tokenizer, ["who?"], [CONTEXT], ids=["1"], max_seq_length=32, doc_stride=4)
    two = make_windows(
        tokenizer, ["who?", "when?"], [CONTEXT] * 2, ids=["1", "2"], max_seq_length=32, doc_stride=4
    )
    assert len(two.char_start) == len(one.char_start)


def test_cached_windows_equal_fresh_ones_and_change_with_the_text(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    settings: Any = {"ids": ["q"], "max_seq_length": 20, "doc_stride": 4}
    fresh = make_windows(tokenizer, ["who?"], [CONTEXT], **settings)
    cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    cached_windows(tmp_path, tokenizer, ["when?"], [CONTEXT], **settings)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr("augqa.reader.feature_cache.make_windows", None)
    again = cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    assert again.ids.tolist() == fresh.ids.tolist()
    assert again.starts.tolist() == fresh.starts.tolist()
    assert again.char_end.tolist() == fresh.char_end.tolist()


def test_a_damaged_cache_entry_is_made_again(encoder: Path, tmp_path: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    settings: Any = {"ids": ["q"], "max_seq_length": 20, "doc_stride": 4}
    good = cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    expected = good.ids.tolist()
    (next(tmp_path.iterdir()) / "ids.npy").write_bytes(b"broken")
    again = cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    assert again.ids.tolist() == expected


# ---- packing and decoding


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
    reader.bert.refresh(training=False)
    windows = written_out(reader, lessons())[0].windows
    batch = make_batch(windows, np.arange(len(windows)))
    found = reader.bert.infer(batch, Workspace())
    start, end = reader.encoder.logits(batch)
    assert torch.isfinite(found).all()
    assert torch.allclose(found, torch.stack([start, end], 1), atol=1e-4 if shift else 1e-5)


def test_an_answer_does_not_depend_on_its_neighbours_or_the_order(checkpoint: Path) -> None:
    reader = load(checkpoint)
    examples = lessons()
    together = reader.answer_all(examples, batch_size=4)
    backwards = reader.answer_all(examples[::-1], batch_size=2)[::-1]
    alone = [reader.answer(e.question, e.context) for e in examples]
    for a, b, c in zip(together, backwards, alone, strict=True):
        assert a.text == b.text == c.text
        assert a.score == pytest.approx(c.score, abs=1e-5)


def test_an_answer_stands_at_its_start_whatever_window_it_is_in(checkpoint: Path) -> None:
    reader = load(checkpoint, max_seq_length=16)
    context = "Ärzte wrote — " * 10 + CONTEXT
    answer = reader.answer("who?", context)
    assert answer.text
    assert context[answer.start : answer.start + len(answer.text)] == answer.text


def test_the_best_span_is_the_best_of_all_that_are_allowed() -> None:
    generator = torch.Generator().manual_seed(5)
    start, end = torch.randn(2, 40, 12, generator=generator)
    start[:, 9:] = end[:, 9:] = -torch.inf  # beyond the context
    first, last, score = best_spans(start, end, max_answer_tokens=3, n_best=12)
    for row in range(len(start)):
        allowed = {
            (i, j): float(start[row, i] + end[row, j])
            for i in range(9)
            for j in range(i, min(i + 3, 9))
        }
        assert (int(first[row]), int(last[row])) == max(allowed, key=lambda span: allowed[span])
        assert float(score[row]) == pytest.approx(max(allowed.values()))


def test_a_span_is_found_where_no_candidates_fit_together() -> None:
    start = torch.tensor([[0.0, 1.0, 2.0, 9.0]])
    end = torch.tensor([[9.0, 0.0, 3.0, 1.0]])
    first, last, score = best_spans(start, end, max_answer_tokens=2, n_best=1)
    assert (int(first), int(last), float(score)) == (3, 3, 10.0)


# ---- layers written out


def written_out(reader: Reader, examples: list[QAExample]) -> tuple[Any, ...]:
    """Return what a step needs on these examples."""
    windows = make_windows(
        reader.tokenizer,
        [e.question for e in examples],
        [e.context for e in examples],
        ids=[e.id for e in examples],
        max_seq_length=32,
        doc_stride=4,
    )
    answers = [e.answers[0] for e in examples]
    chosen, first, last = label_windows(
        windows, [a.start for a in answers], [a.start + len(a.text) for a in answers]
    )
    return Lessons(windows=windows, chosen=chosen, first=first, last=last), np.arange(len(chosen))


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


# ---- loading and saving


def test_transformers_loads_what_a_reader_saves(checkpoint: Path, tmp_path: Path) -> None:
    reader = load(checkpoint)
    reader.save(tmp_path)
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    inputs = tokenizer("who wrote frankenstein?", CONTEXT, return_tensors="pt")
    assert len(inputs["input_ids"][0]) > 8  # the checkpoint's own truncation is gone
    with torch.inference_mode():
        logits = model.eval()(**inputs).start_logits[0]
    with reader.encoder.plain_attention() as own, torch.inference_mode():
        assert torch.allclose(logits, own(**inputs).start_logits[0], atol=1e-5)


def test_a_saved_reader_keeps_its_settings_and_names_no_path(
    checkpoint: Path, tmp_path: Path
) -> None:
    load(checkpoint, max_seq_length=24).save(tmp_path / "a")
    again = Reader.load(tmp_path / "a", threads=1)
    assert again.max_seq_length == 24
    again.save(tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    for file in (tmp_path / "b").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
        assert str(checkpoint).encode() not in file.read_bytes()


def test_the_packaged_encoder_is_found_by_name() -> None:
    reader = Reader.load("all-MiniLM-L6-v2", threads=1, head_seed=1)
    assert reader.encoder.packs
    assert reader.answer("Who wrote Frankenstein?", CONTEXT).text in CONTEXT


def refusal(folder: Any, **settings: Any) -> str:
    with pytest.raises(ReaderError) as caught:
        Reader.load(folder, **settings)
    return str(caught.value)


def copied(folder: Path, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "gone")
    assert "no such folder" in refusal("data/models/no-such-regime-1")


def test_an_encoder_without_a_head_is_refused_for_answering(encoder: Path) -> None:
    assert "has no question-answering head" in refusal(encoder)


def test_pickled_weights_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert "pickle" in refusal(folder)
    assert "pytorch_model.bin" in refusal(folder)


def test_code_of_the_checkpoints_own_is_never_run(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "remote")
    marker = tmp_path / "was_run"
    (folder / "modeling_own.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModelForQuestionAnswering": "modeling_own.Own",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    refusal(folder)
    assert not marker.exists()


def test_a_slow_tokenizer_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "slow")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    assert "slow" in refusal(folder)


def test_an_incomplete_encoder_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "incomplete")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    assert "weights of the encoder are missing" in refusal(folder)


def test_more_tokens_than_positions_are_refused(checkpoint: Path) -> None:
    assert "above the 64 positions" in refusal(checkpoint, max_seq_length=65)


def test_bad_questions_are_refused_by_name(checkpoint: Path) -> None:
    reader = load(checkpoint)
    for question, context, fault in (
        ("  ", CONTEXT, "question is empty"),
        ("who?", " ", "context has no token"),
        ("who " * 40, CONTEXT, "takes 40 tokens"),
    ):
        with pytest.raises(ReaderError, match=fault):
            reader.answer(question, context)


# ---- training


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


class Killed(BaseException):
    """Stands in for SIGKILL: nothing in the code under test may catch it."""


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_killed_training_goes_on_to_the_same_bytes(
    encoder: Path, tmp_path: Path, epoch: int
) -> None:
    train(encoder, lessons(), epochs=3)[0].save(tmp_path / "whole")

    def kill(done: int, _loss: float) -> None:
        if done == epoch:
            raise Killed

    with pytest.raises(Killed):
        train(encoder, lessons(), epochs=3, resume=tmp_path / "run", on_epoch=kill)
    seen: list[int] = []
    resumed, _ = train(
        encoder,
        lessons(),
        epochs=3,
        resume=tmp_path / "run",
        on_epoch=lambda done, _: seen.append(done),
    )
    resumed.save(tmp_path / "resumed")
    assert seen == [1, 2, 3]
    assert digest(tmp_path / "whole") == digest(tmp_path / "resumed")
    assert os.listdir(tmp_path / "run") == ["step-000000009"]


def test_a_training_killed_inside_an_epoch_goes_on_to_the_same_bytes(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, expected = train(encoder, lessons())
    whole.save(tmp_path / "whole")
    monkeypatch.setattr("augqa.reader.training._SAVE_EVERY_S", -1.0)
    saves = []

    def kill_inside_epoch_two(*arguments: Any) -> None:
        saves.append(arguments)
        save_progress(*arguments)
        if len(saves) == 5:  # steps 1, 2, 3, end of epoch 1, step 4: next is step 5 of 6
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("augqa.reader.training.save_progress", kill_inside_epoch_two)
        with pytest.raises(Killed):
            train(encoder, lessons(), resume=tmp_path / "run")
    resumed, report = train(encoder, lessons(), resume=tmp_path / "run")
    resumed.save(tmp_path / "resumed")
    assert report.loss_per_epoch == expected.loss_per_epoch
    assert digest(tmp_path / "whole") == digest(tmp_path / "resumed")


def train_to_the_end(encoder: Path, run: Path, saved: Path) -> None:
    # Negative: a checkpoint after every step, so that kills fall into its writing as well.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("augqa.reader.training._SAVE_EVERY_S", -1.0)
        train(encoder, lessons() * 4, epochs=12, resume=run)[0].save(saved)


def steps_done(run: Path) -> int:
    names = [path.name for path in run.glob("step-*") if path.suffix != ".partial"]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


def test_sigkill_at_any_moment_changes_no_byte_of_the_weights(
    encoder: Path, tmp_path: Path
) -> None:
    train(encoder, lessons() * 4, epochs=12)[0].save(tmp_path / "whole")
    arguments = (encoder, tmp_path / "run", tmp_path / "resumed")
    # Its server imports torch once for all four processes.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    moments = random.Random()  # no seed: any moment must do
    for _ in range(3):
        child = context.Process(target=train_to_the_end, args=arguments)
        child.start()
        wanted = steps_done(arguments[1]) + moments.randint(1, 25)
        while child.is_alive() and steps_done(arguments[1]) < wanted:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL  # before its end
    last = context.Process(target=train_to_the_end, args=arguments)
    last.start()
    last.join()
    assert last.exitcode == 0
    assert digest(tmp_path / "whole") == digest(tmp_path / "resumed")


# ---- eight bits, several processes, early stopping


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


def curves(folder: Path) -> dict[str, tuple[float, ...]]:
    """Return the losses of each epoch, through the layers written out and through modules."""
    settings: Any = {"batch_size": 6, "epochs": 3, "pass_tokens": 64}
    return {
        precision: train(folder, lessons() * 2, precision=precision, **settings)[1].loss_per_epoch
        for precision in ("float32", "bfloat16")
    }


def test_two_processes_have_the_loss_curve_of_one(encoder: Path, tmp_path: Path) -> None:
    script = tmp_path / "curve.py"
    script.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from augqa.reader.ranks import leads\n"
        "from tests.test_reader import curves\n"
        "found = curves(Path(sys.argv[1]))\n"
        "if leads():\n"
        "    Path(sys.argv[2]).write_text(json.dumps(found))\n"
    )
    out = tmp_path / "curve.json"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    finished = subprocess.run(
        [*launcher, "--standalone", str(script), str(encoder), str(out)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    one, two = curves(encoder), json.loads(out.read_text())
    assert two["float32"] == pytest.approx(one["float32"], rel=1e-4)
    assert two["bfloat16"] == pytest.approx(one["bfloat16"], rel=1e-2)
