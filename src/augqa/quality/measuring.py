"""Measure what was generated beside what is real, at each step of the way."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from augqa.embedding import TextEncoder
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.quality.comparison import (
    REAL,
    SHUFFLED,
    Seeded,
    answer_measures,
    one_a_context,
    question_words,
    seed_measures,
    shuffled,
    text_measures,
    two_sample_aucs,
)
from augqa.records import GeneratedContext, QAExample, context_id
from augqa.sampling import choose

# Not at run time: NumPy is to be loaded after augqa, which may hold it to one arithmetic.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GENERATED, KEPT = "generated", "kept"

Row = TypeVar("Row", QAExample, GeneratedContext)


def measure(
    examples: Mapping[str, Sequence[QAExample]],
    test_sets: Mapping[str, Sequence[QAExample]],
    contexts: Sequence[GeneratedContext],
    seed_questions: Sequence[QAExample],
    *,
    n_sample: int,
    n_self_bleu: int,
    n_folds: int,
    seed: int,
    encoder: Mapping[str, Any],
    executor: Executor = LOCAL,
) -> dict[str, Any]:
    """Return what metrics/quality.json holds.

    Args:
        examples: Examples of the pool (``real``), all pairs (``generated``) and kept ones.
        test_sets: Examples of each test set, by name.
        contexts: What the language model wrote, failures among them.
        seed_questions: What it wrote them for.
        n_sample: Most texts of a set that are measured.
        n_self_bleu: Texts that are compared with each other.
        n_folds: Of the cross-validation that tells two sets apart.
        seed: Of every choice.
        encoder: Checkpoint and settings of the sentence encoder.
        executor: Who embeds texts.
    """
    n = n_sample
    against = {REAL: one_a_context(examples[REAL], seed=seed)} | {
        name: one_a_context(rows, seed=seed) for name, rows in test_sets.items()
    }
    good = [row for row in contexts if row.failure is None]
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
    by_seed = _seeded(_chosen(seed_questions, n, seed=seed), written)
    one_each = {name: one_a_context(rows, seed=seed) for name, rows in examples.items()}

    sizes = {"n_self_bleu": n_self_bleu, "seed": seed}
    told = {"n_sample": n, "n_folds": n_folds, "seed": seed}
    return {
        "contexts": text_measures(texts, **sizes),
        "questions": text_measures(questions, **sizes),
        "question_words": {name: question_words(rows) for name, rows in sampled.items()},
        "answers": {name: answer_measures(rows) for name, rows in sampled.items()},
        "seed_questions": seed_measures(by_seed, _embeddings(by_seed, encoder, executor)),
        "two_sample_auc": {
            "contexts": two_sample_aucs(
                {name: list(dict.fromkeys(rows)) for name, rows in texts.items()},
                {name: [e.context for e in rows] for name, rows in against.items()},
                **told,
            ),
            "questions": two_sample_aucs(
                {name: [e.question for e in rows] for name, rows in one_each.items()},
                {name: [e.question for e in rows] for name, rows in against.items()},
                **told,
            ),
        },
    }


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
    by_seed: Mapping[str, Sequence[Seeded]], how: Mapping[str, Any], executor: Executor
) -> "dict[str, NDArray[np.float32]]":
    settings = dict(how)
    batch_size = settings.pop("batch_size")
    encoder = TextEncoder.load(
        settings.pop("checkpoint"), param="measure_quality.encoder.checkpoint", **settings
    )
    texts = sorted(
        {part for rows in by_seed.values() for seed, text in rows for part in (seed.question, text)}
    )
    embeddings = encoder.encode(texts, batch_size=batch_size, executor=executor)
    return dict(zip(texts, embeddings, strict=True))


def closing(measures: Mapping[str, Any]) -> str:
    """Return the closing line of the stage."""
    seed_questions = measures["seed_questions"]
    similarity = ", ".join(
        f"{name} {row['similarity']:.2f}"
        for name, row in seed_questions.items()
        if row["similarity"] is not None
    )
    told = measures["two_sample_auc"]["questions"][REAL].get(KEPT)
    auc = "too few to say" if told is None else f"AUC {told:.2f}"
    return f"similarity to the seed question: {similarity}; kept against real questions: {auc}"
