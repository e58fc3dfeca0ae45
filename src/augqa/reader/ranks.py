"""The processes that train one reader together, as `accelerate launch` or `torchrun` start them."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from augqa.errors import ReaderError

# How often this process has joined others; all join equally often, so that it names a group.
_joinings = itertools.count()


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    def add_up(self, model: Any, losses: npt.NDArray[np.float64]) -> None:
        """Replace the gradients, and `losses`, by their sums over all processes."""
        if self.world == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, total in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(total.view_as(gradient))
        shared = torch.from_numpy(losses).to(flat.device)
        distributed.all_reduce(shared)
        losses[:] = shared.cpu().numpy()


def leads() -> bool:
    """Tell whether this process writes what several train together."""
    return int(os.environ.get("RANK", "0")) == 0


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes for the time of a with-block; without any, stay alone.

    Raises:
        ReaderError: If the launcher's variables are wrong or the others do not come.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield Ranks()
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        # The launcher's store outlives a group. A second one under the same names would read the
        # addresses that the first left there, where nobody listens any more.
        store, rank, world = next(rendezvous("env://"))
        distributed.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=PrefixStore(f"augqa/{next(_joinings)}", store),
            rank=rank,
            world_size=world,
        )
    except (ValueError, RuntimeError) as error:
        raise ReaderError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the processes cannot be joined:"
            f" {error}. Start them with `accelerate launch` or `torchrun`, or unset WORLD_SIZE."
        ) from error
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
