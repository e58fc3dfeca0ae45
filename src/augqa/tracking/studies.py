"""A study as the parent run of its trainings: what summarize says, with the report attached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa.evidence import SHIFTS, Comparison, Evidence
from augqa.tracking.runs import PARENT, STUDY_STATE, study_run
from augqa.tracking.store import (
    NOTE,
    RUN_KEY,
    client,
    experiment_id,
    lock,
    metrics,
    now,
    registered_model,
    warn,
)
from augqa.tracking.versions import CHAMPION, versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What is known of a study at its end.

    Attributes:
        evidence: What its scores say.
        run_keys: Of its trainings, by recipe, the first training seed first.
        headline: The numbers of metrics/headline.json.
        files: To attach, such as the report.
    """

    evidence: Evidence
    run_keys: Mapping[str, Sequence[str]]
    headline: Mapping[str, Any]
    files: Sequence[Path]


def close_study(closing: Closing) -> None:
    """Log the differences to the runs, close the study with its report, let the champion move.

    The champion is the recipe that the evidence names; its version is that of the first training
    seed, since the best seed of several would be a lucky one.
    """
    try:
        experiment = experiment_id()
        with lock():
            parent = study_run(experiment)
            client().set_tag(parent, STUDY_STATE, "closed")
            client().set_terminated(parent)
        against = differences(closing.evidence)
        for recipe, keys in closing.run_keys.items():
            for run in _runs(experiment, keys):
                if recipe in against:
                    numbers = against[recipe]
                    client().log_batch(run.info.run_id, metrics(numbers, step=0, now=now()))
                if PARENT not in run.data.tags:
                    client().set_tag(run.info.run_id, PARENT, parent)
        numbers = {
            f"{key}/{name}": value
            for key, values in closing.headline.items()
            if isinstance(values, Mapping)
            for name, value in values.items()
        }
        client().log_batch(parent, metrics(numbers, step=0, now=now()))
        client().set_tag(parent, NOTE, closing.evidence.headline)
        for file in closing.files:
            client().log_artifact(parent, str(file))
        best = closing.evidence.champion
        if best is not None:
            with lock():
                _crown(closing.run_keys.get(best.name, ()), best.sentence)
    except Exception as error:  # noqa: BLE001 - the results are written already
        warn(error)


def differences(found: Evidence) -> dict[str, dict[str, float]]:
    """Return ``delta``, ``delta_low`` and ``delta_high`` of each recipe against its control.

    The first comparison that was named for a recipe; for others that with the baseline.
    """
    numbers: dict[str, dict[str, float]] = {}
    compared = [one.overall for one in found.primary if one.overall is not None]
    compared += [one for one in found.exploratory if one.target == SHIFTS and one.metric == "f1"]
    for one in compared:
        low, high = _ends(one)
        numbers.setdefault(
            one.recipe, {"delta": one.difference, "delta_low": low, "delta_high": high}
        )
    return numbers


def _ends(one: Comparison) -> tuple[float, float]:
    if one.corrected_low is None or one.corrected_high is None:
        return one.low, one.high
    return one.corrected_low, one.corrected_high


def _runs(experiment: str, keys: Sequence[str]) -> list[Any]:
    found = []
    for key in keys:
        found += list(
            client().search_runs(
                [experiment],
                filter_string=f"tags.`{RUN_KEY}` = '{key}'",
                order_by=["attributes.start_time DESC"],
                max_results=1,
            )
        )
    return found


def _crown(keys: Sequence[str], why: str) -> None:
    """Give the alias to the version of the first key; a version that is not there keeps it off."""
    by_key = {version.tags.get(RUN_KEY): version for version in versions()}
    if not keys or keys[0] not in by_key:
        return
    name, version = registered_model(), by_key[keys[0]].version
    client().set_registered_model_alias(name, CHAMPION, version)
    client().set_model_version_tag(name, version, "augqa.champion", why)
