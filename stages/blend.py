"""Make the training sets of one recipe: one for each training seed, each of its own draw."""

from functools import partial

from augqa.blends import KINDS, Materials
from augqa.errors import BlendError
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import GeneratedContext, QAExample, Rejection, RoundTripAnswer
from augqa.stage import Input, Name, OptionalInput, Output, run
from augqa.tables import read_table, write_table

RECORDS = {
    "contexts": GeneratedContext,
    "rejected": Rejection,
    "round_trip_answers": RoundTripAnswer,
}


def blend(
    regime: Name,
    pool: Input,
    blends: Output,
    metrics: Output,
    reserve: OptionalInput = None,
    kept: OptionalInput = None,
    rejected: OptionalInput = None,
    pairs: OptionalInput = None,
    seed_questions: OptionalInput = None,
    contexts: OptionalInput = None,
    round_trip_answers: OptionalInput = None,
) -> str:
    """Choose the examples; write them, what was left out, and the counts."""
    params = load_params()
    knobs = params.blend[regime]
    tables = {
        "pool": pool,
        "reserve": reserve,
        "kept": kept,
        "rejected": rejected,
        "pairs": pairs,
        "seed_questions": seed_questions,
        "contexts": contexts,
        "round_trip_answers": round_trip_answers,
    }
    materials = Materials(
        regime,
        {
            name: partial(read_table, path, RECORDS.get(name, QAExample))
            for name, path in tables.items()
            if path is not None
        },
    )
    counts = {}
    for seed in params.training_seeds:
        made = KINDS.get(knobs.kind).make(materials, knobs, seed)
        write_table(blends / f"{seed}.parquet", made.examples, QAExample)
        write_table(blends / "dropped" / f"{seed}.parquet", made.dropped, Rejection)
        counts[seed] = made.counts
    first, *others = counts.values()
    if any(other["n_examples"] != first["n_examples"] for other in others):
        sizes = {seed: numbers["n_examples"] for seed, numbers in counts.items()}
        raise BlendError(f"recipe {regime}: its training sets differ in size by seed: {sizes}")
    write_metrics(metrics, {"regime": regime, "kind": knobs.kind, **first})
    return f"{regime}: {first['n_examples']} examples, {first['n_generated']} generated"


if __name__ == "__main__":
    run(blend)
