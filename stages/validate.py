"""Hold a table against what its consumers rely on; stop the pipeline where it fails."""

from typing import Annotated

import typer

from augqa.expectations import Bounds, gate_of, gates_of_blend
from augqa.gates import hold
from augqa.params import load_params
from augqa.stage import Input, Name, OptionalInput, Output, run


def validate(
    artefact: Name,
    table: Input,
    reference: Input,
    report: Output,
    page: Output,
    test: OptionalInput = None,
    profile: OptionalInput = None,
    reserve: OptionalInput = None,
    regime: Annotated[str | None, typer.Option()] = None,
) -> str:
    """Write what came of each expectation, as JSON and as a page; then stop if one is critical."""
    params = load_params()
    if artefact == "blend" and regime is not None and reserve is not None:
        gates = gates_of_blend(
            regime,
            table,
            reference,
            reserve,
            knobs=params.blend[regime],
            seeds=params.training_seeds,
        )
        closings = [
            hold(frame, suite, own, report / f"{seed}.json", page / f"{seed}.html")
            for seed, (own, frame, suite) in gates.items()
        ]
        return "; ".join(dict.fromkeys(closings))
    bounds = Bounds(
        pool=params.prepare.model_dump(include={"max_test_overlap_fraction", "test_overlap_words"}),
        filters=params.filter_pairs.model_dump(),
        drift=dict(params.gates),
        max_words=params.generate_contexts.max_words,
        max_failed_fraction=params.llm.max_failed_fraction,
    )
    frame, suite = gate_of(artefact, table, reference, bounds=bounds, test=test, profile=profile)
    return hold(frame, suite, table, report, page)


if __name__ == "__main__":
    run(validate)
