"""Studies in MLflow: a parent run with the report, and a champion that moves only if sure."""

from pathlib import Path

import pytest

from augqa import tracking
from augqa.evidence import Evidence, Plan, Planned, gather
from augqa.tracking.studies import Closing, close_study, differences
from tests.studies import level_study
from tests.tracked import (
    client,
    empty_store,
    evaluate,
    project,
    runs,
    scores,
    studies,
    train,
    training,
)

__all__ = ["empty_store", "project"]  # fixtures


def found(above_real: float, *, seeds: int = 3) -> Evidence:
    """Return what a study with one named comparison and one other says."""
    steps = [0.2, 0.0, -0.2][:seeds]
    levels = {"real": 40.0, "mix": 40.0 + above_real, "generated": 30.0}
    made = level_study({k: [v - s for s in steps] for k, v in levels.items()}, spread=0.5)
    plan = Plan(baseline="real", primary=(Planned(recipe="mix", against="real"),), champion="real")
    return gather(made, plan)


def close(project: Path, evidence: Evidence) -> None:
    report = project / "index.html"
    report.write_text("<p>report</p>", encoding="utf-8")
    close_study(
        Closing(
            evidence=evidence,
            run_keys={"real": ["real-1", "real-2"], "mix": ["mix-1", "mix-2"]},
            headline={"mean_shift_f1": {"real": 40.0}, "n_kept": 7},
            files=[report],
        )
    )


def measured(project: Path) -> None:
    for key in ("real-1", "real-2", "mix-1", "mix-2"):
        train(project, key, n_epochs=0)
        evaluate(project, key, scores(60.0))


def champion(project: Path) -> str:
    version = client(project).get_model_version_by_alias("augqa-reader", "champion")
    return str(version.tags["augqa.run_key"])


def test_trainings_stand_below_their_study_which_summarize_closes(project: Path) -> None:
    measured(project)
    (study,) = studies(project)
    assert study.data.tags["augqa.study_state"] == "open"
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(project)} == {study.info.run_id}
    close(project, found(8.0))
    (study,) = studies(project)
    assert study.data.tags["augqa.study_state"] == "closed"
    assert study.info.status == "FINISHED"
    assert study.data.metrics["mean_shift_f1/real"] == 40.0
    assert study.data.tags["mlflow.note.content"].startswith("mix: helps: +8.0 F1")
    files = client(project).list_artifacts(study.info.run_id)
    assert [file.path for file in files] == ["index.html"]


def test_the_next_study_is_another_one(project: Path) -> None:
    measured(project)
    close(project, found(8.0))
    train(project, "mix-3", n_epochs=0)
    states = sorted(study.data.tags["augqa.study_state"] for study in studies(project))
    assert states == ["closed", "open"]


def test_a_training_that_no_summarize_follows_leaves_nothing_running(project: Path) -> None:
    train(project, "mix-1", n_epochs=0)
    assert {run.info.status for run in (*runs(project), *studies(project))} == {"FINISHED"}


def test_a_study_runs_as_long_as_one_of_its_trainings_does(project: Path) -> None:
    with training(project, "mix-1"):
        train(project, "mix-2", n_epochs=0)
        (study,) = studies(project)
        assert study.info.status == "RUNNING"
    (study,) = studies(project)
    assert study.info.status == "FINISHED"


def test_a_run_that_was_stopped_goes_on_in_the_same_study(project: Path) -> None:
    with pytest.raises(KeyboardInterrupt), training(project, "mix-1"):
        raise KeyboardInterrupt
    train(project, "mix-1", n_epochs=0)
    assert len(studies(project)) == 1


def test_runs_bear_the_difference_from_their_control_rounded(project: Path) -> None:
    measured(project)
    close(project, found(8.0))
    by_key = {run.data.tags["augqa.run_key"]: run.data.metrics for run in runs(project)}
    assert by_key["mix-2"]["delta"] == 8.0
    assert by_key["mix-2"]["delta_low"] < 8.0 < by_key["mix-2"]["delta_high"]
    assert "delta" not in by_key["real-1"]
    assert all(round(value, 4) == value for value in by_key["mix-2"].values())


def test_differences_prefer_the_comparison_that_was_named() -> None:
    evidence = found(8.0)
    numbers = differences(evidence)
    assert set(numbers) == {"mix", "generated"}
    assert evidence.primary[0].overall is not None
    assert numbers["mix"]["delta_low"] == evidence.primary[0].overall.corrected_low


def test_the_champion_moves_to_the_first_seed_of_what_is_better_for_sure(project: Path) -> None:
    measured(project)
    close(project, found(8.0))
    assert champion(project) == "mix-1"


def test_a_higher_score_alone_does_not_move_the_champion(project: Path) -> None:
    measured(project)
    close(project, found(0.1))
    assert champion(project) == "real-1"


def test_one_training_a_recipe_does_not_move_the_champion(project: Path) -> None:
    measured(project)
    close(project, found(8.0, seeds=1))
    assert champion(project) == "real-1"


def test_a_store_that_is_broken_costs_no_results(project: Path) -> None:
    (project / "mlflow.db").write_bytes(b"this is no database" * 100)
    close(project, found(8.0))


def test_the_experiment_says_what_it_is_and_has_a_view(project: Path) -> None:
    address = tracking.view_address()
    experiment = client(project).get_experiment_by_name("augqa")
    assert experiment is not None
    key = address.rpartition("=")[2]
    assert f"/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&" in address
    assert "params.`generated_fraction`" in experiment.tags[f"mlflow.sharedViewState.{key}"]
    assert "mean_shift_f1" in experiment.tags["mlflow.note.content"]
