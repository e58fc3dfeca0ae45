"""`augqa report`: the page of a kept study, from its scores and numbers alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

from augqa.commands.reporting import last_change, report
from augqa.errors import DataError
from tests.measured import project, summarize
from tests.test_keeping import RUNS, keep
from tests.test_links import links_of

__all__ = ["project"]  # the fixture


@pytest.fixture
def kept(project: Path) -> Path:
    """Return a kept study: params, scores and metrics of a run, nothing else."""
    done = summarize(project)
    assert done.returncode == 0, done.stderr
    folder = project / "docs" / "results" / "own"
    folder.mkdir(parents=True)
    keep(project, folder, RUNS)
    shutil.copyfile(project / "params.yaml", folder / "params.yaml")
    shutil.copytree(project / "metrics", folder / "metrics")
    for name in ("data", "metrics", "report"):
        shutil.rmtree(project / name)
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_page_is_made_from_kept_numbers_alone(kept: Path) -> None:
    report(kept)
    html = (kept / "report.html").read_text(encoding="utf-8")
    assert "mix: not shown: +2.0 F1 on the mean of 2 shifts [−0.2, 4.2]" in html
    assert "Differences against the controls" in html
    assert "What the generated data is like" in html


def test_a_kept_page_leads_only_to_what_was_kept(kept: Path) -> None:
    report(kept)
    page = kept / "report.html"
    assert links_of(page, page.read_text(encoding="utf-8")) == ["data:,"]
    (kept / "pairs.html").write_text("<p>pairs</p>", encoding="utf-8")
    report(kept)
    assert links_of(page, page.read_text(encoding="utf-8")) == ["data:,", "pairs.html"]


def test_commit_and_date_are_those_of_the_kept_numbers(kept: Path) -> None:
    root = kept.parents[2]
    git(root, "init", "-q")
    assert last_change(kept / "metrics") == (None, None)  # not committed yet
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "keep", "--date=2026-01-31T12:00:00")
    commit = git(root, "log", "-1", "--format=%h")
    date = git(root, "log", "-1", "--format=%cs")
    (root / "other.txt").write_text("later", encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "later")
    assert last_change(kept / "metrics") == (commit, date)
    report(kept)
    html = (kept / "report.html").read_text(encoding="utf-8")
    assert f"<dd>{commit}</dd>" in html
    assert f"<dd>{date}</dd>" in html


def test_equal_numbers_give_equal_bytes(kept: Path) -> None:
    report(kept)
    first = (kept / "report.html").read_bytes()
    report(kept)
    assert (kept / "report.html").read_bytes() == first


@pytest.mark.parametrize("name", ["quality.json", "blend/mix.json", "evaluate/mix-2.json"])
def test_a_missing_file_is_named(kept: Path, name: str) -> None:
    (kept / "metrics" / name).unlink()
    with pytest.raises(DataError, match=name):
        report(kept)
    assert not (kept / "report.html").exists()


def test_a_folder_without_metrics_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no kept study"):
        report(tmp_path)


def test_a_study_without_scores_is_no_longer_shown(kept: Path) -> None:
    shutil.rmtree(kept / "scores")
    with pytest.raises(DataError, match="older version"):
        report(kept)
