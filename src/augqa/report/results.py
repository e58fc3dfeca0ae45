"""Gather what the stages measured into one record, and refuse what does not fit together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from augqa.errors import DataError
from augqa.metrics import Metrics
from augqa.report.recipe_scores import RegimeResult, SetScore
from augqa.test_sets import ReportedSet, Role

BASELINE = "real"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results table.

    Attributes:
        regimes: `real` first, then as in params.yaml.
        test_sets: Every test set of the params, in the order of every table.
        n_questions: Questions of each available one, in the same order.
        seeds: Training seeds; empty where they are not known.
    """

    regimes: tuple[RegimeResult, ...]
    test_sets: tuple[ReportedSet, ...]
    n_questions: Mapping[str, int]
    seeds: tuple[int, ...]

    @property
    def not_available(self) -> tuple[str, ...]:
        """Test sets that could not be had."""
        return tuple(s.name for s in self.test_sets if s.name not in self.n_questions)

    @property
    def sets(self) -> tuple[str, ...]:
        """The test sets available, but for stress tests: those are reported apart."""
        return tuple(name for name in self._available() if self.of(name).role != "stress")

    @property
    def shifts(self) -> tuple[str, ...]:
        """The shifts available."""
        return self._available("shift")

    @property
    def stress(self) -> tuple[str, ...]:
        """The stress tests available."""
        return self._available("stress")

    def of(self, name: str) -> ReportedSet:
        """Return what the params say of a test set."""
        return next(entry for entry in self.test_sets if entry.name == name)

    def published(self, name: str) -> str | None:
        """Return the key of the published set that a test set is, by its content."""
        return self.of(name).published

    def available_as(self, published: str) -> str | None:
        """Return the first available test set that is a published one; None if none is."""
        return next((s for s in self._available() if self.published(s) == published), None)

    @property
    def most_runs(self) -> int:
        """Trainings of the recipe that has most."""
        return max(len(row.runs) for row in self.regimes)

    @property
    def fewest_runs(self) -> int:
        """Trainings of the recipe that has fewest."""
        return min(len(row.runs) for row in self.regimes)

    def _available(self, role: Role | None = None) -> tuple[str, ...]:
        return tuple(
            entry.name
            for entry in self.test_sets
            if entry.name in self.n_questions and role in (None, entry.role)
        )

    @property
    def baseline(self) -> RegimeResult:
        """Regime `real`."""
        return self.regimes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the funnel from seed questions to training pairs.

    Attributes:
        name: What is counted.
        n: How many there are after the step.
        dropped: How many were dropped on the way here, by reason.
        facts: Its other numbers, such as tokens; some are counts by name, such as by model.
    """

    name: str
    n: int
    dropped: Mapping[str, int]
    facts: Mapping[str, float | Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a gate found in one table.

    Attributes:
        artefact: Name of the table.
        pages: Pages that show what was found, beside the report: label and address.
        success: Whether every critical expectation held.
        n_rows: Rows of the table.
        expectations: Name, severity and success of each one.
    """

    artefact: str
    success: bool
    n_rows: int
    expectations: tuple[tuple[str, str, bool], ...]
    pages: tuple[tuple[str, str], ...]

    @property
    def verdict(self) -> str:
        """``passed``, ``passed with warnings`` or ``stopped``."""
        if not self.success:
            return "stopped"
        return "passed" if self.n_held == len(self.expectations) else "passed with warnings"

    @property
    def n_held(self) -> int:
        """Expectations that held."""
        return sum(success for _, _, success in self.expectations)


def needed(metrics: Metrics, key: str, where: str) -> Any:
    """Return `metrics[key]`.

    Raises:
        DataError: If there is no such key.
    """
    if key not in metrics:
        found = ", ".join(sorted(metrics)) or "nothing"
        raise DataError(f"{where}: no {key!r} in it, found {found}. Run `augqa run`.")
    return metrics[key]


def gather(
    evaluations: Mapping[str, Mapping[int, Metrics]],
    blends: Mapping[str, Metrics],
    *,
    seeds: Sequence[int],
    test_sets: Sequence[ReportedSet],
) -> Results:
    """Gather evaluations and sizes of training sets.

    Args:
        evaluations: For each regime, `real` first, the metrics of `evaluate` by training seed. A
            regime without any is left out of the table; the evidence names it as failed.
        blends: For each regime, the metrics of `blend`.
        seeds: The training seeds that were to run.
        test_sets: The test sets of the params, in the order of every table.

    Raises:
        DataError: If two evaluations do not cover the same questions of the same sets: their
            scores could not be compared.
    """
    regimes = []
    first: tuple[str, dict[str, int]] | None = None
    for regime, by_seed in evaluations.items():
        if not by_seed:
            continue
        runs = []
        for seed, metrics in by_seed.items():
            where = f"evaluation of {regime}, seed {seed}"
            scores, n_questions = _scores(needed(metrics, "sets", where), test_sets, where)
            _check_missing(needed(metrics, "not_available", where), n_questions, test_sets, where)
            if first is None:
                first = where, n_questions
            elif n_questions != first[1]:
                raise DataError(
                    f"{where} counts the questions {n_questions}, but {first[0]} counts"
                    f" {first[1]}: they cannot be compared. Run `augqa run`."
                )
            runs.append(scores)
        size = f"blend of {regime}"
        regimes.append(
            RegimeResult(
                regime=regime,
                runs=tuple(runs),
                shifts=_shifts(test_sets, runs[0]),
                n_real=needed(blends[regime], "n_real", size),
                n_generated=needed(blends[regime], "n_generated", size),
                left_out=_by_number(needed(blends[regime], "n_dropped", size)),
            )
        )
    if first is None:
        raise DataError("there is no evaluation to summarize")
    return Results(
        regimes=tuple(regimes),
        test_sets=tuple(test_sets),
        n_questions=first[1],
        seeds=tuple(seeds),
    )


