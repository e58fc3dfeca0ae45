"""How far the training of a reader is, kept so that a killed one goes on."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from augqa.finetuning.resuming import load_state, save_state
from augqa.finetuning.schedule import AdamW


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
    optimizer: AdamW,
    progress: Progress,
    best: Mapping[str, Tensor],
) -> None:
    """Write a checkpoint, with the best epoch's weights, and remove the ones before it."""
    save_state(
        folder,
        step=progress.step,
        parts={"model": model.state_dict(), "best": best},
        optimizer=optimizer,
        progress=asdict(progress),
    )


def load_progress(folder: Path, model: Any, optimizer: AdamW) -> tuple[Progress, dict[str, Tensor]]:
    """Put the last checkpoint's weights and optimiser state in place; none: from the start.

    Returns:
        How far it was, and the best epoch's weights.

    Raises:
        TrainingError: If the checkpoint is damaged or is one of another model.
    """
    progress, best = Progress(), dict[str, Tensor]()

    def put_in_place(stored: dict[str, Any], part: Callable[[str], dict[str, Tensor]]) -> None:
        nonlocal progress
        lists = {key: tuple(stored[key]) for key in ("losses", "held_out_f1")}
        progress = Progress(**{**stored, **lists})
        model.load_state_dict(part("model"))
        best.update(part("best"))

    load_state(folder, optimizer=optimizer, put_in_place=put_in_place)
    return progress, best
