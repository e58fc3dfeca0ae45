"""Command export: kept pairs and readers as others take them."""

from pathlib import Path
from typing import Annotated

import typer

from augqa.commands.explaining import commit_of_lock
from augqa.export import export as write_export
from augqa.params import load_params
from augqa.terminal import say


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or an empty folder")],
    llm_license: Annotated[str | None, typer.Option(help="of the language model")] = None,
    reader_license: Annotated[str | None, typer.Option(help="of the reader's checkpoint")] = None,
) -> None:
    """Write the kept pairs to DIR as a Hugging Face data set, the readers as models, with cards."""
    made = write_export(
        folder,
        load_params(),
        commit=commit_of_lock(),
        llm_license=llm_license,
        reader_license=reader_license,
    )
    say(
        f"{folder} holds {made.n_pairs:,} pairs for `datasets.load_dataset`, and under readers/:"
        f" {', '.join(made.readers)}. Read the cards, README.md, before you pass it on."
    )
