"""Whether the head of a cluster is the one that it was: it may be gone and back in seconds."""

import socket
import time
from contextlib import suppress

LOOK_S = 1.0  # between two looks
N_UNSEEN = 3  # looks without an answer after which it is gone


def wait_until_gone(address: str, *, look_s: float = LOOK_S) -> str:
    """Return when no head answers any more, or when another one does; say which of them.

    Each look leaves a connection open until the next one. It is closed by the end of the process
    that took it, also where another one listens at that port by then: of that one Ray knows
    only after a minute.

    Args:
        address: HOST:PORT.
        look_s: Seconds between two looks, and those that one may take.
    """
    held: socket.socket | None = None
    n_unseen = 0
    try:
        while n_unseen < N_UNSEEN:
            time.sleep(look_s)
            if held is not None and _was_closed(held):
                return "ended"
            new = connected(address, look_s)
            n_unseen = 0 if new else n_unseen + 1
            if held is not None and new is not None:
                held.close()
            held = new or held
        return "does not answer"
    finally:
        if held is not None:
            held.close()


def connected(address: str, timeout_s: float = LOOK_S) -> socket.socket | None:
    """Return a connection to an address, HOST:PORT; None if nobody takes it."""
    host, _, port = address.rpartition(":")
    try:
        return socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s)
    except (OSError, ValueError):
        return None


def answers(address: str) -> bool:
    """Return whether somebody listens at an address."""
    connection = connected(address)
    if connection is None:
        return False
    connection.close()
    return True


def _was_closed(connection: socket.socket) -> bool:
    """Return whether the other side has closed a connection; what it has said is of no account."""
    connection.setblocking(False)
    with suppress(BlockingIOError):
        try:
            while connection.recv(4096):
                pass
        except ConnectionError:
            pass
        return True
    return False
