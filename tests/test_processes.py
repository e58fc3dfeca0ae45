"""Rows worked on by several processes: their order, what fails, what is lost, who ends with it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from augqa import processes
from augqa.errors import DataError, RecordError
from augqa.processes import over_rows
from augqa.registry import load_plugins


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_ROWS_A_PART", 3)


@dataclass
class Squares:
    """Squares rows, and tells which process did."""

    fails_at: int | None = None
    kills_at: int | None = None

    def __call__(self, rows: range) -> tuple[int, list[int]]:
        if self.kills_at in rows:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fails_at in rows:
            raise RecordError(f"row {self.fails_at}")
        return os.getpid(), [row**2 for row in rows]


def test_results_come_in_the_order_of_the_rows_from_several_processes() -> None:
    found = list(over_rows(Squares(), 20, n_processes=2))
    assert [row for rows, _ in found for row in rows] == list(range(20))
    assert [square for _, (_, squares) in found for square in squares] == [n**2 for n in range(20)]
    pids = {pid for _, (pid, _) in found}
    assert len(pids) == 2
    assert os.getpid() not in pids


@pytest.mark.parametrize(("n_rows", "n_processes"), [(11, 2), (100, 1), (0, 2)])
def test_few_rows_and_one_process_stay_here_as_one_part(n_rows: int, n_processes: int) -> None:
    ((rows, (pid, squares)),) = over_rows(Squares(), n_rows, n_processes=n_processes)
    assert (rows, pid) == (range(n_rows), os.getpid())
    assert len(squares) == n_rows


def test_what_fails_is_raised_here_as_it_was_after_what_came_before() -> None:
    found = over_rows(Squares(fails_at=7), 20, n_processes=2)
    assert [next(found)[0], next(found)[0]] == [range(3), range(3, 6)]
    with pytest.raises(RecordError, match=r"^row 7$"):
        next(found)


def test_a_worker_that_is_killed_is_named() -> None:
    with pytest.raises(DataError, match=r"ended before its work was done \(signal 9\)"):
        list(over_rows(Squares(kills_at=7), 20, n_processes=2))


def test_no_worker_is_left_when_no_more_is_asked_for() -> None:
    found = over_rows(Squares(), 60, n_processes=2)
    pids = {next(found)[1][0], next(found)[1][0]}
    found.close()  # type: ignore[attr-defined]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_an_error_that_cannot_travel_is_told_by_its_name_and_text() -> None:
    class OwnError(Exception):
        """Is of no module that another process can import."""

    told = processes._sendable(OwnError("why"))
    assert (type(told), str(told)) == (RuntimeError, "OwnError: why")


def test_workers_have_the_plugins_of_who_asks(tmp_path: Path) -> None:
    (tmp_path / "a_plugin_for_workers.py").write_text("SAID = []\n")
    load_plugins(["a_plugin_for_workers"], folder=tmp_path)
    try:
        for _, imported in over_rows(imports_plugin, 20, n_processes=2):
            assert imported
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("a_plugin_for_workers")


def imports_plugin(_: range) -> bool:
    """Tell whether the plug-in is there without being asked for."""
    return "a_plugin_for_workers" in sys.modules


SLOW = """
import time
from augqa import processes

def sleeps(rows):
    print("began", flush=True)
    time.sleep(1)

if __name__ == "__main__":
    processes._ROWS_A_PART = 1
    list(processes.over_rows(sleeps, 1000, n_processes=2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_workers_end_with_who_asked_them_also_if_it_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline().startswith("began")
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        assert len(children) >= 2
        job.kill()
    until = time.monotonic() + 30
    while any(alive(pid) for pid in children):
        assert time.monotonic() < until
        time.sleep(0.1)


def alive(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
