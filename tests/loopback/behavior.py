"""What a server is told to do, and what it writes down."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# A fault is what happens to one call: "500", "reset", ..., or None for a good answer.
FaultOf = Callable[[dict[str, Any], int], str | None]


@dataclass(slots=True)
class Call:
    """One call as the server saw it."""

    content: bytes
    seed: int
    began_s: float
    ended_s: float | None = None
    status: int | str | None = None
    tokens: int = 0


# In an answer of the test's own: the Authorization header that came in.
ECHO = b"@AUTHORIZATION@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the test's own.

    Attributes:
        content: The body; what is no bytes is sent as JSON.
        status: Of HTTP.
        headers: Sent with it.
        cut: Half of the body is sent, then the connection is cut.
    """

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


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
        reply: An answer of the test's own, from the body and how often it came before; None: the
            usual one.
        echo: Put the Authorization header where such an answer has `ECHO`.
        path: Where Chat Completions are.
        tls: Speak TLS.
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
    reply: Callable[[dict[str, Any], int], Reply | None] | None = None
    echo: bool = False
    path: str = "/v1/chat/completions"
    tls: ssl.SSLContext | None = None
