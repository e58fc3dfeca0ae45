"""Measure generated contexts and pairs beside real ones; sample pairs to look at."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from augqa.metrics import write_metrics
from augqa.params import MeasureQuality, load_params
from augqa.reader import TextEncoder
from augqa.records import (
    GeneratedContext,
    QAExample,
    Rejection,
    RoundTripAnswer,
    SampledPair,
    context_id,
)
from augqa.sampling import choose
from augqa.stage import Input, Output, run
from augqa.tables import read_table, write_table
from augqa.yardstick import (
    REAL,
    SHUFFLED,
    Seeded,
    answer_measures,
    chosen_pairs,
    one_a_context,
    question_words,
    seed_measures,
    shuffled,
    text_measures,
    two_sample_aucs,
)

# Not at run time: NumPy is to be loaded after augqa, which may hold it to one arithmetic.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GENERATED, KEPT = "generated", "kept"

Row = TypeVar("Row", QAExample, GeneratedContext)


def measure_quality(
    pool: Input,
    seeds: Input,
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
    own = load_params().measure_quality
    n, seed = own.n_sample, own.seed
    examples = {
        name: read_table(path, QAExample)
        for name, path in ((REAL, pool), (GENERATED, pairs), (KEPT, kept))
    }
    against = {REAL: one_a_context(examples[REAL], seed=seed)} | {
        path.stem: one_a_context(read_table(path, QAExample), seed=seed)
        for path in sorted(test.glob("*.parquet"))
    }
    good = [row for row in read_table(contexts, GeneratedContext) if row.failure is None]
    kept_ids = {pair.context_id for pair in examples[KEPT]}
    written = {
        GENERATED: _chosen(good, n, seed=seed),
        KEPT: _chosen([c for c in good if context_id(c.text) in kept_ids], n, seed=seed),
    }
    sampled = {name: _chosen(rows, n, seed=seed) for name, rows in examples.items()}
    texts = {REAL: [e.context for e in against[REAL][:n]]} | {
        # Where pairs on real contexts alone are kept, there is no such context.
        name: [row.text for row in rows]
        for name, rows in written.items()
        if rows
    }
    questions = {name: [e.question for e in rows] for name, rows in sampled.items()}
    by_seed = _seeded(_chosen(read_table(seeds, QAExample), n, seed=seed), written)
    one_each = {name: one_a_context(rows, seed=seed) for name, rows in examples.items()}

    sizes = {"n_self_bleu": own.n_self_bleu, "seed": seed}
    measures = {
        "contexts": text_measures(texts, **sizes),
        "questions": text_measures(questions, **sizes),
        "question_words": {name: question_words(rows) for name, rows in sampled.items()},
        "answers": {name: answer_measures(rows) for name, rows in sampled.items()},
        "seed_questions": seed_measures(by_seed, _embeddings(by_seed, own)),
        "two_sample_auc": {
            "contexts": _aucs(
                {name: list(dict.fromkeys(rows)) for name, rows in texts.items()},
                {name: [e.context for e in rows] for name, rows in against.items()},
                own,
            ),
            "questions": _aucs(
                {name: [e.question for e in rows] for name, rows in one_each.items()},
                {name: [e.question for e in rows] for name, rows in against.items()},
                own,
            ),
        },
    }
    shown = chosen_pairs(
        examples[GENERATED],
        read_table(rejected, Rejection),
        seeds=read_table(seeds, QAExample),
        round_trip=read_table(round_trip, RoundTripAnswer),
        n=own.n_sampled_pairs,
        seed=seed,
    )
    write_metrics(quality, measures)
    write_table(sampled_pairs, shown, SampledPair)
    return _closing(measures)


def _chosen(rows: Sequence[Row], n: int, *, seed: int) -> list[Row]:
    by_id = {row.id: row for row in rows}
    return [by_id[id_] for id_ in choose(by_id, n, seed=seed)]


def _seeded(
    seeds: Sequence[QAExample], written: Mapping[str, Sequence[GeneratedContext]]
) -> dict[str, list[Seeded]]:
    """Return seed questions with their own contexts, with foreign ones, and with generated ones."""
    real = [(seed, seed.context) for seed in seeds]
    by_id = {seed.id: seed for seed in seeds}
    return {REAL: real, SHUFFLED: shuffled(real)} | {
        name: [(by_id[row.source_id], row.text) for row in rows if row.source_id in by_id]
        for name, rows in written.items()
    }


def _embeddings(
    by_seed: Mapping[str, Sequence[Seeded]], own: MeasureQuality
) -> "dict[str, NDArray[np.float32]]":
    settings = own.encoder.model_dump()
    batch_size = settings.pop("batch_size")
    encoder = TextEncoder.load(settings.pop("checkpoint"), **settings)
    texts = sorted(
        {part for rows in by_seed.values() for seed, text in rows for part in (seed.question, text)}
    )
    return dict(zip(texts, encoder.encode(texts, batch_size=batch_size), strict=True))


def _aucs(
    sets: Mapping[str, Sequence[str]], against: Mapping[str, Sequence[str]], own: MeasureQuality
) -> dict[str, dict[str, float | None]]:
    return two_sample_aucs(sets, against, n_sample=own.n_sample, n_folds=own.n_folds, seed=own.seed)


def _closing(measures: Mapping[str, Any]) -> str:
    seed_questions = measures["seed_questions"]
    similarity = ", ".join(
        f"{name} {row['similarity']:.2f}"
        for name, row in seed_questions.items()
        if row["similarity"] is not None
    )
    told = measures["two_sample_auc"]["questions"][REAL].get(KEPT)
    auc = "too few to say" if told is None else f"AUC {told:.2f}"
    return f"similarity to the seed question: {similarity}; kept against real questions: {auc}"


if __name__ == "__main__":
    run(measure_quality)
