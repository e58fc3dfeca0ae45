"""The optimiser and its learning rate."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

_BETAS = (0.9, 0.999)
_EPS = 1e-8


class AdamW:
    """AdamW by torch's fused kernel, to the last digit ``torch.optim.AdamW(..., fused=True)``.

    That one imports torch's compiler when it is made, which takes longer than torch itself.

    Args:
        groups: Each with its `params`, all on one device, and their `weight_decay`.
        learning_rate: Of each group, until another one is set there as `lr`.

    Source: Loshchilov and Hutter 2019 (arXiv:1711.05101).
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]], *, learning_rate: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": learning_rate, **g} for g in groups]
        self._state: dict[int, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Move each parameter that has a gradient."""
        first = 0
        for group in self.param_groups:
            moved = [(first + i, p) for i, p in enumerate(group["params"]) if p.grad is not None]
            first += len(group["params"])
            if not moved:
                continue
            states = [self._state_of(index, parameter) for index, parameter in moved]
            steps = [state["step"] for state in states]
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                [parameter for _, parameter in moved],
                [parameter.grad for _, parameter in moved],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                steps,
                lr=group["lr"],
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                weight_decay=group["weight_decay"],
                eps=_EPS,
                amsgrad=False,
                maximize=False,
            )

    def zero_grad(self) -> None:
        """Take the gradients away."""
        for parameter in self._parameters():
            parameter.grad = None

    def state(self) -> dict[int, dict[str, Tensor]]:
        """Return what is kept of each parameter that was moved, by its number."""
        return self._state

    def put_back(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Take what `state` returned of an optimiser of the same parameters.

        Raises:
            ValueError: If it is that of others.
        """
        parameters = self._parameters()
        for index, kept in state.items():
            if not 0 <= index < len(parameters):
                raise ValueError(f"the optimiser has no parameter {index}")
            for name in ("exp_avg", "exp_avg_sq"):
                if kept[name].shape != parameters[index].shape:
                    raise ValueError(f"the optimiser's parameter {index} has another shape")
        self._state = {
            index: {name: value.to(parameters[index].device) for name, value in kept.items()}
            for index, kept in state.items()
        }

    def _state_of(self, index: int, parameter: Tensor) -> dict[str, Tensor]:
        if index not in self._state:
            self._state[index] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self._state[index]

    def _parameters(self) -> list[Any]:
        return [parameter for group in self.param_groups for parameter in group["params"]]


def adamw(parameters: Iterable[Any], *, learning_rate: float, weight_decay: float) -> AdamW:
    """Return AdamW over the parameters that train; biases and norms have no weight decay."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, learning_rate=learning_rate)


def warm_up_and_decay(step: int, n_steps: int, warmup_fraction: float) -> float:
    """Return the learning rate of a step, from 0, as a share of the highest.

    It rises linearly over the first `warmup_fraction` of the steps, and falls linearly to 0.
    """
    warmup = round(n_steps * warmup_fraction)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (n_steps - step) / max(1, n_steps - warmup))
