"""Training question generators, on tiny random checkpoints."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from augqa.errors import CheckpointError, QuestionGeneratorError, TrainingError
from augqa.finetuning import language_model
from augqa.finetuning.language_model import Lora
from augqa.finetuning.lessons import attention_mask
from tests.generators import ROOT, changed, digests, train

pytest_plugins = ["tests.generators"]


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_training_gives_the_same_bytes_again_and_learns(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    checkpoint = request.getfixturevalue(kind)
    for name in ("one", "two"):
        made, report = train(checkpoint, epochs=8)
        made.save(tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert report.loss_per_part[-1] < 0.8 * report.loss_per_part[0]
    for file in (tmp_path / "one").glob("*.json"):
        assert str(checkpoint.parent) not in file.read_text(encoding="utf-8"), file.name


def test_a_drawn_output_row_is_the_same_again(seq2seq: Path, tmp_path: Path) -> None:
    untied = tmp_path / "tiny-t5"
    shutil.copytree(seq2seq, untied)
    config = T5Config.from_pretrained(seq2seq, tie_word_embeddings=False)
    torch.manual_seed(1)
    T5ForConditionalGeneration(config).save_pretrained(untied)
    for name in ("one", "two"):
        made, _ = train(untied, epochs=1)
        made.save(tmp_path / name)
        torch.rand(1)  # what was drawn elsewhere must not matter
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_the_top_layers_train_alone(causal: Path, tmp_path: Path) -> None:
    made, report = train(causal, layers=1)
    made.save(tmp_path / "made")
    names = changed(causal, tmp_path / "made")
    assert {name for name in names if ".layers." in name} == {
        name for name in names if ".layers.2." in name
    }
    assert not any("embed" in name for name in names)
    assert report.n_trained_weights < report.n_weights / 2


def test_adapters_change_their_targets_alone(causal: Path, tmp_path: Path) -> None:
    made, report = train(causal, layers=2, lora=Lora(rank=2, alpha=4, targets=("q_proj",)))
    made.save(tmp_path / "made")
    assert changed(causal, tmp_path / "made") == {
        f"model.layers.{layer}.self_attn.q_proj.weight" for layer in (1, 2)
    }
    assert report.n_trained_weights == 2 * 2 * (16 + 16)  # layers, rank, in and out


def test_adapters_give_the_same_bytes_again(seq2seq: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        made, _ = train(seq2seq, lora=Lora(rank=2, alpha=4))
        made.save(tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


class Killed(Exception):
    pass


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = request.getfixturevalue(kind)
    whole, expected = train(checkpoint)
    whole.save(tmp_path / "whole")
    monkeypatch.setattr(language_model, "_SAVE_EVERY_S", -1.0)
    save_state = language_model.save_state

    def kill_at_three(*arguments: Any, **values: Any) -> None:
        save_state(*arguments, **values)
        if values["step"] == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(language_model, "save_state", kill_at_three)
        with pytest.raises(Killed):
            train(checkpoint, resume=tmp_path / "run")
    parts: list[int] = []
    resumed, report = train(
        checkpoint, resume=tmp_path / "run", on_part=lambda part, _: parts.append(part)
    )
    resumed.save(tmp_path / "resumed")
    assert report.loss_per_part == expected.loss_per_part
    assert parts == list(range(1, len(report.loss_per_part) + 1))
    assert digests(tmp_path / "whole") == digests(tmp_path / "resumed")


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from augqa.finetuning import language_model as training
from tests.generators import train
training._SAVE_EVERY_S = -1.0
save = training.save_state
def save_and_die(*arguments, **values):
    save(*arguments, **values)
    if values["step"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
training.save_state = save_and_die
train(Path(sys.argv[1]), resume=Path(sys.argv[2]))
"""


def test_a_training_that_was_killed_goes_on_to_the_same_bytes(causal: Path, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(causal), str(tmp_path / "run")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    for name, folder in (("whole", None), ("resumed", tmp_path / "run")):
        made, _ = train(causal, resume=folder)
        made.save(tmp_path / name)
    assert digests(tmp_path / "whole") == digests(tmp_path / "resumed")


# --- What does not fit -------------------------------------------------------------------------


def test_a_state_of_another_training_is_refused(
    causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language_model, "_SAVE_EVERY_S", -1.0)
    train(causal, resume=tmp_path)
    with pytest.raises(TrainingError, match="not a checkpoint of this training"):
        train(causal, layers=1, resume=tmp_path)


def test_an_infinite_loss_names_step_and_examples(causal: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"the loss is \S+ at step \d+ of \d+, in a batch of [a-e], "
    ):
        train(causal, learning_rate=1e30, max_grad_norm=1e30, epochs=20)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": "no/where/at/all"}, r"causal\.checkpoint 'no/where/at/all': .*no such"),
        ({"kind": "seq2seq"}, "a llama is no sequence-to-sequence model"),
        ({"layers": 4}, "has 3 layers, so its top 4"),
        ({"lora": Lora(rank=2, alpha=4, targets=("query",))}, "is called query. Choose LoRA"),
        ({"max_source_tokens": 128}, "more than the 128 positions"),
        ({"max_question_tokens": 2}, "all 5 are left out, the first one, .*question_too_long"),
        ({"n_examples": 0}, "the training set is empty"),
    ],
)
def test_a_training_that_cannot_be_is_refused(
    causal: Path, changes: dict[str, Any], message: str
) -> None:
    errors = (CheckpointError, QuestionGeneratorError, TrainingError)
    with pytest.raises(errors, match=message):
        train(causal, **changes)


def test_a_slow_tokenizer_is_refused(causal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(CheckpointError, match="is a slow one"):
        train(causal)


def test_an_encoder_is_no_causal_model(causal: Path, tmp_path: Path) -> None:
    shutil.copytree(causal, tmp_path / "bert")
    config = BertConfig(
        vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(CheckpointError, match="a bert is no causal language model"):
        train(tmp_path / "bert")


def test_a_model_that_mixes_questions_up_is_refused(
    causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = train(causal, epochs=8)  # random weights hardly attend to anything
    made.save(tmp_path)

    def all_before(segments: torch.Tensor) -> torch.Tensor:
        return attention_mask(torch.zeros_like(segments))

    monkeypatch.setattr("augqa.finetuning.lessons.attention_mask", all_before)
    with pytest.raises(QuestionGeneratorError, match="share_contexts to false"):
        train(tmp_path)


def test_a_sequence_to_sequence_checkpoint_is_no_causal_one(seq2seq: Path) -> None:
    with pytest.raises(CheckpointError, match="a t5 is no causal language model"):
        train(seq2seq, kind="causal")
