"""Whether the head of a cluster is still there: listeners on loopback stand for it."""

import socket
import threading
from collections.abc import Iterator

import pytest

from augqa.executor.watching import answers, wait_until_gone
from tests.work import no_hang

LOOK_S = 0.05


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    with no_hang():
        yield


class Head:
    """Takes connections on a port, and says something to each, as Ray's does."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.taken: list[socket.socket] = []
        self.has_taken = threading.Event()
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def end(self) -> None:
        """Close what the end of a process closes."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.taken:
            connection.close()

    def close_one(self) -> None:
        self.taken[0].close()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.taken.append(connection)
            connection.sendall(b"settings")
            if len(self.taken) > 2:
                self.has_taken.set()


def watched(head: Head) -> tuple[threading.Thread, list[str]]:
    said: list[str] = []
    watcher = threading.Thread(
        target=lambda: said.append(wait_until_gone(head.address, look_s=LOOK_S)), daemon=True
    )
    watcher.start()
    assert head.has_taken.wait(60)
    return watcher, said


def test_a_head_that_is_there_is_not_gone_whatever_it_says() -> None:
    head = Head()
    watcher, said = watched(head)
    watcher.join(10 * LOOK_S)
    assert watcher.is_alive()
    assert said == []
    head.end()
    watcher.join()


def test_a_head_that_another_one_follows_at_once_is_gone() -> None:
    head = Head()
    watcher, said = watched(head)
    head.end()
    other = Head(head.port)
    watcher.join()
    assert said == ["ended"]
    other.end()


def test_a_head_that_nobody_follows_is_gone() -> None:
    head = Head()
    watcher, said = watched(head)
    head.end()
    watcher.join()
    assert said == ["ended"]
    assert not answers(head.address)


def test_a_head_that_does_not_answer_is_gone_after_three_looks() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert wait_until_gone(address, look_s=LOOK_S) == "does not answer"


@pytest.mark.parametrize("address", ["", "head", "head:port", "127.0.0.1:99999999"])
def test_nobody_answers_at_what_is_no_address(address: str) -> None:
    assert not answers(address)
