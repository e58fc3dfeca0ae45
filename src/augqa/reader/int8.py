"""Answering with 8-bit products: BERT and RoBERTa on a CPU, weights quantised when first used.

Weights have a scale for each output, activations one for each pass, taken from their range;
sums are kept in 32 bits. Attention, norms and the head stay in float32.

What a few texts of our own show of the model settles three things beforehand. The range behind
GELU: the product can then leave bytes at once. How wide each channel in front of a product is:
wide ones are narrowed in what comes before it and widened in its weights, which changes nothing
but what rounding costs. And the few channels behind GELU that reach several times as far as all
others, for a few tokens: no norm stands there to narrow them, and in one range with the rest
they would leave it a fifth of the levels. They are computed in float32 beside the 8-bit product.

Under `reproducible: x86_64` oneDNN gives sums alone, which are whole numbers and so the same with
whatever instructions; torch, held to AVX2, scales them and computes GELU. So oneDNN may use the
instructions for bytes that a processor has: `use_own_instructions`.

Source: Xiao et al. 2022 (arXiv:2211.10438), for narrowed channels; Dettmers et al. 2022
(arXiv:2208.07339), for those in float32.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from augqa import processor
from augqa.reader import products
from augqa.reader.activation import gelu_of_gapped_, own_gelu, with_gaps
from augqa.reader.batch import Batch
from augqa.reader.bert import Bert, Entered
from augqa.reader.bert_weights import Layer
from augqa.reader.buffers import Workspace

_LEVELS = 254  # of an unsigned byte, and one to spare for rounding the zero
_BY_SUMS = processor.is_pinned()
# Of a signed byte, without -128: symmetric. Without VNNI two products are added in 16 bits: they
# overflow unless weights keep to half the range. `reproducible: x86_64` must do without it.
_WEIGHT_LEVELS = 127 if torch.cpu._is_vnni_supported() and not _BY_SUMS else 63
_ROWS = 128  # whose GELU is computed at once: what is between its passes stays in the cache
_LOWEST_GELU = -0.17
_ROOM = 1.25  # above the highest activation seen beforehand; what is higher still is cut off
_N_WIDEST = 8  # channels behind GELU that are computed in float32
# Of a channel's width, what its weights take over. Weights have a scale for each output, so they
# bear more than activations, which have one for all.
_TAKEN_OVER = 0.65


@dataclass(frozen=True, slots=True)
class Weights8:
    """One product's weights in oneDNN's own layout."""

    packed: Tensor
    scales: Tensor  # of each output
    ones: Tensor  # in the place of `scales` where sums are wanted
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
    down: Weights8  # zero for the widest channels
    widest_up: Tensor  # (_N_WIDEST, h)
    widest_up_bias: Tensor
    widest_down: Tensor  # (_N_WIDEST, h)
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
        self._layers = [
            _layer8(layer, entered, *around)
            for layer, entered, around in zip(bert.layers, seen, pairwise(widths), strict=True)
        ]

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
            widest = products.linear(middle, layer.widest_up, layer.widest_up_bias)
            widest = own_gelu(widest) if _BY_SUMS else torch.ops.aten.gelu_(widest)
            products.add_product(summed, widest, layer.widest_down)
            x, _ = bert.norm(summed, *layer.last_norm)
        return products.linear(x, bert.rest[2], bert.rest[3])


def _layer8(layer: Layer, entered: Entered, widths: Tensor, next_widths: Tensor) -> _Layer8:
    """Quantise a layer.

    Args:
        layer: In float32.
        entered: What a few texts show.
        widths: Of the channels that enter, by which they come divided.
        next_widths: By which what leaves is divided.
    """
    _, attended, middle, activated = entered
    mixed_widths = _widths(attended, layer.mixed)
    # What is mixed is means of values: these can come divided.
    divisors = torch.cat([torch.ones(2 * len(mixed_widths)), mixed_widths])
    middle_widths = _widths(middle, layer.up)
    up = layer.up * middle_widths

    highest = activated.amax(0)
    widest = highest.topk(min(_N_WIDEST, len(highest))).indices
    down = layer.down.clone()
    down[:, widest] = 0
    highest[widest] = 0
    return _Layer8(
        qkv=quantised(layer.qkv * widths / divisors[:, None], layer.qkv_bias / divisors),
        mixed=quantised(layer.mixed * mixed_widths, layer.mixed_bias),
        up=quantised(up, layer.up_bias),
        down=quantised(down, layer.down_bias),
        widest_up=up[widest],
        widest_up_bias=layer.up_bias[widest],
        widest_down=layer.down[:, widest].t().contiguous(),
        widths=widths,
        norm=_divided(*layer.norms, middle_widths),
        middle_widths=middle_widths,
        last_norm=_divided(*layer.last_norms, next_widths),
        activated=_scale_and_zero(_LOWEST_GELU, float(highest.max()) * _ROOM),
    )


def quantised(weight: Tensor, bias: Tensor) -> Weights8:
    """Round weights of shape ``(n_out, n_in)`` to bytes."""
    scales = weight.abs().amax(1).clamp_min(1e-12) / _WEIGHT_LEVELS
    rounded = torch.round(weight / scales[:, None]).to(torch.int8)
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    packed = torch.ops.onednn.qlinear_prepack(rounded, None)
    return Weights8(packed, scales, torch.ones_like(scales), zeros, bias.clone())


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
    if _BY_SUMS:
        sums = _sums(x.bytes, x.zero, weights)
        return sums.mul_(weights.scales * x.scale).add_(weights.bias)
    return _product(x, weights, 1.0, 0, torch.float32, "none")


def gelu_product(x: Levels, weights: Weights8, scale_and_zero: tuple[float, int]) -> Levels:
    """Return GELU of `product`, as bytes of a range that is known."""
    scale, zero = scale_and_zero
    if not _BY_SUMS:
        return Levels(_product(x, weights, scale, zero, torch.uint8, "gelu"), scale, zero)
    scales, half_up = weights.scales * x.scale, torch.tensor(zero + 0.5)
    out = torch.empty(len(x.bytes), len(scales), dtype=torch.uint8)
    parts = (torch.split(each, _ROWS) for each in (x.bytes, out))
    for rows, rounded in zip(*parts, strict=True):
        raised = with_gaps(len(rows), len(scales))
        torch.mul(_sums(rows, x.zero, weights), scales, out=raised)
        activated = gelu_of_gapped_(raised.add_(weights.bias))
        torch.add(half_up, activated, alpha=1 / scale, out=activated)
        rounded.copy_(activated.clamp_(0, 255))
    return Levels(out, scale, zero)


def use_own_instructions() -> None:
    """Let torch's oneDNN use all instructions of the processor, where it is held to AVX2.

    For a process that has not used oneDNN yet, and answers in 8 bits alone: there, and only there,
    results do not depend on the instructions. Where oneDNN has been used, nothing changes.
    """
    if _BY_SUMS:
        with processor.without("ONEDNN_MAX_CPU_ISA"):
            # It reads its switch once, at its first use.
            torch.ops.onednn.qlinear_prepack(torch.zeros(16, 16, dtype=torch.int8), None)


def _sums(rows: Tensor, zero: int, weights: Weights8) -> Tensor:
    """Return the sums of an 8-bit product, whole numbers in float32."""
    found: Tensor = torch.ops.onednn.qlinear_pointwise(
        *(rows, 1.0, zero, weights.packed, weights.ones, weights.zeros, None),
        *(1.0, 0, torch.float32, "none", [], "none"),
    )
    return found


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
    of_x, of_weight = (part.abs().amax(0).clamp_min(1e-5) for part in (x, weight))
    divisors: Tensor = of_x**_TAKEN_OVER / of_weight ** (1 - _TAKEN_OVER)
    return divisors


def _divided(weight: Tensor, bias: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
    return weight / widths, bias / widths
