"""A worker: it takes a work once, then batch after batch; what fails is an outcome, too.

Batches, results and the work travel as bytes, so that who carries them need not know them.
"""

import pickle
from contextlib import ExitStack
from typing import Any

from augqa.errors import AugQAError

DONE, FAILED, UNREADY = b"D", b"F", b"U"  # an outcome begins with one of them


class Worker:
    """Works on batches in a process of its own.

    Args:
        work: A `Work`, pickled. One that cannot be made ready is told of with each batch.
    """

    def __init__(self, work: bytes) -> None:
        self._stack = ExitStack()  # the session lasts as long as the process
        self._fault: str | None = None
        try:
            self._run = self._stack.enter_context(pickle.loads(work).session())
        except Exception as error:  # noqa: BLE001 - told to who sends a batch
            self._fault = told(error)

    def run(self, batch: bytes) -> bytes:
        """Return the outcome of a batch, which is pickled."""
        if self._fault is not None:
            return UNREADY + self._fault.encode()
        try:
            return outcome_of(self._run(pickle.loads(batch)))
        except Exception as error:  # noqa: BLE001 - one batch must not end the others
            return failed(told(error))


def failed(reason: str) -> bytes:
    """Return the outcome of a batch that failed."""
    return FAILED + reason.encode("utf-8", "replace")


def outcome_of(result: Any) -> bytes:
    """Return the outcome of a batch with a result."""
    return DONE + pickle.dumps(result, protocol=5)


def result_of(outcome: bytes) -> Any:
    """Return the result in an outcome of kind DONE."""
    return pickle.loads(outcome[1:])


def reason_in(outcome: bytes) -> str:
    """Return the reason in an outcome of another kind."""
    return outcome[1:].decode("utf-8", "replace")


def told(error: BaseException) -> str:
    """Return an error on one line; of a fault of ours its kind, too."""
    said = " ".join(str(error).split())
    return said if isinstance(error, AugQAError) else f"{type(error).__name__}: {said}"
