"""How fast the client, its limiter and the embedded model are. The last line is one JSON object.

The client talks to a server on loopback, in a process of its own, that answers after half a
second; ideal is what that delay allows. All numbers depend on the machine: two idle cores are
meant, on which everything takes ten minutes. ``--scale 0.02`` only shows that all parts work.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import loopback
import openai
import yaml
from command import need_packages, run_command

from augqa import llm, prompts
from augqa.llm import embedded
from augqa.llm.embedded_models import find_embedded
from augqa.params import Llm, load_params
from augqa.records import Answer, QAExample, context_id
from augqa.tables import write_table

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
DELAY_S = 0.5
# In flight -> requests. The ideal time is between 10 and 32 s each.
RATES = {1: 20, 16: 640, 64: 4000, 128: 4000}
MEMORY = {"10k": 10_000, "100k": 100_000}
MEMORY_IN_FLIGHT = 64
LIMIT_A_MINUTE = 1200
LIMIT_WINDOWS = 2
# In flight, requests and rounds of the clients side by side.
CLIENTS = (128, 2000, 3)
# In flight -> requests, each of some 275 prompt tokens and up to 160 more.
EMBEDDED = {1: 8, 8: 16, 16: 32, 32: 64, 48: 96}
EMBEDDED_TOKENS = 160

Numbers = dict[str, float]


class Server:
    """The server on loopback: ``with Server(delay_s) as server: server.base_url``."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self.counted: dict[str, int] = {}

    def __enter__(self) -> "Server":
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "loopback.py"), "--delay-s", str(self._delay_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.base_url = self._line()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if error[0] is None:
            self.counted = json.loads(self._line())
        self._process.wait()

    def _line(self) -> str:
        if self._process.stdout is None:
            raise SystemExit("the server has no output")
        return self._process.stdout.readline().strip()


def parameters(base_url: str, **changes: Any) -> Llm:
    """Return params for the server on loopback."""
    os.environ.setdefault("AUGQA_BENCH_KEY", "none")
    params = load_params(ROOT / "profiles" / "paper.yaml").llm
    own = {
        "base_url": base_url,
        "model": loopback.MODEL,
        "api_key_env": "AUGQA_BENCH_KEY",
        "temperature": 0.7,
        "token_limit_param": "max_tokens",
        "executor": "online",
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "max_cost": None,
        "prices": {},
    }
    return params.model_copy(update={**own, **changes})


def requests(n: int, *, first: int = 0, max_tokens: int = 400) -> Iterator[llm.ChatRequest]:
    """Yield `n` requests for contexts, as the pipeline makes them."""
    for number in range(first, first + n):
        yield llm.ChatRequest(
            id=str(number),
            messages=prompts.context_messages(
                question=f"Which river does bridge number {number} cross?",
                style="encyclopedic",
                max_words=250,
            ),
            max_tokens=max_tokens,
            seed=number,
        )


def complete(params: Llm, n: int, **of_requests: int) -> Numbers:
    """Complete `n` requests on an empty cache; return seconds, CPU seconds and tokens."""
    with (
        tempfile.TemporaryDirectory() as folder,
        llm.open_client(params, cache_path=Path(folder) / "c.sqlite") as client,
    ):
        started, cpu = time.perf_counter(), time.process_time()
        results = tokens = failed = 0
        for result in client.complete(requests(n, **of_requests), total=n):
            results += 1
            tokens += result.completion_tokens
            failed += result.failure is not None
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    if results != n or failed:
        raise SystemExit(f"{results} of {n} results, {failed} failed")
    return {"seconds": took, "cpu_seconds": cpu, "tokens": tokens}


def rates(scale: float) -> Numbers:
    """Measure requests a second, against what the delay allows."""
    found: Numbers = {}
    with Server(DELAY_S) as server:
        for in_flight, whole in RATES.items():
            n = scaled(whole, scale, least=2 * in_flight)
            run = complete(parameters(server.base_url, max_in_flight=in_flight), n)
            ratio = n * DELAY_S / in_flight / run["seconds"]
            cpu_ms = run["cpu_seconds"] / n * 1000
            found[f"rate_ratio_{in_flight}"] = round(ratio, 3)
            # Of the last one, the most in flight.
            found["cpu_ms_per_request"] = round(cpu_ms, 3)
            say(
                f"{in_flight:4d} in flight: {n / run['seconds']:6.1f} requests/s,"
                f" {100 * ratio:.1f} % of ideal, {cpu_ms:.2f} ms of CPU a request"
            )
    return found


def clients(scale: float) -> Numbers:
    """Compare our path with the openai library over its own aiohttp transport, in turns.

    The library's side is the bare call: no cache, no limiter, no retries, and no look at what
    comes back. What else runs on the machine hits both, so that the ratios and the CPU seconds
    tell more than the rates.
    """
    in_flight, whole, rounds = CLIENTS
    n = scaled(whole, scale, least=2 * in_flight)
    ours: list[Numbers] = []
    library: list[Numbers] = []
    with Server(DELAY_S) as server:
        params = parameters(server.base_url, max_in_flight=in_flight)
        for number in range(rounds):
            for name in ("ours", "library") if number % 2 == 0 else ("library", "ours"):
                if name == "ours":
                    ours.append(complete(params, n))
                else:
                    library.append(asyncio.run(complete_by_library(server.base_url, in_flight, n)))
    found: Numbers = {}
    for name, runs in (("ours", ours), ("library", library)):
        took = statistics.median(run["seconds"] for run in runs)
        cpu_ms = statistics.median(run["cpu_seconds"] for run in runs) / n * 1000
        found[f"clients_rate_ratio_{name}"] = round(n * DELAY_S / in_flight / took, 3)
        found[f"clients_cpu_ms_{name}"] = round(cpu_ms, 3)
        say(
            f"{name:8s} {in_flight} in flight: {n / took:6.1f} requests/s,"
            f" {100 * n * DELAY_S / in_flight / took:.1f} % of ideal,"
            f" {cpu_ms:.2f} ms of CPU a request"
        )
    pairs = list(zip(ours, library, strict=True))
    for what in ("seconds", "cpu_seconds"):
        ratio = statistics.median(theirs[what] / own[what] for own, theirs in pairs)
        found[f"clients_{what}_library_to_ours"] = round(ratio, 2)
        say(f"{what} of the library to ours, median of {rounds} rounds: {ratio:.2f}")
    return found


async def complete_by_library(base_url: str, in_flight: int, n: int) -> Numbers:
    """Send `n` requests through the openai library's aiohttp transport."""
    feed = iter(requests(n))
    limits = openai.DEFAULT_CONNECTION_LIMITS
    async with openai.AsyncOpenAI(
        base_url=base_url,
        api_key="none",
        max_retries=0,
        http_client=openai.DefaultAioHttpClient(limits=limits),
    ) as client:
        failed = 0

        async def work() -> None:
            nonlocal failed
            for request in feed:
                reply = await client.chat.completions.create(
                    model=loopback.MODEL,
                    messages=list(request.messages),  # type: ignore[arg-type]
                    max_tokens=request.max_tokens,
                    seed=request.seed,
                    temperature=0.7,
                )
                failed += not reply.choices[0].message.content

        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(in_flight)))
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    if failed:
        raise SystemExit(f"{failed} of {n} failed")
    return {"seconds": took, "cpu_seconds": cpu}


