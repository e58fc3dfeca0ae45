"""Windows through an encoder without padding: packed end to end, each attending to itself alone.

All layers but attention treat tokens one by one, so a batch of windows can run as one long
row. Attention is the one part that must know where a window ends; transformers lets us put
our own in, by name.
"""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface

from augqa.reader.features import Ints, Offsets, Windows

_ATTENTION = "augqa_packed"


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


class PackedEncoder:
    """A question-answering model of transformers, fed with packed batches.

    Args:
        model: The model; its attention is changed to ours where it lets us, and then it can
            be called through this object alone.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._forward = model
        if model.config._attn_implementation == _ATTENTION:
            # Another reader has the same model.
            model.set_attn_implementation("sdpa")
        self._own_attention = model.config._attn_implementation
        self.packs = self._try_packing()

    @contextlib.contextmanager
    def plain_attention(self) -> Iterator[Any]:
        """Give the model back as transformers made it, for the time of a with-block."""
        self.model.set_attn_implementation(self._own_attention)
        try:
            yield self.model
        finally:
            if self.packs:
                self.model.set_attn_implementation(_ATTENTION)

    def compile(self) -> None:
        """Compile the modules; batches of any size then run without compiling again."""
        self._forward = torch.compile(self.model, dynamic=True)

    def logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return start and end logits of every token, each of shape ``(n_tokens,)``."""
        return self._packed(batch) if self.packs else self._padded(batch)

    def _packed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        inputs = {
            "input_ids": batch.ids[None],
            "position_ids": batch.positions[None] + self.first_position,
        }
        if self._has_types:
            inputs["token_type_ids"] = batch.types[None]
        output = self._forward(**inputs, window_lengths=batch.lengths)
        return output.start_logits[0], output.end_logits[0]

    def _padded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor(batch.lengths)
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, self.model.config.pad_token_id or 0)
        ids[mask] = batch.ids
        inputs = {"input_ids": ids, "attention_mask": mask.long()}
        if self._has_types:
            types = torch.zeros_like(ids)
            types[mask] = batch.types
            inputs["token_type_ids"] = types
        output = self._forward(**{name: value.to(self.device) for name, value in inputs.items()})
        inside = mask.to(self.device)
        return output.start_logits[inside], output.end_logits[inside]

    @property
    def max_positions(self) -> int:
        """Most tokens a window may have; a model with relative positions has no bound."""
        known = getattr(self.model.config, "max_position_embeddings", None)
        return known - self.first_position if known else 1 << 30

    @property
    def _has_types(self) -> bool:
        return int(getattr(self.model.config, "type_vocab_size", 0) or 0) > 1

    def _try_packing(self) -> bool:
        """Find out whether two windows packed give what they give padded; else keep padding.

        On a GPU windows are padded: there a call costs more than the padding of like lengths.
        """
        # RoBERTa and its kin number positions from behind the padding token's own.
        self.first_position = 0
        if self.device.type != "cpu":
            return False
        lengths = (5, 3)
        ids = torch.arange(5, 5 + sum(lengths)) % self.model.config.vocab_size
        positions = torch.tensor([*range(5), *range(3)])
        batch = Batch(ids=ids, types=torch.zeros_like(ids), positions=positions, lengths=lengths)
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                expected = self._padded(batch)
                self.model.set_attn_implementation(_ATTENTION)
                for first in (0, (self.model.config.pad_token_id or 0) + 1):
                    self.first_position = first
                    found = self._packed(batch)
                    if all(
                        torch.allclose(a, b, atol=1e-4)
                        for a, b in zip(expected, found, strict=True)
                    ):
                        return True
        except (TypeError, ValueError, RuntimeError, IndexError):
            # Some architectures take no position ids, or have attention of their own.
            pass
        finally:
            self.model.train(training)
        self.model.set_attn_implementation(self._own_attention)
        return False


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


def _packed_attention(
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    *,
    window_lengths: tuple[int, ...],
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within each window; the signature is transformers' interface.

    Args:
        query: Shape ``(1, n_heads, n_tokens, head_width)``; so are `key` and `value`.
        key: As `query`.
        value: As `query`.
        window_lengths: Tokens of each window.
        dropout: Probability of dropping an attention weight.
        scaling: Factor on the dot products.

    Returns:
        Shape ``(1, n_tokens, n_heads, head_width)``, and no weights.
    """
    parts = []
    at = 0
    for length, repeats in _runs(window_lengths):
        stretch = slice(at, at + length * repeats)
        shape = (-1, repeats, length, query.shape[-1])
        q, k, v = (x[0, :, stretch].reshape(shape).transpose(0, 1) for x in (query, key, value))
        out = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        parts.append(out.transpose(1, 2).flatten(0, 1))
        at += length * repeats
    return torch.cat(parts)[None], None


def _runs(lengths: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return neighbours of equal length as (length, how many): they run as one call."""
    runs: list[tuple[int, int]] = []
    for length in lengths:
        if runs and runs[-1][0] == length:
            runs[-1] = (length, runs[-1][1] + 1)
        else:
            runs.append((length, 1))
    return runs


AttentionInterface.register(_ATTENTION, _packed_attention)
