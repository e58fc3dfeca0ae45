"""The results as text for a terminal."""

from collections.abc import Sequence
from textwrap import wrap

from augqa.metrics import Metrics
from augqa.report import robustness
from augqa.report.findings import Findings, Row, findings_of_metrics
from augqa.report.numbers import NONE, number, signed
from augqa.report.recipe_scores import RegimeResult, SetScore
from augqa.report.results import Results, needed, results_of_summary
from augqa.terminal import printable
from augqa.test_sets import ReportedSet

_WIDTH = 100  # of sentences
_N_CLOSING = 3  # limits that stand at the end of a run
SAMPLE = "Sample data: these scores say nothing about the method."
BEST = "*"


def table_text(
    summary: Metrics, test_sets: Sequence[ReportedSet], evidence: Metrics | None = None
) -> str:
    """Return the table of a summary: means over seeds, without seeds and sizes.

    Args:
        summary: What metrics/summary.json holds.
        test_sets: The test sets of the params, in the order of the columns.
        evidence: What metrics/evidence.json holds, to say what the scores show; None for means
            alone.

    Raises:
        DataError: If it is not a summary, or one of other test sets.
    """
    found = results_of_summary(summary, test_sets)
    lines = [*_scores(found), *_notes(found)]
    if evidence is not None:
        said = findings_of_metrics(needed(evidence, "words", "metrics/evidence.json"))
        lines += ["", *findings_lines(said)]
    return printable("\n".join(lines))


def report_text(
    found: Results, said: Findings, *, sample: bool, trained_on: str | None, reader: str
) -> str:
    """Return all that the stage prints: the table, what it shows, effective robustness.

    Args:
        found: The results.
        said: What they show, in words.
        sample: Whether the data is the project's own sample.
        trained_on: Key of the published set that the real training set is; None for any other.
        reader: Checkpoint of the reader.
    """
    lines = [*_scores(found), *_notes(found)]
    reason = robustness.not_comparable(found, sample=sample, trained_on=trained_on, reader=reader)
    if reason is None:
        lines += _published(found)
    lines += ["", *findings_lines(said), "", *_effective_robustness(found)]
    if sample:
        lines += ["", SAMPLE]
    return "\n".join(lines)


def findings_lines(said: Findings) -> list[str]:
    """Return what a study says: the finding, the comparisons, then what limits them."""
    lines = _wrapped(said.finding)
    # The first one is the finding.
    for sentence in said.primary[1:]:
        lines += _wrapped(sentence)
    head = "Differences in F1 on the mean of the shifts, 95 % intervals"
    lines += ["", *_wrapped(f"{head}; {said.visible}:" if said.visible else f"{head}:")]
    lines += _rows(said.shifts) or ["none: there is nothing to compare, or no shift"]
    if said.stress:
        lines += ["", "Stress tests, in no mean:", *_rows(said.stress, targets=True)]
    if said.edges:
        lines += ["", "Limits:"]
    for words in said.edges:
        lines += _wrapped(words, bullet="- ")
    if said.remarks:
        lines.append("")
    for words in said.remarks:
        lines += _wrapped(words)
    return lines


def closing_lines(evidence: Metrics, *, sample: bool) -> list[str]:
    """Return the end of what a run says: the finding, then what it cannot say.

    Args:
        evidence: What metrics/evidence.json holds.
        sample: Whether the data is the project's own sample.

    Raises:
        DataError: If it is of another version.
    """
    said = findings_of_metrics(needed(evidence, "words", "metrics/evidence.json"))
    limits = [SAMPLE, *said.edges] if sample else list(said.edges)
    lines = _wrapped(said.finding)
    if limits:
        lines += ["", "What this cannot say:"]
    for words in limits[:_N_CLOSING]:
        lines += _wrapped(words, bullet="- ")
    if (more := len(limits) - _N_CLOSING) > 0:
        lines.append(f"- {more} more: `augqa table`, or the page")
    return lines


def _wrapped(words: str, *, bullet: str = "") -> list[str]:
    return wrap(
        words,
        width=_WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rows(rows: Sequence[Row], *, targets: bool = False) -> list[str]:
    return columns(
        [
            [
                row.recipe,
                f"against {row.against}",
                *([row.target] if targets else []),
                row.difference,
                row.interval,
                row.meaning,
            ]
            for row in rows
        ],
        left={0, 1, 2, 5} if targets else {0, 1, 4},
    )


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


def _scores(found: Results) -> list[str]:
    sized = found.baseline.n_examples is not None
    rows = [["", *(["train"] if sized else []), *found.sets, "mean shift"]]
    rows.append(["regime", *(["n"] if sized else []), *(["EM/F1 "] * len(found.sets)), "F1 "])
    for row in found.regimes:
        rows.append([row.regime, *([f"{row.n_examples:,}"] if sized else []), *_cells(found, row)])
        if len(row.runs) > 1:
            rows.append(["  std over seeds", ""] + [pair(row.std(s)) + " " for s in found.sets])
            rows[-1].append(number(row.mean_shift_f1_std) + " ")
    lines = columns(rows, left={0})
    rule = "-" * max(len(line) for line in lines)
    lines.insert(2, rule)
    return [*lines, "", *_stress(found)]


def _stress(found: Results) -> list[str]:
    """Return the stress tests as a table of their own: they are in no mean."""
    if not found.stress:
        return []
    rows = [["stress tests", *found.stress], ["regime", *["EM/F1"] * len(found.stress)]]
    rows += [[row.regime, *(pair(row.mean(s)) for s in found.stress)] for row in found.regimes]
    return [*columns(rows, left={0}), ""]


def _published(found: Results) -> list[str]:
    rows = [["published F1", *found.sets, "mean shift"]]
    for row in robustness.published_rows(found):
        rows.append([row.name, *map(number, row.f1), number(row.mean_shift)])
    return ["", *columns(rows, left={0})]


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
    return lines


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
        lines += columns(rows, left={0})
    if len(reasons) == len(found.regimes) and len(set(reasons.values())) == 1:
        lines.append(f"none: {reasons[found.baseline.regime]}")
    else:
        lines += [f"{regime}: {reason}" for regime, reason in reasons.items()]
    return lines


def columns(rows: Sequence[Sequence[str]], *, left: set[int]) -> list[str]:
    """Align cells, the columns in `left` to the left and all others to the right."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