def results_of_summary(summary: Metrics, test_sets: Sequence[ReportedSet]) -> Results:
    """Read the results back from a summary: means alone, without seeds and sizes.

    Args:
        summary: What `summary_metrics` gave.
        test_sets: The test sets of the params, in the order of every table.

    Raises:
        DataError: If it is not a summary, or one of other test sets.
    """
    where = "summary"
    regimes, first = [], None
    for regime, sets in needed(summary, "regimes", where).items():
        scores, n_questions = _scores(sets, test_sets, f"{where}, regime {regime}")
        first = first or n_questions
        if n_questions != first:
            raise DataError(
                f"{where}: regime {regime} counts the questions {n_questions}, not {first}"
            )
        regimes.append(
            RegimeResult(regime=regime, runs=(scores,), shifts=_shifts(test_sets, scores))
        )
    if first is None or BASELINE not in {row.regime for row in regimes}:
        raise DataError(f"{where}: no regime {BASELINE!r} in it. Run `augqa run`.")
    # The file is sorted by name; the baseline stands first in every table.
    regimes.sort(key=lambda row: row.regime != BASELINE)
    _check_missing(needed(summary, "not_available", where), first, test_sets, where)
    return Results(regimes=tuple(regimes), test_sets=tuple(test_sets), n_questions=first, seeds=())


def summary_metrics(found: Results) -> Metrics:
    """Return what metrics/summary.json holds: means over seeds."""
    return {
        "regimes": {
            row.regime: {
                name: {
                    "exact_match": row.mean(name).exact_match,
                    "f1": row.mean(name).f1,
                    "n_questions": n,
                }
                for name, n in found.n_questions.items()
            }
            for row in found.regimes
        },
        "not_available": list(found.not_available),
    }


def gate(artefact: str, tables: Mapping[str, Metrics]) -> Gate:
    """Read the metrics of a gate: of one table, or of the training sets of one recipe.

    An expectation holds where it holds for every table.

    Args:
        artefact: Name of the table.
        tables: What was found, by the address of its page beside the report.

    Raises:
        DataError: If one lacks a key.
    """
    where = f"gate of {artefact}"
    held: dict[str, tuple[str, bool]] = {}
    for metrics in tables.values():
        for name, expectation in needed(metrics, "expectations", where).items():
            place = f"{where}, {name}"
            success = needed(expectation, "success", place)
            severity = needed(expectation, "severity", place)
            held[name] = severity, success and held.get(name, (severity, True))[1]
    return Gate(
        artefact=artefact,
        success=all(needed(metrics, "success", where) for metrics in tables.values()),
        n_rows=sum(needed(metrics, "n_rows", where) for metrics in tables.values()),
        expectations=tuple((name, *held[name]) for name in sorted(held)),
        pages=tuple((PurePosixPath(address).stem, address) for address in tables),
    )


def step(
    name: str,
    metrics: Metrics,
    *,
    count: str,
    dropped: str | None = None,
    hidden: Collection[str] = (),
) -> Step:
    """Read one step of the funnel from the metrics of its stage.

    Args:
        name: What is counted.
        metrics: Numbers of the stage, and counts by name one level down, such as reasons.
        count: Key of what is left after the step.
        dropped: Key of what was dropped on the way, by reason.
        hidden: Keys that are shown elsewhere.

    Raises:
        DataError: If `count` or `dropped` is missing.
    """
    return Step(
        name=name,
        n=needed(metrics, count, name),
        dropped=_by_number(needed(metrics, dropped, name)) if dropped is not None else {},
        facts={
            # A stage may well add a number that is not known here.
            key: _by_number(value) if isinstance(value, Mapping) else value
            for key, value in sorted(metrics.items())
            if key not in (count, dropped, *hidden)
            and isinstance(value, int | float | Mapping)
            and not isinstance(value, bool)
            and value != {}
        },
    )


def _by_number(reasons: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _shifts(test_sets: Sequence[ReportedSet], scores: Collection[str]) -> tuple[str, ...]:
    return tuple(s.name for s in test_sets if s.role == "shift" and s.name in scores)


def _scores(
    sets: Metrics, test_sets: Sequence[ReportedSet], where: str
) -> tuple[dict[str, SetScore], dict[str, int]]:
    names = [entry.name for entry in test_sets]
    unknown = sorted(set(sets) - set(names))
    if unknown or not sets:
        found = ", ".join(unknown) or "none"
        raise DataError(
            f"{where}: data.test_sets are {', '.join(names)}; found {found}. Run `augqa run`."
        )
    scores, n_questions = {}, {}
    for name in names:
        if name in sets:
            place = f"{where}, set {name}"
            scores[name] = SetScore(
                exact_match=needed(sets[name], "exact_match", place),
                f1=needed(sets[name], "f1", place),
            )
            n_questions[name] = needed(sets[name], "n_questions", place)
    return scores, n_questions


def _check_missing(
    not_available: Sequence[str],
    n_questions: Mapping[str, int],
    test_sets: Sequence[ReportedSet],
    where: str,
) -> None:
    missing = [entry.name for entry in test_sets if entry.name not in n_questions]
    if set(not_available) != set(missing):
        raise DataError(
            f"{where}: without scores are {missing}, but named as not available are"
            f" {sorted(not_available)}. Run `augqa run`."
        )
