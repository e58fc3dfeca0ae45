"""A Chat Completions server that answers everybody alike, cheap enough to be measured against.

Run as ``python benchmarks/loopback.py --delay-s 0.5``. It prints its address as one line, serves
until its standard input closes, and prints what it has counted as one JSON object. Requests are
cut at their Content-Length and not read any further, answers are made once.
"""

import argparse
import asyncio
import json
import sys
import threading
from collections import deque
from dataclasses import dataclass, field

MODEL = "loopback-1"
PROMPT_TOKENS, COMPLETION_TOKENS = 280, 240
TOKENS = PROMPT_TOKENS + COMPLETION_TOKENS
WINDOW_S = 60.0

_TEXT = " ".join(
    f"The bridge over the river was built in {1500 + number} and is still in use today."
    for number in range(15)
)
_BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _TEXT},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": TOKENS,
        },
    }
).encode()
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
    + str(len(_BODY)).encode()
    + b"\r\n\r\n"
    + _BODY
)
_LENGTH = b"content-length:"


@dataclass(slots=True)
class Window:
    """The most that any window of `WINDOW_S` has held."""

    most: int = 0
    _moments: deque[float] = field(default_factory=deque)

    def add(self, now: float) -> None:
        """Count one at `now`."""
        self._moments.append(now)
        while self._moments[0] <= now - WINDOW_S:
            self._moments.popleft()
        self.most = max(self.most, len(self._moments))


class Counts:
    """What has happened: a limit may count a request when it comes or when it is answered."""

    def __init__(self) -> None:
        self.n_requests = 0
        self.arrived = Window()
        self.answered = Window()


class Connection(asyncio.Protocol):
    """One connection of the client."""

    def __init__(self, delay_s: float, counts: Counts) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay_s = delay_s
        self._counts = counts
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Cut off whole requests; answer each after the delay."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(_LENGTH)
            length = 0 if at < 0 else int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
            past = end + 4 + length
            if len(self._buffer) < past:
                return
            self._buffer = self._buffer[past:]
            self._counts.n_requests += 1
            self._counts.arrived.add(self._loop.time())
            if self._delay_s:
                self._loop.call_later(self._delay_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._counts.answered.add(self._loop.time())
            self._transport.write(_ANSWER)


async def serve(delay_s: float, counts: Counts) -> None:
    """Serve until standard input closes."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def wait_for_parent() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_parent, daemon=True).start()
    server = await loop.create_server(
        lambda: Connection(delay_s, counts), "127.0.0.1", 0, backlog=1024
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    """Serve, then say what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-s", type=float, default=0.0, help="seconds until an answer")
    counts = Counts()
    asyncio.run(serve(parser.parse_args().delay_s, counts))
    most = max(counts.arrived.most, counts.answered.most)
    print(
        json.dumps(
            {
                "n_requests": counts.n_requests,
                "most_requests_in_window": most,
                "most_tokens_in_window": most * TOKENS,
            }
        )
    )


if __name__ == "__main__":
    main()
