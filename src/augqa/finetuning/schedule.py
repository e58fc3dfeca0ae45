"""The optimiser and its learning rate."""

from collections.abc import Iterable
from typing import Any

import torch


def adamw(
    parameters: Iterable[Any], *, learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """Return AdamW over the parameters that train; biases and norms have no weight decay."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def warm_up_and_decay(step: int, n_steps: int, warmup_fraction: float) -> float:
    """Return the learning rate of a step, from 0, as a share of the highest.

    It rises linearly over the first `warmup_fraction` of the steps, and falls linearly to 0.
    """
    warmup = round(n_steps * warmup_fraction)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (n_steps - step) / max(1, n_steps - warmup))
