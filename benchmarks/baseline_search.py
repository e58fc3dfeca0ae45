"""A small search for the best reader on real data alone: the baseline deserves its best.

Every setting trains on the pool but for held-out contexts, and is scored on these; no test set
is looked at. One JSON line a setting, the best one last. Put it in params.yaml, `train`.

    python benchmarks/baseline_search.py --pool data/prepared/pool.parquet
"""

import argparse
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

from augqa.params import load_params
from augqa.reader import train_reader
from augqa.records import QAExample
from augqa.tables import read_table


def main() -> None:
    """Try every setting, and print what each reaches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, default=Path("data/prepared/pool.parquet"))
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[5e-5, 1e-4, 2e-4, 4e-4])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--epochs", type=int, default=5, help="most; the best epoch counts")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--held-out-fraction", type=float, default=0.1)
    options = parser.parse_args()

    params = load_params()
    examples = read_table(options.pool, QAExample)
    results: list[dict[str, Any]] = []
    for rate, size in itertools.product(options.learning_rates, options.batch_sizes):
        settings: dict[str, Any] = {**dict(params.reader), **dict(params.train)}
        settings |= {
            "learning_rate": rate,
            "batch_size": size,
            "epochs": options.epochs,
            "held_out_fraction": options.held_out_fraction,
            "patience": options.epochs,
        }
        reports = [train_reader(examples, seed=seed, **settings)[1] for seed in options.seeds]
        result = {
            "learning_rate": rate,
            "batch_size": size,
            "held_out_f1": statistics.mean(max(report.held_out_f1) for report in reports),
            "best_epochs": [report.best_epoch for report in reports],
        }
        results.append(result)
        print(json.dumps(result), flush=True)
    print(json.dumps({"best": max(results, key=lambda result: result["held_out_f1"])}))


if __name__ == "__main__":
    main()
