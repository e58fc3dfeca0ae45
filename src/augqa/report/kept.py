"""A kept study as everything that is shown of it: from scores and numbers, without any text."""

from dataclasses import replace
from pathlib import Path

from augqa.params import Params
from augqa.report.assembling import Assembled, assemble_study, recipes_of, sets_in_order
from augqa.report.files import measured_in
from augqa.study.keeping import read_kept


def assemble_kept(params: Params, folder: Path) -> Assembled:
    """Return what a kept study shows; its statistics are made anew from its scores.

    Recipes and seeds that have not run yet are named among its limits.

    Raises:
        DataError: If a file is missing, or two do not belong together.
        EvidenceError: If runs cannot be compared.
    """
    at = measured_in(folder / "metrics")
    study, mentioned = read_kept(
        folder,
        recipes=recipes_of(params),
        seeds=params.training_seeds,
        test_sets=sets_in_order(params, at),
    )
    made = assemble_study(params, at, study, mentioned, unfinished=True)
    # Gates have pages of the run that are not kept.
    return replace(made, gates=tuple(replace(gate, pages=()) for gate in made.gates))
