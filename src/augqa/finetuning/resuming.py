"""Checkpoints of a training under way, so that a killed one goes on where it was.

They lie outside DVC's outs, under .cache/train/<run key>, and are removed when the model is
saved. Each is put in place whole; no pickle.
"""

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from augqa.errors import DataError, TrainingError
from augqa.files import sync
from augqa.finetuning.schedule import AdamW

log = logging.getLogger("augqa")

Parts = Mapping[str, Mapping[str, Tensor]]

_WEIGHTS = "state.safetensors"
_PROGRESS = "progress.json"


def save_state(
    folder: Path,
    *,
    step: int,
    parts: Parts,
    optimizer: AdamW,
    progress: Mapping[str, Any],
) -> None:
    """Write a checkpoint, and remove the ones before it.

    Args:
        folder: Where the checkpoints of this training lie.
        step: Optimiser steps done.
        parts: Tensors to keep, such as the weights, under the name of their part.
        optimizer: Its state is kept too.
        progress: How far the training is, as JSON takes it.

    Raises:
        DataError: If it cannot be written, such as on a full disk.
    """
    tensors = {f"{part}.{name}": t for part, named in parts.items() for name, t in named.items()}
    for index, state in optimizer.state().items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    target = folder / f"step-{step:09d}"
    partial = folder / f"{target.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file({name: _plain(tensor) for name, tensor in tensors.items()}, partial / _WEIGHTS)
        (partial / _PROGRESS).write_text(json.dumps(dict(progress)), encoding="utf-8")
        for name in (_WEIGHTS, _PROGRESS):
            sync(partial / name)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(
            f"{target}: a checkpoint of the training cannot be written: {error}. The one before"
            " it stays: make room and run again, and the training goes on from there."
        ) from error
    for former in folder.iterdir():
        if former != target:
            shutil.rmtree(former)


def load_state(
    folder: Path,
    *,
    optimizer: AdamW,
    put_in_place: Callable[[dict[str, Any], Callable[[str], dict[str, Tensor]]], None],
) -> bool:
    """Put the last checkpoint in place.

    Args:
        folder: As for `save_state`.
        optimizer: Gets its state back.
        put_in_place: Called with the progress and with a function that gives the tensors of a
            part; refuses what it cannot take by a ValueError, KeyError, TypeError or RuntimeError.

    Returns:
        Whether there was one.

    Raises:
        TrainingError: If the checkpoint is damaged or is one of another model.
    """
    found = sorted(path for path in folder.glob("step-*") if path.suffix != ".partial")
    if not found:
        return False
    try:
        tensors = load_file(found[-1] / _WEIGHTS)
        progress = json.loads((found[-1] / _PROGRESS).read_text(encoding="utf-8"))
        put_in_place(progress, lambda part: _under(part, tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer", tensors).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
        optimizer.put_back(state)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{found[-1]}: not a checkpoint of this training: {error}. Remove the folder to train"
            " from the start."
        ) from error
    log.info("train: goes on behind %s, from %s", found[-1].name, found[-1])
    return True


def _under(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = part + "."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()
