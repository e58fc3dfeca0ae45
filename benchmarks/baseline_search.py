"""A small search for the best reader on real data alone: the baseline deserves its best.

One setting after the other: each of its values is tried with the best of the settings before
it, and the best is kept. A training sees a part of the pool; the rest, whole contexts, tells what
it is worth, and no test set is looked at. What counts is F1 after the last epoch: that is the
reader which a run without a held-out part keeps. One JSON line a training, the best settings
last; put them in params.yaml, `train`.

    python benchmarks/baseline_search.py --pool data/prepared/pool.parquet
    python benchmarks/baseline_search.py --threads 1 --jobs 2   # better use of two cores

Each training is kept in the folder --out, and its checkpoints until it ends: started again, the
search goes on where it was. Remove the folder after a change of the reader.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from command import run_command
from keeping import once

from augqa.params import load_params
from augqa.reader import train_reader
from augqa.records import QAExample
from augqa.sampling import shuffled
from augqa.tables import read_table

Record = dict[str, Any]

# In the order of the search.
SETTINGS = ("learning_rate", "batch_size", "epochs", "warmup_fraction")


def train(examples: Sequence[QAExample], seed: int, settings: Record, resume: Path) -> Record:
    """Return what a training reaches on the examples it held out."""
    begin = time.perf_counter()
    # Early stopping is not the question here: all epochs are run.
    _, report = train_reader(
        examples, seed=seed, **settings, patience=settings["epochs"], resume=resume
    )
    return {
        **{name: settings[name] for name in SETTINGS},
        "seed": seed,
        "n_examples": report.n_examples,
        "n_held_out": len(report.held_out),
        "loss_per_epoch": list(report.loss_per_epoch),
        "held_out_f1": list(report.held_out_f1),
        "seconds": time.perf_counter() - begin,
    }


def main() -> None:
    """Search setting by setting, and print what each value reaches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, default=Path("data/prepared/pool.parquet"))
    parser.add_argument("--out", type=Path, default=Path(".cache/benchmarks/baseline_search"))
    parser.add_argument("--learning-rate", type=float, nargs="+", default=[1e-4, 2e-4, 4e-4, 8e-4])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 3, 5])
    parser.add_argument("--warmup-fraction", type=float, nargs="+", default=[0.0, 0.1, 0.2])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--n-examples", type=int, help="of the pool, a seeded subset; else all")
    parser.add_argument("--threads", type=int, help="instead of reader.threads of params.yaml")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    parser.add_argument("--held-out-fraction", type=float, default=0.2, help="of the contexts")
    options = parser.parse_args()

    params = load_params()
    pool = read_table(options.pool, QAExample)
    examples = shuffled(pool, seed=1)[: options.n_examples]
    best: Record = {**dict(params.reader), **dict(params.train)}
    best["held_out_fraction"] = options.held_out_fraction
    if options.threads:
        best["threads"] = options.threads
    del best["patience"]
    data = hashlib.sha256(json.dumps([example.id for example in examples]).encode()).hexdigest()

    def run(settings: Record, seed: int) -> Record:
        key = json.dumps([data, seed, settings], sort_keys=True)
        path = options.out / (hashlib.sha256(key.encode()).hexdigest()[:16] + ".json")
        checkpoints = path.with_suffix("")
        record = once(
            path, lambda: workers.submit(train, examples, seed, settings, checkpoints).result()
        )
        shutil.rmtree(checkpoints, ignore_errors=True)
        print(json.dumps(record), flush=True)
        return record

    def scores_of(tried: Sequence[Record]) -> list[float]:
        with ThreadPoolExecutor(options.jobs) as waiting:
            runs = [[waiting.submit(run, settings, seed) for seed in seeds] for settings in tried]
            reached = [[found.result()["held_out_f1"][-1] for found in of] for of in runs]
        return [statistics.mean(of) for of in reached]

    seeds = options.seeds
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as workers:
        for name in SETTINGS:
            # Of equal ones the first is kept: that in force.
            values = sorted(getattr(options, name), key=lambda value: value != best[name])
            found = scores_of([{**best, name: value} for value in values])
            scores = dict(zip(values, found, strict=True))
            best[name] = max(values, key=scores.__getitem__)
            print(
                json.dumps({"best": name, "value": best[name], "held_out_f1": scores}), flush=True
            )
    print(json.dumps({**{n: best[n] for n in SETTINGS}, "held_out_f1": scores[best[SETTINGS[-1]]]}))


if __name__ == "__main__":
    run_command(main)
