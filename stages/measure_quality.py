"""Measure generated contexts and pairs beside real ones; sample pairs to look at."""

from augqa.executor.opening import open_executor
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.quality.comparison import REAL, chosen_pairs
from augqa.quality.measuring import GENERATED, KEPT, closing, measure
from augqa.records import GeneratedContext, QAExample, Rejection, RoundTripAnswer, SampledPair
from augqa.stage import Input, Output, run
from augqa.tables import read_table, write_table


def measure_quality(
    pool: Input,
    seed_questions: Input,
    test: Input,
    contexts: Input,
    pairs: Input,
    kept: Input,
    rejected: Input,
    round_trip: Input,
    quality: Output,
    sampled_pairs: Output,
) -> str:
    """Write the measures of each set, and pairs sampled from before the filters."""
    params = load_params()
    own = params.measure_quality
    examples = {
        name: read_table(path, QAExample)
        for name, path in ((REAL, pool), (GENERATED, pairs), (KEPT, kept))
    }
    with open_executor(params.executor) as executor:
        measures = measure(
            examples,
            {path.stem: read_table(path, QAExample) for path in sorted(test.glob("*.parquet"))},
            read_table(contexts, GeneratedContext),
            read_table(seed_questions, QAExample),
            executor=executor,
            **own.model_dump(exclude={"n_sampled_pairs"}),
        )
    shown = chosen_pairs(
        examples[GENERATED],
        read_table(rejected, Rejection),
        seeds=read_table(seed_questions, QAExample),
        round_trip=read_table(round_trip, RoundTripAnswer),
        n=own.n_sampled_pairs,
        seed=own.seed,
    )
    write_metrics(quality, measures)
    write_table(sampled_pairs, shown, SampledPair)
    return closing(measures)


if __name__ == "__main__":
    run(measure_quality)
