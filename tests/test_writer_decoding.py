"""Sampling many texts at once: each is what the model would write alone."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from augqa.context_writer.decoding import Row, Sampling, sample

pytest_plugins = ["tests.generators"]

PROMPTS = [[3, 4, 5], [6], [7, 8, 9, 10, 11], [4, 4]]


@pytest.fixture(scope="module")
def model(causal: Path) -> AutoModelForCausalLM:
    return AutoModelForCausalLM.from_pretrained(causal).eval()


def how(**changes: float | None) -> Sampling:
    values = {
        "temperature": 0.0,
        "top_p": 1.0,
        "no_repeat_ngram_tokens": None,
        "max_new_tokens": 12,
        **changes,
    }
    return Sampling(**values)  # type: ignore[arg-type]


def written(model: AutoModelForCausalLM, sampling: Sampling, batch_size: int) -> list[list[int]]:
    rows = [Row(prompt, seed=number) for number, prompt in enumerate(PROMPTS)]
    sample(rows, model=model, how=sampling, end=1, padding=0, batch_size=batch_size)
    return [row.written for row in rows]


def test_greedy_texts_are_those_of_transformers(model: AutoModelForCausalLM) -> None:
    alone = []
    for prompt in PROMPTS:
        ids = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=12,
        )[0, len(prompt) :].tolist()
        alone.append(ids[: ids.index(1)] if 1 in ids else ids)
    assert written(model, how(), 4) == alone


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_does_not_depend_on_those_beside_it(
    model: AutoModelForCausalLM, temperature: float
) -> None:
    sampling = how(temperature=temperature, top_p=0.9)
    assert written(model, sampling, 4) == written(model, sampling, 1)


def test_rows_that_end_leave_the_batch_and_change_no_other(
    model: AutoModelForCausalLM,
) -> None:
    sampling = how(temperature=3.0, max_new_tokens=60)
    texts = written(model, sampling, 4)
    assert len({len(text) for text in texts}) > 1
    assert texts == written(model, sampling, 1)


def test_no_sequence_of_tokens_is_written_twice(model: AutoModelForCausalLM) -> None:
    for text in written(model, how(no_repeat_ngram_tokens=2, max_new_tokens=40), 4):
        pairs = list(pairwise(text))
        assert len(set(pairs)) == len(pairs)
    free = written(model, how(max_new_tokens=40), 4)
    assert any(len(set(pairwise(t))) < len(t) - 1 for t in free)


def test_another_seed_gives_another_text(model: AutoModelForCausalLM) -> None:
    rows = [Row([3, 4], seed=seed) for seed in range(8)]
    sample(rows, model=model, how=how(temperature=2.0), end=1, padding=0, batch_size=8)
    assert len({tuple(row.written) for row in rows}) > 1
