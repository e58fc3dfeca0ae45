"""Sampling many texts at once: each is what the model would write alone."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from augqa.context_writer import decoding
from augqa.context_writer.decoding import Row, Sampling, sample

pytest_plugins = ["tests.generators"]

N_WORDS = 3000  # of a vocabulary, more than are looked at before all are sorted
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
    sample(rows, model=model, how=sampling, end=1, padding=0, batch_size=batch_size, threads=1)
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
    sample(rows, model=model, how=how(temperature=2.0), end=1, padding=0, batch_size=8, threads=1)
    assert len({tuple(row.written) for row in rows}) > 1


def draw(logits: torch.Tensor, *, top_p: float, seed: int) -> int:
    how = Sampling(temperature=0.7, top_p=top_p, no_repeat_ngram_tokens=None, max_new_tokens=1)
    return decoding._choose(logits, Row([1], 0), how, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("spread", "n_more"),
    # of so many tokens top_p is made: a few, or more than are looked at before all are sorted
    [(6.0, -1), (0.5, 1)],
)
def test_a_token_is_drawn_as_if_all_were_sorted(
    spread: float, n_more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.randn(N_WORDS, generator=torch.Generator().manual_seed(0)) * spread
    shares = torch.softmax(logits / 0.7, dim=0).sort(descending=True).values
    n_kept = int((shares.cumsum(0) - shares < 0.9).sum())
    assert (n_kept - decoding._LIKELIEST) * n_more > 0
    found = [draw(logits, top_p=0.9, seed=seed) for seed in range(200)]
    monkeypatch.setattr(decoding, "_LIKELIEST", N_WORDS)
    assert found == [draw(logits, top_p=0.9, seed=seed) for seed in range(200)]


def test_no_token_beyond_top_p_is_drawn() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.1, 0.1])) * 0.7  # undoes the temperature
    assert {draw(logits, top_p=0.79, seed=seed) for seed in range(100)} == {0, 1}
    assert {draw(logits, top_p=0.49, seed=seed) for seed in range(100)} == {0}
