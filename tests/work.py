"""How much a function does, without a clock: text that counts what is read of it, and a guard.

Times differ from machine to machine and from run to run, so no test compares them.
"""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_hang(seconds: float = 180) -> Iterator[None]:
    """End the process with every thread's traceback if the block takes minutes.

    For work that a linear function does in a second, and a quadratic one not in an hour. The
    watchdog is a thread outside Python's lock, so a loop in C does not keep it from biting.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


class CountedText(str):
    """A text that counts the characters its methods must read or copy.

    Attributes:
        n_read: So many until now.
    """

    n_read: int = 0

    def _count(self, n: int) -> None:
        self.n_read += n

    def strip(self, *args: Any) -> str:
        self._count(len(self))
        return str.strip(self, *args)

    lstrip = rstrip = strip

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        self._count(len(self))
        return str.encode(self, *args, **kwargs)

    def isspace(self) -> bool:
        self._count(len(self) - len(str.lstrip(self)) + 1)
        return str.isspace(self)

    def find(self, wanted: str, start: int = 0, *args: int) -> int:  # type: ignore[override]
        found = str.find(self, wanted, start, *args)
        self._count((found if found >= 0 else len(self)) - start + len(wanted))
        return found

    def __contains__(self, wanted: object) -> bool:
        return self.find(str(wanted)) >= 0

    def startswith(self, prefix: str, *args: int) -> bool:  # type: ignore[override]
        self._count(len(prefix))
        return str.startswith(self, prefix, *args)

    def __getitem__(self, key: Any) -> str:
        found = str.__getitem__(self, key)
        self._count(len(found))
        return found


class CountedSet(set[str]):
    """A set that counts what is looked up in it.

    Attributes:
        n_looked_up: So often until now.
    """

    n_looked_up: int = 0

    def __contains__(self, item: object) -> bool:
        self.n_looked_up += 1
        return set.__contains__(self, item)
