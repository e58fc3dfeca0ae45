"""Start and stop the embedded model's server, in a process of its own.

The child watches its standard input, a pipe whose other end lives here: however this process
ends, SIGKILL included, the pipe closes and the child leaves.
"""

import contextlib
import logging
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from augqa.errors import GenerationError
from augqa.llm.embedded_models import EmbeddedModel

log = logging.getLogger("augqa.llm")

# Two on every machine: another number gives other bytes.
THREADS = 2
_START_TIMEOUT_S = 300.0


@contextlib.contextmanager
def serve(model: EmbeddedModel) -> Iterator[str]:
    """Serve an embedded model while the block runs; yield its base URL.

    Raises:
        GenerationError: If the server does not come up.
    """
    command = [
        sys.executable,
        "-m",
        "augqa.llm.embedded_server",
        str(model.path),
        model.name,
        str(THREADS),
    ]
    with child(command, name=model.name) as (address, _):
        yield f"{address}/v1"


@contextlib.contextmanager
def child(command: Sequence[str], *, name: str) -> Iterator[tuple[str, int]]:
    """Run a server that says its address on one line; yield the address and the process's id.

    Raises:
        GenerationError: If it says nothing in time.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            # Ctrl-C goes to the whole foreground group; the child is to leave after its parent.
            start_new_session=True,
        )
        try:
            address = _address(process)
            if address is None:
                process.kill()
                process.wait()
                errors.seek(0)
                tail = errors.read()[-2000:].decode("utf-8", "replace").strip()
                raise GenerationError(
                    f"the embedded server of {name} did not come up within"
                    f" {_START_TIMEOUT_S:.0f} s (exit code {process.returncode}): {tail}"
                )
            yield address, process.pid
        finally:
            _stop(process)


def _address(process: subprocess.Popen[bytes]) -> str | None:
    """Wait for the line with the server's address; None if the process dies or is too slow."""
    output = process.stdout
    if output is None:
        return None
    deadline = time.monotonic() + _START_TIMEOUT_S
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(timeout=max(0.0, deadline - time.monotonic())):
                return None
            part = output.read1()  # type: ignore[attr-defined]
            if not part:
                return None
            line += part
    return line.decode("ascii").strip()


def _stop(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
