"""An OpenAI-compatible server on loopback that answers as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answerer = Callable[[str], str]


class Model:
    """An OpenAI-compatible server that answers by `answer`, and notes what it was asked."""

    def __init__(self) -> None:
        self.answer: Answerer = lambda _: ""
        self.finish_reason = "stop"
        self.asked: list[dict[str, Any]] = []
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.asked.append(body)
                self.reply(
                    {
                        "id": "1",
                        "object": "chat.completion",
                        "created": 0,
                        "model": "tiny-2026",
                        "choices": [
                            {
                                "index": 0,
                                "finish_reason": model.finish_reason,
                                "message": {
                                    "role": "assistant",
                                    "content": model.answer(body["messages"][-1]["content"]),
                                },
                            }
                        ],
                        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
                    }
                )

            def do_GET(self) -> None:
                self.reply({"object": "list", "data": []})

            def reply(self, content: dict[str, Any]) -> None:
                text = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()
