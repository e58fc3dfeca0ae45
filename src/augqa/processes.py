"""Rows of a table worked on by every core: several processes, results in the order of the rows.

A process is started anew and not forked: libraries that have threads of their own, such as Arrow,
may hang in one that is forked. It takes seconds to import what it needs, so that few rows stay in
this process. A worker ends with who asked it, also where that was killed.
"""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from augqa.errors import DataError
from augqa.registry import load_plugins, loaded_plugins

R = TypeVar("R")

_ROWS_A_PART = 8192
_PARTS_A_WORKER = 2  # at least; of fewer rows, starting a process takes longer than it saves
_MOST = 8  # processes; each holds its libraries and what it is given, some 200 MiB


def over_rows(
    task: Callable[[range], R], n_rows: int, *, n_processes: int | None = None
) -> Iterator[tuple[range, R]]:
    """Yield parts of the rows of a table, in their order, each with what `task` makes of it.

    Args:
        task: Can be pickled if there are enough rows for several processes. What it keeps for
            later parts stays in its process.
        n_rows: Rows of the table; they are one part if one process is enough.
        n_processes: At most so many; None: as many as there are cores, at most eight.

    Raises:
        DataError: If a worker is ended by another.
        Exception: What `task` raises for the first part for which it does.
    """
    most = min(_cores(), _MOST) if n_processes is None else n_processes
    n_workers = min(most, n_rows // (_PARTS_A_WORKER * _ROWS_A_PART))
    if n_workers < 2:
        everything = range(n_rows)
        yield everything, task(everything)
        return
    starts = range(0, n_rows, _ROWS_A_PART)
    parts = [range(start, min(start + _ROWS_A_PART, n_rows)) for start in starts]
    yield from zip(parts, _shared_out(task, parts, n_workers), strict=True)


def _shared_out(task: Callable[[range], R], parts: Sequence[range], n_workers: int) -> Iterator[R]:
    """Yield the results of parts; each worker has a part waiting beside the one it works on."""
    with ExitStack() as stack:
        workers: list[_Worker[R]] = []
        for _ in range(n_workers):
            workers.append(_Worker.start())
            stack.callback(workers[-1].end)
        content = pickle.dumps((loaded_plugins(), pickle.dumps(task)))
        for worker in workers:  # once all of them start: they take it when they have imported
            worker.give(content)
        ahead = 2 * n_workers
        for number, part in enumerate(parts[:ahead]):
            workers[number % n_workers].ask(part)
        for number in range(len(parts)):
            worker = workers[number % n_workers]
            result = worker.result()
            if number + ahead < len(parts):
                worker.ask(parts[number + ahead])
            yield result


@dataclass(frozen=True, slots=True)
class _Worker(Generic[R]):
    process: BaseProcess
    connection: "Connection[Any, Any]"

    @classmethod
    def start(cls) -> "_Worker[R]":
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()  # so that its end is seen
        return cls(process, ours)

    def give(self, content: bytes) -> None:
        try:
            self.connection.send_bytes(content)
        except OSError as error:
            raise self._ended() from error

    def ask(self, part: range) -> None:
        # A few bytes: it never waits for the worker to read them.
        with suppress(OSError):  # `result` tells
            self.connection.send(part)

    def result(self) -> R:
        try:
            result, error = self.connection.recv()
        except (EOFError, OSError) as ended:
            raise self._ended() from ended
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _ended(self) -> DataError:
        self.process.join()
        how = _described(self.process.exitcode)
        return DataError(
            f"a worker process ended before its work was done ({how}). Nothing is written:"
            " run the stage again, with more memory if that was short."
        )


def _serve(connection: "Connection[Any, Any]") -> None:
    """Work on what is asked for until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: who asked ends, and with it this
    with suppress(EOFError, OSError):
        content = connection.recv_bytes()
        task: Callable[[range], Any] | None = None
        while True:
            part = connection.recv()
            try:
                if task is None:
                    plugins, given = pickle.loads(content)
                    load_plugins(plugins)  # before anything of them is unpickled
                    task = pickle.loads(given)
                result: tuple[Any, Exception | None] = (task(part), None)
            except Exception as error:  # noqa: BLE001 - whatever it is, who asked raises it
                result = (None, _sendable(error))
            connection.send(result)


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - an error of a plug-in may have any shape
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _described(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}"
    return f"exit code {exit_code}"


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
