"""An OpenAI-compatible server on loopback that misbehaves on demand.

`Loopback` runs it in a thread; ``python -m tests.loopback`` in a process of its own, for the
tests that kill their client and for benchmarks. What it writes depends on the request alone.
"""

import argparse
import asyncio
import hashlib
import json
import re
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MODEL = "loopback-1"
# A fault is what happens to one call: "500", "reset", ..., or None for a good answer.
FaultOf = Callable[[dict[str, Any], int], str | None]

_WORDS = ("river", "bridge", "tower", "garden", "engine", "harbor", "market", "forest", "letter")


@dataclass(slots=True)
class Call:
    """One call as the server saw it."""

    content: bytes
    seed: int
    began_s: float
    ended_s: float | None = None
    status: int | str | None = None
    tokens: int = 0


@dataclass
class Behavior:
    """What the server does.

    Attributes:
        fault: Fault of a call, from its body and how often this body came before.
        delay_s: Seconds before an answer.
        requests_per_window: 429 above it.
        tokens_per_window: 429 above it, prompt and completion together.
        window_s: Length of the window.
        headers: Sent with every good answer.
        retry_after: Sent with a 429 that the limits cause.
        require_key: 401 without it.
        text: Text of an answer, from the body.
        batch_expires_after: Lines of a batch that are answered before it expires.
        batch_polls: Looks at a batch that find it under way.
        lost_creates: Calls that make a batch whose answer is lost on the way.
        models: What ``GET /v1/models`` lists; None: there is no such path.
        record: Keep every call.
    """

    fault: FaultOf = lambda _body, _n_before: None
    delay_s: float = 0.0
    requests_per_window: int | None = None
    tokens_per_window: int | None = None
    window_s: float = 60.0
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: str | None = None
    require_key: str | None = None
    text: Callable[[dict[str, Any]], str] | None = None
    batch_expires_after: int | None = None
    batch_polls: int = 1
    lost_creates: int = 0
    models: Any = None
    record: bool = True


def answer_text(body: dict[str, Any]) -> str:
    """Return a text for a request: pairs where pairs are asked for, else some sentences."""
    content = body["messages"][-1]["content"]
    digest = hashlib.sha256(f"{body.get('seed')}:{content}".encode()).digest()
    if "questions and their answers" in content:
        passage = content.split("Passage:", 1)[-1]
        names = [word for word in re.findall(r"[A-Za-z]{4,}", passage) if word != "Write"]
        lines = []
        for number in range(2):
            word = names[digest[number] % len(names)] if names else "nothing"
            lines.append(f"Question: Which word number {number + 1} stands in the text?")
            lines.append(f"Answer: {word}")
        return "\n".join(lines)
    sentences = []
    for number in range(4):
        words = [_WORDS[digest[number * 6 + place] % len(_WORDS)] for place in range(6)]
        sentences.append(f"The {' '.join(words)} was built in {1500 + digest[number] * 2}.")
    return " ".join(sentences)


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
        self._window: deque[tuple[float, int]] = deque()
        self._window_tokens = 0
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.n_uploaded = 0

    async def serve(self, started: Callable[[int], None], stop: asyncio.Event) -> None:
        """Listen on a free port until `stop` is set."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
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
        if path == "/v1/models" and self.behavior.models is not None:
            self.n_by_status["models"] += 1
            await _send(writer, 200, self.behavior.models)
            return True
        if path.startswith("/v1/files") or path.startswith("/v1/batches"):
            status, reply = self._batch_api(method, path, headers, content)
            if (method, path) == ("POST", "/v1/batches") and self.behavior.lost_creates:
                self.behavior.lost_creates -= 1
                writer.transport.abort()
                return False
            await _send(writer, status, reply)
            return True
        if path != "/v1/chat/completions":
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

    def _batch_api(
        self, method: str, path: str, headers: dict[str, str], content: bytes
    ) -> tuple[int, Any]:
        if path == "/v1/files" and method == "POST":
            boundary = headers["content-type"].split("boundary=")[1].encode()
            for part in content.split(b"--" + boundary):
                if b'name="file"' in part:
                    name = f"file-{len(self.files)}"
                    self.files[name] = part.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n")
                    self.n_uploaded += 1
                    return 200, {
                        "id": name,
                        "object": "file",
                        "bytes": 1,
                        "created_at": 0,
                        "filename": "x",
                        "purpose": "batch",
                        "status": "processed",
                    }
        if path.startswith("/v1/files/"):
            return 200, self.files[path.split("/")[3]]
        if path == "/v1/batches" and method == "POST":
            body = json.loads(content)
            name = f"batch-{len(self.batches)}"
            self.batches[name] = {
                "id": name,
                "object": "batch",
                "created_at": 0,
                "completion_window": "24h",
                "endpoint": body["endpoint"],
                "input_file_id": body["input_file_id"],
                "metadata": body.get("metadata"),
                "status": "in_progress",
                "polls": 0,
            }
            return 200, self._shown(name)
        if path.startswith("/v1/batches?") or path == "/v1/batches":
            data = [self._shown(name) for name in reversed(self.batches)]
            return 200, {"object": "list", "data": data, "has_more": False}
        name = path.split("/")[3]
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["status"] == "in_progress" and batch["polls"] > self.behavior.batch_polls:
            self._end(batch)
        return 200, self._shown(name)

    def _shown(self, name: str) -> dict[str, Any]:
        return {key: value for key, value in self.batches[name].items() if key != "polls"}

    def _end(self, batch: dict[str, Any]) -> None:
        """Answer a batch: faults go to the error file, what is past the expiry as expired."""
        good, bad = [], []
        lines = self.files[batch["input_file_id"]].decode().splitlines()
        most = self.behavior.batch_expires_after
        for number, line in enumerate(lines):
            row = json.loads(line)
            if most is not None and number >= most:
                bad.append(
                    {
                        "custom_id": row["custom_id"],
                        "response": None,
                        "error": {"code": "batch_expired", "message": "expired"},
                    }
                )
                continue
            n_before = self.n_before[row["custom_id"]]
            self.n_before[row["custom_id"]] += 1
            fault = self.behavior.fault(row["body"], n_before)
            reply: Any = completion(row["body"], answer_text(row["body"]))
            status = 200
            if fault is not None:
                status, reply, _ = fault_reply(fault, reply)
            (good if status == 200 else bad).append(
                {
                    "custom_id": row["custom_id"],
                    "error": None,
                    "response": {"status_code": status, "request_id": "r", "body": reply},
                }
            )
        batch["status"] = "completed" if most is None or len(lines) <= most else "expired"
        for name, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                file = f"file-{len(self.files)}"
                self.files[file] = "\n".join(json.dumps(row) for row in rows).encode()
                batch[name] = file


def completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the body of a good answer."""
    prompt = sum(len(message["content"].split()) for message in body["messages"])
    words = len(text.split())
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "system_fingerprint": "fp-loopback",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": words,
            "total_tokens": prompt + words,
        },
    }


