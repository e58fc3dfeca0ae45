"""The command sweep: the baseline first, one experiment a value, each failed one by name."""

import shutil
import sys
from pathlib import Path

import pytest

from augqa.commands.sweeping import experiment_name
from tests.test_commands import ROOT, augqa, begin

# Stands in for dvc: keeps what it is called with; the value 0.9 fails, and so does the baseline
# where asked to.
SCRIPTED_DVC = """\
#!{python}
import pathlib, sys
calls = pathlib.Path("calls")
before = calls.read_text() if calls.exists() else ""
words = sys.argv[1:]
line = " ".join(words)
calls.write_text(before + line + "\\n")
if words == ["repro"] and pathlib.Path("broken").exists():
    sys.exit(255)
if words[:2] == ["exp", "list"] and pathlib.Path("there").exists():
    print(pathlib.Path("there").read_text())
if words[:2] == ["queue", "status"]:
    print("Task     Name     Created   Status")
    for number, of in enumerate(before.splitlines()):
        if "--queue" in of:
            name = of.split("--name ")[1].split()[0]
            state = "Failed" if "0.9" in of else "Success"
            print(f"{{number}}a1b2c  {{name}}  10:00 AM  {{state}}")
if "--temp" in words and "0.9" in line:
    sys.exit(1)
"""
KEY = "blend.mix.generated_fraction"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "bin").mkdir()
    dvc = tmp_path / "bin" / "dvc"
    dvc.write_text(SCRIPTED_DVC.format(python=sys.executable))
    dvc.chmod(0o755)
    begin(tmp_path)
    return tmp_path


def calls(project: Path) -> list[str]:
    path = project / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_the_baseline_is_finished_before_the_first_experiment(project: Path) -> None:
    done = augqa(project, "sweep", KEY, "0.0", "0.25")
    assert done.returncode == 0, done.stderr
    assert [call for call in calls(project) if not call.startswith("exp list")] == [
        "repro",
        f"exp run --temp --name generated-fraction-0.0 -S {KEY}=0.0",
        f"exp run --temp --name generated-fraction-0.25 -S {KEY}=0.25",
    ]


def test_the_plain_commands_are_printed_and_a_dry_run_runs_none(project: Path) -> None:
    done = augqa(project, "sweep", KEY, "0.0", "--workers", "2", "--dry-run")
    assert done.stdout.splitlines() == [
        "dvc repro",
        f"dvc exp run --queue --name generated-fraction-0.0 -S {KEY}=0.0",
        "dvc queue start -j 2",
    ]
    assert calls(project) == []


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_a_failed_experiment_is_named_and_the_others_run(project: Path, workers: str) -> None:
    done = augqa(project, "sweep", KEY, "0.9", "0.25", "--workers", workers)
    assert done.returncode == 1
    assert f"1 of 2 experiments failed: generated-fraction-0.9 ({KEY}=0.9)" in done.stderr
    assert any(f"{KEY}=0.25" in call for call in calls(project))


def test_no_experiment_runs_where_the_baseline_fails(project: Path) -> None:
    (project / "broken").touch()
    done = augqa(project, "sweep", KEY, "0.0")
    assert done.returncode == 1
    assert calls(project) == ["repro"]


def test_an_experiment_that_is_there_is_not_run_again(project: Path) -> None:
    (project / "there").write_text("generated-fraction-0.0")
    done = augqa(project, "sweep", KEY, "0.0", "0.25")
    assert done.returncode == 0, done.stderr
    assert not any(f"{KEY}=0.0" in call for call in calls(project))


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        (KEY, ["0.5", "1.5"], "should be less than or equal to 1, found 1.5"),
        ("blend.mix.ratio", ["0.5"], "blend.mix.ratio: no such key"),
        (KEY, ["0.5", "0.5"], "a value stands twice"),
    ],
)
def test_a_fault_of_any_value_is_found_before_anything_runs(
    project: Path, key: str, values: list[str], message: str
) -> None:
    done = augqa(project, "sweep", key, *values)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert calls(project) == []


@pytest.mark.parametrize(
    ("value", "name"),
    [("0.25", "n-0.25"), ("a/b c", "n-a-b-c"), ("null", "n-null"), ("x_y", "n-x-y")],
)
def test_the_name_of_an_experiment_is_fit_for_git(value: str, name: str) -> None:
    assert experiment_name("some.n", value) == name
