"""How the response cache does with 10^4 to 10^6 records. The last line is one JSON object.

Each size is stored and looked up in a process of its own, in groups as the client does it: stored
64 at a time, looked up 64 keys at a time in another order. A record has 1 KB of text of its own.
``--sizes 1000,2000`` only shows that all parts work. CPU seconds are those of the whole process
between start and end of a part; the file is looked at once it is closed.
"""

import argparse
import contextlib
import hashlib
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from command import run_command

from augqa.errors import GenerationError
from augqa.llm.cache import ResponseCache, Stored
from augqa.llm.response import Response
from augqa.llm.sharing import export_cache, import_cache

SIZES = (10_000, 100_000, 1_000_000)
GROUP = 64
TEXT_CHARS = 1000
ENDPOINT = "https://api.openai.com/v1"
_WORDS = ("river", "bridge", "tower", "garden", "engine", "harbor", "market", "forest", "letter")

Numbers = dict[str, float]


def key(number: int) -> str:
    """Return the key of a request: as random as a real one."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def response(number: int) -> Response:
    """Return a response with a text of its own."""
    start = number % len(_WORDS)
    words = " ".join(_WORDS[start:] + _WORDS[:start])
    text = (f"The {words} number {number} was built in {number % 2000}. " * 20)[:TEXT_CHARS]
    return Response(
        text=text,
        model="gpt-4o-mini-2024-07-18",
        finish_reason="stop",
        prompt_tokens=280,
        completion_tokens=240 + number % 7,
        refusal=None,
        system_fingerprint="fp_0123456789",
        latency_s=0.5 + number % 1000 / 1000,
        attempts=1,
    )


def content_bytes(n: int) -> int:
    """Return what `n` records hold: keys of 32 bytes, texts, and 8 bytes for each number."""
    total = 0
    for number in range(n):
        each = response(number)
        texts = (each.text, each.model, each.finish_reason, each.system_fingerprint)
        total += 32 + 4 * 8 + sum(len(text or "") for text in texts)  # all of them are ASCII
    return total


def groups(numbers: Iterator[int]) -> Iterator[list[int]]:
    """Yield numbers in groups."""
    while group := list(islice(numbers, GROUP)):
        yield group


def measure(n: int, folder: Path) -> Numbers:
    """Store, look up, export and import `n` records; return what each took."""
    found: Numbers = {"n": n}
    path = folder / "responses.sqlite"
    # Made beforehand where that is possible: what is measured is the cache.
    keys = [key(number) for number in range(n)]
    making = time.process_time()
    for number in range(n):
        response(number)
    making = time.process_time() - making

    started = time.process_time()
    with contextlib.closing(ResponseCache(path)) as cache:
        run = cache.begin_run()
        for group in groups(iter(range(n))):
            items = [Stored(keys[i], response(i), True, run) for i in group]
            with cache.together():
                cache.store_all(items, ENDPOINT)
    found["store_cpu_s"] = time.process_time() - started - making
    found["file_bytes"] = sum(part.stat().st_size for part in folder.glob(f"{path.name}*"))

    order = list(range(n))
    random.Random(n).shuffle(order)
    n_found = 0
    started = time.process_time()
    with contextlib.closing(ResponseCache(path)) as cache:
        for group in groups(iter(order)):
            n_found += len(cache.find([keys[i] for i in group]))
    found["find_cpu_s"] = time.process_time() - started
    if n_found != n:
        raise GenerationError(f"{path}: {n_found} of {n} records were found")
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    started = time.process_time()
    export_cache(path, folder / "x.gz")
    found["export_cpu_s"] = time.process_time() - started
    found["export_bytes"] = (folder / "x.gz").stat().st_size
    started = time.process_time()
    done = import_cache(folder / "x.gz", folder / "imported.sqlite")
    found["import_cpu_s"] = time.process_time() - started
    if done.n_new != n:
        raise GenerationError(f"{path}: {done.n_new} of {n} records were imported")
    return found


def exponent(runs: list[Numbers], name: str) -> float:
    """Return b of ``seconds = a * n ** b``, fitted to the logarithms by least squares."""
    points = [(math.log(run["n"]), math.log(max(run[name], 1e-6))) for run in runs]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum(
        (x - mean_x) ** 2 for x, _ in points
    )


def run_apart(n: int) -> Numbers:
    """Measure one size in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(n)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Numbers = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print a line a size, and all of it as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of records")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        with tempfile.TemporaryDirectory(prefix="augqa-cache-") as folder:
            print(json.dumps(measure(options.one, Path(folder))))
        return
    runs = []
    for n in map(int, options.sizes.split(",")):
        run = run_apart(n)
        runs.append(run)
        print(
            f"{n:8d} records: stored in {run['store_cpu_s']:.2f} s of CPU, looked up in"
            f" {run['find_cpu_s']:.2f} s, exported in {run['export_cpu_s']:.2f} s, imported in"
            f" {run['import_cpu_s']:.2f} s; {run['peak_mib']:.0f} MiB at the peak",
            flush=True,
        )
    last = runs[-1]
    n = int(last["n"])
    content = content_bytes(n)
    result: Numbers = {
        "n_records": n,
        "store_cpu_s": round(last["store_cpu_s"], 2),
        "records_per_cpu_s": round(n / last["store_cpu_s"]),
        "find_cpu_s": round(last["find_cpu_s"], 2),
        "lookups_per_cpu_s": round(n / last["find_cpu_s"]),
        "file_to_content": round(last["file_bytes"] / content, 3),
        "export_to_content": round(last["export_bytes"] / content, 3),
        "export_cpu_s": round(last["export_cpu_s"], 2),
        "import_cpu_s": round(last["import_cpu_s"], 2),
        "peak_mib": round(last["peak_mib"]),
    }
    if len(runs) > 1:
        for name in ("store", "find", "export", "import"):
            result[f"{name}_exponent"] = round(exponent(runs, f"{name}_cpu_s"), 3)
    print(json.dumps(result))


if __name__ == "__main__":
    run_command(main)
