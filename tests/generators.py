"""Tiny language models to train, and examples for them to learn."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
)

from augqa.finetuning.language_model import FineTuning, Lora, OnPart
from augqa.question_generator.training import train_question_generator
from augqa.records import QAExample
from tests.examples import example
from tests.test_question_generator import save_tokenizer
from tests.tiny import tiny_t5

ROOT = Path(__file__).parents[1]
WORDS = ("Passage", "Sentence", "Answer", "Question", "Frankenstein", "Who", "When")
LIMITS = {"max_source_tokens": 64, "max_question_tokens": 12}


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tokenizer = save_tokenizer(folder, special=(), words=WORDS)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def seq2seq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-t5"
    tokenizer = save_tokenizer(folder, special=(), words=WORDS)  # it does not know <hl> yet
    tiny_t5(tokenizer, num_layers=2).save_pretrained(folder)
    return folder


def lessons() -> list[QAExample]:
    ada = "Ada wrote in 1818. Shelley wrote what Mary wrote."
    return [
        example("a", question="Who wrote Frankenstein?"),
        example("b", question="When Mary wrote?", answer="1818"),
        example("c", context=ada, question="Who wrote in 1818?", answer="Ada"),
        example("d", context=ada, question="When Ada wrote?", answer="1818"),
        example("e", context=ada, question="what wrote Mary?", answer="Shelley"),
    ]


def train(
    checkpoint: Path,
    examples: list[QAExample] | None = None,
    /,
    on_part: OnPart | None = None,
    resume: Path | None = None,
    **changes: Any,
) -> Any:
    values: dict[str, Any] = {
        "kind": "seq2seq" if "t5" in checkpoint.name else "causal",
        "checkpoint": str(checkpoint),
        "seed": 1,
        "n_examples": None,
        "layers": "all",
        "lora": None,
        "epochs": 2,
        "batch_size": 2,
        "pass_tokens": 96,
        "share_contexts": True,
        **LIMITS,
        "learning_rate": 1e-2,
        "warmup_fraction": 0.1,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "threads": 1,
    }
    values |= changes
    if isinstance(values["lora"], Lora):
        values["lora"] = asdict(values["lora"])  # as a params section has it
    how, others = FineTuning.parted(values)
    return train_question_generator(
        lessons() if examples is None else examples,
        how=how,
        on_part=on_part,
        resume=resume,
        **others,
    )


def digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


def changed(base: Path, trained: Path) -> set[str]:
    before = load_file(base / "model.safetensors")
    after = load_file(trained / "model.safetensors")
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}
