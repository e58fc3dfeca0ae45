"""Whether the intervals of augqa.evidence hold the truth as often as they say, on made-up studies.

Studies are drawn with the article sizes of real test sets: each recipe has a true score, each
training, each article and each training on each article adds noise, and questions are noise within
their article. What is drawn are the sums over articles that the statistics read; everything after
that is the package's own code. Beside its intervals stand two that are common elsewhere: questions
as independent, and a percentile bootstrap over seeds and articles. The last line is one JSON
object.

    python benchmarks/coverage.py --studies 1000
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from command import run_command
from numpy.typing import NDArray
from scipy import special

from augqa.evidence import SHIFTS, Planned, Study, compare, seed_spread
from augqa.evidence.comparisons import Intervals, corrected, intervals_for
from augqa.evidence.contrast import joint, target_weights
from augqa.evidence.curves import fit_curve, worth
from augqa.evidence.ratio import ratio_curve
from augqa.evidence.scores import Articles

Floats = NDArray[np.float64]

# Questions of each article: counts, of the files that `make data` brings.
SQUAD = (
    *(810, 247, 112, 511, 197, 268, 479, 180, 108, 124, 217, 215, 247, 106, 242, 243),
    *(183, 182, 136, 106, 108, 116, 264, 295, 407, 245, 129, 238, 197, 98, 113, 112),
    *(96, 297, 319, 176, 228, 231, 104, 295, 153, 291, 189, 200, 187, 191, 172, 206),
)
NEW_WIKI = (
    *(97, 133, 101, 224, 202, 107, 382, 377, 214, 104, 131, 97, 213, 299, 167, 250),
    *(92, 267, 130, 88, 111, 238, 149, 285, 147, 102, 195, 212, 73, 181, 304, 219),
    *(205, 89, 235, 138, 152, 106, 87, 121, 96, 93, 161, 88, 116, 98, 163, 99),
)
# Questions of a group of reviews, and how many groups have so many.
AMAZON_SIZES = (
    *(9, 10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26),
    *(27, 28, 29, 30, 32, 33, 34, 35, 36, 39, 40, 42, 47, 49, 50),
)
AMAZON_GROUPS = (
    *(1, 1, 2, 4, 1, 1, 1, 6, 53, 22, 35, 24, 59, 163, 5),
    *(3, 1, 5, 13, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1),
)
AMAZON = tuple(np.repeat(AMAZON_SIZES, AMAZON_GROUPS).tolist())
SETS = {
    "squad": {"squad": SQUAD},
    "new_wiki": {"new_wiki": NEW_WIKI},
    "amazon": {"amazon": AMAZON},
    # The two shifts whose sizes are known, each twice.
    "mean of 4 shifts": {"a": NEW_WIKI, "b": AMAZON, "c": NEW_WIKI, "d": AMAZON},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What made-up scores are drawn from; standard deviations in points.

    Attributes:
        seed_sd: Of a training, on all sets alike; one number, or one a recipe.
        set_sd: Of a training, on each set apart.
        article_sd: Of a recipe on an article.
        training_article_sd: Of a training on an article.
        question_sd: Of a training on a question.
        shared_sd: Of what a training seed does to all recipes alike, such as its draw of examples.
        seeds_from: Draws trainings' noise with mean 0 and standard deviation 1.
        articles_from: Draws articles' noise.
    """

    seed_sd: float | tuple[float, ...] = 0.9
    set_sd: float = 0.3
    article_sd: float = 2.5
    training_article_sd: float = 1.5
    question_sd: float = 30.0
    shared_sd: float = 0.0
    seeds_from: Callable[[np.random.Generator, tuple[int, ...]], Floats] = lambda rng, shape: (
        rng.standard_normal(shape)
    )
    articles_from: Callable[[np.random.Generator, tuple[int, ...]], Floats] = lambda rng, shape: (
        rng.standard_normal(shape)
    )


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw numbers with mean 0, standard deviation 1 and a long tail: trainings that fail."""
    return 1 - rng.standard_exponential(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw numbers with mean 0, standard deviation 1 and long tails: odd articles."""
    return rng.standard_t(5, shape) / np.sqrt(5 / 3)


