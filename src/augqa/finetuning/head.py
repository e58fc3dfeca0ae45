"""The head that a checkpoint of an encoder lacks."""

from collections.abc import Sequence
from typing import Any

import torch


def draw_head(model: Any, missing: Sequence[str], seed: int) -> None:
    """Draw the missing weights as BERT does: normal for matrices, zero for biases."""
    generator = torch.Generator().manual_seed(seed)
    spread = float(getattr(model.config, "initializer_range", 0.02))
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in missing:
            parameter = parameters[name]
            if parameter.ndim > 1:
                parameter.normal_(0.0, spread, generator=generator)
            else:
                parameter.zero_()
