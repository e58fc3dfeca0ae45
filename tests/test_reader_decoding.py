"""Logits to spans."""

import pytest
import torch

from augqa.reader.decoding import best_spans


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
