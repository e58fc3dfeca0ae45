"""Answering with 8-bit products: BERT and RoBERTa on a CPU, weights quantised when first used.

Weights have a scale for each output, activations one for each batch, taken from their range;
sums are kept in 32 bits. Attention, norms and the head stay in float32.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from augqa.reader.bert import Bert, Workspace
from augqa.reader.packed import Batch

_LEVELS = 254  # of an unsigned byte, and one to spare for rounding the zero
_WEIGHT_LEVELS = 127  # of a signed one, without -128: symmetric


@dataclass(frozen=True, slots=True)
class Weights8:
    """One product's weights in oneDNN's own layout."""

    packed: Tensor
    scales: Tensor  # of each output
    zeros: Tensor
    bias: Tensor


class Int8Bert:
    """The forward pass of `bert` in 8 bits; made anew after each change of the weights."""

    def __init__(self, bert: Bert) -> None:
        self._bert = bert
        self._layers = [
            {
                "qkv": quantised(layer.qkv, layer.qkv_bias),
                "mixed": quantised(layer.mixed, layer.mixed_bias),
                "up": quantised(layer.up, layer.up_bias),
                "down": quantised(layer.down, layer.down_bias),
            }
            for layer in bert.layers
        ]

    def infer(self, batch: Batch, work: Workspace) -> Tensor:
        """Return start and end logits, shape ``(n_tokens, 2)``."""
        bert = self._bert
        norm, norm_bias, head, head_bias = bert.rest
        x, _ = bert.norm(bert.embed(batch, work), norm, norm_bias)
        for layer, weights in zip(bert.layers, self._layers, strict=True):
            qkv = eight_bit_product(x, weights["qkv"], work)
            attended = work.take("attended", *x.shape)
            bert.attend(qkv, attended, batch, work, "", None)
            summed = eight_bit_product(attended, weights["mixed"], work).add_(x)
            middle, _ = bert.norm(summed, layer.norm, layer.norm_bias)
            activated = eight_bit_product(middle, weights["up"], work, activation="gelu")
            summed = eight_bit_product(activated, weights["down"], work).add_(middle)
            x, _ = bert.norm(summed, layer.last_norm, layer.last_norm_bias)
        return torch.addmm(head_bias, x, head.t())


def quantised(weight: Tensor, bias: Tensor) -> Weights8:
    """Round weights of shape ``(n_out, n_in)`` to bytes."""
    scales = weight.abs().amax(1).clamp_min(1e-12) / _WEIGHT_LEVELS
    rounded = torch.round(weight / scales[:, None]).to(torch.int8)
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    packed = torch.ops.onednn.qlinear_prepack(rounded, None)
    return Weights8(packed, scales, zeros, bias.clone())


def eight_bit_product(
    x: Tensor, weights: Weights8, work: Workspace, *, activation: str = "none"
) -> Tensor:
    """Return ``x @ weight.t() + bias``, through `activation`, near enough.

    Args:
        x: Shape ``(n_tokens, n_in)``.
        weights: As `quantised` gives them.
        work: Buffers.
        activation: ``none`` or ``gelu``.
    """
    smallest, largest = torch.aminmax(x)
    # Zero must have a level of its own.
    low, high = min(0.0, float(smallest)), max(0.0, float(largest))
    scale = max(high - low, 1e-12) / _LEVELS
    zero = round(-low / scale)
    levels = work.take("levels", *x.shape)
    # Conversion cuts off: half a level makes it round. All lands between 0 and 255.
    torch.add(torch.tensor(zero + 0.5), x, alpha=1 / scale, out=levels)
    quantised = work.take("quantised", *x.shape, dtype=torch.uint8)
    quantised.copy_(levels)
    product: Tensor = torch.ops.onednn.qlinear_pointwise(
        *(quantised, scale, zero, weights.packed, weights.scales, weights.zeros, weights.bias),
        *(1.0, 0, torch.float32, activation, [], "none"),
    )
    return product
