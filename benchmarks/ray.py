"""Answering by one and by two of Ray's workers, beside this process: questions a second.

    python benchmarks/ray.py [--questions 200] [--rounds 3]

The reader is the packaged encoder with a head of random weights, on one thread: it answers nothing,
at the usual cost. Ray's start and the loading of the model are left out: a few questions are
answered before. It is checked that all give the same answers. With RAY_ADDRESS it is that cluster,
else one that is started. Medians; the last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from command import run_command

from augqa.executor.opening import open_executor
from augqa.executor.settings import ExecutorSettings
from augqa.reader import Reader

ROOT = Path(__file__).parents[1]
# This file bears the name of the library.
sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).parent]


def asked(n: int) -> tuple[list[str], list[str]]:
    """Return so many questions of the sample, again and again, and their contexts."""
    sample = json.loads((ROOT / "data/sample/dev.json").read_text(encoding="utf-8"))
    found = [
        (qa["question"], paragraph["context"])
        for article in sample["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    found = [found[number % len(found)] for number in range(n)]
    return [question for question, _ in found], [context for _, context in found]


def settings(kind: str, n_workers: int) -> ExecutorSettings:
    """Return what params would say."""
    return ExecutorSettings(
        kind=kind,  # type: ignore[arg-type]
        n_workers=n_workers,
        cpus_per_worker=1.0,
        gpus_per_worker=0.0,
        object_store_mib=512,
        lost_cluster_wait_s=0,
    )


def main() -> None:
    """Measure and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    own = parser.parse_args()
    reader = Reader.load("all-MiniLM-L6-v2", threads=1, head_seed=0)
    questions, contexts = asked(own.questions)
    rates: dict[str, float] = {}
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, n_workers in (
            ("local", "local", 1),
            ("ray_1", "ray", 1),
            ("ray_2", "ray", 2),
        ):
            with open_executor(settings(kind, n_workers), folder=Path(folder)) as executor:
                reader.answer_texts(questions[:24], contexts[:24], executor=executor)
                took = []
                for _ in range(own.rounds):
                    started = time.perf_counter()
                    answers.append(reader.answer_texts(questions, contexts, executor=executor))
                    took.append(time.perf_counter() - started)
            rates[name] = own.questions / statistics.median(took)
            print(f"{name:6} {rates[name]:8.1f} questions a second")
    if any(found != answers[0] for found in answers):
        raise SystemExit("the answers differ")
    print(
        json.dumps(
            {
                "questions": own.questions,
                "questions_per_s": {name: round(rate, 2) for name, rate in rates.items()},
                "ray_2_to_1": round(rates["ray_2"] / rates["ray_1"], 3),
                "ray_1_to_local": round(rates["ray_1"] / rates["local"], 3),
                "load_average": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    run_command(main)