def memory(scale: float) -> Numbers:
    """Measure the peak memory of the stage generate_contexts, client and all."""
    found: Numbers = {}
    for name, whole in MEMORY.items():
        n = scaled(whole, scale, least=200)
        started = time.perf_counter()
        found[f"peak_mib_{name}"] = peak = stage_peak_mib(n)
        took = time.perf_counter() - started
        say(f"{n} requests: {peak:.1f} MiB at the peak of the stage's process ({took:.0f} s)")
    return found


def stage_peak_mib(n: int) -> float:
    """Run generate_contexts on `n` seeds in a process of its own; return its peak in MiB."""
    text = "Ada Hall was born in Rome."
    seeds = (
        QAExample(
            id=f"q{number}",
            context_id=context_id(text),
            context=text,
            question=f"Which river does bridge number {number} cross?",
            answers=(Answer(text="Ada Hall", start=0),),
            origin="real",
            context_origin="real",
        )
        for number in range(n)
    )
    with tempfile.TemporaryDirectory() as folder, Server(0.0) as server:
        values = yaml.safe_load((ROOT / "profiles" / "paper.yaml").read_text(encoding="utf-8"))
        params = parameters(server.base_url, max_in_flight=MEMORY_IN_FLIGHT)
        values["llm"] = params.model_dump()
        values["generate_contexts"]["contexts_per_seed"] = 1
        (Path(folder) / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        write_table(Path(folder) / "seed_questions.parquet", seeds, QAExample)
        done = subprocess.run(
            [sys.executable, str(HERE / "generation.py"), "--stage"],
            cwd=folder,
            env={**os.environ, "DVC_ROOT": folder},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    if server.counted["n_requests"] < n:
        raise SystemExit(f"{server.counted} of {n} requests")
    return float(done.stdout.split()[-1])


def run_stage() -> None:
    """Run generate_contexts in the current folder; print the peak of this process in MiB."""
    path = ROOT / "stages" / "generate_contexts.py"
    spec = importlib.util.spec_from_file_location("stage", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: no stage")
    stage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage)
    stage.generate_contexts(
        seed_questions=Path("seed_questions.parquet"),
        contexts=Path("contexts.parquet"),
        metrics=Path("m.json"),
    )
    # Not ru_maxrss, which a process takes over from the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    print(round(int(peak.split()[1]) / 1024, 1))


def limiter(scale: float) -> Numbers:
    """Measure the share of each limit that is used while there is work; the server counts.

    The limits are those of a minute at every scale, and so is the time that two windows take.
    """
    a_minute = scaled(LIMIT_A_MINUTE, scale, least=24)
    limits = {
        "requests_per_minute": a_minute,
        "tokens_per_minute": a_minute * loopback.TOKENS,
    }
    # The last request opens a new window: what came before fills the windows before it.
    n = a_minute * LIMIT_WINDOWS + 1

    def measure(name: str) -> float:
        with Server(0.05) as server:
            params = parameters(server.base_url, max_in_flight=16, **{name: limits[name]})
            run = complete(params, n)
        kind = name.removesuffix("_per_minute")
        most = server.counted[f"most_{kind}_in_window"]
        if most > limits[name]:
            raise SystemExit(f"{name}: {most} in 60 s, {limits[name]} allowed")
        used = (n - 1) / (run["seconds"] / loopback.WINDOW_S * a_minute)
        say(f"{name} {limits[name]}: at most {most} in 60 s, {100 * used:.1f} % used")
        return round(used, 3)

    # Both at once: they wait nearly all the time.
    with ThreadPoolExecutor(len(limits)) as pool:
        used = dict(zip(limits, pool.map(measure, limits), strict=True))
    return {
        "limiter_utilisation": min(used.values()),
        "limiter_utilisation_requests": used["requests_per_minute"],
        "limiter_utilisation_tokens": used["tokens_per_minute"],
    }


def tokens_per_s(base_url: str, model: str, in_flight: int, n: int, first: int) -> float:
    """Return the tokens a second that an engine writes on prompts that it has not seen."""
    sampling = load_params(ROOT / "profiles" / "embedded.yaml").llm
    params = parameters(
        base_url,
        model=model,
        max_in_flight=in_flight,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        timeout_s=sampling.timeout_s,
    )
    run = complete(params, n, first=first, max_tokens=EMBEDDED_TOKENS)
    return run["tokens"] / run["seconds"]


@contextlib.contextmanager
def xllamacpp(model: str) -> Iterator[str]:
    """Serve the embedded model by xllamacpp; yield the base URL."""
    file = str(find_embedded(model).path)
    command = [sys.executable, str(HERE / "xllamacpp_server.py"), file, model]
    with embedded.child(command, name="xllamacpp") as (address, _):
        yield f"{address}/v1"


def embedded_rates(scale: float) -> Numbers:
    """Measure the embedded engine, one request at a time and several, and xllamacpp beside it.

    The first request of each is not measured: it fills the cache with the worked examples.
    """
    model = load_params(ROOT / "profiles" / "embedded.yaml").llm.model
    found: dict[int, float] = {}
    with embedded.serve(find_embedded(model)) as base_url:
        tokens_per_s(base_url, model, 1, 1, first=0)
        first = 1
        for in_flight, whole in EMBEDDED.items():
            n = scaled(whole, scale, least=2)
            found[in_flight] = tokens_per_s(base_url, model, in_flight, n, first)
            first += n
            say(f"embedded, {in_flight:2d} in flight: {found[in_flight]:.1f} tokens/s")
    with xllamacpp(model) as base_url:
        tokens_per_s(base_url, model, 1, 1, first=0)
        n = scaled(EMBEDDED[1], scale, least=2)
        other = tokens_per_s(base_url, model, 1, n, first=1)
    best = max(found, key=lambda in_flight: found[in_flight])
    say(f"xllamacpp, 1 in flight: {other:.1f} tokens/s; ours is {found[best] / other:.2f} times it")
    return {
        "embedded_tokens_per_s_1": round(found[1], 1),
        "embedded_tokens_per_s_best": round(found[best], 1),
        "embedded_tokens_per_s_xllamacpp_1": round(other, 1),
        "embedded_best_in_flight": best,
    }


def scaled(whole: int, scale: float, *, least: int) -> int:
    """Return the size of a part at a scale."""
    return whole if scale == 1 else max(least, round(whole * scale))


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


PARTS = {
    "rates": rates,
    "clients": clients,
    "memory": memory,
    "limiter": limiter,
    "embedded": embedded_rates,
}


def main() -> None:
    """Run the parts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes, to try it out")
    parser.add_argument("--stage", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        run_stage()
        return
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not options.parts or "embedded" in options.parts:
        need_packages("xllamacpp")
    found: Numbers = {} if options.scale == 1 else {"scale": options.scale}
    for name in options.parts or PARTS:
        found |= PARTS[name](options.scale)
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
