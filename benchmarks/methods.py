"""The methods of question generation side by side: from seeds to kept pairs, and at what cost.

Each method makes pairs of the same contexts with the stage scripts themselves, one after the
other, with an empty response cache, so that the seconds are those of a first run. Needed is a
pipeline that has run up to the reader of regime `real` (`dvc repro train_real`); nothing of it is
changed. What is done is kept in --out: a run that was stopped goes on. The last line is one JSON
object.

    python benchmarks/methods.py --n-seeds 200
    python benchmarks/methods.py --methods cloze trained --trained FOLDER
    python benchmarks/methods.py --n-seeds 20 --rounds 2     # the same bytes a second time?
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from command import need_folder, run_command
from keeping import once

from augqa.metrics import read_metrics
from augqa.params_text import with_value
from augqa.records import QAExample
from augqa.sampling import shuffled
from augqa.tables import read_table, write_table

# Name here -> params that make it.
METHODS: dict[str, dict[str, str]] = {
    "llm": {"generate_pairs.method": "llm"},
    "llm_structured": {
        "generate_pairs.method": "llm",
        "generate_pairs.llm.structured": "true",
        # A small model often ends no JSON within its tokens: a row of the funnel, not a fault.
        "llm.max_failed_fraction": "1.0",
    },
    "hybrid": {"generate_pairs.method": "hybrid"},
    "cloze": {"generate_pairs.method": "cloze"},
    "trained": {"generate_pairs.method": "trained"},
    "t5": {"generate_pairs.method": "t5"},
}


def stage(name: str, folder: Path, **files: Path) -> float:
    """Run a stage script in `folder`; return its seconds, its start included."""
    command = [sys.executable, str(Path("stages", f"{name}.py").resolve())]
    for option, value in files.items():
        command += [f"--{option.replace('_', '-')}", str(value.resolve())]
    begin = time.perf_counter()
    # DVC_ROOT is where a stage looks for the response cache: each folder has its own.
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "DVC_ROOT": str(folder.resolve())}, check=False
    )
    # A filter that keeps nothing stops the pipeline, but has counted: a row of the comparison.
    counted = name == "filter_pairs" and files["metrics"].is_file()
    if done.returncode != 0 and not counted:
        raise SystemExit(f"{folder}: {name} stopped; its message stands above")
    return time.perf_counter() - begin


def fresh(folder: Path, params: str) -> None:
    """Make a folder with the params in force; what a stopped run left there is moved aside."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}.stopped-{time.time_ns()}"))
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(params, encoding="utf-8")


def make_contexts(data: Path, folder: Path, params: str, n_seed_questions: int) -> dict[str, Any]:
    """Write the first seeds in seeded order, and a context for each."""
    seeds = shuffled(read_table(data / "prepared" / "seed_questions.parquet", QAExample), seed=1)[
        :n_seed_questions
    ]
    fresh(folder, params)
    write_table(folder / "seed_questions.parquet", seeds, QAExample)
    seconds = stage(
        "generate_contexts",
        folder,
        seed_questions=folder / "seed_questions.parquet",
        contexts=folder / "contexts.parquet",
        metrics=folder / "generate_contexts.json",
    )
    return {"n_seed_questions": len(seeds), "seconds": seconds}


def make_pairs(data: Path, contexts: Path, folder: Path, params: str) -> dict[str, Any]:
    """Make, read and filter the pairs of one method; return its funnel."""
    reader = next((data / "models").glob("real-*"), None)
    if reader is None:
        raise SystemExit(f"{data / 'models'}: no reader of regime real: run `dvc repro train_real`")
    fresh(folder, params)
    pairs, answers = folder / "pairs.parquet", folder / "answers.parquet"
    seconds = {
        "generate_pairs": stage(
            "generate_pairs",
            folder,
            seeds=contexts / "seed_questions.parquet",
            contexts=contexts / "contexts.parquet",
            pairs=pairs,
            rejected=folder / "pairs_rejected.parquet",
            metrics=folder / "generate_pairs.json",
        ),
        "answer_round_trip": stage(
            "answer_round_trip",
            folder,
            pairs=pairs,
            reader=reader,
            answers=answers,
            metrics=folder / "answer_round_trip.json",
        ),
        "filter_pairs": stage(
            "filter_pairs",
            folder,
            pairs=pairs,
            round_trip_answers=answers,
            test=data / "prepared" / "test",
            seeds=contexts / "seed_questions.parquet",
            prepare=data.parent / "metrics" / "prepare.json",
            kept=folder / "kept.parquet",
            rejected=folder / "rejected.parquet",
            metrics=folder / "filter_pairs.json",
        ),
    }
    made = read_metrics(folder / "generate_pairs.json")
    kept = read_metrics(folder / "filter_pairs.json")
    return {
        "n_contexts": made["n_contexts"],
        "refused": made["n_rejected"],
        "n_pairs": made["n_pairs"],
        "rejected": kept["n_rejected"],
        "n_kept": kept["n_kept"],
        "seconds": seconds,
        "sha256": {
            file: hashlib.sha256((folder / file).read_bytes()).hexdigest()
            for file in ("pairs.parquet", "answers.parquet", "kept.parquet", "rejected.parquet")
            if (folder / file).is_file()
        },
    }


