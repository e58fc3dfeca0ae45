"""Stage summarize refuses what does not fit together, and says what."""

from pathlib import Path

import pytest

from augqa.records import QuestionScore
from augqa.tables import write_table
from tests.measured import change, project, summarize

__all__ = ["project"]  # the fixture


@pytest.mark.parametrize(
    "name", ["evaluate/mix-2.json", "blend/real.json", "validation/blend-generated/2.json"]
)
def test_a_missing_file_is_named_and_nothing_is_written(project: Path, name: str) -> None:
    (project / "metrics" / name).unlink()
    finished = summarize(project)
    assert finished.returncode == 1
    assert f"summarize: error: metrics/{name}: no such metrics file" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (project / "metrics/summary.json").exists()


def test_scores_on_other_questions_are_refused(project: Path) -> None:
    rows = [QuestionScore(id="other", exact_match=0.0, f1=0.0)]
    write_table(project / "data/predictions/mix-2/scores/amazon.parquet", rows, QuestionScore)
    finished = summarize(project)
    assert finished.returncode == 1
    assert "recipe mix, seed 2, set amazon: 1 questions, but the set has 52" in finished.stderr


def test_a_comparison_of_what_is_no_recipe_is_a_fault_of_params(project: Path) -> None:
    change(project, study={"primary": [{"recipe": "mixx", "control": "real"}]})
    finished = summarize(project)
    assert finished.returncode == 1
    assert "study.primary.0.recipe: 'mixx' is no recipe of `blend`" in finished.stderr
