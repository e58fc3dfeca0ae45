"""A trained reader as a folder: weights, what it was made from, model card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augqa.files import write_whole
from augqa.metrics import write_metrics
from augqa.reader.answering import Reader
from augqa.reader.card import model_card
from augqa.reader.training import TrainingReport
from augqa.records import QAExample


def save_trained(
    reader: Reader,
    report: TrainingReport,
    folder: Path,
    *,
    examples: Sequence[QAExample],
    regime: str,
    seed: int,
    blend: Path,
    blend_md5: str,
    run_key: str,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the reader, with training.json beside it and its card.

    Args:
        reader: The reader.
        report: What its training did.
        folder: Takes all of it.
        examples: The training set.
        regime: Its recipe.
        seed: Of the training.
        blend: The training set's table.
        blend_md5: Its MD5.
        run_key: Name of the training.
        settings: The training's settings.

    Returns:
        The numbers of the training, for its metrics.
    """
    numbers = {"regime": regime, "seed": seed, **report.numbers}
    lineage = {
        "run_key": run_key,
        "blend": f"{regime}/{blend.name}",
        "blend_md5": blend_md5,
        "cut_off": list(report.cut_off),
        "held_out": list(report.held_out),
    }
    reader.save(folder)
    write_metrics(folder / "training.json", {**numbers, **lineage})
    card = model_card(
        examples,
        regime=regime,
        seed=seed,
        blend_md5=blend_md5,
        run_key=run_key,
        report=report,
        settings=settings,
    )
    write_whole(folder / "README.md", card)
    return numbers
