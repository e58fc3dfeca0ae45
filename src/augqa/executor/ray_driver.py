"""The one module that imports Ray: a process that holds a cluster's workers, and hands out batches.

Run as ``python -m augqa.executor.ray_driver FD``; FD is its channel to augqa.executor.remote. It
ends when the channel is closed, and takes with it a cluster that it has started.

Plain actors, and not Ray Data's pool of them: that one starts a batch again without end where it
kills its worker, or else gives up the whole job with the first worker; and what is done by then
does not outlive the cluster's head (Ray 2.60).
"""

import json
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from augqa.errors import ExecutorError
from augqa.executor.messages import (
    BATCH,
    FAULT,
    OUTCOME,
    READY,
    WORK,
    number_in,
    numbered,
    parted,
)
from augqa.executor.pool import N_AHEAD, Pool, WorkerLost
from augqa.executor.watching import LOOK_S, answers, wait_until_gone
from augqa.executor.worker import Worker, failed, told

log = logging.getLogger("augqa")


class Actor:
    """What Ray runs in each worker process."""

    def __init__(self, work: bytes) -> None:
        self._worker = Worker(work)

    def ready(self) -> bytes:
        address: str = ray.util.get_node_ip_address()
        return address.encode()

    def run(self, batch: bytes) -> bytes:
        return self._worker.run(batch)


class RayCrew:
    """Workers that are actors of Ray; see `augqa.executor.pool.Crew`.

    Args:
        work: What they do, pickled.
        options: What Ray sets aside for each, and their environment.
    """

    def __init__(self, work: bytes, options: Mapping[str, Any]) -> None:
        self._work = ray.put(work)  # each node fetches it once
        self._actor = ray.remote(Actor).options(max_restarts=0, max_task_retries=0, **options)

    def start(self) -> tuple[Any, Any]:
        worker = self._actor.remote(self._work)
        return worker, worker.ready.remote()

    def submit(self, worker: Any, batch: bytes) -> Any:
        return worker.run.remote(batch)

    def wait(self, tickets: Sequence[Any]) -> Sequence[Any]:
        due, _ = ray.wait(list(tickets), num_returns=1, timeout=LOOK_S)
        return list(due)

    def take(self, ticket: Any) -> bytes:
        try:
            outcome: bytes = ray.get(ticket)
        except RayTaskError as error:
            return failed(told(error))
        except RayError as error:
            raise WorkerLost(told(error)) from error
        return outcome

    def stop(self, worker: Any) -> None:
        ray.kill(worker)


