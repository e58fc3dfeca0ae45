"""The simulations of benchmarks/coverage.py, smaller: intervals hold the truth as often as said."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def simulation() -> Iterator[ModuleType]:
    # Not by its own name: a package for test coverage has it as well.
    spec = importlib.util.spec_from_file_location("simulated", BENCHMARKS / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(BENCHMARKS))
    sys.modules["simulated"] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(BENCHMARKS))
        del sys.modules["simulated"]


@pytest.mark.parametrize("name", ["squad", "new_wiki", "amazon"])
@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_intervals_hold_the_truth_as_often_as_they_say(
    simulation: ModuleType, name: str, n_seeds: int
) -> None:
    rng = np.random.default_rng(n_seeds)
    found = simulation.coverage(rng, simulation.SETS[name], n_studies=150, n_seeds=n_seeds)
    # 93 to 97 %, and what chance does to 150 studies.
    assert 0.93 - 3 * found["error"] < found["coverage"] < 0.97 + 3 * found["error"]
    assert found["questions_independent"] < 0.6


def test_a_mean_over_shifts_holds_the_truth_where_a_bootstrap_does_not(
    simulation: ModuleType,
) -> None:
    rng = np.random.default_rng(1)
    found = simulation.coverage(rng, simulation.SETS["mean of 4 shifts"], n_studies=100, n_seeds=2)
    assert 0.93 - 3 * found["error"] < found["coverage"] < 0.97 + 3 * found["error"]
    assert found["percentile_bootstrap"] < 0.93


def test_skewed_trainings_and_odd_articles_do_not_break_the_interval(
    simulation: ModuleType,
) -> None:
    world = simulation.World(seeds_from=simulation.skewed, articles_from=simulation.heavy)
    rng = np.random.default_rng(2)
    sizes = simulation.SETS["squad"]
    found = simulation.coverage(rng, sizes, n_studies=200, n_seeds=3, world=world)
    assert found["coverage"] > 0.93 - 3 * found["error"]


def test_own_spreads_hold_the_truth_where_recipes_differ_in_spread(
    simulation: ModuleType,
) -> None:
    spreads = simulation.SPREADS["both of the pair three times as noisy"]
    rng = np.random.default_rng(9)
    found = simulation.spread_coverage(rng, spreads, n_studies=200, n_seeds=3)
    assert found["own"] > 0.95 - 3 * sqrt(0.95 * 0.05 / 200)
    assert found["pooled"] < 0.85


def test_pairs_hold_the_truth_and_do_without_what_a_seed_does_to_all_recipes(
    simulation: ModuleType,
) -> None:
    rng = np.random.default_rng(11)
    alike = simulation.SPREADS["all alike"]
    found = simulation.spread_coverage(rng, alike, n_studies=200, n_seeds=5, shared_sd=4.0)
    assert abs(found["paired"] - 0.95) < 4 * sqrt(0.95 * 0.05 / 200)
    assert found["paired_half_width"] < 0.5 * found["pooled_half_width"]


def test_one_training_holds_the_difference_of_its_readers(simulation: ModuleType) -> None:
    found = simulation.readers_coverage(np.random.default_rng(3), n_studies=200)
    assert abs(found - 0.95) < 4 * sqrt(0.95 * 0.05 / 800)


def test_an_effect_of_three_is_found_and_no_effect_is_not(simulation: ModuleType) -> None:
    n = 60
    nothing, three = [0.0] * 4, [3.0] * 4
    rng = np.random.default_rng(4)
    planted = simulation.whole_studies(
        rng, n_studies=n, effects=[three, nothing, nothing], n_seeds=3
    )
    empty = simulation.whole_studies(rng, n_studies=n, effects=[nothing] * 3, n_seeds=3)
    most = 0.05 + 3 * sqrt(0.05 * 0.95 / n)
    assert planted["found"] > 0.75
    assert planted["any_false_primary"] < most
    assert planted["any_false_shift"] < most
    assert empty["any_false_primary"] < most


def test_what_pairs_are_worth_is_held(simulation: ModuleType) -> None:
    found = simulation.worth_coverage(np.random.default_rng(5), n_studies=150, n_seeds=3)
    assert abs(found["coverage"] - 0.95) < 4 * sqrt(0.95 * 0.05 / 150)
    assert found["curve_shown"] > 0.88
    assert found["median"] == pytest.approx(4000, rel=0.15)


@pytest.mark.parametrize("best", [0.3, 0.5])
def test_the_best_ratio_is_not_ruled_out(simulation: ModuleType, best: float) -> None:
    found = simulation.ratio_coverage(np.random.default_rng(6), n_studies=150, best=best)
    assert abs(found["coverage"] - 0.95) < 4 * sqrt(0.95 * 0.05 / 150)
    assert found["quadratic_shown"] > 0.88
    assert found["error_of_best"] < found["error_of_best_point"]


def test_a_best_ratio_beyond_the_end_is_not_shown_as_an_interior_one(
    simulation: ModuleType,
) -> None:
    found = simulation.ratio_coverage(np.random.default_rng(7), n_studies=150, best=1.1)
    assert found["interior_shown"] < 0.05 + 3 * sqrt(0.05 * 0.95 / 150)


@pytest.mark.parametrize(
    "script", ["coverage.py --studies 5", "summary_scale.py --recipes 12 --questions 1000"]
)
def test_a_benchmark_prints_one_json_object_last(script: str) -> None:
    name, *options = script.split()
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *options],
        capture_output=True,
        text=True,
        check=True,
    )
    assert isinstance(json.loads(done.stdout.splitlines()[-1]), dict)


def test_the_article_sizes_are_those_of_the_sets(simulation: ModuleType) -> None:
    assert {name: (len(sizes), sum(sizes)) for name, sizes in _one_set(simulation).items()} == {
        "squad": (48, 10_570),
        "new_wiki": (48, 7_938),
        "amazon": (413, 9_885),
    }


def _one_set(simulation: ModuleType) -> dict[str, tuple[int, ...]]:
    return {name: simulation.SETS[name][name] for name in ("squad", "new_wiki", "amazon")}
