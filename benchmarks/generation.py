"""How fast the client, its limiter and the embedded model are. The last line is one JSON object.

The server is one on loopback, in a process of its own, that answers after half a second; ideal
is what that delay allows. All numbers depend on the machine: two idle cores are meant.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from augqa import llm, prompts
from augqa.params import Llm, load_params

ROOT = Path(__file__).parents[1]
DELAY_S = 0.5
# In flight -> requests. The ideal time is between 10 and 32 s each.
RATES = {1: 20, 16: 640, 64: 4000, 128: 4000}
LIMIT_A_MINUTE = 1200
LIMIT_WINDOWS = 3
EMBEDDED_IN_FLIGHT = (8, 16, 32, 48)
EMBEDDED_REQUESTS = 96


@contextlib.contextmanager
def loopback(*options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run the server; yield its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.loopback", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101
    try:
        yield process.stdout.readline().strip(), process
    finally:
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        process.wait()


def parameters(base_url: str, **changes: Any) -> Llm:
    """Return params for the server on loopback."""
    os.environ.setdefault("AUGQA_BENCH_KEY", "none")
    params = load_params(ROOT / "profiles" / "paper.yaml").llm
    own = {
        "base_url": base_url,
        "model": "loopback-1",
        "api_key_env": "AUGQA_BENCH_KEY",
        "temperature": 0.7,
        "prices": {},
    }
    return params.model_copy(update={**own, **changes})


def requests(n: int) -> Iterator[llm.ChatRequest]:
    """Yield `n` requests of some 300 words."""
    for number in range(n):
        yield llm.ChatRequest(
            id=str(number),
            messages=prompts.context_messages(
                question=f"Which river does bridge number {number} cross?",
                style="encyclopedic",
                max_words=250,
            ),
            max_tokens=400,
            seed=number,
        )


def complete(params: Llm, n: int) -> dict[str, float]:
    """Complete `n` requests on an empty cache; return seconds, CPU seconds and tokens."""
    with (
        tempfile.TemporaryDirectory() as folder,
        llm.open_client(params, cache_path=Path(folder) / "c.sqlite") as client,
    ):
        started, cpu = time.perf_counter(), time.process_time()
        results = tokens = failed = 0
        for result in client.complete(requests(n), total=n):
            results += 1
            tokens += result.completion_tokens
            failed += result.failure is not None
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    if results != n or failed:
        raise SystemExit(f"{results} of {n} results, {failed} failed")
    return {"seconds": took, "cpu_seconds": cpu, "tokens": tokens}


def rates() -> dict[str, float]:
    """Measure requests a second, against what the delay allows."""
    found: dict[str, float] = {}
    with loopback("--delay-s", str(DELAY_S)) as (base_url, _):
        for in_flight, n in RATES.items():
            run = complete(parameters(base_url, max_in_flight=in_flight), n)
            ratio = n * DELAY_S / in_flight / run["seconds"]
            found[f"rate_ratio_{in_flight}"] = round(ratio, 3)
            found["cpu_ms_per_request"] = round(run["cpu_seconds"] / n * 1000, 3)
            print(
                f"{in_flight:4d} in flight: {n / run['seconds']:6.1f} requests/s,"
                f" {100 * ratio:.1f} % of ideal,"
                f" {run['cpu_seconds'] / n * 1000:.2f} ms of CPU a request",
                flush=True,
            )
    return found


def peak_mib(n: int) -> float:
    """Return the peak memory of a process that completes `n` requests."""
    with loopback() as (base_url, _):
        code = (
            "import sys; sys.path.insert(0, 'benchmarks'); import generation as g;"
            f"g.complete(g.parameters({base_url!r}, max_in_flight=64), {n});"
            "print(g.peak())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
        )
    return round(float(done.stdout.split()[-1]), 1)


def peak() -> float:
    """Return the peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def limiter_utilisation() -> float:
    """Return the share of the budget used while there is work; the server counts."""
    n = LIMIT_A_MINUTE * LIMIT_WINDOWS + 1
    options = ("--delay-s", "0.05", "--requests-per-window", str(LIMIT_A_MINUTE))
    with loopback(*options) as (base_url, server):
        params = parameters(base_url, max_in_flight=64, requests_per_minute=LIMIT_A_MINUTE)
        run = complete(params, n)
        if server.stdin is None or server.stdout is None:
            raise SystemExit("the server has no pipes")
        server.stdin.close()
        counted = json.loads(server.stdout.read().splitlines()[-1])
    if counted["most_in_window"]["requests"] > LIMIT_A_MINUTE:
        raise SystemExit(f"the limit was passed: {counted}")
    # The last request opens a new window: what came before fills the windows before it.
    return round((n - 1) / (run["seconds"] / 60 * LIMIT_A_MINUTE), 3)


def embedded() -> dict[str, float]:
    """Measure the embedded model, one request at a time and several."""
    params = load_params(ROOT / "profiles" / "embedded.yaml").llm
    found: dict[int, float] = {}
    for in_flight in (1, *EMBEDDED_IN_FLIGHT):
        n = 8 if in_flight == 1 else EMBEDDED_REQUESTS
        run = complete(params.model_copy(update={"max_in_flight": in_flight}), n)
        found[in_flight] = run["tokens"] / run["seconds"]
        print(f"embedded, {in_flight:2d} in flight: {found[in_flight]:.0f} tokens/s", flush=True)
    best = max(found, key=lambda in_flight: found[in_flight])
    return {
        "embedded_tokens_per_s_1": round(found[1], 1),
        "embedded_tokens_per_s_best": round(found[best], 1),
        "embedded_best_in_flight": best,
    }


def main() -> None:
    """Run the parts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ["rates", "memory", "limiter", "embedded"]
    parser.add_argument("parts", nargs="*", default=[], help=f"of {', '.join(parts)}; all if none")
    wanted = parser.parse_args().parts or parts
    found: dict[str, float] = {}
    if "rates" in wanted:
        found |= rates()
    if "memory" in wanted:
        found |= {"peak_mib_10k": peak_mib(10_000), "peak_mib_100k": peak_mib(100_000)}
        print(f"memory: {found['peak_mib_10k']} MiB, then {found['peak_mib_100k']} MiB", flush=True)
    if "limiter" in wanted:
        found["limiter_utilisation"] = limiter_utilisation()
        print(f"limiter: {100 * found['limiter_utilisation']:.1f} % of the budget", flush=True)
    if "embedded" in wanted:
        found |= embedded()
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main()
