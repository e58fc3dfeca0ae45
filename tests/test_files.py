"""A full disk, a place that takes nothing, a file in the way: one line, and no half file."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import DataError
from augqa.files import told, whole_file, write_whole
from augqa.metrics import write_metrics
from augqa.records import QAExample
from augqa.report.template import write_page
from augqa.sources import copy_file
from augqa.tables import TableWriter, copy_rows, read_table, write_table
from augqa.timing import keep_seconds
from tests.asking_loopback import requests, run
from tests.examples import example
from tests.loopback import Loopback

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")

ROWS = [example(f"q{n}") for n in range(3)]


def no_room(path: Path) -> None:
    """Let what is written aside for a file land on a device that is full."""
    path.with_name(f"{path.name}.partial").symlink_to(FULL)


def _table(path: Path) -> None:
    write_table(path, ROWS, QAExample)


def _copied(path: Path) -> None:
    source = path.with_name("source.parquet")
    write_table(source, ROWS, QAExample)
    copy_rows(source, path, QAExample, keep=lambda _: True)


def _raw(path: Path) -> None:
    source = path.with_name("source.json")
    source.write_bytes(b"x" * 100_000)
    copy_file(source, path, expected_sha256=None)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "a table": _table,
    "a table of chosen rows": _copied,
    "a raw file": _raw,
    "metrics": lambda path: write_metrics(path, {"f1": 1.0}),
    "a page": lambda path: write_page(path, "<p>"),
    "params": lambda path: write_whole(path, "a: 1\n"),
}


@needs_full
@pytest.mark.parametrize("what", WRITERS)
def test_a_full_disk_is_one_line_and_the_former_file_stays(tmp_path: Path, what: str) -> None:
    path = tmp_path / "file"
    path.write_text("the former one")
    no_room(path)
    with pytest.raises(DataError) as caught:
        WRITERS[what](path)
    said = str(caught.value)
    assert str(path) in said
    assert "No space left on device" in said
    assert "\n" not in said
    assert path.read_text() == "the former one"
    assert not path.with_name("file.partial").is_symlink()
    WRITERS[what](path)  # with room again
    assert path.read_bytes() != b"the former one"


@pytest.mark.parametrize("what", WRITERS)
def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path, what: str) -> None:
    (tmp_path / "data").write_text("")
    path = tmp_path / "data" / "file"
    with pytest.raises((DataError, OSError)) as caught:
        WRITERS[what](path)
    if isinstance(caught.value, OSError):  # of the test's own source beside it
        assert told(caught.value) is not None


def test_what_stops_a_block_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, ROWS, QAExample)
    with contextlib.suppress(KeyError), TableWriter(path, QAExample) as table:
        table.write(example("q9"))
        raise KeyError
    assert read_table(path, QAExample) == ROWS
    assert os.listdir(tmp_path) == ["t.parquet"]


def test_an_error_of_the_block_is_not_taken_for_one_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), whole_file(tmp_path / "f"):
        raise ConnectionError("from elsewhere")
    with pytest.raises(ConnectionError), TableWriter(tmp_path / "f", QAExample):
        raise ConnectionError("from elsewhere")


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        happened.append("sync")
        fsync(descriptor)

    def replaced(self: Path, target: Any) -> Path:
        happened.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    for what in WRITERS.values():
        happened.clear()
        what(tmp_path / "file")
        assert happened[-3:] == ["sync", "rename", "sync"]


@needs_full
def test_a_log_of_usage_that_cannot_be_written_hides_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", "any")
    (tmp_path / "usage.jsonl").symlink_to(FULL)
    with Loopback() as server:
        results = run(server, tmp_path / "c.sqlite", requests(2))
    assert len(results) == 2
    assert "usage.jsonl: cannot be written: No space left on device" in caplog.text
    assert '"n_sent": 2' in caplog.text  # it is not lost: the log has it


@needs_full
def test_a_time_that_cannot_be_kept_is_told_by_an_error_that_tracking_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = tmp_path / ".cache" / "seconds"
    folder.mkdir(parents=True)
    no_room(folder / "key.json")
    with pytest.raises(DataError, match="No space left"):
        keep_seconds("key", 1.0)


@needs_full
def test_a_stage_on_a_full_disk_says_one_line_and_fails(tmp_path: Path) -> None:
    root = Path.cwd()
    (tmp_path / "params.yaml").write_bytes(Path("profiles/embedded.yaml").read_bytes())
    raw = tmp_path / "raw"
    raw.mkdir()
    no_room(raw / "train.json")
    done = subprocess.run(
        [
            *(sys.executable, str(root / "stages/fetch_raw.py")),
            *("--sample", str(root / "data/sample"), "--raw", str(raw)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("fetch_raw: error: ")
    assert "train.json: cannot be written: No space left on device - free some space" in line
    assert not (raw / "train.json").exists()


@pytest.mark.parametrize("limit", [64, 4096])
def test_a_limit_on_the_size_of_files_is_told_like_a_full_disk(tmp_path: Path, limit: int) -> None:
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "from pathlib import Path\n"
        "from augqa.errors import DataError\n"
        "from augqa.records import Prediction\n"
        "from augqa.tables import write_table\n"
        "rows = (Prediction(id=str(n), text=str(n ** 9)) for n in range(20_000))\n"
        "try:\n"
        "    write_table(Path(sys.argv[1]), rows, Prediction)\n"
        "except DataError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / "p.parquet"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert "p.parquet: cannot be written: " in done.stdout, done.stderr
    assert "File too large" in done.stdout
    assert os.listdir(tmp_path) == []
