"""What a question generator learns from: rows of tokens, their masks and their loss."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
)

from augqa.finetuning.lessons import IGNORED, attention_mask
from augqa.question_generator import training
from augqa.question_generator.encoding import causal_ids
from augqa.question_generator.lessons import (
    CausalLessons,
    Seq2SeqLessons,
    make_row,
)
from tests.examples import example
from tests.generators import LIMITS, WORDS, lessons, train
from tests.test_question_generator import save_tokenizer
from tests.tiny import tiny_t5

pytest_plugins = ["tests.generators"]


def test_only_the_questions_and_their_ends_are_learned() -> None:
    # A context of two tokens; question 1 asks with 20 21 and is 30, question 2 with 22 and 31 32.
    row = make_row([10, 11], [([20, 21], [30, 2]), ([22], [31, 32, 2])])
    assert row.tokens == [10, 11, 20, 21, 30, 22, 31, 32]
    assert row.segments == [0, 0, 1, 1, 1, 2, 2, 2]
    assert row.positions == [0, 1, 2, 3, 4, 2, 3, 4]
    assert row.labels == [IGNORED, IGNORED, IGNORED, 30, 2, 31, 32, 2]


def test_a_question_sees_its_context_and_itself_alone() -> None:
    seen = attention_mask(torch.tensor([[0, 1, 1, 2, -1]]))[0, 0] == 0
    assert seen.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [1, 0, 0, 0, 1],  # padding must see something, or its attention is no number
    ]


def causal_lessons(folder: Path, **changes: Any) -> CausalLessons:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    limits: dict[str, Any] = {**LIMITS, "pass_tokens": 96, "share_contexts": True, **changes}
    return CausalLessons(tokenizer, lessons(), **limits)


def test_questions_on_one_context_have_the_loss_they_have_alone(causal: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(causal).eval()
    shared, alone = causal_lessons(causal), causal_lessons(causal, share_contexts=False)
    assert [unit.ids for unit in shared.units] == [("a", "b"), ("c", "d", "e")]
    assert [unit.ids for unit in alone.units] == [("a",), ("b",), ("c",), ("d",), ("e",)]
    with torch.no_grad():
        losses = [float(part.loss(model, np.arange(len(part.units)))) for part in (shared, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_causal_loss_is_that_of_transformers(causal: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(causal).eval()
    tokenizer = AutoTokenizer.from_pretrained(causal)
    part = causal_lessons(causal, share_contexts=False)
    first = lessons()[0]
    head, cue = causal_ids(tokenizer, first.context, (0, 12), max_source_tokens=64)
    aim = [*tokenizer(first.question, add_special_tokens=False)["input_ids"], 1]
    ids = torch.tensor([[*head, *cue, *aim]])
    labels = torch.tensor([[-100] * (len(head) + len(cue)) + aim])
    with torch.no_grad():
        expected = float(model(input_ids=ids, labels=labels).loss) * len(aim)
        found = float(part.loss(model, np.array([0])))
    assert found == pytest.approx(expected, rel=1e-5)
    assert part.units[0].n_targets == len(aim)


def test_the_sequence_to_sequence_loss_is_that_of_transformers(tmp_path: Path) -> None:
    tokenizer = save_tokenizer(tmp_path, words=WORDS)
    model = tiny_t5(tokenizer).eval()
    part = Seq2SeqLessons(tokenizer, lessons()[:2], **LIMITS)
    marked = "generate question: <hl> Mary Shelley <hl> wrote Frankenstein in 1818."
    source = torch.tensor([tokenizer(marked)["input_ids"]])
    labels = torch.tensor([tokenizer(lessons()[0].question)["input_ids"]])
    with torch.no_grad():
        expected = float(model(input_ids=source, labels=labels).loss) * labels.shape[1]
        found = float(part.loss(model, np.array([0])))
        both = float(part.loss(model, np.array([0, 1])))
        second = float(part.loss(model, np.array([1])))
    assert found == pytest.approx(expected, rel=1e-5)
    assert both == pytest.approx(found + second, rel=1e-5)  # padding changes nothing


def test_examples_that_do_not_fit_are_left_out_with_a_reason(causal: Path) -> None:
    long = example("z", question="Who " * 20)
    _, report = train(causal, [*lessons(), long], epochs=1)
    assert [(row.id, row.reason) for row in report.left_out] == [("z", "question_too_long")]
    assert report.n_examples == 5


def test_a_smaller_choice_lies_in_a_larger_one() -> None:
    few, many = (training._chosen(lessons(), n, seed=3) for n in (2, 4))
    assert many[:2] == few
    assert training._chosen(lessons()[::-1], 4, seed=3) == many
