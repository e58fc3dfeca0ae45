"""The server in a process of its own: ``python -m tests.loopback``."""

import argparse
import asyncio
import json
import sys
import threading

from tests.loopback.behavior import Behavior
from tests.loopback.server import Server


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
