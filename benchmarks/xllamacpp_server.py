"""What the embedded engine is compared with: xllamacpp's own server, with its defaults.

Run as ``python benchmarks/xllamacpp_server.py MODEL_FILE NAME``. It prints its address as one line
and serves until its standard input closes.
"""

import os
import sys

import xllamacpp


def main() -> None:
    """Serve a GGUF file under a name, one request at a time."""
    model_file, name = sys.argv[1:3]
    params = xllamacpp.CommonParams()
    params.model.path = model_file
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = 1
    params.n_ctx = 4096
    params.verbosity = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.buffer.read()
    # The server's threads would keep the interpreter waiting.
    os._exit(0)


if __name__ == "__main__":
    main()
