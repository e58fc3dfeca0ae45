"""The tables of generated data beside real data, and the order of sets in all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augqa.metrics import Metrics
from augqa.report.results import needed

NONE = "–"
WHERE = "quality"
FIFTHS = ("first", "second", "third", "fourth", "last")
# In the order of every table; what is not here keeps its place behind them.
SETS = ("real", "shuffled", "generated", "kept")
_ORDER = (*SETS, "squad", "new_wiki", "nyt", "amazon", "reddit")


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


def quality_tables(metrics: Metrics) -> list[QualityTable]:
    """Return the tables of the page.

    Raises:
        DataError: If a part is missing.
    """
    aucs = needed(metrics, "two_sample_auc", WHERE)
    return [
        _seed_questions(needed(metrics, "seed_questions", WHERE)),
        _texts("Contexts", needed(metrics, "contexts", WHERE)),
        _texts("Questions", needed(metrics, "questions", WHERE)),
        _question_words(needed(metrics, "question_words", WHERE)),
        _answers(needed(metrics, "answers", WHERE)),
        *(_aucs(kind, needed(aucs, kind, WHERE)) for kind in ("contexts", "questions")),
    ]


def in_order(sets: Mapping[str, Any]) -> list[str]:
    """Return the names of the sets in the order of every table."""
    return sorted(sets, key=_place)


def lengths_in_order(labels: Mapping[str, float]) -> list[str]:
    """Return the labels of lengths, shortest first; ``over 5`` stands behind ``5``."""
    return sorted(labels, key=lambda label: int(label.removeprefix("over ").split()[0]))


def _seed_questions(sets: Metrics) -> QualityTable:
    names = in_order(sets)
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
    sets = needed(measured, "sets", WHERE)
    names = in_order(sets)
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
    names = in_order(sets)
    asked = needed(sets, names[0], WHERE)
    by_share = sorted((word for word in asked if word != "other"), key=lambda w: -asked[w])
    return _table(
        "Question words",
        names,
        {word: [_percent(sets[n][word]) for n in names] for word in [*by_share, "other"]},
        "The first one of a question counts.",
    )


def _answers(sets: Metrics) -> QualityTable:
    names = in_order(sets)
    lengths = lengths_in_order(sets[names[0]]["words"])
    rows = {"Words": [_number(sets[n]["mean_words"], 1) for n in names]}
    for label in lengths:
        unit = "word" if label == "1" else "words"
        rows[f"{label} {unit}"] = [_percent(sets[n]["words"][label]) for n in names]
    for number, fifth in enumerate(FIFTHS):
        rows[f"In the {fifth} fifth of its context"] = [
            _percent(sets[n]["position"][number]) for n in names
        ]
    return _table("Answers", names, rows, "Length, and where in its context an answer begins.")


def _aucs(kind: str, against: Metrics) -> QualityTable:
    names = [name for name in SETS if any(name in row for row in against.values())]
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


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