def fault_reply(
    fault: str, good: dict[str, Any]
) -> tuple[int, dict[str, Any] | str, dict[str, str]]:
    """Return status, body and headers of a fault; a body that is a name is for `_misbehave`."""
    choice = good["choices"][0]
    match fault:
        case "429":
            return 429, {"error": {"message": "slow down"}}, {}
        case "429-after":
            return 429, {"error": {"message": "slow down"}}, {"retry-after": "1.5"}
        case "429-quota":
            return 429, {"error": {"message": "no money", "code": "insufficient_quota"}}, {}
        case "empty-choices":
            good["choices"] = []
        case "empty-text":
            choice["message"]["content"] = ""
        case "content-filter":
            choice["message"]["content"] = None
            choice["finish_reason"] = "content_filter"
        case "refusal":
            choice["message"] = {"role": "assistant", "content": None, "refusal": "No."}
        case "length":
            choice["finish_reason"] = "length"
        case "wrong-model":
            good["model"] = "another-model"
        case "not-json-text":
            choice["message"]["content"] = "no JSON here"
        case _ if fault.isdigit():
            return int(fault), {"error": {"message": f"fault {fault}"}}, {}
        case _:
            return 0, fault, {}
    return 200, good, {}


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    reply: Any,
    extra: dict[str, str] | None = None,
) -> None:
    content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in (extra or {}).items())
    writer.write(
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{lines}"
        f"content-length: {len(content)}\r\n\r\n".encode()
        + content
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

        def started(port: int) -> None:
            self.base_url = f"http://127.0.0.1:{port}/v1"
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


def main() -> None:
    """Serve in a process of its own: print the port; write what was counted at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--requests-per-window", type=int)
    parser.add_argument("--tokens-per-window", type=int)
    parser.add_argument("--window-s", type=float, default=60.0)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    server = Server(Behavior(**vars(options)))

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def started(port: int) -> None:
            print(f"http://127.0.0.1:{port}/v1", flush=True)

        def wait_for_parent() -> None:
            sys.stdin.buffer.read()
            loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=wait_for_parent, daemon=True).start()
        await server.serve(started, stop)

    asyncio.run(serve())
    print(json.dumps({"n_good": server.n_good, "most_in_window": server.most_in_window}))


if __name__ == "__main__":
    main()
