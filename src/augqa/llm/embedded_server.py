"""The process of the embedded model: an OpenAI-compatible server on loopback.

Run as ``python -m augqa.llm.embedded_server MODEL_FILE NAME``. It prints its address as one
line and serves until its standard input closes, which happens however its parent ends.
"""

import os
import sys

import xllamacpp


def main() -> None:
    """Serve `MODEL_FILE` under `NAME`."""
    model_file, name = sys.argv[1:3]
    params = xllamacpp.CommonParams()
    params.model.path = model_file
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = 1
    params.n_ctx = 4096
    params.verbosity = 0
    # Threads that wait must not spin: on busy cores that costs a factor of ten and more.
    params.cpuparams.n_threads = 1
    params.cpuparams.poll = 0
    params.cpuparams_batch.poll = 0
    # What is left in the cache by the former prompt must not change the next text.
    params.cache_prompt = True
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    # The server's threads would keep the interpreter waiting.
    os._exit(0)


if __name__ == "__main__":
    main()
