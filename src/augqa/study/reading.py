"""Scores and articles from files, run by run: nothing is scored again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from augqa.errors import DataError
from augqa.evidence import QuestionSet, Scores, Study, study_of_runs
from augqa.records import Cluster, QuestionScore
from augqa.tables import read_arrow, schema
from augqa.test_sets import ReportedSet


def run_folder(predictions: Path, recipe: str, seed: int) -> Path:
    """Return where the scores of a run lie."""
    return predictions / f"{recipe}-{seed}" / "scores"


def read_study(
    predictions: Path,
    clusters: Path,
    *,
    recipes: Iterable[str],
    seeds: Sequence[int],
    test_sets: Sequence[ReportedSet],
) -> Study:
    """Return the study of all runs that have scores; the others are missing from it.

    Args:
        predictions: Folder of the runs, each with a table of scores a test set.
        clusters: Folder of the articles of the questions, a table a test set.
        recipes: To look for, in the order of every table.
        seeds: Training seeds to look for.
        test_sets: In the order of every table; those without scores are not available.

    Raises:
        DataError: If no run has scores, a table cannot be read, or a question has no article.
        EvidenceError: If runs were measured on other sets or questions than each other.
    """
    folders = {
        (recipe, seed): folder
        for recipe in recipes
        for seed in seeds
        if (folder := run_folder(predictions, recipe, seed)).is_dir()
    }
    if not folders:
        raise DataError(f"{predictions}: no run has scores there. Run `augqa run evaluate`.")
    return study_of(folders, clusters, test_sets=test_sets)


def study_of(
    folders: Mapping[tuple[str, int], Path], clusters: Path, *, test_sets: Sequence[ReportedSet]
) -> Study:
    """Return the study of the runs in `folders`, by recipe and training seed."""
    first = next(iter(folders.values()))
    sets = [
        question_set(entry, first / f"{entry.name}.parquet", clusters)
        for entry in test_sets
        if (first / f"{entry.name}.parquet").is_file()
    ]
    known = {one.name: one for one in sets}

    def runs() -> Iterator[tuple[str, int, Mapping[str, Scores]]]:
        for (recipe, seed), folder in folders.items():
            found = {path.stem: path for path in sorted(folder.glob("*.parquet"))}
            yield (
                recipe,
                seed,
                {name: read_scores(path, known.get(name)) for name, path in found.items()},
            )

    return study_of_runs(sets, runs())


def question_set(entry: ReportedSet, scores: Path, clusters: Path) -> QuestionSet:
    """Return the questions that were asked of a set, with their articles.

    Raises:
        DataError: If a question has no article.
    """
    ids = columns(scores, QuestionScore)["id"].to_pylist()
    path = clusters / f"{entry.name}.parquet"
    table = columns(path, Cluster)
    article_of = dict(zip(table["id"].to_pylist(), table["article"].to_pylist(), strict=True))
    lost = next((id_ for id_ in ids if id_ not in article_of), None)
    if lost is not None:
        raise DataError(
            f"{path}: no article for question {lost!r} of {scores}: they are of two runs of"
            " prepare. Run `augqa run`."
        )
    places: dict[str, int] = {}
    of_question = [places.setdefault(article_of[id_], len(places)) for id_ in ids]
    return QuestionSet(
        name=entry.name,
        role=entry.role,
        ids=ids,
        clusters=np.array(of_question, dtype=np.int64),
        articles=tuple(places),
    )


def read_scores(path: Path, known: QuestionSet | None = None) -> Scores:
    """Return the scores of a run on a set; those of `known` questions share its ids."""
    table = columns(path, QuestionScore)
    ids = table["id"].to_pylist()
    return Scores(
        ids=known.ids if known is not None and ids == known.ids else ids,
        exact_match=table["exact_match"].to_numpy(),
        f1=table["f1"].to_numpy(),
    )


def mentioned_articles(
    study: Study, texts: Iterable[str]
) -> dict[str, np.typing.NDArray[np.bool_]]:
    """Return for each set whether the title of each article occurs in one of the texts.

    As whole words, whatever their case; "_" in a title is a space. Titles that are ids of contexts,
    since the set has none, occur nowhere.
    """
    everything = f" {' '.join(_plain(text) for text in texts)} "
    return {
        name: np.array([f" {_plain(title)} " in everything for title in articles.names])
        for name, articles in study.sets.items()
        if articles.names
    }


def _plain(text: str) -> str:
    """Return the words of a text, with one space between them."""
    return " ".join("".join(char if char.isalnum() else " " for char in text.casefold()).split())


def columns(path: Path, record: type) -> pa.Table:
    """Return a table as columns.

    Raises:
        DataError: If it cannot be read, or is of other columns than those of `record`.
    """
    table = read_arrow(path)
    if not table.schema.equals(schema(record), check_metadata=False):
        raise DataError(
            f"{path}: not a table of {record.__name__}: its columns are {table.schema.names}. Run"
            " `augqa run` to make it again."
        )
    return table
