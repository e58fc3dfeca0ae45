"""Real Ray: the same bytes, workers that are killed, machines that are lost.

On loopback, and on machines made of namespaces where they can be made. Slow to start, and left out
where Ray is not installed: make setup EXTRAS=ray.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import ExecutorError
from augqa.executor.face import Executor
from augqa.executor.opening import open_executor
from augqa.executor.settings import ExecutorSettings
from tests.executing import Squares
from tests.nodes.hosts import why_not
from tests.nodes.story import Story, tell
from tests.ray_cluster import ENV, Node, cluster, free_port, start_node
from tests.readers import lessons, load, tiny_model
from tests.tiny import WORDS
from tests.work import no_hang

pytest.importorskip("ray", reason="Ray is not installed: make setup EXTRAS=ray")

NUMBERS = list(range(20))
SQUARES = [number * number for number in NUMBERS]
_LONGEST_S = 900  # a cluster starts in 10 to 60 seconds, by what else the machine does


def settings(**changes: Any) -> ExecutorSettings:
    values: dict[str, Any] = {
        "kind": "ray",
        "n_workers": 2,
        "cpus_per_worker": 1.0,
        "gpus_per_worker": 0.0,
        "object_store_mib": 100,
        "lost_cluster_wait_s": 600,
    }
    return ExecutorSettings(**{**values, **changes})


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """What waits for a cluster without end is shown where it waits."""
    with no_hang(_LONGEST_S):
        yield


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("ray")
    with cluster(folder, n_cpus=2) as node, pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENV, "RAY_ADDRESS": node.address}.items():
            patch.setenv(name, value)
        yield node


@pytest.fixture(scope="module")
def ray(head: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    assert head.process.poll() is None
    with open_executor(settings(), folder=tmp_path_factory.mktemp("executor")) as executor:
        yield executor


def test_results_come_in_the_order_of_the_batches(ray: Executor) -> None:
    assert ray.map(Squares(), NUMBERS) == SQUARES


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_answers_are_the_same_bytes(kind: str, tmp_path: Path, ray: Executor) -> None:
    tiny_model(kind, tmp_path / "reader")
    reader = load(tmp_path / "reader")
    asked = lessons() * 20
    assert reader.answer_all(asked, batch_size=2, executor=ray) == reader.answer_all(
        asked, batch_size=2
    )


def test_a_killed_worker_loses_nothing(tmp_path: Path, ray: Executor) -> None:
    work = Squares({7: "once"}, folder=str(tmp_path), name="killed once")
    assert ray.map(work, NUMBERS) == SQUARES
    assert (tmp_path / "7").exists()


def test_a_batch_that_kills_every_worker_and_one_that_fails_are_named(ray: Executor) -> None:
    work = Squares({3: "kill", 5: "fail"}, name="killed")
    with pytest.raises(ExecutorError, match=r"2 of 20 batches failed.* batch 3: 3 workers ended"):
        ray.map(work, NUMBERS)


def test_an_address_where_no_cluster_is_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    message = "RAY_ADDRESS is 127.*no Ray cluster answers there"
    with (
        open_executor(settings(), folder=tmp_path) as executor,
        pytest.raises(ExecutorError, match=message),
    ):
        executor.map(Squares(), NUMBERS)


def test_the_job_goes_on_from_what_is_there_when_the_head_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    for name, value in {**ENV, "RAY_ADDRESS": f"127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)

    def nodes() -> list[Node]:
        # One: Ray refuses a second node where nodes keep to loopback.
        return [start_node(tmp_path, head=True, gcs_port=port, n_cpus=2).wait()]

    # One batch does not come back before the head is killed.
    work = Squares({12: "wait"}, folder=str(tmp_path), name="waits")
    found: list[Any] = []
    done: list[int] = []

    def run() -> None:
        with open_executor(settings(), folder=tmp_path / "executor") as executor:
            found.append(executor.map(work, NUMBERS, done=done.append))

    running = nodes()
    job = threading.Thread(target=run)
    job.start()
    try:
        while not ((tmp_path / "12").exists() and len(done) >= 15):
            assert job.is_alive()
            time.sleep(0.1)
        for node in running:
            node.kill()
        running = nodes()
        job.join()
    finally:
        for node in running:
            node.kill()
    assert found == [SQUARES]
    # What was done before was not done again.
    assert sorted(done) == NUMBERS


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """What happens to a job on a cluster of several machines that are lost."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("nodes")
    tiny_model("bert", folder / "reader")
    words = WORDS.split()
    asked = {
        "reader": str(folder / "reader"),
        "settings": {"max_seq_length": 32, "doc_stride": 4},
        # No two batches are alike.
        "questions": [f"{words[n // 20]} {words[n % 20]}" for n in range(200)],
        "contexts": [lessons()[n % 5].context for n in range(200)],
        "batch_size": 2,
        "n_workers": 2,
        "pause_s": 0.1,
    }
    return tell(folder / "job", asked)


def test_batches_on_two_machines_give_the_same_bytes(story: Story) -> None:
    assert set(story.by) == {"head", "node"}
    assert min(story.by.values()) > 5
    assert story.there == story.here
    assert len({score for _, _, score in story.here}) > 100


def test_a_machine_that_is_lost_loses_no_batch(story: Story) -> None:
    assert story.lost
    assert set(story.lost.values()) <= {"head", "node"}
    assert sum(story.by.values()) >= story.n_batches


def test_a_job_on_two_machines_goes_on_when_the_head_is_killed(story: Story) -> None:
    assert 0 < story.n_before < story.n_batches
    assert story.n_again == 0
