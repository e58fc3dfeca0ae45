"""8-bit answering with and without a processor's own instructions for bytes: rates, and the bytes.

Three ways take turns, each in a process of its own: `reproducible: machine`; `x86_64`, whose
oneDNN may use what instructions there are; `x86_64`, all of it held to AVX2. The first time in a
process is not counted: it tokenises and quantises. The last line is one JSON object.

    python benchmarks/instructions.py --model data/models/real-1 --data data/external
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from command import run_command

from augqa import processor
from augqa.errors import AugQAError
from augqa.formats import read_examples
from augqa.reader import Reader
from augqa.reader.int8 import use_own_instructions

WAYS = ("machine", "x86_64", "x86_64, AVX2 alone")
N_TIMES = 3  # in a process


def answer(options: argparse.Namespace) -> None:
    """Answer in one of the ways; print questions a second and the hash of the answers."""
    dev = list(read_examples(options.data / options.dev_file).examples)
    asked = random.Random(13).sample(dev, options.n_questions)
    if options.way == "x86_64":
        use_own_instructions()
    reader = Reader.load(options.model, engine="int8", threads=options.threads)
    rates = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(N_TIMES):
            begin = time.perf_counter()
            answers = reader.answer_all(asked, cache=Path(cache))
            rates.append(len(asked) / (time.perf_counter() - begin))
    said = repr([(each.text, each.start, each.score) for each in answers])
    print(json.dumps({"rate": max(rates[1:]), "bytes": hashlib.sha256(said.encode()).hexdigest()}))


def main() -> None:
    """Let all ways answer in turns; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("data/models/real-1"))
    parser.add_argument("--data", type=Path, default=Path("data/external"))
    parser.add_argument("--dev-file", default="squad.json")
    parser.add_argument("--n-questions", type=int, default=600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        answer(options)
        return
    given = [
        *("--model", str(options.model.resolve()), "--data", str(options.data.resolve())),
        *("--dev-file", options.dev_file, "--n-questions", str(options.n_questions)),
        *("--threads", str(options.threads)),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        found = in_turns(given, options.rounds, scratch)
    report(found)


def in_turns(given: list[str], rounds: int, scratch: str) -> dict[str, list[dict[str, str]]]:
    """Let the ways answer in turns; return what each printed."""
    found: dict[str, list[dict[str, str]]] = {way: [] for way in WAYS}
    bare = {name: value for name, value in os.environ.items() if name not in processor.SWITCHES}
    for _ in range(rounds):
        for way in WAYS:
            switches = {} if way == "machine" else dict(processor.SWITCHES)
            done = subprocess.run(
                [sys.executable, str(Path(__file__).resolve()), *given, "--way", way],
                cwd=scratch,  # where no params.yaml sets switches
                env={**bare, **switches},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise AugQAError(done.stderr.strip().splitlines()[-1])
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def report(found: dict[str, list[dict[str, str]]]) -> None:
    """Print the rates, their ratios and whether the bytes are the same."""
    rates = {way: [float(row["rate"]) for row in rows] for way, rows in found.items()}
    slowest = rates[WAYS[2]]
    ratios = {
        way: statistics.median(a / b for a, b in zip(rates[way], slowest, strict=True))
        for way in WAYS[:2]
    }
    print(
        json.dumps(
            {
                "questions_per_s": {way: statistics.median(each) for way, each in rates.items()},
                "ratio_to_avx2": ratios,
                "same_bytes": len({row["bytes"] for way in WAYS[1:] for row in found[way]}) == 1,
                "rounds": len(slowest),
            }
        )
    )


if __name__ == "__main__":
    run_command(main)
