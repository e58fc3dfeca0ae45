"""The executor of a cluster, without knowing which: batches out, outcomes in, by number.

A driver, which is another process, holds the cluster. It may end at any time, with the cluster's
head for example: what was done stays, and another driver goes on with the rest.
"""

import json
import logging
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol

from augqa.errors import ExecutorError
from augqa.executor.face import B, R, Work, nothing
from augqa.executor.kept import Kept, KeptResults, hash_of
from augqa.executor.messages import (
    BATCH,
    FAULT,
    OUTCOME,
    SETTINGS,
    WORK,
    number_in,
    numbered,
    parted,
)
from augqa.executor.worker import DONE, UNREADY, reason_in, result_of

log = logging.getLogger("augqa")

_N_DRIVERS = 3  # that may end one after the other without a single batch done


class Driver(Protocol):
    """A process that holds the cluster."""

    @property
    def channel(self) -> Connection:
        """Messages to it and from it."""
        ...

    def close(self) -> None:
        """Let it end, and wait until it has."""
        ...


class Remote:
    """Works on batches through drivers; to be closed.

    Args:
        start: Starts a driver.
        settings: What each driver is told first.
        kept: Where results are kept aside.
        patience_s: How long a driver that follows a lost one may wait for its cluster.
    """

    def __init__(
        self,
        start: Callable[[], Driver],
        *,
        settings: Mapping[str, Any],
        kept: KeptResults,
        patience_s: int,
    ) -> None:
        self._start = start
        self._settings = settings
        self._kept = kept
        self._patience_s = patience_s
        self._driver: Driver | None = None
        self._n_ahead = 0
        self._key = ""  # of the work that the driver has
        self._n_lost = 0  # drivers, since a batch was done

    def map(
        self, work: Work[B, R], batches: Sequence[B], *, done: Callable[[int], object] = nothing
    ) -> list[R]:
        """Return the result of each batch, in their order; see `Executor`.

        Batches that fail do not stop the others, whose results stay on disk for the next time.
        """
        if not len(batches):
            return []
        key = work.key()
        job = _Job(batches, self._kept.of(key), done)
        while job.is_open:
            try:
                self._work_on(job, work, key)
            except (EOFError, OSError) as error:
                self._lost(error)
            except BaseException:
                self.close()  # it may still be at work
                raise
        return job.results()

    def close(self) -> None:
        """Let the driver go, and with it a cluster that it has started."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _work_on(self, job: "_Job", work: Work[Any, Any], key: str) -> None:
        channel = self._ready(work, key)
        todo = job.open_numbers()
        for _ in range(self._n_ahead):
            _send_next(channel, job, todo)
        while job.is_open:
            kind, content = _receive(channel)
            if kind != OUTCOME:
                raise EOFError(f"unasked for: {kind!r}")
            job.take(*number_in(content))
            self._n_lost = 0
            _send_next(channel, job, todo)

    def _ready(self, work: Work[Any, Any], key: str) -> Connection:
        """Return the channel to a driver that has the work."""
        if self._driver is None:
            self._driver = self._start()
            self._key = ""
            patience = self._patience_s if self._n_lost else 0
            settings = {**self._settings, "patience_s": patience}
            self._driver.channel.send_bytes(SETTINGS + json.dumps(settings).encode())
            _, content = _receive(self._driver.channel)
            self._n_ahead = json.loads(content)["n_ahead"]
        channel = self._driver.channel
        if self._key != key:
            channel.send_bytes(WORK + pickle.dumps(work, protocol=5))
            self._key = key
        return channel

    def _lost(self, error: Exception) -> None:
        self.close()
        self._n_lost += 1
        if self._n_lost >= _N_DRIVERS:
            raise ExecutorError(
                f"executor: {_N_DRIVERS} times the cluster was lost before a batch was done;"
                f" {self._settings.get('log', 'its log')} tells more. What was done before is kept"
            )
        log.warning("executor: the cluster was lost (%s); what is done is kept", error or "no word")


class _Job:
    """The batches of one call, and what has become of them."""

    def __init__(self, batches: Sequence[Any], kept: Kept, done: Callable[[int], object]) -> None:
        self._batches = batches
        self._kept = kept
        self._done = done
        self._results: dict[int, Any] = {}
        self._failed: dict[int, str] = {}
        self._hashes: dict[int, bytes] = {}  # of the batches on their way
        if len(kept):
            for number in range(len(batches)):
                if (found := kept.get(hash_of(self._pickled(number)))) is not None:
                    self._results[number] = result_of(found)
                    done(number)

    @property
    def is_open(self) -> bool:
        return len(self._results) + len(self._failed) < len(self._batches)

    def open_numbers(self) -> list[int]:
        """Return the batches that have no outcome, the last one first."""
        return [
            number
            for number in reversed(range(len(self._batches)))
            if number not in self._results and number not in self._failed
        ]

    def batch(self, number: int) -> bytes:
        """Return a batch that is sent, pickled."""
        batch = self._pickled(number)
        self._hashes[number] = hash_of(batch)
        return batch

    def take(self, number: int, outcome: bytes) -> None:
        """Take the outcome of a batch.

        Raises:
            ExecutorError: If the workers cannot make the work ready.
        """
        if outcome[:1] == UNREADY:
            raise ExecutorError(f"executor: a worker cannot begin: {reason_in(outcome)}")
        if outcome[:1] == DONE:
            self._results[number] = result_of(outcome)
            self._kept.put(self._hashes.pop(number), outcome)
        else:
            self._failed[number] = reason_in(outcome)
        self._done(number)

    def results(self) -> list[Any]:
        """Return the results in the order of the batches.

        Raises:
            ExecutorError: If a batch failed.
        """
        if self._failed:
            first = min(self._failed)
            raise ExecutorError(
                f"executor: {len(self._failed)} of {len(self._batches)} batches failed; the"
                f" results of the others are kept. The first, batch {first}: {self._failed[first]}"
            )
        return [self._results[number] for number in range(len(self._batches))]

    def _pickled(self, number: int) -> bytes:
        return pickle.dumps(self._batches[number], protocol=5)


def _send_next(channel: Connection, job: _Job, todo: list[int]) -> None:
    if todo:
        number = todo.pop()
        # A driver that is no more may have left outcomes: they are read first, then the end.
        with suppress(OSError):
            channel.send_bytes(numbered(BATCH, number, job.batch(number)))


def _receive(channel: Connection) -> tuple[bytes, bytes]:
    """Return the kind of the next message and its content.

    Raises:
        ExecutorError: If the driver says why it cannot work.
        EOFError: If there is none, since the driver is no more.
    """
    kind, content = parted(channel.recv_bytes())
    if kind == FAULT:
        raise ExecutorError(f"executor: {content.decode('utf-8', 'replace')}")
    return kind, content
