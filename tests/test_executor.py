"""The executor: order, what fails, lost workers and drivers, results that are kept. Without Ray."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from augqa.commands.checking import check
from augqa.errors import AugQAError, ExecutorError, ReaderError
from augqa.executor.face import Prepared
from augqa.executor.kept import Kept, KeptResults, hash_of
from augqa.executor.local import LOCAL
from augqa.executor.opening import open_executor
from augqa.executor.pool import N_ATTEMPTS, Pool
from augqa.executor.remote import Remote
from augqa.executor.settings import ExecutorSettings
from augqa.executor.worker import result_of
from tests.executing import Crew, FakeDriver, Squares, Stopped
from tests.work import no_hang

NUMBERS = list(range(20))
SQUARES = [number * number for number in NUMBERS]


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """A batch that is lost would be waited for without end."""
    with no_hang():
        yield


def settings(**changes: Any) -> ExecutorSettings:
    values: dict[str, Any] = {
        "kind": "local",
        "n_workers": None,
        "cpus_per_worker": 1.0,
        "gpus_per_worker": 0.0,
        "object_store_mib": 100,
        "lost_cluster_wait_s": 0,
    }
    return ExecutorSettings(**{**values, **changes})


@contextmanager
def remote(
    folder: Path, *drivers: Callable[[], FakeDriver]
) -> Iterator[tuple[Remote, list[FakeDriver]]]:
    """Give a stage an executor whose drivers come from `drivers` in turn, and those it started."""
    left, started = list(drivers), []

    def start() -> FakeDriver:
        started.append(left.pop(0)())
        return started[-1]

    with KeptResults(folder) as kept:
        executor = Remote(start, settings={"log": "ray.log"}, kept=kept, patience_s=7)
        try:
            yield executor, started
        finally:
            executor.close()


@pytest.mark.parametrize("n_at_once", [1, 3])
def test_results_come_in_the_order_of_the_batches_here(n_at_once: int) -> None:
    assert LOCAL.map(Squares(n_at_once=n_at_once), NUMBERS) == SQUARES


def test_a_batch_that_fails_here_fails_as_it_always_did() -> None:
    with pytest.raises(ReaderError, match="7 is not to be squared"):
        LOCAL.map(Squares({7: "refuse"}), NUMBERS)


def worked_on_here(
    folder: Path, *, stops_after: int | None = None, **how: Any
) -> tuple[list[int], list[int] | None]:
    """Square the numbers here, as a stage would; return what was worked on, and what came of it."""
    worked_on: list[int] = []

    class Noted(Squares):
        def square(self, number: int) -> int:
            if len(worked_on) == stops_after:
                raise Stopped
            worked_on.append(number)
            return super().square(number)

    results = None
    with suppress(Stopped), open_executor(settings(), folder=folder) as executor:
        first = executor.map(Noted(**how), NUMBERS[:5])
        results = [*first, *executor.map(Noted(**how), NUMBERS[5:])]
    return worked_on, results


def test_a_slow_work_goes_on_here_from_what_is_there_whichever_job_was_stopped(
    tmp_path: Path,
) -> None:
    assert worked_on_here(tmp_path, is_kept=True, stops_after=8) == (NUMBERS[:8], None)
    assert worked_on_here(tmp_path, is_kept=True, stops_after=4) == (NUMBERS[8:12], None)
    assert worked_on_here(tmp_path, is_kept=True) == (NUMBERS[12:], SQUARES)
    assert list(tmp_path.glob("*.kept")) == []


@pytest.mark.parametrize("how", [{"is_kept": False}, {"is_kept": True, "name": "another"}])
def test_a_fast_work_and_another_one_begin_anew_here(tmp_path: Path, how: dict[str, Any]) -> None:
    worked_on_here(tmp_path, **{"is_kept": True, **how, "name": "squares"}, stops_after=8)
    assert worked_on_here(tmp_path, **how) == (NUMBERS, SQUARES)


def test_what_a_cluster_has_done_is_not_done_again_here(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError), remote(tmp_path, FakeDriver) as (executor, started):
        executor.map(Squares({4: "fail"}), NUMBERS)
    assert len(started[0].worked_on) == 20
    assert worked_on_here(tmp_path, is_kept=True) == ([4], SQUARES)


def test_batches_are_prepared_one_at_a_time_when_they_are_asked_for() -> None:
    asked: list[int] = []

    def prepare(number: int) -> int:
        asked.append(number)
        return number

    batches = Prepared(NUMBERS, prepare)
    assert (len(batches), asked) == (20, [])
    assert list(batches[2:4]) == [2, 3]
    assert asked == [2, 3]


def test_results_come_in_the_order_of_the_batches_whatever_comes_first(tmp_path: Path) -> None:
    done: list[int] = []
    with remote(tmp_path, FakeDriver) as (executor, started):
        assert executor.map(Squares(), NUMBERS, done=done.append) == SQUARES
    assert started[0].worked_on != NUMBERS
    assert sorted(done) == NUMBERS


def test_no_batches_need_no_driver(tmp_path: Path) -> None:
    with remote(tmp_path) as (executor, started):
        assert executor.map(Squares(), []) == []
    assert started == []


def test_one_driver_serves_one_job_after_the_other(tmp_path: Path) -> None:
    with remote(tmp_path, FakeDriver) as (executor, started):
        assert executor.map(Squares(), NUMBERS[:3]) == SQUARES[:3]
        assert executor.map(Squares(), NUMBERS) == SQUARES
    assert len(started) == 1


def test_a_batch_that_fails_is_named_with_its_reason_and_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    message = r"2 of 20 batches failed; .* batch 4: ZeroDivisionError: no square of 4$"
    failed = pytest.raises(ExecutorError, match=message)
    with failed, remote(tmp_path, FakeDriver) as (executor, started):
        executor.map(Squares({4: "fail", 9: "refuse"}), NUMBERS)
    assert sorted(started[0].worked_on) == NUMBERS


def test_a_second_run_does_what_failed_alone(tmp_path: Path) -> None:
    failed = pytest.raises(ExecutorError, match="results of the others are kept")
    with failed, remote(tmp_path, FakeDriver) as (executor, _):
        executor.map(Squares({4: "fail"}), NUMBERS)
    with remote(tmp_path, FakeDriver) as (executor, started):
        assert executor.map(Squares(), NUMBERS) == SQUARES
    assert started[0].worked_on == [4]


def test_a_second_run_does_no_job_again_that_was_done_before_the_one_that_stopped(
    tmp_path: Path,
) -> None:
    work = Squares({14: "fail"})
    with suppress(ExecutorError), remote(tmp_path, FakeDriver) as (executor, started):
        executor.map(work, NUMBERS[:10])
        executor.map(work, NUMBERS[10:])
    assert len(started[0].worked_on) == 20
    with remote(tmp_path, FakeDriver) as (executor, started):
        assert executor.map(Squares(), NUMBERS[:10]) == SQUARES[:10]
        assert executor.map(Squares(), NUMBERS[10:]) == SQUARES[10:]
    assert started[0].worked_on == [4]  # of the second job


def test_the_job_goes_on_from_what_is_there_when_the_cluster_is_lost(tmp_path: Path) -> None:
    drivers = [lambda: FakeDriver(ends_after=8), FakeDriver]
    with remote(tmp_path, *drivers) as (executor, started):
        assert executor.map(Squares(), NUMBERS) == SQUARES
    first, second = (driver.worked_on for driver in started)
    assert len(first) == 8
    assert sorted([*first, *second]) == NUMBERS


def test_another_process_goes_on_from_what_is_there(tmp_path: Path) -> None:
    n_done = 0

    def stop(_number: int) -> None:
        nonlocal n_done
        n_done += 1
        if n_done == 4:
            raise Stopped

    drivers = [lambda: FakeDriver(ends_after=5)] * 4
    with pytest.raises(Stopped), remote(tmp_path, *drivers) as (executor, _):
        executor.map(Squares(), NUMBERS, done=stop)
    with remote(tmp_path, FakeDriver) as (executor, started):
        assert executor.map(Squares(), NUMBERS) == SQUARES
    assert len(started[0].worked_on) == 20 - 4


def test_what_is_kept_is_removed_when_the_stage_is_done(tmp_path: Path) -> None:
    with remote(tmp_path, FakeDriver) as (executor, _):
        executor.map(Squares(), NUMBERS)
        assert len(list(tmp_path.glob("*.kept"))) == 1
    assert list(tmp_path.glob("*.kept")) == []


def test_a_cluster_that_is_lost_again_and_again_ends_the_job(tmp_path: Path) -> None:
    drivers = [lambda: FakeDriver(ends_after=0)] * 5
    lost = pytest.raises(ExecutorError, match=r"3 times the cluster was lost .*ray\.log tells more")
    with lost, remote(tmp_path, *drivers) as (executor, started):
        executor.map(Squares(), NUMBERS)
    assert len(started) == 3


def test_only_a_driver_that_follows_a_lost_one_waits_for_its_cluster(tmp_path: Path) -> None:
    with remote(tmp_path, lambda: FakeDriver(ends_after=0), FakeDriver) as (executor, started):
        executor.map(Squares(), NUMBERS)
    assert [b'"patience_s": 7' in driver.settings for driver in started] == [False, True]


def test_what_a_driver_says_is_the_error(tmp_path: Path) -> None:
    def faulty() -> FakeDriver:
        return FakeDriver(fault="no Ray cluster answers there")

    said = pytest.raises(ExecutorError, match="executor: no Ray cluster answers there")
    with said, remote(tmp_path, faulty) as (executor, _):
        executor.map(Squares(), NUMBERS)


def test_a_work_that_no_worker_can_begin_ends_the_job(tmp_path: Path) -> None:
    said = pytest.raises(ExecutorError, match="a worker cannot begin: no weights")
    with said, remote(tmp_path, FakeDriver) as (executor, _):
        executor.map(Squares(broken=True), NUMBERS)


def broken_off(folder: Path, *names: bytes) -> dict[bytes, bytes | None]:
    """Keep a result of each name in a job that breaks off; return what was kept before."""
    with suppress(ZeroDivisionError), Kept(folder, "job") as kept:
        found = {name: kept.get(hash_of(name)) for name in (b"one", b"two", b"three")}
        for name in names:
            kept.put(hash_of(name), b"result of " + name)
        raise ZeroDivisionError
    return found


def test_a_record_that_was_cut_short_is_done_anew(tmp_path: Path) -> None:
    broken_off(tmp_path, b"one", b"two")
    (path,) = tmp_path.glob("*.kept")
    path.write_bytes(path.read_bytes()[:-3])
    found = broken_off(tmp_path, b"three")
    assert found == {b"one": b"result of one", b"two": None, b"three": None}
    with Kept(tmp_path, "job") as kept:
        assert kept.get(hash_of(b"three")) == b"result of three"
        assert len(kept) == 2


def test_a_record_that_was_damaged_is_done_anew(tmp_path: Path) -> None:
    broken_off(tmp_path, b"one", b"two")
    (path,) = tmp_path.glob("*.kept")
    path.write_bytes(path.read_bytes().replace(b"result of two", b"result of tow"))
    with Kept(tmp_path, "job") as kept:
        assert kept.get(hash_of(b"one")) == b"result of one"
        assert kept.get(hash_of(b"two")) is None


def test_a_job_that_another_process_works_on_keeps_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Kept(tmp_path, "job") as first:
        with Kept(tmp_path, "job") as second:
            second.put(hash_of(b"one"), b"1")
        first.put(hash_of(b"two"), b"2")
        assert len(list(tmp_path.glob("*.kept"))) == 1
    assert "results are not kept aside" in caplog.text


def pooled(crew: Crew, n_workers: int = 2) -> dict[int, bytes]:
    """Return the outcome of each number, by a pool of so many workers."""
    pool = Pool(crew, n_workers)
    for number in NUMBERS:
        pool.add(number, pickle.dumps(number))
    outcomes: dict[int, bytes] = {}
    while not pool.is_idle:
        for number, outcome in pool.step():
            assert number not in outcomes
            outcomes[number] = outcome
    return outcomes


def test_every_worker_has_its_share() -> None:
    crew = Crew(pickle.dumps(Squares()))
    assert {n: result_of(o) for n, o in pooled(crew).items()} == dict(
        zip(NUMBERS, SQUARES, strict=True)
    )
    assert set(crew.by_worker) == {1, 2}


def test_a_lost_worker_loses_nothing() -> None:
    crew = Crew(pickle.dumps(Squares()), deadly={3: 1, 11: 1})
    outcomes = pooled(crew)
    assert [result_of(outcomes[number]) for number in NUMBERS] == SQUARES
    assert crew.n_started == 4


def test_a_batch_that_ends_every_worker_is_given_up_with_the_reason() -> None:
    crew = Crew(pickle.dumps(Squares()), deadly={3: 99})
    outcomes = pooled(crew)
    assert outcomes.pop(3) == b"F3 workers ended on it, the last one so: killed"
    assert [result_of(outcome) for outcome in outcomes.values()]
    assert sorted(outcomes) == [number for number in NUMBERS if number != 3]
    assert crew.n_started == 2 + N_ATTEMPTS


def test_a_worker_that_never_gets_ready_is_given_nothing() -> None:
    crew = Crew(pickle.dumps(Squares()), unready=[1])
    outcomes = pooled(crew)
    assert sorted(outcomes) == NUMBERS
    assert set(crew.by_worker) == {2}


def test_workers_that_end_before_they_are_ready_are_not_started_for_ever() -> None:
    with pytest.raises(ExecutorError, match="no worker gets ready: no such module"):
        pooled(Crew(pickle.dumps(Squares()), stillborn=99))


def test_without_ray_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augqa.executor.settings.find_spec", lambda _name: None)
    with pytest.raises(AugQAError) as caught, open_executor(settings(kind="ray"), folder=tmp_path):
        pass
    message = "executor.kind is ray, but Ray is not installed: make setup EXTRAS=ray"
    assert str(caught.value) == message


def test_check_refuses_params_that_ask_for_ray_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path("params.yaml").read_text(encoding="utf-8")
    asking = text.replace("  kind: local  # local | ray", "  kind: ray  # local | ray")
    assert asking != text
    (tmp_path / "params.yaml").write_text(asking, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("augqa.executor.settings.find_spec", lambda _name: None)
    with pytest.raises(ExecutorError, match="make setup EXTRAS=ray"):
        check()


def test_one_module_alone_imports_ray() -> None:
    found = [p.name for p in Path("src").rglob("*.py") if "import ray" in p.read_text("utf-8")]
    assert found == ["ray_driver.py"]
