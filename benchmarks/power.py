"""Which differences a study will see, before it is run: from its params and its test sets.

Studies without any true difference are drawn on the articles that `evaluate` will ask, with the
spreads of `coverage.World`, and the statistics of the project say of each what it would have seen:
a true difference that is found in four of five. Intervals are of the kind that params ask
for. Needed: data/prepared, by `augqa run prepare`. The last line is one JSON object.

    python benchmarks/power.py --seeds 3 5
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from command import need_folder, run_command
from coverage import World, draw

from augqa.evidence.comparisons import Intervals, compare
from augqa.evidence.contrast import ALPHA
from augqa.params import load_params
from augqa.records import Cluster
from augqa.tables import read_table
from augqa.whole_articles import whole_articles


def article_sizes(
    clusters: Path, names: Sequence[str], *, n_questions: int | None, seed: int
) -> dict[str, tuple[int, ...]]:
    """Return the questions of each article that will be asked, by test set."""
    sizes = {}
    for name in names:
        path = clusters / f"{name}.parquet"
        if not path.is_file():
            continue
        articles = {row.id: row.article for row in read_table(path, Cluster)}
        asked = whole_articles(articles, n=n_questions, seed=seed)
        sizes[name] = tuple(Counter(articles[id_] for id_ in asked).values())
    return sizes


def visible(
    sizes: Mapping[str, Sequence[int]],
    *,
    n_recipes: int,
    n_seeds: int,
    n_primary: int,
    n_studies: int,
    seed: int,
    world: World,
    intervals: Intervals,
) -> dict[str, float]:
    """Return what a study sees of the difference of two recipes, on the mean over the sets.

    Returns:
        se: Standard error of the difference, in points.
        one: Smallest visible difference where it is the one comparison.
        strictest: The same on the strictest step of Holm's correction for `n_primary`.
    """
    rng = np.random.default_rng(seed)
    truth = np.full((n_recipes, len(sizes)), 60.0)
    se, one, strictest = [], [], []
    for _ in range(n_studies):
        study = draw(rng, sizes, truth, n_seeds, world)
        found = compare(study, "r0", "r1", intervals=intervals).estimate
        se.append(found.se)
        one.append(found.smallest_visible())
        strictest.append(found.smallest_visible(ALPHA / n_primary))
    return {
        "se": round(float(np.mean(se)), 2),
        "one": round(float(np.mean(one)), 2),
        "strictest": round(float(np.mean(strictest)), 2),
    }


def main() -> None:
    """Print a table: a line a number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--clusters", type=Path, default=Path("data/prepared/clusters"))
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--seed-sd", type=float, default=0.93, help="of a training, F1")
    parser.add_argument("--shared-sd", type=float, default=0.0, help="of a seed on all recipes, F1")
    args = parser.parse_args()
    need_folder("--clusters", args.clusters)
    params = load_params(args.params)
    shifts = [name for name, entry in params.data.test_sets.items() if entry.role == "shift"]
    sizes = article_sizes(
        args.clusters, shifts, n_questions=params.evaluate.n_questions, seed=params.evaluate.seed
    )
    asked = {name: {"articles": len(of), "questions": sum(of)} for name, of in sizes.items()}
    for name, counts in asked.items():
        print(f"{name:20} {counts['articles']:6} articles {counts['questions']:6} questions")
    print(f"{'seeds':>5} {'recipes':>8} {'se':>6} {'one':>6} {'strictest':>10}")
    rows = []
    for n_seeds in args.seeds:
        for n_recipes in sorted({5, 1 + len(params.regimes)}):
            row = visible(
                sizes,
                n_recipes=n_recipes,
                n_seeds=n_seeds,
                n_primary=len(params.study.primary),
                n_studies=args.studies,
                seed=args.seed,
                world=World(seed_sd=args.seed_sd, shared_sd=args.shared_sd),
                intervals=params.study.intervals,
            )
            rows.append({"seeds": n_seeds, "recipes": n_recipes, **row})
            print(
                f"{n_seeds:5} {n_recipes:8} {row['se']:6.2f} {row['one']:6.2f}"
                f" {row['strictest']:10.2f}"
            )
    print(json.dumps({"asked": asked, "rows": rows}))


if __name__ == "__main__":
    run_command(main)
