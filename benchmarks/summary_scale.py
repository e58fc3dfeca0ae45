"""How long a large study takes from scores of questions to everything that a report shows.

Random scores of 20 recipes, 5 seeds and 5 sets of 10,000 questions, run by run: only sums over
articles are kept. With --tables they are first written as stage evaluate writes them, and read from
there as stage summarize does. Peak memory is that of the process. The last line is one JSON object.

    python benchmarks/summary_scale.py --tables
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from command import run_command

from augqa.evidence import (
    Plan,
    Planned,
    QuestionSet,
    Scores,
    Sizes,
    Study,
    Sweep,
    gather,
    study_of_runs,
)
from augqa.records import Cluster, QuestionScore
from augqa.study.reading import read_study, run_folder
from augqa.tables import schema
from augqa.test_sets import ReportedSet

ARTICLES = {"squad": 48, "new_wiki": 48, "nyt": 50, "reddit": 400, "amazon": 413}
REAL_SIZES = {"real_half": 5000, "real": 10_000, "real_more": 20_000, "real_most": 40_000}
PLAN = Plan(
    baseline="real",
    primary=tuple(
        Planned(recipe="mix_2", against=against) for against in ("real", "real_half", "real_more")
    ),
    real_sizes=REAL_SIZES,
    generated={f"mix_{n}": Sizes(n_real=10_000, n_generated=1000 * (n + 1)) for n in range(4)},
    sweeps=(
        Sweep(
            name="fixed size",
            kind="fixed size",
            points={"real": 0.0} | {f"mix_{n}": (n + 1) / 10 for n in range(8)},
        ),
    ),
    champion="real",
)


def question_sets(n_questions: int, rng: np.random.Generator) -> list[QuestionSet]:
    """Return sets with articles of uneven size."""
    return [
        QuestionSet(
            name=name,
            role="home" if name == "squad" else "shift",
            ids=tuple(f"{name}-{n}" for n in range(n_questions)),
            clusters=np.concatenate(
                [np.arange(n_articles), rng.integers(0, n_articles, n_questions - n_articles)]
            ),
            articles=tuple(f"{name} article {n}" for n in range(n_articles)),
        )
        for name, n_articles in ARTICLES.items()
    ]


def runs(
    sets: list[QuestionSet], n_recipes: int, n_seeds: int, rng: np.random.Generator
) -> Iterator[tuple[str, int, Mapping[str, Scores]]]:
    """Yield random runs, ids of their own as a table that was read has them."""
    names = [*REAL_SIZES, *(f"mix_{n}" for n in range(n_recipes - len(REAL_SIZES)))]
    for place, name in enumerate(names):
        for seed in range(n_seeds):
            level = 50 + place + rng.normal()
            yield (
                name,
                seed,
                {
                    one.name: Scores(
                        ids=tuple("".join(list(id_)) for id_ in one.ids),
                        f1=np.clip(rng.normal(level, 30, len(one.ids)), 0, 100).astype(np.float32),
                        exact_match=(rng.random(len(one.ids)) < level / 100) * np.float32(100),
                    )
                    for one in sets
                },
            )


def write_tables(folder: Path, n_recipes: int, n_seeds: int, n_questions: int) -> None:
    """Write scores and articles as the stages do."""
    rng = np.random.default_rng(1)
    sets = question_sets(n_questions, rng)
    (folder / "clusters").mkdir(parents=True)
    for one in sets:
        names = [one.articles[n] for n in one.clusters]
        columns = [list(one.ids), list(one.ids), names]
        table = pa.Table.from_arrays([pa.array(c) for c in columns], schema=schema(Cluster))
        pq.write_table(table, folder / "clusters" / f"{one.name}.parquet")
    for recipe, seed, by_set in runs(sets, n_recipes, n_seeds, rng):
        run = run_folder(folder, recipe, seed)
        run.mkdir(parents=True)
        for name, scores in by_set.items():
            columns = [list(scores.ids), scores.exact_match, scores.f1]
            arrays = [pa.array(c) for c in columns]
            table = pa.table(arrays, names=["id", "exact_match", "f1"])
            pq.write_table(table.cast(schema(QuestionScore)), run / f"{name}.parquet")


def read_tables(folder: Path, n_seeds: int) -> Study:
    """Read them as stage summarize does."""
    names = {path.name.rpartition("-")[0] for path in folder.glob("*-*")}
    return read_study(
        folder,
        folder / "clusters",
        recipes=sorted(names),
        seeds=range(n_seeds),
        test_sets=[
            ReportedSet(name=name, title=name, role="home" if name == "squad" else "shift")
            for name in ARTICLES
        ],
    )


def main() -> None:
    """Time both halves and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--tables", action="store_true", help="read the scores from Parquet")
    parser.add_argument("--write", type=Path, help="write the tables into a folder, and no more")
    options = parser.parse_args()
    if options.write is not None:
        write_tables(options.write, options.recipes, options.seeds, options.questions)
        return
    rng = np.random.default_rng(1)
    sets = question_sets(options.questions, rng)

    made = 0.0  # seconds that making the scores took, not ours

    def timed() -> Iterator[tuple[str, int, Mapping[str, Scores]]]:
        nonlocal made
        source = runs(sets, options.recipes, options.seeds, rng)
        while True:
            begin = time.process_time()
            one = next(source, None)
            made += time.process_time() - begin
            if one is None:
                return
            yield one

    begin = time.process_time()
    if options.tables:
        with TemporaryDirectory() as folder:
            # Elsewhere, so that neither time nor memory of it is counted.
            command = [sys.executable, __file__, *sys.argv[1:], "--write", f"{folder}/scores"]
            subprocess.run(command, check=True)
            begin = time.process_time()
            study = read_tables(Path(folder) / "scores", options.seeds)
    else:
        study = study_of_runs(sets, timed())
    reduced = time.process_time() - begin - made
    begin = time.process_time()
    found = gather(study, PLAN)
    gathered = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(found.headline)
    print(f"scores to sums {reduced:.1f} s, statistics {gathered:.1f} s of CPU; {peak:.0f} MiB")
    print(
        json.dumps(
            {
                "n_scores": options.recipes * options.seeds * len(sets) * options.questions,
                "n_comparisons": len(found.exploratory) + 5 * len(found.primary),
                "reduce_cpu_s": round(reduced, 2),
                "gather_cpu_s": round(gathered, 2),
                "peak_mib": round(peak),
            }
        )
    )


if __name__ == "__main__":
    run_command(main)
