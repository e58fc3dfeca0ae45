"""The commands behind the Makefile: what they bring, and what they refuse to overwrite."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from augqa.squad import to_squad
from tests.examples import example

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with params.yaml and profiles, outside any git repository."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    return tmp_path


def augqa(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "augqa", *arguments],
        cwd=project,
        env={**os.environ, "DVC_ROOT": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_profile_is_put_in_force_as_it_stands(project: Path) -> None:
    done = augqa(project, "profile", "cpu")
    assert done.returncode == 0, done.stderr
    assert (project / "params.yaml").read_bytes() == (project / "profiles/cpu.yaml").read_bytes()


def test_a_profile_does_not_overwrite_params_that_stand_nowhere_else(project: Path) -> None:
    mine = (project / "params.yaml").read_text() + "# mine\n"
    (project / "params.yaml").write_text(mine)
    done = augqa(project, "profile", "cpu")
    assert done.returncode == 1
    assert "changes of yours" in done.stderr
    assert (project / "params.yaml").read_text() == mine


def test_an_unknown_profile_names_the_known_ones(project: Path) -> None:
    done = augqa(project, "profile", "gpu")
    assert done.returncode == 1
    assert "choose one of cpu, embedded, paper" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_brings_checked_files_and_names_missing_sets(project: Path) -> None:
    mine = project / "mine"
    mine.mkdir()
    for name in ("train-v1.1.json", "dev-v1.1.json"):
        (mine / name).write_text(json.dumps(to_squad([example()])))
    done = augqa(project, "data", "mine")
    assert done.returncode == 0, done.stderr
    assert "reddit    not available" in done.stdout
    assert (project / "data/external/squad.json").is_file()


def test_data_without_a_folder_says_what_to_type(project: Path) -> None:
    done = augqa(project, "data", "")
    assert done.returncode == 1
    assert "make data FROM=DIR" in done.stderr
