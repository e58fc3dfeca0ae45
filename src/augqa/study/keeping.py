"""Scores of a study that are kept in git, question by question, to be read together again.

A kept study is a folder with ``questions.parquet`` (which questions were asked, of which article)
and ``scores/<recipe>-<seed>.parquet`` (a score a question, in the same order). It holds no text of
any test set. Runs may be added later, from another machine: the questions must be the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from augqa.errors import DataError
from augqa.evidence import QuestionSet, Scores, Study, study_of_runs
from augqa.study.reading import columns, question_set, read_scores
from augqa.tables import write_table
from augqa.test_sets import ReportedSet

QUESTIONS = "questions.parquet"
SCORES = "scores"

# The articles of a test set by name: whether a generated context mentions them.
Mentioned = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptQuestion:
    """A question that readers were asked.

    Attributes:
        test_set: Name of its set.
        id: Its id there.
        article: Number of its article; sets that share an article share its number.
        mentioned: Whether a generated context names the article; null where that was not looked at.
    """

    test_set: str
    id: str
    article: int
    mentioned: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptScore:
    """What a run scored on a question: the one in the same row of the questions.

    Attributes:
        exact_match: 100 or 0.
        f1: Token F1, from 0 to 100.
    """

    exact_match: float
    f1: float


def keep_scores(
    folder: Path,
    runs: Mapping[tuple[str, int], Path],
    clusters: Path,
    *,
    test_sets: Sequence[ReportedSet],
    mentioned: Mentioned,
) -> None:
    """Add runs to a kept study; one that it has already is written anew.

    Args:
        folder: The kept study.
        runs: Folder of scores of each run, a table a test set, by recipe and training seed.
        clusters: Articles of the questions, a table a test set.
        test_sets: In the order of every table.
        mentioned: Of each set; empty where it was not looked at.

    Raises:
        DataError: If the study was asked other questions, or a table cannot be read.
    """
    first = next(iter(runs.values()))
    sets = [
        question_set(entry, first / f"{entry.name}.parquet", clusters)
        for entry in test_sets
        if (first / f"{entry.name}.parquet").is_file()
    ]
    asked = list(_questions(sets, mentioned))
    path = folder / QUESTIONS
    if path.is_file():
        _same(path, asked)
    else:
        write_table(path, asked, KeptQuestion)
    for (recipe, seed), run in runs.items():
        scored = [_scores_of(run / f"{one.name}.parquet", one) for one in sets]
        rows = (
            KeptScore(exact_match=float(em), f1=float(f1))
            for of in scored
            for em, f1 in zip(of.exact_match, of.f1, strict=True)
        )
        write_table(scores_path(folder, recipe, seed), rows, KeptScore)


def scores_path(folder: Path, recipe: str, seed: int) -> Path:
    """Return where a kept study has the scores of a run."""
    return folder / SCORES / f"{recipe}-{seed}.parquet"


def kept_runs(
    folder: Path, recipes: Iterable[str], seeds: Sequence[int]
) -> dict[tuple[str, int], Path]:
    """Return the tables of those runs that a kept study has."""
    paths = {
        (recipe, seed): scores_path(folder, recipe, seed) for recipe in recipes for seed in seeds
    }
    return {run: path for run, path in paths.items() if path.is_file()}


def read_kept(
    folder: Path,
    *,
    recipes: Iterable[str],
    seeds: Sequence[int],
    test_sets: Sequence[ReportedSet],
) -> tuple[Study, dict[str, NDArray[np.bool_]]]:
    """Return a kept study, and which of its articles a generated context mentions.

    Args:
        folder: The kept study.
        recipes: To look for, in the order of every table.
        seeds: Training seeds to look for.
        test_sets: In the order of every table.

    Raises:
        DataError: If it has no run, or its tables do not belong together.
        EvidenceError: If a score is not from 0 to 100.
    """
    runs = kept_runs(folder, recipes, seeds)
    if not runs:
        raise DataError(
            f"{folder / SCORES}: no scores of a recipe and seed of its params.yaml. A study that an"
            " older version kept has none: run it again."
        )
    table = columns(folder / QUESTIONS, KeptQuestion)
    set_of = np.array(table["test_set"].to_pylist(), dtype=object)
    numbers = table["article"].to_numpy()
    found, mentioned = [], {}
    rows: dict[str, NDArray[np.int64]] = {}
    for entry in test_sets:
        rows[entry.name] = np.flatnonzero(set_of == entry.name)
        if not rows[entry.name].size:
            continue
        part = table.take(pa.array(rows[entry.name]))
        articles, places = np.unique(numbers[rows[entry.name]], return_inverse=True)
        found.append(
            QuestionSet(
                name=entry.name,
                role=entry.role,
                ids=part["id"].to_pylist(),
                clusters=places.astype(np.int64),
                articles=tuple(str(number) for number in articles),
            )
        )
        named = part["mentioned"].to_pylist()
        if None not in named:
            of_article = np.zeros(len(articles), dtype=np.bool_)
            of_article[places] = named
            mentioned[entry.name] = of_article

    def scored() -> Iterator[tuple[str, int, Mapping[str, Scores]]]:
        for (recipe, seed), path in runs.items():
            scores = columns(path, KeptScore)
            if len(scores) != len(table):
                raise DataError(
                    f"{path}: {len(scores):,} scores, but {folder / QUESTIONS} has"
                    f" {len(table):,} questions: they are of two studies"
                )
            exact_match, f1 = (scores[name].to_numpy() for name in ("exact_match", "f1"))
            yield (
                recipe,
                seed,
                {
                    one.name: Scores(
                        ids=one.ids,
                        exact_match=exact_match[rows[one.name]],
                        f1=f1[rows[one.name]],
                    )
                    for one in found
                },
            )

    return study_of_runs(found, scored()), mentioned


def _questions(sets: Sequence[QuestionSet], mentioned: Mentioned) -> Iterator[KeptQuestion]:
    # Numbers, not titles: these belong to the test sets. Equal titles get equal numbers.
    titles = dict.fromkeys(chain.from_iterable(one.articles for one in sets))
    number_of = {title: number for number, title in enumerate(titles)}
    for one in sets:
        named = mentioned.get(one.name)
        for id_, place in zip(one.ids, one.clusters.tolist(), strict=True):
            yield KeptQuestion(
                test_set=one.name,
                id=id_,
                article=number_of[one.articles[place]],
                mentioned=None if named is None else bool(named[place]),
            )


def _same(path: Path, asked: Sequence[KeptQuestion]) -> None:
    """Refuse to add scores of other questions."""
    kept = columns(path, KeptQuestion).to_pylist()
    known: dict[str, dict[str, Any]] = {}
    for row in kept:
        known.setdefault(row["test_set"], {})[row["id"]] = row["article"], row["mentioned"]
    here: dict[str, dict[str, Any]] = {}
    for one in asked:
        here.setdefault(one.test_set, {})[one.id] = one.article, one.mentioned
    for name in dict.fromkeys([*known, *here]):
        before, now = known.get(name, {}), here.get(name, {})
        if list(before) != list(now):
            raise DataError(
                f"{path}: of test set {name} it has {len(before):,} questions, here are"
                f" {len(now):,}, and they are not the same ones: scores on them cannot be compared."
                " Keep this run under another name."
            )
        if before != now:
            raise DataError(
                f"{path}: the articles of test set {name}, or which of them generated contexts"
                " name, are not those of this run. Keep it under another name."
            )


def _scores_of(path: Path, known: QuestionSet) -> Scores:
    scores = read_scores(path, known)
    if list(scores.ids) != list(known.ids):
        raise DataError(
            f"{path}: its questions are not those of the other runs. Run `augqa run evaluate`."
        )
    return scores
