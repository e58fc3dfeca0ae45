"""Attention of one window to itself, without the passes over memory that softmax makes."""

import math

import torch
from torch import Tensor

from augqa.reader.buffers import Workspace
from augqa.reader.products import batched_product

_LEAST_SUM = 1e-26  # of exp over a row: what float32 loses at its lower end is nothing beside it


def attend_once(query: Tensor, key: Tensor, value: Tensor, out: Tensor, work: Workspace) -> None:
    """Let a window attend to itself, with nothing kept for a backward pass.

    Softmax first looks for the highest logit of each row, and at the end divides all weights. Both
    are passes over the weights. Here neither is made: the means are divided instead. The sums and
    the means show afterwards whether exp stayed in float32's range, where it loses no digits.
    """
    n_heads, length, width = value.shape
    weight = work.take("weights", n_heads, length, length)
    batched_product(query, key.transpose(1, 2), weight)
    torch.exp(weight, out=weight)
    total = torch.sum(weight, -1, keepdim=True, out=work.take("total", n_heads, length, 1))
    mean = batched_product(weight, value, work.take("mean", n_heads, length, width))
    low, high = torch.aminmax(total)
    # Anything infinite or NaN makes a sum so.
    if float(low) > _LEAST_SUM and math.isfinite(float(high)) and math.isfinite(float(mean.sum())):
        torch.div(mean, total, out=out)
    else:
        batched_product(query, key.transpose(1, 2), weight)
        torch.softmax(weight, -1, out=weight)
        batched_product(weight, value, out)
