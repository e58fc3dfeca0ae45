"""Memory of the layers written out, kept from step to step, and their dropout masks."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_LEVELS = 1 << 16  # a dropout mask compares 16 random bits with the probability


class Workspace:
    """Named buffers that are kept: asked for again, they take no new memory of the system."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return a buffer; what the former one of this name held is lost."""
        size = math.prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.numel() < size:
            kept = self._kept[name] = torch.empty(size + size // 8, dtype=dtype)
        return kept[:size].view(shape)


class Masks:
    """Dropout masks, drawn window by window: they do not depend on how windows are batched.

    Args:
        seeds: One seed a window.
        probability: Share of the values that is dropped.
    """

    def __init__(self, seeds: Sequence[int], probability: float) -> None:
        self._generators = [np.random.Generator(np.random.SFC64(seed)) for seed in seeds]
        self._n_dropped = round(probability * _LEVELS)
        self.scale = _LEVELS / (_LEVELS - self._n_dropped)

    def draw(self, window: int, mask: Tensor) -> None:
        """Fill a contiguous mask: True for what is kept."""
        size = mask.numel()
        words = self._generators[window].integers(0, 1 << 64, -(-size // 4), dtype=np.uint64)
        bits = words.view(np.uint16)[:size]
        np.greater_equal(bits, self._n_dropped, out=mask.view(-1).numpy())


def keep(x: Tensor, mask: Tensor | None, out: Tensor) -> Tensor:
    """Put ``x * mask`` into `out` and return it; without a mask, return `x`.

    numpy multiplies floats with bools in one pass, torch in two.
    """
    if mask is None:
        return x
    np.multiply(x.numpy(), mask.numpy(), out=out.numpy())
    return out


def dropped_share(probability: float) -> float:
    """Return the share of values that masks of this probability drop."""
    return round(probability * _LEVELS) / _LEVELS


def kept_scale(probability: float) -> float:
    """Return the factor that makes up for what masks of this probability drop."""
    return 1 / (1 - dropped_share(probability))