def main() -> None:
    """Talk to the process that has the batches, until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other one, which hangs up
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    channel = Connection(int(sys.argv[1]))
    try:
        _, content = parted(channel.recv_bytes())
        settings = json.loads(content)
        n_workers = _connected(settings)
        head = ray.get_runtime_context().gcs_address
        threading.Thread(target=_watch, args=(head,), daemon=True).start()
        channel.send_bytes(READY + json.dumps({"n_ahead": (N_AHEAD + 1) * n_workers}).encode())
        _serve(channel, settings, n_workers)
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        log.info("the end: %s", told(error))
    except (ExecutorError, OSError, RuntimeError, ValueError) as error:
        log.exception("the end")
        channel.send_bytes(FAULT + told(error).encode())
    finally:
        ray.shutdown()


def _connected(settings: Mapping[str, Any]) -> int:
    """Connect to the cluster, or start one on this machine; return how many workers to have.

    Raises:
        ExecutorError: If there is none at the address, or it has no room for a worker.
    """
    address, cpus, n_workers = (settings[name] for name in ("address", "cpus", "n_workers"))
    common: dict[str, Any] = {"log_to_driver": True, "namespace": "augqa"}
    until = time.monotonic() + settings["patience_s"]
    if address:
        _wait_for(address, until)
        _join(address, until, common)
    else:
        ray.init(
            address="local",  # not one that happens to run here
            num_cpus=n_workers and math.ceil(n_workers * cpus),
            object_store_memory=settings["object_store_bytes"],
            include_dashboard=False,
            **common,
        )
    while (room := _room(cpus, settings["gpus"])) < 1:
        # The nodes of a cluster that comes back join it one after the other.
        if time.monotonic() >= until:
            there = ray.cluster_resources()
            raise ExecutorError(
                f"the cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs: no"
                f" worker of {cpus:g} and {settings['gpus']:g} fits (executor.cpus_per_worker,"
                " gpus_per_worker)"
            )
        time.sleep(LOOK_S)
    # More than there is room for now get theirs with the next node.
    return n_workers or room


def _room(cpus: float, gpus: float) -> int:
    """Return how many workers the cluster has room for."""
    there = ray.cluster_resources()
    room = int(there.get("CPU", 0) // cpus)
    return min(room, int(there.get("GPU", 0) // gpus)) if gpus else room


def _watch(head: str) -> None:
    """End this process when the head of the cluster is gone: Ray would wait for it."""
    log.error("the head of the cluster, %s, %s", head, wait_until_gone(head))
    # Not in order, which would take the head. The other process sees the channel close.
    os._exit(1)


def _wait_for(address: str, until: float) -> None:
    """Wait for the head of a cluster, until a time of the monotonic clock.

    Raises:
        ExecutorError: If it does not answer in time.
    """
    if address.startswith("ray://"):
        raise ExecutorError(
            f"RAY_ADDRESS is {address}: Ray's client is of no use here. Run this on a node of the"
            " cluster, with RAY_ADDRESS=HOST:PORT of its head"
        )
    while address != "auto" and not answers(address):
        if time.monotonic() >= until:
            raise ExecutorError(
                f"RAY_ADDRESS is {address}: no Ray cluster answers there. Start one (ray start"
                " --head), or unset RAY_ADDRESS to have one started here"
            )
        time.sleep(LOOK_S)


def _join(address: str, until: float, common: Mapping[str, Any]) -> None:
    """Connect to a cluster; one that comes back may have no node on this machine yet.

    Raises:
        OSError, RuntimeError: As Ray, if it cannot be done in time.
    """
    while True:
        try:
            ray.init(address=address, **common)
        except (OSError, RuntimeError):
            if time.monotonic() >= until:
                raise
            log.exception("once more")
            time.sleep(LOOK_S)
        else:
            return


def _serve(channel: Connection, settings: Mapping[str, Any], n_workers: int) -> None:
    """Work on what comes, until the channel is closed.

    Raises:
        EOFError: When it is.
        ExecutorError: If workers end before they are ready.
    """
    options: dict[str, Any] = {"num_cpus": settings["cpus"], "num_gpus": settings["gpus"]}
    if settings["env"]:
        # Before Python starts: libraries read it when they are loaded.
        options["runtime_env"] = {"env_vars": settings["env"]}
    # It always listens, so that neither side waits for the other to read.
    messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, messages), daemon=True).start()
    pool: Pool | None = None
    try:
        while True:
            while pool is None or pool.is_idle or not messages.empty():
                message = messages.get()
                if message is None:
                    raise EOFError("nobody listens any more")
                kind, content = parted(message)
                if kind == WORK:
                    if pool is not None:
                        _tell_shares(pool)
                        pool.close()
                    pool = Pool(RayCrew(content, options), n_workers)
                elif kind == BATCH and pool is not None:
                    pool.add(*number_in(content))
            for number, outcome in pool.step():
                channel.send_bytes(numbered(OUTCOME, number, outcome))
    finally:
        if pool is not None:
            _tell_shares(pool)


def _tell_shares(pool: Pool) -> None:
    shares = [f"{n} on {where}" for where, n in sorted(pool.n_done.items())]
    log.info("batches: %s", ", ".join(shares) or "none")


def _listen(channel: Connection, messages: "queue.SimpleQueue[bytes | None]") -> None:
    try:
        while True:
            messages.put(channel.recv_bytes())
    except (EOFError, OSError):
        messages.put(None)


if __name__ == "__main__":
    main()
