"""Make the training sets of one recipe: one for each training seed, each of its own draw."""

from augqa.blends import KINDS, Materials, of_one_size
from augqa.judging import judged_table
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import QAExample, Rejection
from augqa.stage import Input, Name, OptionalInput, Output, run
from augqa.tables import write_table


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
    judgements: OptionalInput = None,
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
        "judgements": judged_table(judgements),
    }
    materials = Materials.of(regime, tables)
    counts = {}
    for seed in params.training_seeds:
        made = KINDS.get(knobs.kind).make(materials, knobs, seed)
        write_table(blends / f"{seed}.parquet", made.examples, QAExample)
        write_table(blends / "dropped" / f"{seed}.parquet", made.dropped, Rejection)
        counts[seed] = made.counts
    first = of_one_size(regime, counts)
    write_metrics(metrics, {"regime": regime, "kind": knobs.kind, **first})
    return f"{regime}: {first['n_examples']} examples, {first['n_generated']} generated"


if __name__ == "__main__":
    run(blend)