def draw(
    rng: np.random.Generator,
    sizes: Mapping[str, Sequence[int]],
    truth: Floats,
    n_seeds: int,
    world: World,
) -> Study:
    """Draw a study.

    Args:
        rng: Draws.
        sizes: Questions of each article, by set.
        truth: True score of each recipe on each set, shape ``(n_recipes, n_sets)``.
        n_seeds: Trainings of each recipe.
        world: What to draw from.
    """
    n_recipes = len(truth)
    n_runs = n_recipes * n_seeds
    seed_sd = np.repeat(np.broadcast_to(world.seed_sd, n_recipes), n_seeds)
    training = world.seeds_from(rng, (n_runs,)) * seed_sd
    if world.shared_sd:
        training += np.tile(world.shared_sd * rng.standard_normal(n_seeds), n_recipes)
    sums = {}
    for place, (name, of_set) in enumerate(sizes.items()):
        n = np.asarray(of_set, dtype=np.float64)
        mean = truth[:, place, None] + world.article_sd * world.articles_from(
            rng, (n_recipes, len(n))
        )
        run = np.repeat(mean, n_seeds, axis=0)
        run += (training + world.set_sd * rng.standard_normal(n_runs))[:, None]
        # Of a training on an article, and on the questions of it.
        noise_sd = np.sqrt((world.training_article_sd * n) ** 2 + world.question_sd**2 * n)
        sums[name] = n * run + noise_sd * rng.standard_normal((n_runs, len(n)))
    return Study(
        sets={
            name: Articles(role="shift", n_questions=np.asarray(of_set, dtype=np.float64))
            for name, of_set in sizes.items()
        },
        seeds={f"r{n}": tuple(range(n_seeds)) for n in range(n_recipes)},
        sums={"f1": sums, "exact_match": sums},
    )


