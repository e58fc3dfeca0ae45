"""Read the raw files into tables; choose the pool, the seed questions and the reserve."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from augqa.drift import profile as profile_of
from augqa.errors import DataError
from augqa.formats import Reading, read_examples
from augqa.metrics import read_metrics, write_metrics
from augqa.params import load_params
from augqa.records import Cluster, GoldTexts, QAExample, Rejection
from augqa.reserve import divide
from augqa.stage import Input, Output, run
from augqa.tables import write_table


def prepare(
    raw: Input,
    pool: Output,
    seed_questions: Output,
    reserve: Output,
    test: Output,
    clusters: Output,
    dropped: Output,
    profile: Output,
    metrics: Output,
) -> str:
    """Write pool, profile, seed questions, reserve, test sets and what was dropped."""
    params = load_params()
    own = params.prepare
    manifest = read_metrics(raw / "manifest.json")
    read_as_asked = partial(
        read_examples, repair=params.data.repair, unanswerable=params.data.unanswerable
    )

    sets = {
        name: read_as_asked(_raw_file(raw, manifest, name), starts_matter=False)
        for name in manifest["test_sets"]
        if name not in manifest["not_available"]
    }
    for name, read in sets.items():
        write_table(test / f"{name}.parquet", read.examples, QAExample)
        write_table(clusters / f"{name}.parquet", _clusters(read), Cluster)
        if read.texts:
            texts = [GoldTexts(id=id_, texts=found) for id_, found in read.texts.items()]
            write_table(test / "golds" / f"{name}.parquet", texts, GoldTexts)
    # So that a set that is not there is named by whoever goes over those that are.
    write_metrics(test / "sets.json", {"not_available": manifest["not_available"]})
    test_contexts = {e.context_id: name for name, read in sets.items() for e in read.examples}

    train_file = _raw_file(raw, manifest, "train")
    train = read_as_asked(train_file)
    keep, drop = _without_repeats(train.examples, test_contexts)
    for key, wanted, n in (
        ("n_pool", own.n_pool, len(keep)),
        ("n_seed_questions", own.n_seed_questions, min(len(keep), own.n_pool or len(keep))),
    ):
        if wanted is not None and wanted > n:
            raise DataError(
                f"{train_file}: prepare.{key} is {wanted}, but only {n} training examples"
                f" are left to choose from. Lower prepare.{key} in params.yaml."
            )
    chosen = divide(keep, n_pool=own.n_pool, n_reserve=own.n_reserve, seed=own.seed)
    if own.n_seed_questions > len(chosen.pool):
        raise DataError(
            f"{train_file}: prepare.n_seed_questions is {own.n_seed_questions}, but the reserve"
            f" leaves a pool of {len(chosen.pool)}. Lower prepare.n_seed_questions or"
            " prepare.n_reserve in params.yaml."
        )
    drop += [Rejection(id=id_, reason="context_in_reserve") for id_ in chosen.beside_reserve]
    used = {*chosen.pool, *chosen.reserve, *chosen.beside_reserve}
    drop += [
        Rejection(id=id_, reason="not_chosen", detail=f"n_pool {own.n_pool}")
        for id_ in sorted(set(keep) - used)
    ]
    drop += train.dropped
    for name, read in sets.items():
        drop += [
            Rejection(id=row.id, reason=row.reason, detail=f"test set {name}: {row.detail}")
            for row in read.dropped
        ]

    write_table(pool, [keep[id_] for id_ in chosen.pool], QAExample)
    write_metrics(profile, profile_of(keep[id_] for id_ in chosen.pool))
    write_table(
        seed_questions, [keep[id_] for id_ in chosen.pool[: own.n_seed_questions]], QAExample
    )
    write_table(reserve, [keep[id_] for id_ in chosen.reserve], QAExample)
    write_table(dropped, drop, Rejection)
    everything = {"train": train, **sets}
    repaired = {name: read.repaired for name, read in everything.items() if read.repaired}
    write_metrics(
        metrics,
        {
            "content": {name: manifest["sets"][name]["content"] for name in everything},
            "n_train": train.n_rows,
            "n_pool": len(chosen.pool),
            "n_seed_questions": own.n_seed_questions,
            "n_reserve": len(chosen.reserve),
            "n_dropped": Counter(row.reason for row in drop),
            "n_repaired": repaired,
            "test": {name: len(read.examples) for name, read in sets.items()},
            "not_available": manifest["not_available"],
        },
    )
    n_questions = sum(len(read.examples) for read in sets.values())
    n_repaired = sum(sum(counts.values()) for counts in repaired.values())
    return (
        f"{len(chosen.pool)} of {train.n_rows} training examples,"
        f" {own.n_seed_questions} seed questions,"
        + (f" {len(chosen.reserve)} in reserve," if chosen.reserve else "")
        + f" {n_questions} test questions in {len(sets)} sets"
        + (f"; {n_repaired} answers repaired" if n_repaired else "")
    )


def _raw_file(raw: Path, manifest: dict[str, Any], name: str) -> Path:
    return raw / str(manifest["sets"][name]["file"])


def _without_repeats(
    train: Iterable[QAExample], test_contexts: dict[str, str]
) -> tuple[dict[str, QAExample], list[Rejection]]:
    """Return what may be trained on by id, and what not: test contexts, repeated questions."""
    keep: dict[str, QAExample] = {}
    drop: list[Rejection] = []
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
    return keep, drop


def _clusters(read: Reading) -> Iterable[Cluster]:
    for example in read.examples:
        article = read.titles.get(example.id, example.context_id)
        yield Cluster(id=example.id, context_id=example.context_id, article=article)


if __name__ == "__main__":
    run(prepare)
