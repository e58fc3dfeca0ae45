"""Files that are damaged between two runs, and two runs at once, over real DVC."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.lock import make_lock

from augqa.dvc_healing import RWLOCK, remove_cut_rwlock
from tests.pipelines import Project, new_project, small_params

POOL = "data/prepared/pool.parquet"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project in which everything up to stage prepare has run."""
    # Nothing here asks the model.
    made = new_project(tmp_path_factory.mktemp("damage"), small_params("http://127.0.0.1:9/v1"))
    made.run("dvc", "repro", "prepare")
    return made


def cached(project: Project, stage: str, path: str) -> Path:
    (md5,) = (out["md5"] for out in project.lock()[stage]["outs"] if out["path"] == path)
    return project.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def damage(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.unlink()  # it may be one file with another by a link
    path.write_bytes(content)


def blend(project: Project, *, blends: str, metrics: str) -> subprocess.CompletedProcess[str]:
    """Run the stage by hand on the pool as it lies there."""
    return subprocess.run(
        [
            *("python", "stages/blend.py", "--regime", "real", "--pool", POOL),
            *("--blends", blends, "--metrics", metrics),
        ],
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 5_000], ids=["empty", "cut", "other"])
def test_a_damaged_table_of_the_workspace_is_made_again(project: Project, content: bytes) -> None:
    path = project.folder / POOL
    good = path.read_bytes()
    damage(path, content)
    project.run("dvc", "repro", "prepare")
    assert path.read_bytes() == good


def test_a_damaged_table_in_dvc_s_cache_is_not_brought_back(project: Project) -> None:
    path, kept = project.folder / POOL, cached(project, "prepare", POOL)
    good = path.read_bytes()
    damage(kept, good[:200])
    path.unlink()
    project.run("dvc", "repro", "prepare")
    assert path.read_bytes() == good
    assert kept.read_bytes() == good


def test_an_out_that_a_killed_stage_left_half_written_is_made_again(project: Project) -> None:
    # As a kill leaves it: files of the stage, also aside, and no record in dvc.lock.
    path = project.folder / POOL
    good, lock = path.read_bytes(), project.folder / "dvc.lock"
    before = lock.read_bytes()
    lock.write_bytes(re.sub(rb"\n  prepare:\n(    .*\n)*", b"\n", before))
    assert lock.read_bytes() != before
    damage(path, good[:1000])
    path.with_name(f"{path.name}.partial").write_bytes(good[:500])
    shutil.rmtree(project.folder / ".dvc/cache/runs")
    assert project.stages_run("dvc", "repro", "prepare") == ["prepare"]
    assert path.read_bytes() == good
    assert not list(path.parent.glob("*.partial"))


@pytest.mark.parametrize("left", [b"", b"schema: '2.0'\nstages:\n  prepare:\n    cmd"])
@pytest.mark.parametrize("committed", [False, True], ids=["not committed", "committed"])
def test_a_lock_file_that_a_kill_has_cut_short_is_set_aside(
    project: Project, left: bytes, committed: bool
) -> None:
    lock = project.folder / "dvc.lock"
    good = lock.read_bytes()
    if committed:
        project.run("git", "add", "-f", "dvc.lock")
        project.run("git", "commit", "-q", "--allow-empty", "-m", "lock")
    lock.write_bytes(left)
    said = project.run(sys.executable, "-m", "augqa", "run", "prepare")
    assert "dvc.lock was cut short" in said
    # What the last commit knows is not made again.
    assert ("prepare: 10 of 10" in said) != committed
    assert project.lock() == yaml.safe_load(good)["stages"]


@pytest.mark.parametrize("left", [b"", b'{"write": {"/data/blends/mix": {"pid": 1'])
def test_a_list_of_who_is_at_work_that_a_kill_has_cut_short_is_removed(
    project: Project, left: bytes
) -> None:
    # DVC itself says of it that its structure is corrupted, and goes on no more.
    (project.folder / RWLOCK).write_bytes(left)
    said = project.run(sys.executable, "-m", "augqa", "run", "prepare")
    assert f"{RWLOCK} was cut short" in said
    assert "up to date" in said
    json.loads((project.folder / RWLOCK).read_bytes())


def test_a_list_that_somebody_writes_at_this_moment_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / RWLOCK
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    with make_lock(f"{path}.lock"):
        assert not remove_cut_rwlock(tmp_path)
    assert path.exists()
    assert remove_cut_rwlock(tmp_path)
    assert not path.exists()


def test_a_stage_that_is_given_a_damaged_table_names_it(project: Project) -> None:
    path = project.folder / POOL
    good = path.read_bytes()
    damage(path, good[: len(good) // 2])
    done = blend(project, blends="b", metrics="b.json")
    damage(path, good)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"blend: error: {POOL}: not a readable Parquet file")
    assert not (project.folder / "b.json").exists()


def test_of_two_runs_at_once_the_second_says_so_and_the_first_is_not_hurt(
    project: Project,
) -> None:
    path = project.folder / POOL
    good = path.read_bytes()
    path.unlink()
    shutil.rmtree(project.folder / ".dvc/cache/runs", ignore_errors=True)
    first = subprocess.Popen(
        ["dvc", "repro", "prepare"],
        cwd=project.folder,
        env={**project.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = iter(first.stdout or ())
    assert any(line.startswith("Running stage 'prepare'") for line in lines)
    os.killpg(first.pid, signal.SIGSTOP)  # it takes as long as the second needs
    second = subprocess.run(
        [sys.executable, "-m", "augqa", "run", "prepare"],
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    os.killpg(first.pid, signal.SIGCONT)
    rest = "".join(lines)
    assert first.wait() == 0, rest
    assert second.returncode == 1, second.stdout + second.stderr
    assert "another `dvc repro` or `augqa run` is at work in this folder" in second.stderr
    assert "Traceback" not in second.stderr
    assert path.read_bytes() == good


def test_a_read_only_folder_is_one_line(project: Project, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    done = blend(project, blends=str(tmp_path / "b"), metrics=str(tmp_path / "b.json"))
    tmp_path.chmod(0o700)
    assert done.returncode == 1
    assert "allow reading and writing there" in done.stderr
    assert len(done.stderr.splitlines()) == 1
