"""The server's state and its protocol."""

import asyncio
import hashlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from tests.loopback.answers import answer_text, completion, fault_reply
from tests.loopback.batches import Batches
from tests.loopback.behavior import ECHO, Behavior, Call, Reply


class Server:
    """The server's state and its protocol; `serve` runs it in the current event loop."""

    def __init__(self, behavior: Behavior) -> None:
        self.behavior = behavior
        self.calls: list[Call] = []
        self.n_before: Counter[str] = Counter()
        self.n_by_status: Counter[str] = Counter()
        self.most_in_window = {"requests": 0, "tokens": 0}
        self.n_good = 0
        self.authorization: set[str] = set()
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._window: deque[tuple[float, int]] = deque()
        self._window_tokens = 0
        self.batch_api = Batches(behavior, self.n_before)

    @property
    def files(self) -> dict[str, bytes]:
        return self.batch_api.files

    @property
    def batches(self) -> dict[str, dict[str, Any]]:
        return self.batch_api.batches

    @property
    def n_uploaded(self) -> int:
        return self.batch_api.n_uploaded

    async def serve(self, started: Callable[[int], None], stop: asyncio.Event) -> None:
        """Listen on a free port until `stop` is set."""
        server = await asyncio.start_server(
            self._connection, "127.0.0.1", 0, backlog=1024, ssl=self.behavior.tls
        )
        started(server.sockets[0].getsockname()[1])
        async with server:
            await stop.wait()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, path, _ = first.split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, value in (line.split(":", 1) for line in lines if ":" in line)
                }
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                if not await self._respond(writer, method, path, headers, content):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _respond(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes,
    ) -> bool:
        """Answer one call; False where the connection is to be closed."""
        self.paths.append(path)
        self.headers.append(headers)
        path = path.split("?")[0] if "batches" not in path else path
        if path.startswith(("/openai/files", "/openai/batches")):  # Azure's place for batches
            path = path.replace("/openai", "/v1", 1).split("?")[0]
        if path == "/v1/models" and self.behavior.models is not None:
            self.n_by_status["models"] += 1
            await _send(writer, 200, self.behavior.models)
            return True
        if path.startswith("/v1/files") or path.startswith("/v1/batches"):
            status, reply = self.batch_api.answer(method, path, headers, content)
            if (method, path) == ("POST", "/v1/batches") and self.behavior.lost_creates:
                self.behavior.lost_creates -= 1
                writer.transport.abort()
                return False
            await _send(writer, status, reply)
            return True
        if path != self.behavior.path:
            await _send(writer, 404, {"error": {"message": "no such path"}})
            return True
        now = time.monotonic()
        body = json.loads(content)
        key = hashlib.sha256(content).hexdigest()
        call = Call(content=content, seed=int(body.get("seed", -1)), began_s=now)
        self.authorization.add(headers.get("authorization", ""))
        n_before = self.n_before[key]
        self.n_before[key] += 1
        if self.behavior.record:
            self.calls.append(call)
        if self.behavior.reply is not None:
            own = self.behavior.reply(body, n_before)
            if own is not None:
                return await self._say(writer, call, own, headers)
        status, reply, extra = self._judge(body, headers, n_before, now)
        fault = reply if isinstance(reply, str) else None
        if self.behavior.delay_s:
            await asyncio.sleep(self.behavior.delay_s)
        if fault is not None:
            call.status = fault
            self.n_by_status[fault] += 1
            return await _misbehave(writer, fault, body)
        if status == 200 and isinstance(reply, dict):
            call.tokens = reply["usage"]["total_tokens"]
            self.n_good += 1
        await _send(writer, status, reply, extra)
        call.status = status
        self.n_by_status[str(status)] += 1
        call.ended_s = time.monotonic()
        return True

    def _judge(
        self, body: dict[str, Any], headers: dict[str, str], n_before: int, now: float
    ) -> tuple[int, dict[str, Any] | str, dict[str, str]]:
        behavior = self.behavior
        wanted = behavior.require_key
        if wanted is not None and headers.get("authorization") != f"Bearer {wanted}":
            got = headers.get("authorization", "")
            return 401, {"error": {"message": f"wrong key: {got}", "code": "invalid_api_key"}}, {}
        fault = behavior.fault(body, n_before)
        good = completion(body, (behavior.text or answer_text)(body))
        if fault is not None:
            return fault_reply(fault, good)
        tokens = good["usage"]["total_tokens"]
        while self._window and self._window[0][0] <= now - behavior.window_s:
            self._window_tokens -= self._window.popleft()[1]
        over = (
            behavior.requests_per_window is not None
            and len(self._window) + 1 > behavior.requests_per_window
        ) or (
            behavior.tokens_per_window is not None
            and self._window_tokens + tokens > behavior.tokens_per_window
        )
        if over:
            extra = {} if behavior.retry_after is None else {"retry-after": behavior.retry_after}
            return 429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, extra
        self._window.append((now, tokens))
        self._window_tokens += tokens
        most = self.most_in_window
        most["requests"] = max(most["requests"], len(self._window))
        most["tokens"] = max(most["tokens"], self._window_tokens)
        return 200, good, behavior.headers

    async def _say(
        self, writer: asyncio.StreamWriter, call: Call, reply: Reply, headers: dict[str, str]
    ) -> bool:
        """Give an answer of the test's own; close after one that is cut short."""
        content = reply.content
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        if self.behavior.echo:
            content = content.replace(ECHO, headers.get("authorization", "").encode())
        call.status = reply.status
        self.n_by_status[str(reply.status)] += 1
        await _send(writer, reply.status, content, reply.headers, cut=reply.cut)
        call.ended_s = time.monotonic()
        if reply.cut:
            writer.transport.abort()
        return not reply.cut


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    reply: Any,
    extra: dict[str, str] | None = None,
    *,
    cut: bool = False,
) -> None:
    content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in (extra or {}).items())
    writer.write(
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{lines}"
        f"content-length: {len(content)}\r\n\r\n".encode()
        + (content[: len(content) // 2] if cut else content)
    )
    await writer.drain()


async def _misbehave(writer: asyncio.StreamWriter, fault: str, body: dict[str, Any]) -> bool:
    content = json.dumps(completion(body, answer_text(body))).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(content)}\r\n\r\n".encode()
    match fault:
        case "malformed":
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"choices')
            await writer.drain()
            return True
        case "reset":
            writer.write(head + content[: len(content) // 2])
            await writer.drain()
            writer.transport.abort()
        case "never":
            await asyncio.sleep(3600)
        case "trickle":
            writer.write(head)
            for byte in content:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        case _:
            raise ValueError(f"no such fault: {fault}")
    return False


class Loopback:
    """A server in a thread: ``with Loopback(...) as server: server.base_url``."""

    def __init__(self, **behavior: Any) -> None:
        self.server = Server(Behavior(**behavior))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()

        scheme = "http" if self.server.behavior.tls is None else "https"

        def started(port: int) -> None:
            self.base_url = f"{scheme}://127.0.0.1:{port}/v1"
            self._ready.set()

        await self.server.serve(started, self._stop)

    def __enter__(self) -> "Loopback":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=5)

    @property
    def calls(self) -> list[Call]:
        return self.server.calls
