"""Raw files as sets; what may be trained on, in three parts, without test contexts and repeats."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.formats import UNANSWERABLE, Reading, Unanswerable, read_examples
from augqa.metrics import read_metrics, write_metrics
from augqa.overlap import HeldOutTexts, NearTest
from augqa.records import Cluster, GoldTexts, QAExample, Rejection
from augqa.reserve import divide
from augqa.tables import write_table


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSets:
    """What a manifest of raw files names, read.

    Attributes:
        train: The training set.
        train_file: Where it is from, for messages.
        test: The test sets that there are, by name.
        content: What each set, `train` among them, holds: a checksum or a hub name.
        commits: The commit of the hub that a set was loaded at, where it is from there.
        not_available: Names of test sets whose file is absent.
    """

    train: Reading
    train_file: Path
    test: Mapping[str, Reading]
    content: Mapping[str, Any]
    commits: Mapping[str, str]
    not_available: Sequence[str]

    @property
    def all(self) -> dict[str, Reading]:
        """Return every set by name."""
        return {"train": self.train, **self.test}

    @property
    def n_test_questions(self) -> dict[str, int]:
        """Return the number of questions by test set."""
        return {name: len(read.examples) for name, read in self.test.items()}

    @property
    def repaired(self) -> dict[str, Mapping[str, int]]:
        """Return, by set, how many answers were mended in which way."""
        return {name: read.repaired for name, read in self.all.items() if read.repaired}


def read_raw(raw: Path, *, repair: bool, unanswerable: Unanswerable) -> RawSets:
    """Read every set of a folder of raw files.

    Args:
        raw: The folder, with manifest.json.
        repair: Whether to mend answers that are not where their offset says.
        unanswerable: `refuse` or `drop`.

    Raises:
        DataError: If a file is not what it should be.
    """
    manifest = read_metrics(raw / "manifest.json")
    missing = manifest["not_available"]
    names = [name for name in manifest["test_sets"] if name not in missing]
    files = {name: raw / str(manifest["sets"][name]["file"]) for name in ("train", *names)}
    test = {
        name: read_examples(
            files[name], repair=repair, unanswerable=unanswerable, starts_matter=False
        )
        for name in names
    }
    return RawSets(
        train=read_examples(files["train"], repair=repair, unanswerable=unanswerable),
        train_file=files["train"],
        test=test,
        content={name: manifest["sets"][name]["content"] for name in files},
        commits={
            name: manifest["sets"][name]["commit"]
            for name in files
            if "commit" in manifest["sets"][name]
        },
        not_available=missing,
    )


def write_test_sets(sets: RawSets, *, test: Path, clusters: Path) -> None:
    """Write the tables of the test sets, their further gold texts and articles, and which lack."""
    for name, read in sets.test.items():
        write_table(test / f"{name}.parquet", read.examples, QAExample)
        write_table(clusters / f"{name}.parquet", clusters_of(read), Cluster)
        if read.texts:
            texts = [GoldTexts(id=id_, texts=found) for id_, found in read.texts.items()]
            write_table(test / "golds" / f"{name}.parquet", texts, GoldTexts)
    # What whoever goes over the sets cannot see in them.
    about = {"not_available": sets.not_available, "n_unanswerable": n_unanswerable(sets.test)}
    write_metrics(test / "sets.json", about)


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

    def as_metrics(self, sets: RawSets) -> dict[str, Any]:
        """Return the counts, beside those of the sets that the parts are of."""
        return {
            "content": sets.content,
            "commits": sets.commits,
            "n_train": sets.train.n_rows,
            "n_pool": len(self.pool),
            "n_seed_questions": len(self.seed_questions),
            "n_reserve": len(self.reserve),
            "n_dropped": Counter(row.reason for row in self.dropped),
            "n_unanswerable": n_unanswerable(sets.all),
            "n_repaired": sets.repaired,
            "test": sets.n_test_questions,
            "not_available": sets.not_available,
        }

    def closing(self, sets: RawSets) -> str:
        """Return the counts in one line."""
        n_repaired = sum(sum(counts.values()) for counts in sets.repaired.values())
        return (
            f"{len(self.pool)} of {sets.train.n_rows} training examples,"
            f" {len(self.seed_questions)} seed questions,"
            + (f" {len(self.reserve)} in reserve," if self.reserve else "")
            + f" {sum(sets.n_test_questions.values())} test questions in {len(sets.test)} sets"
            + (f"; {n_repaired} answers repaired" if n_repaired else "")
        )


def part(
    train: Reading,
    test_sets: Mapping[str, Reading],
    *,
    train_file: Path,
    n_pool: int | None,
    n_seed_questions: int,
    n_reserve: int,
    seed: int,
    max_test_overlap_fraction: float | None = None,
    test_overlap_words: int = 8,
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
        max_test_overlap_fraction: Largest share of the n-grams of a context or question that may
            stand in a test set, 0 to 1; None: only a context that is one of a test set is left out.
        test_overlap_words: Length of these n-grams.

    Raises:
        DataError: If there are fewer than asked for.
    """
    test_contexts = {e.context_id: name for name, read in test_sets.items() for e in read.examples}
    near = None
    if max_test_overlap_fraction is not None:
        asked = (example for read in test_sets.values() for example in read.examples)
        near = NearTest(
            HeldOutTexts.of(asked, n_words=test_overlap_words), most=max_test_overlap_fraction
        )
    keep, drop = without_repeats(train.examples, test_contexts, near)
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
    train: Iterable[QAExample], test_contexts: dict[str, str], near: NearTest | None = None
) -> tuple[dict[str, QAExample], list[Rejection]]:
    """Return what may be trained on by id, and what not: test contexts, repeated questions.

    Args:
        train: The training examples.
        test_contexts: Names of the test sets by the ids of their contexts.
        near: Tells what nearly stands in a test set; None: nobody does.
    """
    keep: dict[str, QAExample] = {}
    drop: list[Rejection] = []
    seen = set()
    for example in train:
        question = (example.context_id, example.question)
        if example.context_id in test_contexts:
            # What a reader has been trained on must not measure it.
            set_name = test_contexts[example.context_id]
            drop.append(Rejection(id=example.id, reason="context_in_test_set", detail=set_name))
        elif near is not None and (why := near.rejection(example)) is not None:
            drop.append(why)
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
