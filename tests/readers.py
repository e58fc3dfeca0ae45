"""Tiny readers, and what is asked of them and taught to them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertForQuestionAnswering, RobertaConfig, RobertaForQuestionAnswering

from augqa.reader import Reader, TrainingReport, train_reader
from augqa.reader.features import label_windows, make_windows
from augqa.reader.steps import Lessons
from augqa.records import QAExample
from tests.examples import example
from tests.tiny import tiny_config, tiny_tokenizer

CONTEXT = "Mary Shelley wrote Frankenstein in 1818. Lord Byron was a poet, born in London."


class Killed(BaseException):
    """Stands in for SIGKILL: nothing in the code under test may catch it."""


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


def written_out(reader: Reader, examples: list[QAExample]) -> tuple[Any, ...]:
    """Return what a step needs on these examples."""
    windows = make_windows(
        reader.tokenizer,
        [e.question for e in examples],
        [e.context for e in examples],
        max_seq_length=32,
        doc_stride=4,
    )
    answers = [e.answers[0] for e in examples]
    chosen, first, last = label_windows(
        windows, [a.start for a in answers], [a.start + len(a.text) for a in answers]
    )
    return Lessons(windows=windows, chosen=chosen, first=first, last=last), np.arange(len(chosen))
