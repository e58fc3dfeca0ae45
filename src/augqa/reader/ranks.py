"""The processes that train one reader together, as `accelerate launch` or `torchrun` start them."""

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
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

    def refuse_unlike(self, parts: Iterable[bytes]) -> None:
        """Refuse to go on where the processes have been given different things.

        Raises:
            ReaderError: If they were; on several machines a folder may be an old copy.
        """
        if self.world == 1:
            return
        digest = hashlib.sha256()
        for part in parts:
            digest.update(hashlib.sha256(part).digest())
        own = torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8).to(_device())
        all_of_them = [torch.empty_like(own) for _ in range(self.world)]
        distributed.all_gather(all_of_them, own)
        unlike = [str(n) for n, one in enumerate(all_of_them) if not one.equal(all_of_them[0])]
        if unlike:
            raise ReaderError(
                f"process {', '.join(unlike)} of {self.world} has another training set, or other"
                " params, than process 0: bring params.yaml and data/ to the same state on each"
                " machine"
            )

    def of_first(self, value: float) -> float:
        """Return what the first process has."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=_device())
        distributed.broadcast(shared, 0)
        return float(shared)

    @contextlib.contextmanager
    def files_of_first(self, folder: Path) -> Iterator[Path]:
        """Give a with-block a folder with the files that lie below the first process's `folder`.

        For the first one it is that folder itself; the others may be on machines that lack it.
        """
        if self.world == 1:
            yield folder
            return
        if self.rank == 0:
            found = sorted(path for path in folder.rglob("*") if path.is_file())
            names = [str(path.relative_to(folder)) for path in found]
            self._from_first(json.dumps(names).encode())
            for path in found:
                self._from_first(path.read_bytes())
            yield folder
            return
        with tempfile.TemporaryDirectory() as temporary:
            for name in json.loads(self._from_first(b"")):
                target = Path(temporary) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._from_first(b""))
            yield Path(temporary)

    def _from_first(self, content: bytes) -> bytes:
        """Return the content that the first process has."""
        length = int(self.of_first(len(content)))
        if length == 0:
            return b""
        shared = torch.empty(length, dtype=torch.uint8)
        if self.rank == 0:
            shared = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        shared = shared.to(_device())
        distributed.broadcast(shared, 0)
        return shared.cpu().numpy().tobytes()


def _device() -> str:
    """Return where what the processes tell each other must lie."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"


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
