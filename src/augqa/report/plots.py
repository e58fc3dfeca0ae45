"""Records for `dvc plots`: one flat list a file."""

from collections.abc import Sequence
from typing import Any

from augqa.metrics import Metrics
from augqa.report.results import Results, Step

Record = dict[str, Any]


def f1_by_set(found: Results) -> list[Record]:
    """Return one record for each test set, but for stress tests, and regime."""
    return [
        {
            "bar": f"{name}, {row.regime}",
            "set": name,
            "regime": row.regime,
            "exact_match": row.mean(name).exact_match,
            "f1": row.mean(name).f1,
        }
        for name in found.sets
        for row in found.regimes
    ]


def by_generated_fraction(found: Results) -> list[Record]:
    """Return one record for each regime: its training set, and its mean F1 on the shifts.

    Over several experiments (`dvc plots diff`) this is the curve of a ratio sweep.
    """
    records = []
    for row in found.regimes:
        if row.mean_shift_f1 is not None and row.n_examples:
            records.append(
                {
                    "regime": row.regime,
                    "n_examples": row.n_examples,
                    "generated_fraction": (row.n_generated or 0) / row.n_examples,
                    "mean_shift_f1": row.mean_shift_f1,
                }
            )
    return records


def funnel(steps: Sequence[Step]) -> list[Record]:
    """Return one record for each step from seeds to kept pairs."""
    return [{"step": step.name, "n": step.n} for step in steps]


def question_words(quality: Metrics) -> list[Record]:
    """Return one record for each question word and set: what share of its questions ask with it."""
    sets = quality["question_words"]
    return [
        {"bar": f"{word}, {name}", "word": word, "set": name, "fraction": sets[name][word]}
        for word in sorted(sets["real"], key=lambda word: -sets["real"][word])
        for name in sorted(sets, key=["real", "generated", "kept"].index)
    ]
