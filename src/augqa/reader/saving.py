"""A trained reader as a folder: weights, what it was made from, model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from augqa.files import write_whole
from augqa.lineage import md5, run_key
from augqa.metrics import write_metrics
from augqa.reader.answering import Reader
from augqa.reader.card import model_card
from augqa.reader.training import TrainingReport
from augqa.records import QAExample


@dataclass(frozen=True, kw_only=True)
class MadeFrom:
    """What a trained reader was made from.

    Attributes:
        regime: Its recipe.
        seed: Of the training.
        blend: The training set's table.
        settings: The training's settings.
    """

    regime: str
    seed: int
    blend: Path
    settings: Mapping[str, Any]

    @cached_property
    def blend_md5(self) -> str:
        """MD5 of the training set's table."""
        return md5(self.blend)

    @cached_property
    def run_key(self) -> str:
        """Name of the training."""
        return run_key(
            blend=self.blend_md5, params=self.settings, seed=self.seed, regime=self.regime
        )


def save_trained(
    reader: Reader,
    report: TrainingReport,
    folder: Path,
    *,
    examples: Sequence[QAExample],
    made_from: MadeFrom,
) -> dict[str, Any]:
    """Write the reader, with training.json beside it and its card.

    Args:
        reader: The reader.
        report: What its training did.
        folder: Takes all of it.
        examples: The training set.
        made_from: Where it is from, and how it was trained.

    Returns:
        The numbers of the training, for its metrics.
    """
    numbers = {"regime": made_from.regime, "seed": made_from.seed, **report.numbers}
    lineage = {
        "run_key": made_from.run_key,
        "blend": f"{made_from.regime}/{made_from.blend.name}",
        "blend_md5": made_from.blend_md5,
        "cut_off": list(report.cut_off),
        "held_out": list(report.held_out),
    }
    reader.save(folder)
    write_metrics(folder / "training.json", {**numbers, **lineage})
    card = model_card(
        examples,
        regime=made_from.regime,
        seed=made_from.seed,
        blend_md5=made_from.blend_md5,
        run_key=made_from.run_key,
        report=report,
        settings=made_from.settings,
    )
    write_whole(folder / "README.md", card)
    return numbers
