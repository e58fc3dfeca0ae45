"""What metrics/quality.json says: four scores first, then pictures, then tables.

No point stands without its interval: a mean has that of Student's t, a fraction Wilson's (1927,
Journal of the American Statistical Association 22). An area under the ROC curve has Wilson's of as
many trials as the smaller side has texts: its variance is at most A (1 - A) / min(m, n), whatever
the scores (Birnbaum and Klose 1957, Annals of Mathematical Statistics 28).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from augqa.evidence.contrast import ALPHA, t_quantile
from augqa.metrics import Metrics
from augqa.report.results import needed

NONE = "–"
_WHERE = "quality"
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
    tables: tuple["QualityTable", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityTable:
    """One table.

    Attributes:
        title: What is measured.
        columns: The sets.
        rows: For each measure its name and one cell a set.
        note: How to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    note: str


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
    seeded = needed(metrics, "seed_questions", _WHERE)
    questions = needed(needed(metrics, "questions", _WHERE), "sets", _WHERE)
    aucs = needed(needed(metrics, "two_sample_auc", _WHERE), "questions", _WHERE)
    told = needed(aucs, "real", _WHERE)
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
                if row["similarity"] is not None
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
                for name in _SETS
                if told.get(name) is not None
            ),
        ),
    ]


def quality_pictures(metrics: Metrics) -> list[QualityPicture]:
    """Return question words, lengths of answers and their places, set beside set.

    Raises:
        DataError: If a part is missing.
    """
    answers = needed(metrics, "answers", _WHERE)
    counts = {name: row["n"] for name, row in _rows(answers)}
    asked = needed(metrics, "question_words", _WHERE)
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
                for label in _lengths(answers[_first(answers)]["words"])
            },
            counts,
        ),
        _picture(
            "Where in its context the answer begins",
            {
                f"{place} fifth": {n: answers[n]["position"][k] for n in counts}
                for k, place in enumerate(_FIFTHS)
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
    return [(name, sets[name]) for name in _in_order(sets)]


def _first(sets: Mapping[str, Any]) -> str:
    return _in_order(sets)[0]


def _share(asked: Mapping[str, Any], word: str) -> float:
    return -float(asked[_first(asked)][word])


def _lengths(labels: Mapping[str, float]) -> list[str]:
    return sorted(labels, key=lambda label: int(label.removeprefix("over ").split()[0]))


def quality_tables(metrics: Metrics) -> list[QualityTable]:
    """Return the tables of the page.

    Raises:
        DataError: If a part is missing.
    """
    aucs = needed(metrics, "two_sample_auc", _WHERE)
    return [
        _seed_questions(needed(metrics, "seed_questions", _WHERE)),
        _texts("Contexts", needed(metrics, "contexts", _WHERE)),
        _texts("Questions", needed(metrics, "questions", _WHERE)),
        _question_words(needed(metrics, "question_words", _WHERE)),
        _answers(needed(metrics, "answers", _WHERE)),
        *(_aucs(kind, needed(aucs, kind, _WHERE)) for kind in ("contexts", "questions")),
    ]


def _seed_questions(sets: Metrics) -> QualityTable:
    names = _in_order(sets)
    return _table(
        "Contexts and their seed questions",
        names,
        {
            "Contexts": [_count(sets[name]["n"]) for name in names],
            "Similarity to the seed question": [_number(sets[n]["similarity"], 2) for n in names],
            "… standard deviation": [_number(sets[n]["similarity_std"], 2) for n in names],
            "Contexts that hold a seed answer": [
                _percent(sets[n]["seed_answer_fraction"]) for n in names
            ],
        },
        "Cosine of embeddings. Real contexts, each with its own question and with a foreign one"
        " (shuffled), are the yardsticks of generated ones. A context without the seed’s answer"
        " was made up, or answers in other words.",
    )


def _texts(title: str, measured: Metrics) -> QualityTable:
    sets = needed(measured, "sets", _WHERE)
    names = _in_order(sets)
    n_words = f"{measured['n_words_compared']:,} words"

    def row(key: str, shown: Callable[[Any], str]) -> list[str]:
        return [shown(sets[name][key]) for name in names]

    return _table(
        title,
        names,
        {
            "Texts": row("n", _count),
            "Words": row("mean_words", lambda value: _number(value, 1)),
            f"Distinct words in {n_words}": row("distinct_1", _percent),
            f"Distinct word pairs in {n_words}": row("distinct_2", _percent),
            "Self-BLEU": row("self_bleu", lambda value: _number(value, 1)),
            "Reading ease": row("reading_ease", lambda value: _number(value, 1)),
            "Repeated": row("duplicate_fraction", _percent),
            "Repeated or nearly": row("near_duplicate_fraction", _percent),
        },
        f"Self-BLEU over {measured['n_self_bleu']} texts of each set: 100 where all say the same."
        " Reading ease by Flesch: 100 is very easy, below 30 very hard.",
    )


def _question_words(sets: Metrics) -> QualityTable:
    names = _in_order(sets)
    asked = needed(sets, names[0], _WHERE)
    by_share = sorted((word for word in asked if word != "other"), key=lambda w: -asked[w])
    return _table(
        "Question words",
        names,
        {word: [_percent(sets[n][word]) for n in names] for word in [*by_share, "other"]},
        "The first one of a question counts.",
    )


def _answers(sets: Metrics) -> QualityTable:
    names = _in_order(sets)
    lengths = _lengths(sets[names[0]]["words"])
    rows = {"Words": [_number(sets[n]["mean_words"], 1) for n in names]}
    for label in lengths:
        unit = "word" if label == "1" else "words"
        rows[f"{label} {unit}"] = [_percent(sets[n]["words"][label]) for n in names]
    for number, fifth in enumerate(_FIFTHS):
        rows[f"In the {fifth} fifth of its context"] = [
            _percent(sets[n]["position"][number]) for n in names
        ]
    return _table("Answers", names, rows, "Length, and where in its context an answer begins.")


def _aucs(kind: str, against: Metrics) -> QualityTable:
    names = [name for name in _SETS if any(name in row for row in against.values())]
    rows = {
        f"{other} ({row['n']:,} texts each)": [
            NONE if row.get(name) is None else _number(row[name], 2) for name in names
        ]
        for other, row in sorted(against.items(), key=lambda item: _place(item[0]))
    }
    return _table(
        f"How well a classifier tells {kind} apart",
        names,
        rows,
        "Cross-validated area under the ROC curve: 0.5 not at all, 1 always. Generated data moves"
        " towards a shift where its number in that row is below that of real data. – where there"
        " are fewer texts than folds; few texts make a number uncertain (docs/data.md).",
    )


_FIFTHS = ("first", "second", "third", "fourth", "last")
# In the order of every table; what is not here keeps its place behind them.
_SETS = ("real", "shuffled", "generated", "kept")
_ORDER = (*_SETS, "squad", "new_wiki", "nyt", "amazon", "reddit")


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _in_order(sets: Mapping[str, Any]) -> list[str]:
    return sorted(sets, key=_place)


def _table(
    title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]], note: str
) -> QualityTable:
    return QualityTable(
        title=title,
        columns=tuple(columns),
        rows=tuple((label, tuple(cells)) for label, cells in rows.items()),
        note=note,
    )


def _count(value: int) -> str:
    return f"{value:,}"


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.0f} %"
