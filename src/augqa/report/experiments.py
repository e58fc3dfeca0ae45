"""Experiments side by side: the headline of each, and what was changed for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augqa.evidence import Edge, EdgeKind, Evidence, gather
from augqa.params import Params
from augqa.report.results import BASELINE
from augqa.report.table import columns
from augqa.study.experiments import Gathered
from augqa.study.planning import plan_of, size_edges
from augqa.study.reading import study_of
from augqa.test_sets import reported_sets

HEADLINE = ("mean_shift_f1", "delta", "low", "high", "n_kept")
WORKSPACE = "workspace"  # DVC's name for what is not committed
_SHORT = 7  # letters of a commit
_SECTIONS = frozenset(Params.model_fields)
NONE = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow:
    """A commit, the workspace or an experiment, as DVC shows it.

    Attributes:
        name: As a person calls it.
        rev: Its commit; ``workspace`` for what is not committed.
        is_baseline: Whether it is what experiments start from, and none.
        state: Such as ``Success`` or ``Queued``; None where DVC names none.
        values: Its numbers and params, by dotted name.
    """

    name: str
    rev: str
    is_baseline: bool
    state: str | None
    values: Mapping[str, Any]


def experiment_rows(shown: Sequence[Mapping[str, Any]]) -> list[ExperimentRow]:
    """Return a row for each commit and experiment.

    `dvc.api.exp_show` and `dvc exp show --csv` give the param `plugins` the hash of the folder of
    that name, and of another one in each row; by file and section nothing takes another's place.

    Args:
        shown: What `dvc exp show --json` says: baselines, each with its experiments.
    """
    rows = []
    for baseline in shown:
        rows.append(_row(baseline, is_baseline=True))
        for experiment in baseline.get("experiments") or []:
            executor = experiment.get("executor")
            state = str(executor["state"]).capitalize() if executor else None
            # More than one only of a kind that DVC has no longer.
            rows += [_row(one, state=state) for one in experiment["revs"][:1]]
    return rows


def _row(
    shown: Mapping[str, Any], *, is_baseline: bool = False, state: str | None = None
) -> ExperimentRow:
    rev = str(shown["rev"])
    return ExperimentRow(
        name=shown.get("name") or (rev if rev == WORKSPACE else rev[:_SHORT]),
        rev=rev,
        is_baseline=is_baseline,
        state=state,
        values=_numbers(shown),
    )


def _numbers(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params and metrics of a state by dotted name; none where they cannot be read."""
    data = state.get("data") or {}
    found: dict[str, Any] = {}
    for part in ("metrics", "params"):
        for file in (data.get(part) or {}).values():
            if isinstance(file.get("data"), dict):
                found |= dict(_dotted(file["data"]))
    return found


def _dotted(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def compared_lines(rows: Sequence[ExperimentRow]) -> list[str]:
    """Return a table: a row an experiment, the headline, then the params that differ."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    shown = [name for head in HEADLINE for name in names if name.split(".")[0] == head]
    # A param that another commit does not have is no change that an experiment made.
    changed = [
        name
        for name in names
        if name not in shown
        and name.split(".")[0] in _SECTIONS
        and len({repr(row.values.get(name)) for row in rows}) > 1
    ]
    states = any(row.state for row in rows)
    first = ["experiment", *(["state"] if states else [])]
    groups, own = _headings([*shown, *changed])
    table = [[*first, *groups], [*("" for _ in first), *own]]
    for row in rows:
        table.append(
            [
                row.name,
                *([_text(row.state)] if states else []),
                *(_text(row.values.get(name)) for name in (*shown, *changed)),
            ]
        )
    return columns(table, left=set(range(len(first))))


def _headings(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names on two lines, such as ``delta`` above ``augment``: they would not fit on one.

    What several columns in a row have in common stands above the first.
    """
    groups: list[str] = []
    own: list[str] = []
    last = ""
    for name in names:
        group, _, key = name.rpartition(".")
        if group:
            groups.append("" if group == last else group)
            own.append(key)
        else:
            groups.append(key)
            own.append("")
        last = group
    return groups, own


def gathered_evidence(found: Gathered, params: Params, *, clusters: Path) -> Evidence:
    """Return what the runs of all experiments show together.

    Args:
        found: The runs.
        params: Of the workspace: its named comparisons stand, all others are exploratory.
        clusters: Folder of the articles.

    Raises:
        EvidenceError: If an experiment was measured on other questions than the workspace.
    """
    test_sets = reported_sets(params.data.test_sets)
    study = study_of(found.runs, clusters, test_sets=test_sets)
    plan = plan_of(
        study,
        params.study,
        recipes=found.recipes,
        training_sets=found.training_sets,
        seeds=(),
        baseline=BASELINE,
        not_available=[
            entry.name
            for entry in test_sets
            if entry.role == "shift" and entry.name not in study.sets
        ],
    )
    said = gather(study, plan)
    edges = [*said.edges, *size_edges(plan.primary, found.training_sets)]
    if found.missing:
        edges.append(
            Edge(
                kind=EdgeKind.FAILED_RUN,
                words=f"Failed or not run: {', '.join(found.missing)}. What is left is reported as"
                " it is; if the hard ones fail, it looks better than it is.",
            )
        )
    return replace(said, edges=tuple(edges))


def _text(value: Any) -> str:
    if value is None:
        return NONE
    return f"{value:g}" if isinstance(value, float) else str(value)
