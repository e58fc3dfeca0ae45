"""The optimiser, held against torch's own."""

import torch

from augqa.finetuning.schedule import adamw


def moved(steps: int, *, by_torch: bool) -> list[torch.Tensor]:
    """Return parameters after some steps, each at another rate; the last one has no gradient."""
    random = torch.Generator().manual_seed(1)
    shapes = [(7, 5), (5,), (33, 19), (3,)]
    parameters = [torch.nn.Parameter(torch.randn(s, generator=random)) for s in shapes]
    optimizer = adamw(parameters, learning_rate=1e-2, weight_decay=0.1)
    groups = optimizer.param_groups
    theirs = torch.optim.AdamW([dict(group) for group in groups], lr=1e-2, fused=True)
    for step in range(steps):
        for parameter in parameters[:-1]:
            parameter.grad = torch.randn(parameter.shape, generator=random)
        for group in theirs.param_groups if by_torch else groups:
            group["lr"] = 1e-2 / (1 + step)
        if by_torch:
            theirs.step()
        else:
            optimizer.step()
    return [parameter.detach() for parameter in parameters]


def test_adamw_moves_to_the_last_digit_as_torch_s_own_does() -> None:
    ours, theirs = moved(20, by_torch=False), moved(20, by_torch=True)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
