"""An OpenAI-compatible server on loopback that misbehaves on demand, as each endpoint does.

`Loopback` runs it in a thread; ``python -m tests.loopback`` in a process of its own. What it
writes depends on the request alone. `tests.loopback.endpoints` has the forms of the endpoints.
"""

from tests.loopback.answers import MODEL, answer_text, completion
from tests.loopback.behavior import ECHO, Behavior, Call, Reply
from tests.loopback.server import Loopback, Server

__all__ = [
    "ECHO",
    "MODEL",
    "Behavior",
    "Call",
    "Loopback",
    "Reply",
    "Server",
    "answer_text",
    "completion",
]
