"""Who works on which batch: workers take the next one, and the batches of a lost one go on.

It knows nothing of Ray: a `Crew` starts the workers and carries what goes to them and back.
"""

import logging
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from augqa.errors import ExecutorError
from augqa.executor.worker import failed

log = logging.getLogger("augqa")

N_AHEAD = 2  # batches that a worker has at once: one it works on, and the next
N_ATTEMPTS = 3  # workers that one batch may take with it before it is given up


class WorkerLost(Exception):
    """A worker ended, or its node did, before its result had come."""


class Crew(Protocol):
    """Starts workers. A ticket stands for what a worker will say."""

    def start(self) -> tuple[Any, Any]:
        """Start a worker; return it and the ticket of its being ready, which says where it is."""
        ...

    def submit(self, worker: Any, batch: bytes) -> Any:
        """Give a worker a batch; return the ticket of its outcome. It takes them in turn."""
        ...

    def wait(self, tickets: Sequence[Any]) -> Sequence[Any]:
        """Return those of the tickets that are due, after a while also none."""
        ...

    def take(self, ticket: Any) -> bytes:
        """Return what a ticket that is due stands for.

        Raises:
            WorkerLost: If its worker is no more.
        """
        ...

    def stop(self, worker: Any) -> None:
        """End a worker, if it still runs."""
        ...


@dataclass(slots=True)
class _Place:
    """A worker and what it was given: tickets and numbers, the oldest first."""

    worker: Any
    given: deque[tuple[Any, int | None]]  # None: the ticket of its being ready
    is_ready: bool = False
    where: str = ""  # as it says when it is ready


@dataclass(slots=True)
class Pool:
    """Hands batches to workers and collects what they say.

    Attributes:
        crew: Starts the workers.
        n_workers: How many there are.
        n_done: Batches that came back, by where they were worked on.
    """

    crew: Crew
    n_workers: int
    n_done: Counter[str] = field(default_factory=Counter)
    _places: list[_Place] = field(default_factory=list, repr=False)
    _waiting: deque[int] = field(default_factory=deque, repr=False)
    _batches: dict[int, bytes] = field(default_factory=dict, repr=False)
    _lost: Counter[int] = field(default_factory=Counter, repr=False)
    _n_stillborn: int = field(default=0, repr=False)  # since one was ready

    @property
    def is_idle(self) -> bool:
        """Whether every batch has had its outcome."""
        return not self._batches

    def add(self, number: int, batch: bytes) -> None:
        """Take a batch."""
        self._batches[number] = batch
        self._waiting.append(number)

    def step(self) -> list[tuple[int, bytes]]:
        """Wait for something to happen; return the numbers and outcomes of what is done.

        Raises:
            ExecutorError: If workers end before they are ready.
        """
        while len(self._places) < self.n_workers:
            self._places.append(self._hired())
        self._hand_out()
        # A worker takes its batches in turn: what it was given first is done first.
        oldest = {place.given[0][0]: place for place in self._places if place.given}
        outcomes = []
        for ticket in self.crew.wait(list(oldest)):
            outcomes += self._collect(oldest[ticket])
        return outcomes

    def close(self) -> None:
        """End the workers."""
        for place in self._places:
            self.crew.stop(place.worker)
        self._places.clear()

    def _hired(self) -> _Place:
        worker, ticket = self.crew.start()
        return _Place(worker, deque([(ticket, None)]))

    def _hand_out(self) -> None:
        for n_ahead in range(1, N_AHEAD + 1):
            for place in self._places:
                # One that is not ready may never be, where its node is gone: it gets none.
                if self._waiting and place.is_ready and len(place.given) < n_ahead:
                    number = self._waiting.popleft()
                    ticket = self.crew.submit(place.worker, self._batches[number])
                    place.given.append((ticket, number))

    def _collect(self, place: _Place) -> list[tuple[int, bytes]]:
        ticket, number = place.given[0]
        try:
            outcome = self.crew.take(ticket)
        except WorkerLost as error:
            return self._replace(place, str(error))
        place.given.popleft()
        if number is None:
            place.is_ready = True
            place.where = outcome.decode()
            log.info("a worker is ready on %s", place.where)
            self._n_stillborn = 0
            return []
        self.n_done[place.where] += 1
        del self._batches[number]
        return [(number, outcome)]

    def _replace(self, place: _Place, reason: str) -> list[tuple[int, bytes]]:
        """Put another worker in the place of a lost one; its batches are done anew."""
        (_, first), *others = place.given
        log.warning("a worker is lost on %s: %s", place.where or "a node", reason)
        self.crew.stop(place.worker)
        self._n_stillborn += first is None
        if self._n_stillborn >= N_ATTEMPTS:
            raise ExecutorError(f"no worker gets ready: {reason}")
        self._places[self._places.index(place)] = self._hired()
        self._waiting.extendleft(number for _, number in reversed(others) if number is not None)
        if first is None:
            return []
        # The one that was worked on may be the cause: it comes last, and not for ever.
        self._lost[first] += 1
        if self._lost[first] < N_ATTEMPTS:
            self._waiting.append(first)
            return []
        del self._batches[first]
        return [(first, failed(f"{N_ATTEMPTS} workers ended on it, the last one so: {reason}"))]