def pairs(n_recipes: int) -> Floats:
    """Return each even recipe against the next one, shape ``(n_recipes / 2, n_recipes)``."""
    weights = np.zeros((n_recipes // 2, n_recipes))
    weights[np.arange(n_recipes // 2), np.arange(0, n_recipes, 2)] = 1
    weights[np.arange(n_recipes // 2), np.arange(1, n_recipes, 2)] = -1
    return weights


def independent_questions(
    rng: np.random.Generator, study: Study, n_seeds: int, world: World
) -> NDArray[np.bool_]:
    """Return whether intervals that take questions as independent hold 0, pair by pair."""
    value, variance = np.zeros(len(study.seeds) // 2), np.zeros(len(study.seeds) // 2)
    for name, articles in study.sets.items():
        n, total = articles.n_questions, articles.n_questions.sum()
        scores = study.mean_over_seeds(study.sums["f1"][name])
        sums = pairs(len(study.seeds)) @ scores
        mean = sums.sum(axis=1) / total
        between = ((sums / n - mean[:, None]) ** 2 * n).sum(axis=1)
        # Of questions around their article: two recipes, each a mean over its trainings.
        within = 2 * world.question_sd**2 / n_seeds * rng.chisquare(total - len(n), len(mean))
        value += mean / len(study.sets)
        variance += (between + within) / total**2 / len(study.sets) ** 2
    return np.abs(value) <= special.ndtri(0.975) * np.sqrt(variance)


def percentile_bootstrap(
    rng: np.random.Generator, study: Study, n_seeds: int, n_draws: int = 400
) -> bool:
    """Return whether the percentiles of a bootstrap over seeds and articles hold 0, first pair."""
    value = np.zeros(n_draws)
    weights = [rng.multinomial(n_seeds, [1 / n_seeds] * n_seeds, n_draws) for _ in range(2)]
    for name, articles in study.sets.items():
        n = articles.n_questions
        drawn = rng.multinomial(len(n), np.full(len(n), 1 / len(n)), n_draws)
        sums = study.sums["f1"][name]
        first, second = (
            (weights[side] @ sums[side * n_seeds : (side + 1) * n_seeds]) / n_seeds
            for side in range(2)
        )
        value += ((first - second) * drawn).sum(axis=1) / (drawn @ n) / len(study.sets)
    low, high = np.quantile(value, [0.025, 0.975])
    return bool(low <= 0 <= high)


def coverage(
    rng: np.random.Generator,
    sizes: Mapping[str, Sequence[int]],
    *,
    n_studies: int,
    n_seeds: int,
    n_recipes: int = 8,
    world: World | None = None,
) -> dict[str, float]:
    """Return how often three intervals hold the true difference, 0.

    Args:
        rng: Draws.
        sizes: Questions of each article, by set.
        n_studies: How many are drawn.
        n_seeds: Trainings of each recipe.
        n_recipes: In a study; every two are a comparison.
        world: What to draw from.
    """
    world = world or World()
    truth = np.full((n_recipes, len(sizes)), 70.0)
    held, independent, bootstrap, widths = [], [], [], []
    for number in range(n_studies):
        study = draw(rng, sizes, truth, n_seeds, world)
        weights = pairs(n_recipes)[:, :, None] * target_weights(study, SHIFTS)
        found = joint(study, weights, metric="f1")
        value, se, df = found.combine_all(np.eye(len(weights)))
        half = special.stdtrit(df, 0.975) * se
        held.append(np.abs(value) <= half)
        widths.append(half.mean())
        independent.append(independent_questions(rng, study, n_seeds, world))
        if number % 5 == 0:
            bootstrap.append(percentile_bootstrap(rng, study, n_seeds))
    looked = np.array(held)
    return {
        "coverage": float(looked.mean()),
        # Comparisons of one study are not independent of each other.
        "error": float(looked.mean(axis=1).std() / np.sqrt(n_studies)),
        "half_width": float(np.mean(widths)),
        "questions_independent": float(np.mean(independent)),
        "percentile_bootstrap": float(np.mean(bootstrap)),
    }


# Standard deviation over trainings of eight recipes, of which the first two are compared.
SPREADS: dict[str, tuple[float, ...]] = {
    "both of the pair three times as noisy": (1.8, 1.8, *[0.6] * 6),
    "one of the pair three times as noisy": (1.8, *[0.6] * 7),
    "all alike": (0.9,) * 8,
}


def spread_coverage(
    rng: np.random.Generator,
    seed_sd: tuple[float, ...],
    *,
    n_studies: int,
    n_seeds: int,
    shared_sd: float = 0.0,
) -> dict[str, float]:
    """Return how often four intervals hold the truth, and how wide three of them are.

    Args:
        rng: Draws.
        seed_sd: Of each recipe's trainings.
        n_studies: How many are drawn.
        n_seeds: Trainings of each recipe.
        shared_sd: Of what a training seed does to all recipes alike.

    Returns:
        Coverage of the ``pooled`` spread, of the two recipes' ``own`` (Welch), of the differences
        seed by seed (``paired``), and of what is ``reported`` where nothing was asked for: the
        wider of the first two in the studies that Bartlett's test has ``warned`` of. Half widths
        are medians.
    """
    sizes, truth = SETS["mean of 4 shifts"], np.full((len(seed_sd), 4), 70.0)
    kinds: tuple[Intervals, ...] = ("pooled", "own", "paired", "wider")
    held: dict[str, list[bool]] = {kind: [] for kind in (*kinds, "reported")}
    widths: dict[str, list[float]] = {kind: [] for kind in kinds}
    warned = []
    for _ in range(n_studies):
        study = draw(rng, sizes, truth, n_seeds, World(seed_sd=seed_sd, shared_sd=shared_sd))
        for kind in kinds:
            one = compare(study, "r0", "r1", intervals=kind)
            held[kind].append(one.low <= 0 <= one.high)
            widths[kind].append((one.high - one.low) / 2)
        spread = seed_spread(study)
        warned.append(spread.unequal)
        held["reported"].append(held[intervals_for(spread, "pooled")][-1])
    return {
        **{kind: float(np.mean(held[kind])) for kind in ("pooled", "own", "paired", "reported")},
        "warned": float(np.mean(warned)),
        **{f"{kind}_half_width": float(np.median(widths[kind])) for kind in kinds[:3]},
    }


def readers_coverage(rng: np.random.Generator, *, n_studies: int) -> float:
    """Return how often the interval of one training holds the difference of these readers."""
    world = World(set_sd=0.0, training_article_sd=0.0)
    held = []
    for _ in range(n_studies):
        # Two readers of one recipe each: what the seed did to them is part of the truth.
        lucky = 70.0 + rng.normal(0, 0.9, (8, 1))
        study = draw(rng, SETS["squad"], lucky, 1, World(**{**_fields(world), "seed_sd": 0.0}))
        found = joint(study, pairs(8)[:, :, None], metric="f1")
        for place, pair in enumerate(np.eye(4)):
            low, high = found.combine(pair).interval()
            held.append(low <= float((pairs(8) @ lucky)[place, 0]) <= high)
    return float(np.mean(held))


def whole_studies(
    rng: np.random.Generator, *, n_studies: int, effects: Sequence[Sequence[float]], n_seeds: int
) -> dict[str, float]:
    """Return what Holm's correction lets through in studies of three primary comparisons.

    Args:
        rng: Draws.
        n_studies: How many are drawn.
        effects: True gain of each of three recipes over its control, on each of four shifts.
        n_seeds: Trainings of each recipe.
    """
    sizes = SETS["mean of 4 shifts"]
    gains = np.asarray(effects, dtype=np.float64)
    truth = np.full((8, 4), 70.0)
    truth[[0, 2, 4]] += gains
    found, false_primary, false_shift = [], [], []
    for _ in range(n_studies):
        study = draw(rng, sizes, truth, n_seeds, World())
        planned = [Planned(recipe=f"r{n}", against=f"r{n + 1}") for n in (0, 2, 4)]
        overall = [compare(study, one.recipe, one.against, n_primary=3) for one in planned]
        by_shift = {
            n: [compare(study, one.recipe, one.against, target=shift) for shift in sizes]
            for n, one in enumerate(planned)
        }
        judged, parts = corrected(overall, by_shift)
        shown = np.array([one is not None and one.shown for one in judged])
        true = gains.mean(axis=1) != 0
        found += list(shown[true])
        false_primary.append(shown[~true].any())
        stars = np.array([[one.shown for one in parts[n]] for n in range(3)])
        false_shift.append(stars[gains == 0].any())
    return {
        "found": float(np.mean(found)) if found else float("nan"),
        "any_false_primary": float(np.mean(false_primary)),
        "any_false_shift": float(np.mean(false_shift)),
    }


def worth_coverage(
    rng: np.random.Generator, *, n_studies: int, n_seeds: int, floor: float = 0.0
) -> dict[str, float]:
    """Return how often the interval of what pairs are worth holds the truth: 4,000 examples.

    Args:
        rng: Draws.
        n_studies: How many are drawn.
        n_seeds: Trainings of each recipe.
        floor: Error that no number of examples takes off, in percent.
    """
    sizes = np.array([2500, 5000, 10_000, 13_300, 20_000])

    def score(n: Floats) -> Floats:
        # As steep at 10,000 whatever the floor.
        values: Floats = 100 - floor - (30 - floor) * (n / 10_000) ** (-6 / (30 - floor))
        return values

    truth = score(np.array([*sizes, 14_000.0]))[:, None]
    held, estimates, whole = [], [], 0
    for _ in range(n_studies):
        study = draw(rng, SETS["squad"], truth, n_seeds, World())
        curve = fit_curve(study, {f"r{n}": int(size) for n, size in enumerate(sizes)})
        if not curve.fits:
            continue
        whole += 1
        found = worth(study, curve, "r5", n_real=10_000, n_generated=10_000)
        held.append(found.low <= 4000 <= found.high)
        estimates.append(found.real_examples)
    return {
        "coverage": float(np.mean(held)),
        "curve_shown": whole / n_studies,
        "median": float(np.median(estimates)),
    }


def ratio_coverage(rng: np.random.Generator, *, n_studies: int, best: float) -> dict[str, float]:
    """Return how often the ratios that cannot be ruled out hold the best one.

    Args:
        rng: Draws.
        n_studies: How many are drawn.
        best: Ratio at the top of the truth, 3 points above ratio 0 where it lies at a half.
    """
    ratios = np.array([0, 0.25, 0.5, 0.75, 1.0])
    truth = (70 - 12 * (ratios - best) ** 2)[:, None]
    held, interior, off, argmax, shown = [], [], [], [], 0
    for _ in range(n_studies):
        study = draw(rng, SETS["squad"], truth, 3, World())
        points = {f"r{n}": float(ratio) for n, ratio in enumerate(ratios)}
        found = ratio_curve(study, points)
        # Where no quadratic is shown, of the points.
        top = min(max(best, 0.0), 1.0) if found.quadratic else ratios[truth[:, 0].argmax()]
        held.append(any(low <= top <= high for low, high in found.kept))
        interior.append(found.interior)
        argmax.append(abs(ratios[found.scores.argmax()] - best))
        if found.quadratic:
            shown += 1
            off.append(abs(found.best - best))
    return {
        "coverage": float(np.mean(held)),
        "quadratic_shown": shown / n_studies,
        "interior_shown": float(np.mean(interior)),
        "error_of_best": float(np.mean(off)),
        "error_of_best_point": float(np.mean(argmax)),
    }


def _fields(world: World) -> dict[str, Any]:
    return {name: getattr(world, name) for name in World.__slots__}


def main() -> None:
    """Draw studies of every kind and print how often the truth is held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=("all", *PARTS), default="all")
    options = parser.parse_args()
    n = options.studies
    began = time.process_time()
    result: dict[str, Any] = {"studies": n, "seed": options.seed}
    for part, simulate in PARTS.items():
        if options.part in ("all", part):
            result |= simulate(options.seed, n)
    result["cpu_seconds"] = round(time.process_time() - began, 1)
    print(json.dumps(result))


def _coverage_part(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    table = {}
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        (f"{name}, {seeds} seeds", name, {"n_seeds": seeds}) for name in SETS for seeds in (2, 3, 5)
    ]
    kinds += [
        ("squad, 2 seeds, 2 recipes", "squad", {"n_seeds": 2, "n_recipes": 2}),
        ("squad, 3 seeds, 2 recipes", "squad", {"n_seeds": 3, "n_recipes": 2}),
        (
            "mean of 4 shifts, 3 seeds, skewed trainings",
            "mean of 4 shifts",
            {"n_seeds": 3, "world": World(seeds_from=skewed)},
        ),
        (
            "mean of 4 shifts, 3 seeds, odd articles",
            "mean of 4 shifts",
            {"n_seeds": 3, "world": World(articles_from=heavy)},
        ),
        (
            "squad, 3 seeds, skewed trainings, odd articles",
            "squad",
            {"n_seeds": 3, "world": World(seeds_from=skewed, articles_from=heavy)},
        ),
        (
            "mean of 4 shifts, 3 seeds, half of the recipes twice as noisy",
            "mean of 4 shifts",
            # One of each pair.
            {"n_seeds": 3, "world": World(seed_sd=(0.6, 1.2) * 4)},
        ),
    ]
    print(f"{'nominal 95 %':62} {'ours':>12} {'independent':>12} {'bootstrap':>10}")
    for label, name, settings in kinds:
        row = coverage(rng, SETS[name], n_studies=n, **settings)
        table[label] = row
        print(
            f"{label:62} {row['coverage']:.3f}±{row['error']:.3f}"
            f" {row['questions_independent']:12.3f} {row['percentile_bootstrap']:10.3f}"
        )
    readers = readers_coverage(rng, n_studies=n)
    print(f"{'one seed, for these readers':62} {readers:.3f}")
    return {"coverage": table, "one_seed_readers": readers}


def _spreads_part(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed + 2)
    spreads = {
        f"{label}, {seeds} seeds": spread_coverage(rng, sds, n_studies=n, n_seeds=seeds)
        for label, sds in SPREADS.items()
        for seeds in (2, 3, 5)
    }
    spreads |= {
        f"all alike, a seed moves all of them by 2.0, {seeds} seeds": spread_coverage(
            rng, SPREADS["all alike"], n_studies=n, n_seeds=seeds, shared_sd=2.0
        )
        for seeds in (2, 3, 5)
    }
    for label, row in spreads.items():
        print(f"{label:62} " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    return {"spreads": spreads}


def _studies_part(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed + 1)
    nothing, three = [0.0] * 4, [3.0] * 4
    found: dict[str, Any] = {
        # As many as a power of 0.9 needs to be told from 0.8.
        "one effect of 3": whole_studies(
            rng, n_studies=min(n, 200), effects=[three, nothing, nothing], n_seeds=3
        ),
        "no effect": whole_studies(rng, n_studies=n, effects=[nothing] * 3, n_seeds=3),
        "effects on half of the shifts": whole_studies(
            rng, n_studies=min(n, 400), effects=[[9.0, 0, 9.0, 0]] * 3, n_seeds=3
        ),
    }
    for label, row in found.items():
        print(
            f"{label:40} found {row['found']:.3f}, any false primary"
            f" {row['any_false_primary']:.3f}, any false shift {row['any_false_shift']:.3f}"
        )
    worths = {f"{s} seeds": worth_coverage(rng, n_studies=n // 2, n_seeds=s) for s in (2, 3, 5)}
    worths["3 seeds, a floor of 15"] = worth_coverage(rng, n_studies=n // 2, n_seeds=3, floor=15.0)
    ratios = {
        "best at 0.5": ratio_coverage(rng, n_studies=n // 2, best=0.5),
        "best at 0.3": ratio_coverage(rng, n_studies=n // 2, best=0.3),
        "best beyond the end": ratio_coverage(rng, n_studies=n // 2, best=1.1),
    }
    for label, row in (*worths.items(), *ratios.items()):
        print(f"{label:40} " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
    found["no effect"].pop("found")
    return {"studies_of_three": found, "worth": worths, "ratio": ratios}


PARTS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "coverage": _coverage_part,
    "spreads": _spreads_part,
    "studies": _studies_part,
}


if __name__ == "__main__":
    run_command(main)