def row(name: str, contexts: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return a method's line of the comparison."""
    n_kept, own = found["n_kept"], sum(found["seconds"].values())
    return {
        "method": name,
        "n_seed_questions": contexts["n_seed_questions"],
        "n_contexts": found["n_contexts"],
        "n_pairs": found["n_pairs"],
        "n_kept": n_kept,
        "kept_fraction": n_kept / found["n_pairs"],
        "kept_per_seed": n_kept / contexts["n_seed_questions"],
        # Of the method alone, and with its share of the contexts.
        "s_per_kept": own / n_kept if n_kept else None,
        "s_per_kept_with_contexts": (own + contexts["seconds"]) / n_kept if n_kept else None,
        "refused": found["refused"],
        "rejected": found["rejected"],
    }


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the comparison as a table."""
    print("\nmethod          pairs   kept  share  a seed  s a kept pair  with contexts")
    for each in rows:
        costs = (each["s_per_kept"], each["s_per_kept_with_contexts"])
        own, whole = ("none kept" if cost is None else f"{cost:.2f}" for cost in costs)
        print(
            f"{each['method']:14}{each['n_pairs']:7}{each['n_kept']:7}{each['kept_fraction']:7.2f}"
            f"{each['kept_per_seed']:8.2f}{own:>15}{whole:>15}"
        )
    for each in rows:
        reasons = {**each["refused"], **each["rejected"]}
        print(f"{each['method']}: " + ", ".join(f"{n} {reason}" for reason, n in reasons.items()))


def main() -> None:
    """Run what is asked for; print the comparison and one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of a pipeline")
    parser.add_argument("--params", type=Path, default=Path("profiles/cpu.yaml"))
    parser.add_argument("--out", type=Path, default=Path(".cache/benchmarks/methods"))
    parser.add_argument("--n-seeds", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=1, help="how often, to compare bytes")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=["llm", "llm_structured", "hybrid", "cloze"],
        help="trained needs --trained; t5 a checkpoint of the hub",
    )
    parser.add_argument("--trained", type=Path, help="folder of a trained question generator")
    options = parser.parse_args()
    if "trained" in options.methods and options.trained is None:
        parser.error("method trained needs --trained FOLDER")
    need_folder("--trained", options.trained)
    need_folder("--data", options.data)

    text = options.params.read_text(encoding="utf-8")
    text = with_value(text, "filter_pairs.target_kept", "null")
    if options.trained is not None:
        folder = options.trained.resolve()
        text = with_value(text, "generate_pairs.trained.checkpoint", f'"{folder}"')

    rows, same = [], {}
    for number in range(options.rounds):
        out = options.out / f"{options.n_seeds}-{number}"
        made = out / "contexts"
        contexts = once(
            out / "contexts.json",
            partial(make_contexts, options.data, made, text, options.n_seeds),
        )
        for name in options.methods:
            params = text
            for key, value in METHODS[name].items():
                params = with_value(params, key, value)
            found = once(
                out / f"{name}.json", partial(make_pairs, options.data, made, out / name, params)
            )
            if number == 0:
                rows.append(row(name, contexts, found))
                same[name] = found["sha256"]
            elif found["sha256"] != same[name]:
                raise SystemExit(f"{name}: round {number + 1} gave other bytes than the first one")
    show(rows)
    print(json.dumps({"rounds_of_same_bytes": options.rounds, "methods": rows}))


if __name__ == "__main__":
    run_command(main)
