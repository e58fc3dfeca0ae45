"""What the embedded engine is compared with: xllamacpp's own server, with its defaults.

Run as ``python benchmarks/xllamacpp_server.py MODEL_FILE [NAME [KEY]]``. It prints its address as
one line and serves until its standard input closes. Without a name it serves the model under that
of its file; with a key it answers nobody else.
"""

import os
import sys

import xllamacpp


def main() -> None:
    """Serve a GGUF file, one request at a time."""
    model_file, *rest = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path = model_file
    if rest:
        params.model_alias = {rest[0]}
    if rest[1:]:
        params.api_keys = rest[1:]
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
