"""How the trained writer draws its next token."""

import pytest
import torch

from augqa.context_writer import decoding
from augqa.context_writer.decoding import Row, Sampling

N_WORDS = 3000


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
