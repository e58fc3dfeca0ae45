"""The executor that params ask for."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from augqa import processor
from augqa.executor.face import Executor
from augqa.executor.kept import KeptResults
from augqa.executor.local import Local
from augqa.executor.remote import Remote
from augqa.executor.settings import ExecutorSettings
from augqa.stage import project_root

_MODULE = "augqa.executor.ray_driver"
_END_S = 120.0  # for Ray to shut down; on an idle machine it takes two


@contextmanager
def open_executor(settings: ExecutorSettings, *, folder: Path | None = None) -> Iterator[Executor]:
    """Give a with-block the executor that params ask for; a cluster starts with the first batch.

    Args:
        settings: Section executor of params.yaml.
        folder: Where results lie until the block ends well, and the log of Ray; None: in the
            project's `.cache`.

    Raises:
        ExecutorError: If it needs Ray, which is not installed.
    """
    folder = folder or project_root() / ".cache" / "executor"
    with KeptResults(folder) as kept:
        if settings.kind == "local":
            yield Local(kept)
            return
        settings.refuse_without_ray()
        remote = _remote(settings, folder, kept)
        try:
            yield remote
        finally:
            remote.close()


def _remote(settings: ExecutorSettings, folder: Path, kept: KeptResults) -> Remote:
    named = os.environ.get("RAY_ADDRESS", "local")
    address = None if named in ("", "local") else named
    log = folder / "ray.log"
    return Remote(
        lambda: RayDriver(log, starts_cluster=address is None),
        settings={
            "address": address,
            "n_workers": settings.n_workers,
            "cpus": settings.cpus_per_worker,
            "gpus": settings.gpus_per_worker,
            "object_store_bytes": settings.object_store_mib << 20,
            # A cluster that is started here has them from this process.
            "env": dict(processor.SWITCHES) if address and processor.is_pinned() else {},
            "log": str(log),
        },
        kept=kept,
        patience_s=settings.lost_cluster_wait_s,
    )


class RayDriver:
    """The process that imports Ray. It ends with this one: the channel then closes.

    Ray ends the process whose cluster is lost, which must not be the one that has the results.

    Args:
        log: Where to append all that it and Ray's workers print.
        starts_cluster: Whether it starts a cluster of its own.
    """

    def __init__(self, log: Path, *, starts_cluster: bool) -> None:
        env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        if starts_cluster:
            # Whatever its name says: the nodes then listen on loopback alone, on Linux as well.
            env["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
            # On a busy machine a worker takes longer than the minute that Ray gives it.
            env.setdefault("RAY_worker_register_timeout_seconds", "600")
        elif "RAY_AUTH_MODE" not in env and _has_token(env):
            # `ray start` asks for the token wherever there is one; `ray.init` would not bring it.
            env["RAY_AUTH_MODE"] = "token"
        ours, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=env,
            )
        self._channel = Connection(ours.detach())

    @property
    def channel(self) -> Connection:
        """Messages to it and from it."""
        return self._channel

    def close(self) -> None:
        """Let it end, and wait until it has."""
        self._channel.close()
        try:
            self.process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            # It hangs in Ray; the cluster that it has started ends with it.
            self.process.kill()
            self.process.wait()


def _has_token(env: Mapping[str, str]) -> bool:
    """Return whether there is a token of Ray's in one of the places where Ray looks for it."""
    named = any(name in env for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").is_file()
