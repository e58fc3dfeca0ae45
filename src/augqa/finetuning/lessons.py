"""What a language model learns from: examples as rows of tokens, and the loss on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from augqa.finetuning.batches import Offsets
from augqa.records import Rejection

IGNORED = -100  # label of a token that is not learned
_PADDING = -1  # segment of the padding


@dataclass(frozen=True, slots=True)
class Unit:
    """What goes through the model in one row.

    Attributes:
        ids: Ids of its examples.
        n_tokens: Length of the row.
        n_targets: Tokens that are learned.
    """

    ids: tuple[str, ...]
    n_tokens: int
    n_targets: int


class Lessons(Protocol):
    """All that is to be learned."""

    units: list[Unit]
    left_out: list[Rejection]

    def loss(self, model: Any, rows: Offsets) -> Tensor:
        """Return the summed loss of the target tokens of the units `rows`, a scalar."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """What is shown and what is learned, in one row of tokens.

    Each token has its segment: 0 for what all parts share, such as a context, k for the k-th part,
    such as a question on it. It sees the tokens before it of its own segment and of segment 0.

    Attributes:
        tokens: Their ids.
        segments: Of each token.
        positions: Of each token, as if its part were the only one.
        labels: The token that is to follow, or IGNORED.
    """

    tokens: list[int]
    segments: list[int]
    positions: list[int]
    labels: list[int]


def causal_loss(model: Any, chosen: Sequence[Row], *, padding: int) -> Tensor:
    """Return the summed loss of the labels of some rows, a scalar.

    Args:
        model: A causal model of transformers.
        chosen: The rows.
        padding: Id of the token that fills the shorter ones up.
    """
    tokens = padded([row.tokens for row in chosen], padding, model.device)
    segments = padded([row.segments for row in chosen], _PADDING, model.device)
    positions = padded([row.positions for row in chosen], 0, model.device)
    labels = padded([row.labels for row in chosen], IGNORED, model.device)
    learned = labels != IGNORED
    logits = model(
        input_ids=tokens,
        attention_mask=attention_mask(segments),
        position_ids=positions,
        logits_to_keep=learned,  # the vocabulary is far wider than the layers
        use_cache=False,
    ).logits
    return cross_entropy(logits.float(), labels[learned], reduction="sum")


def attention_mask(segments: Tensor) -> Tensor:
    """Return what is added to the attention: 0 where a token may look, a very low number else.

    Args:
        segments: Shape ``(n_rows, n_tokens)``.

    Returns:
        Shape ``(n_rows, 1, n_tokens, n_tokens)``: from, to.
    """
    n = segments.shape[1]
    earlier = torch.ones(n, n, dtype=torch.bool, device=segments.device).tril()
    own = segments[:, :, None] == segments[:, None, :]
    context = (segments == 0)[:, None, :]
    seen = earlier & (own | context)
    mask = torch.zeros(seen.shape, device=segments.device)
    return mask.masked_fill(~seen, torch.finfo(mask.dtype).min)[:, None]


def padded(rows: Sequence[Sequence[int]], value: int, device: Any) -> Tensor:
    """Return rows of numbers as one tensor, the shorter ones filled up with `value`."""
    longest = max(len(row) for row in rows)
    parts = [pad(torch.tensor(row), (0, longest - len(row)), value=value) for row in rows]
    return torch.stack(parts).to(device)


def lengths(units: Sequence[Unit]) -> Offsets:
    """Return the length of each unit's row."""
    return np.array([unit.n_tokens for unit in units], dtype=np.int64)
