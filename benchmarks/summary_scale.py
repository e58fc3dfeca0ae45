"""How long a large study takes from scores of questions to everything that a report shows.

Random scores of 20 recipes, 5 seeds and 5 sets of 10,000 questions, run by run as a stage would
read them: only sums over articles are kept. Peak memory is that of the process. The last line is
one JSON object.

    python benchmarks/summary_scale.py
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator, Mapping

import numpy as np
from command import run_command

from augqa.evidence import (
    Plan,
    Planned,
    QuestionSet,
    Scores,
    Sizes,
    Sweep,
    gather,
    study_of_runs,
)

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


def main() -> None:
    """Time both halves and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--questions", type=int, default=10_000)
    options = parser.parse_args()
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
