"""What metrics/quality.json says: four scores, then pictures, each with its intervals.

No point stands without its interval: a mean has that of Student's t, a fraction Wilson's (1927,
Journal of the American Statistical Association 22). An area under the ROC curve has Wilson's of as
many trials as the smaller side has texts: its variance is at most A (1 - A) / min(m, n), whatever
the scores (Birnbaum and Klose 1957, Annals of Mathematical Statistics 28).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from augqa.evidence.contrast import ALPHA, t_quantile
from augqa.metrics import Metrics
from augqa.report.quality_tables import (
    FIFTHS,
    SETS,
    WHERE,
    QualityTable,
    in_order,
    lengths_in_order,
    quality_tables,
)
from augqa.report.results import needed

_Z = 1.959964  # two-sided 95 % of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityMark:
    """A measure of one set.

    Attributes:
        name: The set: ``real``, ``shuffled``, ``generated`` or ``kept``.
        value: The measure, 0 to 100, on the axis of its figure.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Texts or questions that it rests on.
        words: The measure as text.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityScore:
    """One of the four scores.

    Attributes:
        title: What it tells, in a few words.
        measure: How it was measured.
        ends: What the two ends of the axis mean.
        marks: The sets that were measured; may be empty.
    """

    title: str
    measure: str
    ends: tuple[str, str]
    marks: tuple[QualityMark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPicture:
    """A distribution, set beside set.

    Attributes:
        title: Of what.
        rows: For each value its name and one mark a set.
        counts: Questions of each set.
        widest: The largest upper end: where the axis ends.
    """

    title: str
    rows: tuple[tuple[str, tuple[QualityMark, ...]], ...]
    counts: Mapping[str, int]
    widest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """All that the page shows of generated data beside real data."""

    scores: tuple[QualityScore, ...]
    pictures: tuple[QualityPicture, ...]
    tables: tuple[QualityTable, ...]


def quality_of(metrics: Metrics) -> Quality:
    """Return scores, pictures and tables.

    Raises:
        DataError: If a part is missing.
    """
    return Quality(
        scores=tuple(quality_scores(metrics)),
        pictures=tuple(quality_pictures(metrics)),
        tables=tuple(quality_tables(metrics)),
    )


def wilson(fraction: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a fraction of n trials; all of 0 to 1 without a trial."""
    if n == 0:
        return 0.0, 1.0
    middle = (fraction + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(fraction * (1 - fraction) / n + _Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def of_mean(mean: float, std: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a mean by Student's t; without end for a single value.

    Args:
        mean: The mean.
        std: Standard deviation of the n values themselves, not of a larger population.
        n: How many there are.
    """
    if n < 2:
        return -float("inf"), float("inf")
    half = t_quantile(1 - ALPHA / 2, n - 1) * std / sqrt(n - 1)
    return mean - half, mean + half


def quality_scores(metrics: Metrics) -> list[QualityScore]:
    """Return the four scores: on topic, holds the fact, varied, like real data.

    Raises:
        DataError: If a part is missing.
    """
    seeded = needed(metrics, "seed_questions", WHERE)
    questions = needed(needed(metrics, "questions", WHERE), "sets", WHERE)
    aucs = needed(needed(metrics, "two_sample_auc", WHERE), "questions", WHERE)
    told = needed(aucs, "real", WHERE)
    return [
        QualityScore(
            title="On topic",
            measure="similarity of a context to its seed question (cosine of embeddings)",
            ends=("0: about anything", "1: the same words"),
            marks=tuple(
                _mark(
                    name,
                    row["similarity"],
                    of_mean(row["similarity"], row["similarity_std"], row["n"]),
                    row["n"],
                    words=f"{row['similarity']:.2f}",
                )
                for name, row in _rows(seeded)
                if row["similarity"] is not None and row["similarity_std"] is not None
            ),
        ),
        QualityScore(
            title="Holds the fact",
            measure="contexts that hold an answer to their seed question",
            ends=("none", "all"),
            marks=tuple(
                _fraction(name, row["seed_answer_fraction"], row["n"])
                for name, row in _rows(seeded)
                if row["seed_answer_fraction"] is not None
            ),
        ),
        QualityScore(
            title="Varied",
            measure="questions that repeat no earlier one, nor nearly",
            ends=("all repeat", "none repeats"),
            marks=tuple(
                _fraction(name, 1 - row["near_duplicate_fraction"], row["n"])
                for name, row in _rows(questions)
            ),
        ),
        QualityScore(
            title="Like real data",
            measure="how well a classifier tells questions from real ones (area under the ROC"
            " curve)",
            ends=("0.5 or less: not at all", "1: always"),
            marks=tuple(
                _mark(
                    name,
                    2 * told[name] - 1,
                    tuple(2 * end - 1 for end in wilson(told[name], told["n"])),
                    told["n"],
                    words=f"{told[name]:.2f}",
                )
                for name in SETS
                if told.get(name) is not None
            ),
        ),
    ]


def quality_pictures(metrics: Metrics) -> list[QualityPicture]:
    """Return question words, lengths of answers and their places, set beside set.

    Raises:
        DataError: If a part is missing.
    """
    answers = needed(metrics, "answers", WHERE)
    counts = {name: row["n"] for name, row in _rows(answers)}
    asked = needed(metrics, "question_words", WHERE)
    words = sorted(
        (w for w in asked[_first(asked)] if w != "other"), key=lambda w: _share(asked, w)
    )
    return [
        _picture(
            "First question word",
            {word: {n: asked[n][word] for n in counts} for word in [*words, "other"]},
            counts,
        ),
        _picture(
            "Words of the answer",
            {
                label: {n: answers[n]["words"][label] for n in counts}
                for label in lengths_in_order(answers[_first(answers)]["words"])
            },
            counts,
        ),
        _picture(
            "Where in its context the answer begins",
            {
                f"{place} fifth": {n: answers[n]["position"][k] for n in counts}
                for k, place in enumerate(FIFTHS)
            },
            counts,
        ),
    ]


def _picture(
    title: str, rows: Mapping[str, Mapping[str, float]], counts: Mapping[str, int]
) -> QualityPicture:
    made = tuple(
        (label, tuple(_fraction(name, row[name], counts[name]) for name in counts))
        for label, row in rows.items()
    )
    highs = [mark.high for _, marks in made for mark in marks]
    return QualityPicture(title=title, rows=made, counts=counts, widest=max([*highs, 1.0]))


def _fraction(name: str, fraction: float, n: int) -> QualityMark:
    return _mark(name, fraction, wilson(fraction, n), n, words=f"{100 * fraction:.0f} %")


def _mark(name: str, value: float, ends: Sequence[float], n: int, *, words: str) -> QualityMark:
    low, high = ends
    return QualityMark(
        name=name,
        value=_on_axis(value),
        low=_on_axis(low),
        high=_on_axis(high),
        n=n,
        words=words,
    )


def _on_axis(value: float) -> float:
    return round(100 * min(1.0, max(0.0, value)), 2)


def _rows(sets: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, sets[name]) for name in in_order(sets)]


def _first(sets: Mapping[str, Any]) -> str:
    return in_order(sets)[0]


def _share(asked: Mapping[str, Any], word: str) -> float:
    return -float(asked[_first(asked)][word])
