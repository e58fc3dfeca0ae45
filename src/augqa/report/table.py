"""The results as text for a terminal."""

from collections.abc import Sequence

from augqa.metrics import Metrics
from augqa.report import robustness
from augqa.report.results import RegimeResult, Results, SetScore, results_of_summary
from augqa.test_sets import ANCHORS, ReportedSet

BEST = "*"
NONE = "–"


def table_text(summary: Metrics, test_sets: Sequence[ReportedSet]) -> str:
    """Return the table of a summary: means over seeds, without seeds and sizes.

    Args:
        summary: What metrics/summary.json holds.
        test_sets: The test sets of the params, in the order of the columns.

    Raises:
        DataError: If it is not a summary, or one of other test sets.
    """
    found = results_of_summary(summary, test_sets)
    return "\n".join([*_scores(found), *_notes(found)])


def report_text(found: Results, *, sample: bool, trained_on: str | None, reader: str) -> str:
    """Return all that the stage prints: the table, the differences, effective robustness.

    Args:
        found: The results.
        sample: Whether the data is the project's own sample.
        trained_on: Key of the published set that the real training set is; None for any other.
        reader: Checkpoint of the reader.
    """
    lines = [*_scores(found), *_notes(found)]
    reason = robustness.not_comparable(found, sample=sample, trained_on=trained_on, reader=reader)
    if reason is None:
        lines += _anchors(found)
    lines += ["", robustness.finding(found)]
    against = robustness.differences(found)
    if against:
        lines += ["", "Against real, mean shift F1 (± what may be chance):"]
        lines += _columns(
            [[d.regime, signed(d.delta), f"±{d.noise:.1f}", d.verdict] for d in against],
            left={0, 3},
        )
    lines += ["", *_effective_robustness(found)]
    if sample:
        lines += ["", "Sample data: these scores say nothing about the method."]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Return a score with one decimal, or a dash."""
    return NONE if value is None else f"{value:.1f}"


def signed(value: float) -> str:
    """Return a difference with its sign and one decimal; one that rounds to none has no sign."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def pair(score: SetScore | None) -> str:
    """Return exact match and F1 of one cell."""
    return NONE if score is None else f"{score.exact_match:.1f}/{score.f1:.1f}"


def is_best(value: float | None, column: Sequence[float | None]) -> bool:
    """Whether a value is the highest of its column as shown, with one decimal.

    A column of one value, or of equal ones, has no best.
    """
    shown = [round(other, 1) for other in column if other is not None]
    if value is None or len(set(shown)) < 2:
        return False
    return round(value, 1) == max(shown)


def noise_notes(found: Results) -> list[str]:
    """Return what the numbers cannot tell apart."""
    notes = []
    if len(found.seeds) == 1:
        notes.append(
            f"One seed: differences below {robustness.SINGLE_RUN_NOISE} F1 between single runs mean"
            " little."
        )
    widths = {
        name: max(robustness.half_width(row, name, n) for row in found.regimes)
        for name, n in found.n_questions.items()
    }
    notes.append(
        "With this many questions an F1 is known to within (95 %, at most): "
        + ", ".join(f"{name} ±{width:.1f}" for name, width in widths.items())
        + "."
    )
    return notes


def _scores(found: Results) -> list[str]:
    sized = found.baseline.n_examples is not None
    rows = [["", *(["train"] if sized else []), *found.sets, "mean shift"]]
    rows.append(["regime", *(["n"] if sized else []), *(["EM/F1 "] * len(found.sets)), "F1 "])
    for row in found.regimes:
        rows.append([row.regime, *([f"{row.n_examples:,}"] if sized else []), *_cells(found, row)])
        if len(row.runs) > 1:
            rows.append(["  std over seeds", ""] + [pair(row.std(s)) + " " for s in found.sets])
            rows[-1].append(number(row.mean_shift_f1_std) + " ")
    lines = _columns(rows, left={0})
    rule = "-" * max(len(line) for line in lines)
    lines.insert(2, rule)
    return lines + _stress(found)


def _stress(found: Results) -> list[str]:
    """Return the stress tests as a table of their own: they are in no mean."""
    if not found.stress:
        return []
    rows = [["stress tests", *found.stress], ["regime", *["EM/F1"] * len(found.stress)]]
    rows += [[row.regime, *(pair(row.mean(s)) for s in found.stress)] for row in found.regimes]
    return ["", *_columns(rows, left={0}), ""]


def _anchors(found: Results) -> list[str]:
    rows = [["published F1", *found.sets, "mean shift"]]
    for anchor in ANCHORS:
        values = [robustness.anchor_f1(anchor, found, name) for name in found.sets]
        mean_shift = robustness.anchor_mean_shift(anchor, found)
        rows.append([anchor.name, *map(number, values), number(mean_shift)])
    return ["", *_columns(rows, left={0})]


def _cells(found: Results, row: RegimeResult) -> list[str]:
    cells = []
    for name in found.sets:
        best = is_best(row.mean(name).f1, [other.mean(name).f1 for other in found.regimes])
        cells.append(pair(row.mean(name)) + (BEST if best else " "))
    best = is_best(row.mean_shift_f1, [other.mean_shift_f1 for other in found.regimes])
    return [*cells, number(row.mean_shift_f1) + (BEST if best else " ")]


def _notes(found: Results) -> list[str]:
    lines = [f"{BEST} best F1 of our regimes; EM and F1 in percent, by the rules of SQuAD v1.1"]
    lines.append(
        "questions: " + ", ".join(f"{name} {n:,}" for name, n in found.n_questions.items())
    )
    if found.not_available:
        lines.append("not available: " + ", ".join(found.not_available))
    if found.seeds:
        lines.append("seeds: " + ", ".join(str(seed) for seed in found.seeds))
    return lines + noise_notes(found)


def _effective_robustness(found: Results) -> list[str]:
    lines = [
        "Effective robustness (F1 above what 57 fine-tuned models predict from F1 on SQuAD dev):"
    ]
    rows = [["regime", *found.shifts]]
    reasons = {}
    for row in found.regimes:
        reason = robustness.no_line(found, row)
        if reason is None:
            values = [robustness.effective_robustness(found, row, name) for name in found.shifts]
            rows.append([row.regime, *(NONE if v is None else signed(v) for v in values)])
        else:
            reasons[row.regime] = reason
    if len(rows) > 1:
        lines += _columns(rows, left={0})
    if len(reasons) == len(found.regimes) and len(set(reasons.values())) == 1:
        lines.append(f"none: {reasons[found.baseline.regime]}")
    else:
        lines += [f"{regime}: {reason}" for regime, reason in reasons.items()]
    return lines


def _columns(rows: Sequence[Sequence[str]], *, left: set[int]) -> list[str]:
    """Align cells, the columns in `left` to the left and all others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
