"""The named comparisons of a kept study by each kind of interval, and the scores seed by seed.

`study.intervals` of its params says which one counts; the others show what rests on that choice.
None is corrected for being one of several. The last line is one JSON object.

    python benchmarks/intervals.py --study docs/results/study
"""

import argparse
import json
from pathlib import Path
from statistics import stdev
from typing import Any

from command import run_command

from augqa.evidence.comparisons import Intervals, compare, seed_spread
from augqa.evidence.contrast import target_weights
from augqa.evidence.scores import SHIFTS
from augqa.params.whole import load_kept_params
from augqa.report.assembling import recipes_of, sets_in_order
from augqa.report.files import measured_in
from augqa.study.keeping import read_kept

KINDS: tuple[Intervals, ...] = ("pooled", "own", "paired")


def main() -> None:
    """Print the scores of the runs, and each comparison by each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=Path("docs/results/study"))
    options = parser.parse_args()
    params = load_kept_params(options.study / "params.yaml")
    study, _ = read_kept(
        options.study,
        recipes=recipes_of(params),
        seeds=params.training_seeds,
        test_sets=sets_in_order(params, measured_in(options.study / "metrics")),
    )
    runs = study.run_means("f1") @ target_weights(study, SHIFTS)
    scores: dict[str, dict[int, float]] = {
        recipe: dict(zip(seeds, runs[study.recipe_of_run == place].tolist(), strict=True))
        for place, (recipe, seeds) in enumerate(study.seeds.items())
    }
    for recipe, by_seed in scores.items():
        print(f"{recipe:16}" + "".join(f"  {seed}: {f1:4.1f}" for seed, f1 in by_seed.items()))
    spread = seed_spread(study)
    for recipe, own in spread.by_recipe.items():
        print(f"spread of {recipe}: {own:.2f}")
    print(f"spread over seeds, pooled: {spread.std}; Bartlett's p: {spread.bartlett_p}")
    rows: list[dict[str, Any]] = []
    for named in params.study.primary:
        if named.control is None or not {named.recipe, named.control} <= set(study.seeds):
            continue
        ours, theirs = scores[named.recipe], scores[named.control]
        gains = {seed: f1 - theirs[seed] for seed, f1 in ours.items() if seed in theirs}
        print(
            f"{named.recipe} against {named.control}:"
            + "".join(f"  {seed}: {gain:+.1f}" for seed, gain in gains.items())
            + (f"; standard deviation {stdev(gains.values()):.2f}" if len(gains) > 1 else "")
        )
        for kind in KINDS:
            one = compare(study, named.recipe, named.control, intervals=kind)
            rows.append(
                {
                    **{"recipe": named.recipe, "control": named.control, "intervals": kind},
                    **{"difference": one.difference, "low": one.low, "high": one.high, "p": one.p},
                }
            )
            print(
                f"{named.recipe} against {named.control}, {kind:6}: {one.difference:+.1f}"
                f" [{one.low:.1f}, {one.high:.1f}]"
                + ("" if one.p is None else f", p {one.p:.3f}, {one.estimate.df:.1f} df")
            )
    print(json.dumps({"f1_by_seed": scores, "comparisons": rows}))


if __name__ == "__main__":
    run_command(main)
