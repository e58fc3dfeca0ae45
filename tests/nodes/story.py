"""A job on a Ray cluster of two machines: one is lost and comes back, then the head is killed."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.nodes import job
from tests.nodes.hosts import Host, Network, network
from tests.ray_cluster import ON_A_NETWORK, Node, start_node

GCS_PORT = 6379
PLACES = {"head": 1, "node": 2}  # the last part of the address; the job is at the head
_BEFORE = 5  # batches of each machine before the next thing happens
_LONGEST_S = (
    400.0  # of each part; a busy machine takes a minute for what an idle one does in ten seconds
)


@dataclass
class Notes:
    """What has been noted of the job so far."""

    lines: list[list[str]]

    def of(self, kind: str, host: str) -> list[str]:
        """Return the batches that a machine ``began`` or ``ended``."""
        return [line[3] for line in self.lines if line[1:3] == [kind, host]]

    def first(self, kind: str, batch: str, *, after: float) -> tuple[float, str] | None:
        """Return when and where something befell a batch for the first time after a moment."""
        for time_, *said in self.lines:
            if said[0] == kind and said[-1] == batch and float(time_) > after:
                return float(time_), said[1]
        return None

    @property
    def n_done(self) -> int:
        return sum(line[1] == "done" for line in self.lines)

    @property
    def n_batches(self) -> int:
        return next(int(line[2]) for line in self.lines if line[1] == "batches")


@dataclass
class Story:
    """What happened.

    Attributes:
        n_batches: Of the job.
        here: Answers without Ray.
        there: Answers of the job.
        seconds: How long each part took.
        by: Batches that each machine ended.
        n_before: Batches that were done when the head was killed.
        n_again: Batches that were begun after that, less those that were not done.
        lost: Batches that the lost machine had begun and not ended, and who ended them.
    """

    n_batches: int = 0
    here: list[Any] = field(default_factory=list)
    there: list[Any] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    by: dict[str, int] = field(default_factory=dict)
    n_before: int = 0
    n_again: int = 0
    lost: dict[str, str] = field(default_factory=dict)


@dataclass
class Cluster:
    """Ray on two machines."""

    folder: Path
    network: Network
    hosts: dict[str, Host] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start Ray on machines, one after the other; those that are not there are made."""
        for name in names:
            if name not in self.hosts:
                self.hosts[name] = self.network.host(name, PLACES[name])
            self.nodes[name] = start_node(
                self.folder,
                head=name == "head",
                n_cpus=1,
                gcs_host=self.hosts["head"].address,
                gcs_port=GCS_PORT,
                on=self.hosts[name],
            ).wait()

    def lose(self, name: str) -> None:
        """End a machine as if its power failed."""
        self.hosts.pop(name).lose()
        self.nodes.pop(name).kill()

    def kill(self, *names: str) -> None:
        """Kill Ray on machines."""
        for name in names:
            self.nodes.pop(name).kill()


def tell(folder: Path, asked: dict[str, Any], say: Callable[[str], object] = print) -> Story:
    """Let it all happen once.

    Args:
        folder: Where the files of the job and the cluster lie.
        asked: What tests.nodes.job is asked to do.
        say: Told what happens.
    """
    story = Story()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(asked), encoding="utf-8")
    began = time.time()

    def happened(what: str, since: float = began) -> float:
        now = time.time()
        story.seconds[what] = round(now - since, 1)
        say(f"{now - began:7.1f} s  {what}: {now - since:.1f} s")
        return now

    story.here = job.answered(job.reader(asked), asked)
    happened("answers without Ray")
    hold = folder / "hold"
    hold.touch()
    with network(folder / "network") as made:
        cluster = Cluster(folder / "cluster", made)
        since = time.time()
        cluster.start(*PLACES)
        since = happened("two machines start", since)

        # Not as `__main__`: what travels to the workers must have a module that they find.
        command = [sys.executable, "-c", "from tests.nodes.job import main; main()", str(folder)]
        address = f"{cluster.hosts['head'].address}:{GCS_PORT}"
        env = {**ON_A_NETWORK, "RAY_ADDRESS": address}
        running = cluster.hosts["head"].start(command, log=folder / "job.log", env=env)

        def until(what: str, holds: Callable[[Notes], bool], since: float) -> float:
            latest = time.monotonic() + _LONGEST_S
            while not holds(notes(folder)):
                assert running.poll() is None, (folder / "job.log").read_text("utf-8")
                assert time.monotonic() < latest, what
                time.sleep(0.1)
            return happened(what, since)

        def more(kind: str, n: int, before: Notes, *names: str) -> Callable[[Notes], bool]:
            """Tell whether each machine began or ended so many batches more than before."""
            wanted = {name: len(before.of(kind, name)) + n for name in names}
            return lambda now: all(len(now.of(kind, name)) >= n for name, n in wanted.items())

        def work_on(before: Notes) -> None:
            hold.unlink()
            until("both work", more("ended", _BEFORE, before, *PLACES), time.time())

        until("workers on both", more("began", 1, notes(folder), *PLACES), since)
        work_on(notes(folder))

        # Ray takes a minute to miss a machine: enough is to be left until then.
        slow = folder / "slow"
        slow.touch()
        lost_at = time.time()
        cluster.lose("node")
        before = notes(folder)
        lost = set(before.of("began", "node")) - set(before.of("ended", "node"))
        until(
            "what was on the lost machine is done",
            lambda now: all(now.first("ended", batch, after=lost_at) for batch in lost),
            lost_at,
        )
        hold.touch()
        slow.unlink()
        for batch in lost:
            found = notes(folder).first("ended", batch, after=lost_at)
            story.lost[batch] = found[1] if found else ""
        since, before = time.time(), notes(folder)
        cluster.start("node")
        since = happened("the machine is back", since)
        until("a worker on it", more("began", 1, before, "node"), since)
        work_on(notes(folder))

        hold.touch()
        killed_at = time.time()
        # With the head the cluster is no more: who looks after the machines starts Ray anew.
        cluster.kill("head", "node")
        before = notes(folder)
        cluster.start(*PLACES)
        since = happened("a cluster again", killed_at)
        story.n_before = notes(folder).n_done
        until("workers on both again", more("began", 1, before, *PLACES), since)
        work_on(notes(folder))
        until("all are done", lambda now: now.n_done == now.n_batches, killed_at)
        assert running.wait(_LONGEST_S) == 0, (folder / "job.log").read_text("utf-8")
        happened("the job ends")
    story.there = json.loads((folder / "answers.json").read_text("utf-8"))
    _count(story, notes(folder), killed_at)
    return story


def _count(story: Story, ended: Notes, killed_at: float) -> None:
    """Note who did how much, and what was done twice."""
    batches = [(float(line[0]), *line[1:]) for line in ended.lines if len(line) == 4]
    story.n_batches = ended.n_batches
    story.by = dict(Counter(host for _, kind, host, _ in batches if kind == "ended"))
    n_begun = sum(kind == "began" and at > killed_at for at, kind, _, _ in batches)
    story.n_again = n_begun - (story.n_batches - story.n_before)


def notes(folder: Path) -> Notes:
    """Return what the job has noted."""
    path = folder / "notes"
    return Notes([line.split() for line in path.read_text().splitlines()] if path.exists() else [])
