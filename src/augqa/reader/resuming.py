"""Checkpoints of a training under way, so that a killed one goes on where it was.

They lie outside DVC's outs, under .cache/train/<run key>, and are removed when the reader is
saved. Each is put in place whole; no pickle.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from augqa.errors import ReaderError

log = logging.getLogger("augqa")

_WEIGHTS = "state.safetensors"
_PROGRESS = "progress.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a training is.

    Attributes:
        step: Optimiser steps done.
        epoch_loss: Sum of the losses of the windows of the epoch under way.
        losses: Mean loss of each whole epoch.
        held_out_f1: F1 on the held-out examples after each; empty if there are none.
    """

    step: int = 0
    epoch_loss: float = 0.0
    losses: tuple[float, ...] = ()
    held_out_f1: tuple[float, ...] = ()

    @property
    def best_epoch(self) -> int:
        """The first epoch of the highest F1, from 1; without held-out examples the last one."""
        if not self.held_out_f1:
            return len(self.losses)
        return self.held_out_f1.index(max(self.held_out_f1)) + 1


def save_progress(
    folder: Path,
    model: Any,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    best: Mapping[str, Tensor],
) -> None:
    """Write a checkpoint, with the best epoch's weights, and remove the ones before it."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    target = folder / f"step-{progress.step:09d}"
    partial = folder / f"{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: _plain(tensor) for name, tensor in tensors.items()}, partial / _WEIGHTS)
    (partial / _PROGRESS).write_text(json.dumps(asdict(progress)), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for former in folder.iterdir():
        if former != target:
            shutil.rmtree(former)


def load_progress(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Tensor]]:
    """Put the last checkpoint's weights and optimiser state in place; none: from the start.

    Returns:
        How far it was, and the best epoch's weights.

    Raises:
        ReaderError: If the checkpoint is damaged or is one of another model.
    """
    found = sorted(path for path in folder.glob("step-*") if path.suffix != ".partial")
    if not found:
        return Progress(), {}
    try:
        tensors = load_file(found[-1] / _WEIGHTS)
        stored = json.loads((found[-1] / _PROGRESS).read_text(encoding="utf-8"))
        lists = {key: tuple(stored[key]) for key in ("losses", "held_out_f1")}
        progress = Progress(**{**stored, **lists})
        model.load_state_dict(_under("model", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer", tensors).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ReaderError(
            f"{found[-1]}: not a checkpoint of this training: {error}. Remove the folder to train"
            " from the start."
        ) from error
    log.info("train: goes on behind step %d, from %s", progress.step, found[-1])
    return progress, _under("best", tensors)


def _under(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = part + "."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()
