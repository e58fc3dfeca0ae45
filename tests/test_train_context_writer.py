"""Training a context writer on a tiny random checkpoint, and using it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from augqa.context_writer.decoding import Sampling
from augqa.context_writer.face import ContextAsk
from augqa.context_writer.form import ask, target
from augqa.context_writer.lessons import WriterLessons, distinct_contexts_first
from augqa.context_writer.trained import load_trained
from augqa.context_writer.training import train_context_writer
from augqa.errors import ContextWriterError
from augqa.executor import batching
from augqa.finetuning.language_model import FineTuning
from tests.examples import example
from tests.generators import digests, lessons

pytest_plugins = ["tests.generators"]

LIMITS: dict[str, Any] = {"max_prompt_tokens": 40, "max_context_tokens": 40}


def train(checkpoint: Path, **changes: Any) -> Any:
    how = FineTuning(
        seed=1,
        layers="all",
        lora=None,
        epochs=changes.pop("epochs", 2),
        batch_size=2,
        pass_tokens=128,
        learning_rate=1e-2,
        warmup_fraction=0.1,
        weight_decay=0.01,
        max_grad_norm=1.0,
        precision=changes.pop("precision", "float32"),
    )
    values = {"n_examples": None, "style": "news", "threads": 1, **LIMITS, **changes}
    return train_context_writer(lessons(), checkpoint=str(checkpoint), how=how, **values)


def use(folder: Path, **changes: Any) -> Any:
    how = Sampling(temperature=0.0, top_p=1.0, no_repeat_ngram_tokens=None, max_new_tokens=24)
    values = {"how": how, "seed": 1, "max_words": 50, "batch_size": 3, "threads": 1}
    return load_trained(folder, **values | changes)


def test_each_context_comes_before_a_second_question_on_one() -> None:
    chosen = distinct_contexts_first(lessons(), None, seed=1)
    assert len({each.context_id for each in chosen[:2]}) == 2
    assert distinct_contexts_first(lessons()[::-1], 3, seed=1) == chosen[:3]


def test_the_loss_is_that_of_the_context_alone(causal: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(causal).eval()
    tokenizer = AutoTokenizer.from_pretrained(causal)
    first = lessons()[0]
    made = WriterLessons(tokenizer, [first], style="news", **LIMITS)
    prompt = tokenizer(
        ask(question=first.question, answer="Mary Shelley", style="news"), add_special_tokens=False
    )["input_ids"]
    aim = [*tokenizer(target(first.context), add_special_tokens=False)["input_ids"], 1]
    import torch  # noqa: PLC0415

    with torch.no_grad():
        expected = model(
            input_ids=torch.tensor([prompt + aim]),
            labels=torch.tensor([[-100] * len(prompt) + aim]),
        ).loss
        found = made.loss(model, np.array([0]))
    assert float(found) == pytest.approx(float(expected) * len(aim), rel=1e-5)


def test_a_long_context_is_cut_to_sentences_about_the_answer(causal: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(causal)
    long = example("z", context="It was. " * 30 + "Mary Shelley wrote in 1818.")
    made = WriterLessons(tokenizer, [long], style="news", **LIMITS)
    assert made.units[0].n_targets <= LIMITS["max_context_tokens"]
    assert not made.left_out


def test_a_question_that_is_too_long_is_left_out_by_name(causal: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(causal)
    given = [lessons()[0], example("z", question="Who " * 40)]
    made = WriterLessons(tokenizer, given, style="news", **LIMITS)
    assert [(row.id, row.reason) for row in made.left_out] == [("z", "prompt_too_long")]
    assert [unit.ids for unit in made.units] == [("a",)]


def test_training_gives_the_same_bytes_again_and_learns_the_context(
    causal: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        made, report = train(causal, epochs=60)
        made.save(tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert report.loss_per_part[-1] < 0.5 * report.loss_per_part[0]
    asks = [ContextAsk(seed=seed, number=1, style="news") for seed in lessons()]
    rows = list(use(tmp_path / "one").write(asks))
    assert [row.id for row in rows] == [f"{seed.id}/c1" for seed in lessons()]
    assert {(row.model, row.style, row.failure) for row in rows} == {("one", "news", None)}
    assert "Mary Shelley wrote" in rows[0].text


def test_asks_are_read_a_block_at_a_time_and_written_as_ever(
    causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(causal)[0].save(tmp_path)
    asks = [ContextAsk(seed=seed, number=1, style="news") for seed in lessons()]
    at_once = list(use(tmp_path).write(asks))
    monkeypatch.setattr(batching, "BLOCK", 1)
    left = iter(asks)
    first = next(written := use(tmp_path).write(left))
    assert len(list(left)) == len(asks) - 1
    assert [first, *written] == at_once[:1]
    assert list(use(tmp_path).write(asks)) == at_once


def test_a_training_in_bfloat16_learns_as_one_in_float32_does_and_keeps_its_weights(
    causal: Path, tmp_path: Path
) -> None:
    losses, weights = {}, {}
    for precision in ("float32", "bfloat16"):
        made, report = train(causal, epochs=20, precision=precision)
        losses[precision] = report.loss_per_part
        made.save(tmp_path / precision)
        weights[precision] = load_file(tmp_path / precision / "model.safetensors")
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
    assert losses["bfloat16"] != losses["float32"]
    types = {name: tensor.dtype for name, tensor in weights["bfloat16"].items()}
    assert types == {name: tensor.dtype for name, tensor in weights["float32"].items()}


def test_a_folder_of_other_origin_is_refused(causal: Path) -> None:
    with pytest.raises(ContextWriterError, match="was not made by train_context_writer"):
        use(causal)


def test_another_form_than_the_trained_one_is_refused(causal: Path, tmp_path: Path) -> None:
    made, _ = train(causal, epochs=1)
    made.save(tmp_path)
    record = tmp_path / "context_writer.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "prompt_sha256": "0" * 64}))
    with pytest.raises(ContextWriterError, match="another prompt form"):
        use(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_context_tokens": 128}, "more than the 128 positions"),
        ({"max_prompt_tokens": 2}, "of 5, the first one, .* all are left out"),
    ],
)
def test_a_training_that_cannot_be_is_refused(
    causal: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContextWriterError, match=message):
        train(causal, **changes)
