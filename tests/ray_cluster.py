"""Nodes of a Ray cluster, on loopback or on machines of their own, by `ray start`; killed whole.

Their ports are given beforehand: a node that chooses them itself waits 15 s for its helpers to name
theirs, which is not enough for a busy machine.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.nodes.hosts import Host

# A token that lies in the home directory is not for them.
ON_A_NETWORK = {"RAY_AUTH_MODE": "disabled", "RAY_worker_register_timeout_seconds": "600"}
# Whatever its name says: nodes, and who connects to them, then keep to loopback on Linux, too.
ENV = {**ON_A_NETWORK, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


_START_S = 300.0


@dataclass
class Node:
    """What `ray start --block` runs, with all its children."""

    process: subprocess.Popen[bytes]
    address: str  # of the head
    log: Path

    def wait(self) -> "Node":
        """Wait until it is part of the cluster."""
        until = time.monotonic() + _START_S
        while "Ray runtime started" not in self.log.read_text("utf-8", "replace"):
            assert self.process.poll() is None, self.log.read_text("utf-8", "replace")
            assert time.monotonic() < until, self.log.read_text("utf-8", "replace")
            time.sleep(0.2)
        return self

    def kill(self) -> None:
        """Kill everything that belongs to the node, without a word."""
        everything = [self.process.pid, *_descendants(self.process.pid)]
        for pid in everything:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def start_node(
    folder: Path,
    *,
    head: bool,
    n_cpus: int,
    gcs_port: int,
    gcs_host: str = "127.0.0.1",
    on: Host | None = None,
) -> Node:
    """Start a node, on this machine or on one of its own."""
    command = [sys.executable, "-m", "tests.ray_start", "start", "--block"]
    command += [f"--num-cpus={n_cpus}", "--disable-usage-stats"]
    command += ["--include-log-monitor=false"]
    command += [f"--object-store-memory={100 << 20}"]
    for name in (
        "dashboard-agent-grpc-port",
        "dashboard-agent-listen-port",
        "metrics-export-port",
        "runtime-env-agent-port",
        "node-manager-port",
        "object-manager-port",
    ):
        command.append(f"--{name}={free_port()}")
    address = f"{gcs_host}:{gcs_port}"
    if head:
        command += ["--head", f"--port={gcs_port}", "--include-dashboard=false", "--no-monitor"]
    else:
        command.append(f"--address={address}")
    env = {**(ENV if on is None else ON_A_NETWORK), "RAY_USAGE_STATS_ENABLED": "0"}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'head' if head else 'node'}-{free_port()}.log"
    if on is not None:
        command.append(f"--node-ip-address={on.address}")
        return Node(on.start(command, log=path, env=env), address, path)
    with path.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
        )
    return Node(process, address, path)


@contextmanager
def cluster(folder: Path, *, n_cpus: int) -> Iterator[Node]:
    """Give a with-block a cluster of one node; RAY_ADDRESS is for the caller to set."""
    head = start_node(folder, head=True, gcs_port=free_port(), n_cpus=n_cpus)
    try:
        yield head.wait()
    finally:
        head.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, todo = [], [pid]
    while todo:
        new = children.get(todo.pop(), [])
        found += new
        todo += new
    return found
