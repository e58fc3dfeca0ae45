"""Answering with 8-bit products: BERT and RoBERTa on a CPU, weights quantised when first used.

Weights have a scale for each output, activations one for each pass, taken from their range;
sums are kept in 32 bits. Attention, norms and the head stay in float32.

What a few texts of our own show of the model settles two things beforehand. The range behind
GELU: the product can then leave bytes at once. And how wide each channel in front of a product
is: wide ones are narrowed in the norm before it and widened in its weights, which changes
nothing but what rounding costs.

Source: Xiao et al. 2022 (arXiv:2211.10438), for the channels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from augqa.reader.bert import Bert, Entered, Workspace
from augqa.reader.packed import Batch

_LEVELS = 254  # of an unsigned byte, and one to spare for rounding the zero
_WEIGHT_LEVELS = 127  # of a signed one, without -128: symmetric
_LOWEST_GELU = -0.17
_ROOM = 1.1  # above the highest activation seen beforehand; what is higher still is cut off


@dataclass(frozen=True, slots=True)
class Weights8:
    """One product's weights in oneDNN's own layout."""

    packed: Tensor
    scales: Tensor  # of each output
    zeros: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class Levels:
    """Numbers as bytes: ``(bytes - zero) * scale``."""

    bytes: Tensor
    scale: float
    zero: int


@dataclass(frozen=True, slots=True)
class _Layer8:
    """A layer in 8 bits; h is the hidden width."""

    qkv: Weights8
    mixed: Weights8
    up: Weights8
    down: Weights8
    widths: Tensor  # (h,): what enters is divided by them
    norm: tuple[Tensor, Tensor]  # divides by `middle_widths`
    middle_widths: Tensor
    last_norm: tuple[Tensor, Tensor]  # divides by the next layer's `widths`
    activated: tuple[float, int]  # scale and zero behind GELU


class Int8Bert:
    """The forward pass of `bert` in 8 bits; made anew after each change of the weights.

    Args:
        bert: The model in float32.
        shown: What tells the ranges.
    """

    def __init__(self, bert: Bert, shown: Batch) -> None:
        self._bert = bert
        seen: list[Entered] = []
        bert.infer(shown, Workspace(), seen)
        widths = [_widths(x[0], layer.qkv) for x, layer in zip(seen, bert.layers, strict=True)]
        widths.append(torch.ones_like(widths[0]))
        self._first_norm = _divided(bert.rest[0], bert.rest[1], widths[0])
        self._layers = []
        for number, (layer, entering) in enumerate(zip(bert.layers, seen, strict=True)):
            _, _, middle, activated = entering
            middle_widths = _widths(middle, layer.up)
            self._layers.append(
                _Layer8(
                    quantised(layer.qkv * widths[number], layer.qkv_bias),
                    quantised(layer.mixed, layer.mixed_bias),
                    quantised(layer.up * middle_widths, layer.up_bias),
                    quantised(layer.down, layer.down_bias),
                    widths[number],
                    _divided(*layer.norms, middle_widths),
                    middle_widths,
                    _divided(*layer.last_norms, widths[number + 1]),
                    _scale_and_zero(_LOWEST_GELU, float(activated.max()) * _ROOM),
                )
            )

    def infer(self, batch: Batch, work: Workspace) -> Tensor:
        """Return start and end logits, shape ``(n_tokens, 2)``."""
        bert = self._bert
        x, _ = bert.norm(bert.embed(batch, work), *self._first_norm)
        for layer in self._layers:
            qkv = product(levels(x, work), layer.qkv)
            attended = work.take("attended", *x.shape)
            bert.attend(qkv, attended, batch, work)
            summed = product(levels(attended, work), layer.mixed).addcmul_(x, layer.widths)
            middle, _ = bert.norm(summed, *layer.norm)
            activated = gelu_product(levels(middle, work), layer.up, layer.activated)
            summed = product(activated, layer.down).addcmul_(middle, layer.middle_widths)
            x, _ = bert.norm(summed, *layer.last_norm)
        return torch.addmm(bert.rest[3], x, bert.rest[2].t())


def quantised(weight: Tensor, bias: Tensor) -> Weights8:
    """Round weights of shape ``(n_out, n_in)`` to bytes."""
    scales = weight.abs().amax(1).clamp_min(1e-12) / _WEIGHT_LEVELS
    rounded = torch.round(weight / scales[:, None]).to(torch.int8)
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    packed = torch.ops.onednn.qlinear_prepack(rounded, None)
    return Weights8(packed, scales, zeros, bias.clone())


def levels(x: Tensor, work: Workspace) -> Levels:
    """Round activations to bytes, by their range."""
    smallest, largest = torch.aminmax(x)
    scale, zero = _scale_and_zero(float(smallest), float(largest))
    scaled = work.take("scaled", *x.shape)
    # Conversion cuts off: half a level makes it round. All lands between 0 and 255.
    torch.add(torch.tensor(zero + 0.5), x, alpha=1 / scale, out=scaled)
    rounded = work.take("rounded", *x.shape, dtype=torch.uint8)
    rounded.copy_(scaled)
    return Levels(rounded, scale, zero)


def product(x: Levels, weights: Weights8) -> Tensor:
    """Return ``x @ weight.t() + bias``, near enough, shape ``(n_tokens, n_out)``."""
    return _product(x, weights, 1.0, 0, torch.float32, "none")


def gelu_product(x: Levels, weights: Weights8, scale_and_zero: tuple[float, int]) -> Levels:
    """Return GELU of `product`, as bytes of a range that is known."""
    scale, zero = scale_and_zero
    return Levels(_product(x, weights, scale, zero, torch.uint8, "gelu"), scale, zero)


def _product(
    x: Levels, weights: Weights8, scale: float, zero: int, dtype: torch.dtype, activation: str
) -> Tensor:
    found: Tensor = torch.ops.onednn.qlinear_pointwise(
        *(x.bytes, x.scale, x.zero, weights.packed, weights.scales, weights.zeros, weights.bias),
        *(scale, zero, dtype, activation, [], "none"),
    )
    return found


def _scale_and_zero(smallest: float, largest: float) -> tuple[float, int]:
    # Zero must have a level of its own.
    low, high = min(0.0, smallest), max(0.0, largest)
    scale = max(high - low, 1e-12) / _LEVELS
    return scale, round(-low / scale)


def _widths(x: Tensor, weight: Tensor) -> Tensor:
    """Return the divisor of each channel that spreads the rounding over `x` and `weight`."""
    widest = x.abs().amax(0).clamp_min(1e-5)
    return torch.sqrt(widest / weight.abs().amax(0).clamp_min(1e-5))


def _divided(weight: Tensor, bias: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
    return weight / widths, bias / widths
