"""Windows end to end as one batch, what a model's logits of it cost, and of the contexts alone."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augqa.reader.features import Ints, Offsets, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some windows, end to end.

    Attributes:
        ids: Token ids, shape ``(n_tokens,)``.
        types: Token types, same shape.
        positions: Position of each token in its window, from 0, same shape.
        lengths: Tokens of each window; they add up to ``n_tokens``.
    """

    ids: Tensor
    types: Tensor
    positions: Tensor
    lengths: tuple[int, ...]

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First token of each window, and one past its last."""
        ends = list(itertools.accumulate(self.lengths))
        return list(zip([0, *ends], ends, strict=False))


def make_batch(windows: Windows, chosen: Offsets) -> Batch:
    """Gather the windows `chosen` into one batch, in that order."""
    lengths = windows.lengths[chosen]
    ends = np.cumsum(lengths)
    positions = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    ids = windows.ids[np.repeat(windows.starts[chosen], lengths) + positions]
    in_context = positions >= np.repeat(windows.context_at[chosen], lengths)
    types = np.where(in_context, windows.type_context, windows.type_before)
    return Batch(
        ids=torch.from_numpy(ids.astype(np.int64)),
        types=torch.from_numpy(types.astype(np.int64)),
        positions=torch.from_numpy(positions),
        lengths=tuple(lengths.tolist()),
    )


def span_losses(
    logits: tuple[Tensor, Tensor], lengths: tuple[int, ...], first: Tensor, last: Tensor
) -> Tensor:
    """Return each window's loss: the mean cross entropy of its answer's first and last token.

    Args:
        logits: Start and end logits, each of shape ``(n_tokens,)``.
        lengths: Tokens of each window.
        first: Position of the first answer token in each window, shape ``(n_windows,)``.
        last: Position of the last one, inclusive, same shape.
    """
    sizes = torch.tensor(lengths)
    begins = torch.cumsum(sizes, 0) - sizes
    inner = torch.arange(int(sizes.max()))
    inside = inner < sizes[:, None]
    index = torch.where(inside, begins[:, None] + inner, 0)
    index, inside = index.to(first.device), inside.to(first.device)
    losses = [
        functional.cross_entropy(
            flat[index].masked_fill(~inside, -torch.inf), target, reduction="none"
        )
        for flat, target in zip(logits, (first, last), strict=True)
    ]
    return (losses[0] + losses[1]) / 2


def pad_context(flat: Tensor, windows: Windows, chosen: Offsets) -> Tensor:
    """Return logits of the context tokens alone, shape ``(n_windows, longest)``, -inf behind."""
    lengths = windows.lengths[chosen]
    begins = np.cumsum(lengths) - lengths + windows.context_at[chosen]
    n_context: Ints = windows.n_context[chosen]
    inner = np.arange(n_context.max())
    inside = torch.from_numpy(inner < n_context[:, None]).to(flat.device)
    index = torch.from_numpy(np.where(inner < n_context[:, None], begins[:, None] + inner, 0))
    index = index.to(flat.device)
    return flat[index].masked_fill(~inside, -torch.inf)
