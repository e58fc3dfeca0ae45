"""What may be trained on: training examples without test contexts and repeats, in three parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import DataError
from augqa.formats import UNANSWERABLE, Reading
from augqa.records import Cluster, QAExample, Rejection
from augqa.reserve import divide


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The training examples, parted.

    Attributes:
        pool: Those that may be trained on, in seeded order.
        seed_questions: The first of them, for which contexts are written.
        reserve: Those that controls alone see.
        dropped: One row for each other one, with the reason.
    """

    pool: list[QAExample]
    seed_questions: list[QAExample]
    reserve: list[QAExample]
    dropped: list[Rejection]


def part(
    train: Reading,
    test_sets: Mapping[str, Reading],
    *,
    train_file: Path,
    n_pool: int | None,
    n_seed_questions: int,
    n_reserve: int,
    seed: int,
) -> Parts:
    """Part the training examples into pool, seed questions and reserve.

    Args:
        train: The training set.
        test_sets: The test sets, by name: none of their contexts may be trained on.
        train_file: Where the training set is from, for messages.
        n_pool: Size of the pool; None: all that is left.
        n_seed_questions: How many contexts are written for.
        n_reserve: How many are set aside.
        seed: Seed of the order.

    Raises:
        DataError: If there are fewer than asked for.
    """
    test_contexts = {e.context_id: name for name, read in test_sets.items() for e in read.examples}
    keep, drop = without_repeats(train.examples, test_contexts)
    for key, wanted, n in (
        ("n_pool", n_pool, len(keep)),
        ("n_seed_questions", n_seed_questions, min(len(keep), n_pool or len(keep))),
    ):
        if wanted is not None and wanted > n:
            raise DataError(
                f"{train_file}: prepare.{key} is {wanted}, but only {n} training examples"
                f" are left to choose from. Lower prepare.{key} in params.yaml."
            )
    chosen = divide(keep, n_pool=n_pool, n_reserve=n_reserve, seed=seed)
    if n_seed_questions > len(chosen.pool):
        raise DataError(
            f"{train_file}: prepare.n_seed_questions is {n_seed_questions}, but the reserve"
            f" leaves a pool of {len(chosen.pool)}. Lower prepare.n_seed_questions or"
            " prepare.n_reserve in params.yaml."
        )
    drop += [Rejection(id=id_, reason="context_in_reserve") for id_ in chosen.beside_reserve]
    used = {*chosen.pool, *chosen.reserve, *chosen.beside_reserve}
    drop += [
        Rejection(id=id_, reason="not_chosen", detail=f"n_pool {n_pool}")
        for id_ in sorted(set(keep) - used)
    ]
    drop += train.dropped
    for name, read in test_sets.items():
        drop += [
            Rejection(id=row.id, reason=row.reason, detail=f"test set {name}: {row.detail}")
            for row in read.dropped
        ]
    pool = [keep[id_] for id_ in chosen.pool]
    return Parts(
        pool=pool,
        seed_questions=pool[:n_seed_questions],
        reserve=[keep[id_] for id_ in chosen.reserve],
        dropped=drop,
    )


def n_unanswerable(read: Mapping[str, Reading]) -> dict[str, int]:
    """Return how many questions of each set were dropped since they have no answer, by name.

    Sets without any are left out.
    """
    counts = {
        name: sum(row.reason == UNANSWERABLE for row in one.dropped) for name, one in read.items()
    }
    return {name: n for name, n in counts.items() if n}


def without_repeats(
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


def clusters_of(read: Reading) -> Iterator[Cluster]:
    """Yield the article of each example: by title, or the context where there is none."""
    for example in read.examples:
        article = read.titles.get(example.id, example.context_id)
        yield Cluster(id=example.id, context_id=example.context_id, article=article)
