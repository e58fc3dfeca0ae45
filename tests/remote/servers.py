"""Servers on loopback: S3 by moto, PostgreSQL by Debian's, MLflow before it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

KEYS = {
    "AWS_ACCESS_KEY_ID": "loopback",
    "AWS_SECRET_ACCESS_KEY": "loopback",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_PATIENCE_S = 600


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def s3(folder: Path, buckets: tuple[str, ...]) -> Iterator[str]:
    """Serve S3 with empty buckets; yield its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _process(command, folder / "s3.log", env=KEYS):
        _wait(lambda: _answers(f"{address}/moto-api/data.json"), "moto")
        for bucket in buckets:
            request = urllib.request.Request(f"{address}/{bucket}", method="PUT")
            urllib.request.urlopen(request, timeout=30).close()
        yield address


def postgresql_programs() -> Path | None:
    """Return the folder of Debian's PostgreSQL programs, the newest; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin: int(bin.parent.name))
    return found[-1] if found else None


@contextmanager
def postgresql(folder: Path, programs: Path) -> Iterator[str]:
    """Serve an empty database; yield its address. Root has to do so as user postgres."""
    data, port = folder / "postgresql", free_port()
    data.mkdir()
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(data, user)
        # The folders above are this user's alone, since they are temporary ones.
        for above in (folder, *folder.parents):
            if above.stat().st_uid == os.geteuid() and above != Path("/"):
                above.chmod(above.stat().st_mode | 0o011)
    make: list[str | Path] = [
        programs / "initdb",
        "--pgdata",
        data,
        "--username",
        "augqa",
        "--auth",
        "trust",
    ]
    subprocess.run([*make, "--no-sync"], check=True, stdout=subprocess.DEVNULL, user=user)
    serve = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data]
    with _process([str(word) for word in serve], folder / "postgresql.log", user=user):
        query = [str(programs / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "augqa"]

        def is_up() -> bool:
            done = subprocess.run(
                [*query, "-c", "select 1", "postgres"], capture_output=True, check=False
            )
            return done.returncode == 0

        _wait(is_up, "PostgreSQL")
        subprocess.run([*query, "-qc", "create database mlflow", "postgres"], check=True)
        yield f"postgresql://augqa@127.0.0.1:{port}/mlflow"


@contextmanager
def mlflow(folder: Path, store: str, *, artifacts: str, env: Mapping[str, str]) -> Iterator[str]:
    """Serve MLflow with its artifacts; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", store]
    command += ["--artifacts-destination", artifacts]
    with _process(command, folder / "mlflow.log", env={**KEYS, **env}):
        log = folder / "mlflow.log"
        _wait(lambda: _answers(f"http://127.0.0.1:{port}/health"), "mlflow server", log)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _process(
    command: list[str], log: Path, env: Mapping[str, str] | None = None, user: str | None = None
) -> Iterator[None]:
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **(env or {})},
            user=user,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def _wait(is_up: Callable[[], bool], what: str, log: Path | None = None) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not is_up():
        if time.monotonic() > until:
            said = log.read_text(encoding="utf-8")[-2000:] if log is not None else ""
            raise SystemExit(f"{what} does not answer. {said}")
        time.sleep(0.5)
