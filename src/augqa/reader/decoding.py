"""Logits to answer spans, for a whole batch of windows at once."""

import torch
from torch import Tensor


def best_spans(
    start: Tensor, end: Tensor, *, max_answer_tokens: int, n_best: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best answer span of each window.

    Span (i, j) scores ``start[i] + end[j]``, over ``i <= j < i + max_answer_tokens``. It is
    looked for among the `n_best` starts and the `n_best` ends of each window; where none of
    these fit together, among all spans.

    Args:
        start: Start logits, shape ``(n_windows, n_tokens)``; ``-inf`` where no token is.
        end: End logits, same shape and mask.
        max_answer_tokens: Longest span allowed, in tokens.
        n_best: Candidates on either side.

    Returns:
        First token, last token (inclusive) and score in logits, each of shape ``(n_windows,)``.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 4.2.
    """
    n_candidates = min(n_best, start.shape[1])
    start_scores, first = start.topk(n_candidates, dim=1)
    end_scores, last = end.topk(n_candidates, dim=1)
    width = last[:, None, :] - first[:, :, None]
    scores = start_scores[:, :, None] + end_scores[:, None, :]
    scores = scores.masked_fill((width < 0) | (width >= max_answer_tokens), -torch.inf)
    best, index = scores.flatten(1).max(dim=1)
    rows = torch.arange(len(start), device=start.device)
    first = first[rows, index // n_candidates]
    last = last[rows, index % n_candidates]
    lost = torch.isinf(best)
    if lost.any():
        first[lost], last[lost], best[lost] = _best_of_all(
            start[lost], end[lost], max_answer_tokens
        )
    return first, last, best


def _best_of_all(start: Tensor, end: Tensor, max_answer_tokens: int) -> tuple[Tensor, ...]:
    n_tokens = start.shape[1]
    width = min(max_answer_tokens, n_tokens)
    beyond = end.new_full((len(end), width - 1), -torch.inf)
    ends = torch.cat([end, beyond], dim=1).unfold(1, width, 1)
    best, index = (start[:, :, None] + ends).flatten(1).max(dim=1)
    first = index // width
    return first, first + index % width, best
