"""Read the raw files into tables; choose the pool and the seed questions."""

from collections import Counter

from augqa.drift import profile as profile_of
from augqa.errors import DataError
from augqa.metrics import read_metrics, write_metrics
from augqa.params import load_params
from augqa.records import TEST_SETS, QAExample, Rejection
from augqa.sampling import choose
from augqa.squad import read_squad
from augqa.stage import Input, Output, run
from augqa.tables import write_table


def prepare(
    raw: Input,
    pool: Output,
    seeds: Output,
    test: Output,
    dropped: Output,
    profile: Output,
    metrics: Output,
) -> str:
    """Write the pool and its profile, the seeds in it, each test set, and what was dropped."""
    params = load_params().prepare
    manifest = read_metrics(raw / "manifest.json")

    n_questions = {}
    test_contexts: dict[str, str] = {}
    for name in TEST_SETS:
        if name in manifest["not_available"]:
            continue
        examples = read_squad(raw / f"{name}.json")
        write_table(test / f"{name}.parquet", examples, QAExample)
        n_questions[name] = len(examples)
        test_contexts.update(dict.fromkeys((e.context_id for e in examples), name))

    train = read_squad(raw / "train.json")
    keep, drop = {}, []
    seen = set()
    for example in train:
        question = (example.context_id, example.question)
        if example.context_id in test_contexts:
            # What a reader has been trained on must not measure it.
            set_name = test_contexts[example.context_id]
            drop.append(Rejection(id=example.id, reason="context_in_test_set", detail=set_name))
        elif question in seen:
            drop.append(Rejection(id=example.id, reason="repeated_question"))
        else:
            keep[example.id] = example
            seen.add(question)

    for key, wanted, n in (
        ("n_pool", params.n_pool, len(keep)),
        ("n_seeds", params.n_seeds, min(len(keep), params.n_pool or len(keep))),
    ):
        if wanted is not None and wanted > n:
            raise DataError(
                f"{raw / 'train.json'}: prepare.{key} is {wanted}, but only {n} training examples"
                f" are left to choose from. Lower prepare.{key} in params.yaml."
            )
    pool_ids = choose(keep, params.n_pool, seed=params.seed)
    drop += [
        Rejection(id=id_, reason="not_chosen", detail=f"n_pool {params.n_pool}")
        for id_ in sorted(set(keep) - set(pool_ids))
    ]
    write_table(pool, [keep[id_] for id_ in pool_ids], QAExample)
    write_metrics(profile, profile_of(keep[id_] for id_ in pool_ids))
    write_table(seeds, [keep[id_] for id_ in pool_ids[: params.n_seeds]], QAExample)
    write_table(dropped, drop, Rejection)
    write_metrics(
        metrics,
        {
            "source": manifest["source"],
            "n_train": len(train),
            "n_pool": len(pool_ids),
            "n_seeds": params.n_seeds,
            "n_dropped": Counter(row.reason for row in drop),
            "test": n_questions,
            "not_available": manifest["not_available"],
        },
    )
    return (
        f"{len(pool_ids)} of {len(train)} training examples, {params.n_seeds} seeds,"
        f" {sum(n_questions.values())} test questions in {len(n_questions)} sets"
    )


if __name__ == "__main__":
    run(prepare)
