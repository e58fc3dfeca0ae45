"""Works, crews and drivers that need neither a model nor Ray."""

import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from augqa.errors import ReaderError
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
from augqa.executor.pool import WorkerLost
from augqa.executor.worker import Worker


class Stopped(Exception):
    """Stands for whatever ends a stage."""


@dataclass
class Squares:
    """Squares numbers; what it does besides with one is told by that number's word.

    Attributes:
        words: ``fail``, ``refuse``; ``kill`` ends the process, ``once`` the first time alone;
            ``wait`` does not come back, the first time.
        folder: Where it notes what happened once.
        broken: Whether it cannot be made ready.
        name: Its key; another work has another one.
    """

    words: dict[int, str] = field(default_factory=dict)
    folder: str = ""
    broken: bool = False
    n_at_once: int = 1
    is_kept: bool = False
    name: str = "squares"

    def key(self) -> str:
        return self.name

    @contextmanager
    def session(self) -> Iterator[Callable[[int], int]]:
        if self.broken:
            raise ReaderError("no weights")
        yield self.square

    def square(self, number: int) -> int:
        word = self.words.get(number, "")
        if word == "fail":
            raise ZeroDivisionError(f"no square\nof {number}")
        if word == "refuse":
            raise ReaderError(f"{number} is not to be squared")
        if word == "kill" or (word == "once" and self._first_time(number)):
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "wait" and self._first_time(number):
            signal.pause()
        return number * number

    def _first_time(self, number: int) -> bool:
        mark = Path(self.folder) / str(number)
        there = mark.exists()
        mark.touch()
        return not there


class Crew:
    """Workers that live in this process and take one batch a look, in turn.

    Args:
        work: What they do, pickled.
        deadly: Batches that end their worker, and how often.
        stillborn: How many workers end before they are ready.
        unready: Workers that never get ready, by their number.
    """

    def __init__(
        self,
        work: bytes,
        *,
        deadly: dict[int, int] | None = None,
        stillborn: int = 0,
        unready: Sequence[int] = (),
    ) -> None:
        self._work = work
        self._deadly = dict(deadly or {})
        self._stillborn = stillborn
        self._unready = unready
        self._ended: set[int] = set()
        self.n_started = 0
        self._n_looks = 0
        self.by_worker: dict[int, list[int]] = {}

    def start(self) -> tuple[int, Any]:
        self.n_started += 1
        return self.n_started, (self.n_started, None)

    def submit(self, worker: int, batch: bytes) -> Any:
        self.by_worker.setdefault(worker, []).append(pickle.loads(batch))
        return worker, batch

    def wait(self, tickets: Sequence[Any]) -> Sequence[Any]:
        due = [t for t in tickets if not (t[1] is None and t[0] in self._unready)]
        self._n_looks += 1
        return [due[self._n_looks % len(due)]] if due else []

    def take(self, ticket: Any) -> bytes:
        worker, batch = ticket
        if batch is None:
            if worker <= self._stillborn:
                raise WorkerLost("no such module")
            return b""
        number = pickle.loads(batch)
        if worker in self._ended or self._deadly.get(number):
            self._ended.add(worker)
            self._deadly[number] = self._deadly.get(number, 1) - 1
            raise WorkerLost("killed")
        return Worker(self._work).run(batch)

    def stop(self, worker: int) -> None:
        self._ended.add(worker)


class FakeDriver:
    """A driver on a thread; it does what it is told to after so many outcomes.

    Args:
        ends_after: Outcomes after which it hangs up; None: never.
        fault: What it says instead of being ready.
        n_ahead: Batches that it wants at once; it works on the last first.
    """

    def __init__(
        self, *, ends_after: int | None = None, fault: str | None = None, n_ahead: int = 3
    ) -> None:
        self._ends_after = ends_after
        self._fault = fault
        self._n_ahead = n_ahead
        self.settings: bytes = b""
        self.worked_on: list[int] = []
        self.channel, theirs = Pipe()
        # A test that fails closes nothing, and must not keep the process from ending.
        self._thread = threading.Thread(target=self._serve, args=(theirs,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.channel.close()
        self._thread.join()

    def _serve(self, channel: Connection) -> None:
        with channel:
            try:
                self._talk(channel)
            except (EOFError, OSError):
                return

    def _patience_s(self, n_waiting: int) -> float:
        # At first for all that it has asked for: or it would begin with the first after all.
        return 1.0 if not self.worked_on and n_waiting < self._n_ahead else 0.0

    def _talk(self, channel: Connection) -> None:
        _, self.settings = parted(channel.recv_bytes())
        if self._fault is not None:
            channel.send_bytes(FAULT + self._fault.encode())
            return
        channel.send_bytes(READY + b'{"n_ahead": %d}' % self._n_ahead)
        worker: Worker | None = None
        waiting: deque[tuple[int, bytes]] = deque()
        while len(self.worked_on) != self._ends_after:
            while not waiting or channel.poll(self._patience_s(len(waiting))):
                kind, content = parted(channel.recv_bytes())
                if kind == WORK:
                    worker = Worker(content)
                elif kind == BATCH:
                    waiting.append(number_in(content))
            number, batch = waiting.pop()
            assert worker is not None
            self.worked_on.append(number)
            channel.send_bytes(numbered(OUTCOME, number, worker.run(batch)))
