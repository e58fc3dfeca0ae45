"""Comparisons of recipes: what is corrected, over what, and what is only a check."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from augqa.evidence import compare, holm, seed_spread
from augqa.evidence.comparisons import (
    Comparison,
    corrected,
    from_own_spread,
    from_paired_seeds,
    permutation_p,
)
from augqa.evidence.contrast import Estimate
from tests.studies import golden, level_study

P = [0.04, 0.001, 0.02, 0.5, 0.0, 0.02]


def comparison(p: float | None, *, target: str = "shifts") -> Comparison:
    """Return a comparison of 30 degrees of freedom whose p is as given."""
    value = 0.0 if p is None else float(stats.t.isf(p / 2, 30))
    estimate = Estimate(value=value, se=1.0, df=30, scope="recipes" if p is not None else "readers")
    low, high = estimate.interval()
    return Comparison(
        recipe="mix",
        against="real",
        target=target,
        metric="f1",
        primary=True,
        estimate=estimate,
        low=low,
        high=high,
        p=p,
        smallest_visible=2.9,
        permutation_p=None,
        n_seeds=(3, 3),
    )


def test_holm_multiplies_by_how_many_are_left() -> None:
    found, _ = holm([0.01, 0.04, 0.03])
    assert found.tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.4, 0.9])[0].tolist() == pytest.approx([0.8, 0.9])
    assert holm([0.6, 0.9])[0].tolist() == [1.0, 1.0]
    assert holm([])[0].tolist() == []


def test_holm_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(P)[0] == pytest.approx(multitest.multipletests(P, method="holm")[1])


def test_holm_is_that_of_evalsig() -> None:
    evalsig = pytest.importorskip("evalsig")
    assert holm(P)[0] == pytest.approx(evalsig.holm(np.array(P)).p_adjusted)


def test_the_corrected_interval_leaves_out_0_exactly_where_the_corrected_p_is_below_5_percent() -> (
    None
):
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(200):
        judged, _ = corrected([comparison(p) for p in rng.uniform(0, 0.1, 3)], {})
        for one in judged:
            assert one is not None
            assert one.corrected_low is not None
            assert (one.corrected_low > 0) == one.shown
            assert one.corrected_low <= one.low
            seen.add(one.shown)
    assert seen == {True, False}


def test_a_comparison_that_could_not_be_made_counts_all_the_same() -> None:
    (alone,), _ = corrected([comparison(0.02)], {})
    (first, missing), _ = corrected([comparison(0.02), None], {})
    (second, unseen), _ = corrected([comparison(0.02), comparison(None)], {})
    assert alone is not None
    assert first is not None
    assert second is not None
    assert unseen is not None
    assert alone.corrected_p == pytest.approx(0.02)
    assert first.corrected_p == second.corrected_p == pytest.approx(0.04)
    assert (missing, unseen.corrected_p, unseen.shown) == (None, None, False)


def test_shifts_are_tested_below_a_comparison_that_passed() -> None:
    shifts = [comparison(0.001, target="nyt"), comparison(0.02, target="amazon")]
    judged, below = corrected(
        [comparison(0.001), comparison(0.9)], {0: shifts, 1: [replace(one) for one in shifts]}
    )
    assert [one is not None and one.shown for one in judged] == [True, False]
    # Two shifts; the first is not surer than what it is a part of, 0.001 times 2.
    assert [one.corrected_p for one in below[0]] == pytest.approx([0.002, 0.02])
    assert [one.corrected_p for one in below[1]] == [None, None]
    assert [one.stars for one in below[0] + below[1]] == ["**", "*", "", ""]


def test_a_shift_is_not_surer_than_the_comparison_that_it_is_a_part_of() -> None:
    judged, below = corrected(
        [comparison(0.03)], {0: [comparison(1e-6, target="nyt"), comparison(0.04, target="b")]}
    )
    assert below[0][0].corrected_p == pytest.approx(0.03)
    assert judged[0] is not None
    # Its interval is widened as well.
    assert below[0][0].corrected_low is not None
    assert below[0][0].corrected_low < below[0][0].low


def test_shifts_of_all_comparisons_that_passed_are_corrected_together() -> None:
    shifts = {n: [comparison(0.015, target=name) for name in ("a", "b")] for n in (0, 1)}
    _, below = corrected([comparison(1e-9), comparison(1e-9)], shifts)
    assert [one.corrected_p for n in (0, 1) for one in below[n]] == pytest.approx([0.06] * 4)


def test_the_exact_permutation_is_that_of_scipy() -> None:
    ours, theirs = [61.0, 64.0, 66.5, 71.0], [58.0, 60.0, 65.0]
    made = level_study({"a": ours, "b": theirs}, sets=["amazon"])

    def difference(x: np.ndarray, y: np.ndarray) -> float:
        return abs(x.mean() - y.mean())

    other = stats.permutation_test(
        (np.array(ours), np.array(theirs)), difference, n_resamples=np.inf, alternative="greater"
    )
    assert permutation_p(made, "a", "b") == pytest.approx(other.pvalue)


@pytest.mark.parametrize(("n_seeds", "lowest"), [(2, 2 / 6), (3, 0.1), (4, 2 / 70), (5, 2 / 252)])
def test_an_exact_permutation_cannot_go_below_what_its_seeds_allow(
    n_seeds: int, lowest: float
) -> None:
    levels = {"a": [90.0 + n for n in range(n_seeds)], "b": [10.0 + n for n in range(n_seeds)]}
    assert permutation_p(level_study(levels), "a", "b") == pytest.approx(lowest)


def test_the_deal_that_happened_counts_in_spite_of_rounding() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        levels = {name: rng.uniform(0, 100, 3).tolist() for name in ("a", "b")}
        p = permutation_p(level_study(levels, sets=["nyt"], n_articles=2), "a", "b")
        assert p is not None
        # A deal and its mirror image are as far apart: 2, 4, ... of 20.
        assert p * 20 >= 1.9
        assert round(p * 20) % 2 == 0


def test_the_permutation_is_left_out_where_there_are_too_many_ways() -> None:
    levels = {"a": [1.0 + n for n in range(11)], "b": [1.5 + n for n in range(11)]}
    assert permutation_p(level_study(levels), "a", "b") is None


def test_seeds_are_pooled_and_unequal_ones_are_told() -> None:
    even = seed_spread(golden(), target="amazon")
    assert even.std == pytest.approx(125**0.5)
    assert even.by_recipe == pytest.approx({"augment": 200**0.5, "real": 50**0.5})
    assert even.bartlett_p == pytest.approx(stats.bartlett([60.0, 40.0], [25.0, 15.0]).pvalue)
    assert not even.unequal
    wild = {"a": [50.0, 60.0, 70.0, 40.0], "b": [50.0, 50.1, 50.2, 49.9]}
    assert seed_spread(level_study(wild)).unequal


def test_without_a_second_seed_there_is_no_spread() -> None:
    found = seed_spread(level_study({"a": [50.0], "b": [60.0]}))
    assert (found.std, found.df, found.bartlett_p, found.unequal) == (None, 0, None, False)


def test_seeds_that_change_nothing_are_told() -> None:
    found = seed_spread(level_study({"a": [50.0, 50.0], "b": [60.0, 60.0]}))
    assert found.seedless
    assert found.bartlett_p is None
    assert not seed_spread(golden(), target="amazon").seedless


def test_own_variances_give_the_interval_of_welch() -> None:
    ours, theirs = [61.0, 64.0, 66.0, 71.0], [58.0, 58.5, 59.0]
    made = level_study({"a": ours, "b": theirs, "c": [5.0, 95.0]}, sets=["amazon"])
    other = stats.ttest_ind(ours, theirs, equal_var=False)
    ends = other.confidence_interval(0.95)
    own = from_own_spread(made, "a", "b")
    assert own is not None
    assert own.interval() == pytest.approx((ends.low, ends.high))
    assert own.p == pytest.approx(other.pvalue)
    assert from_own_spread(level_study({"a": [1.0], "b": [1.0, 2.0]}), "a", "b") is None


def test_own_variances_count_articles_too() -> None:
    made = level_study({"a": [61.0, 64.0], "b": [58.0, 58.5]}, spread=20.0)
    own = from_own_spread(made, "a", "b")
    # Trainings, and 20 points up and down on 24 articles of each of two sets.
    articles = 24 / 23 * 24 * 40**2 / 48**2 / 4
    parts = [(2.25, 1), (0.0625, 1), (articles, 23), (articles, 23)]
    total = sum(part for part, _ in parts)
    assert own is not None
    assert own.se == pytest.approx(total**0.5)
    assert own.df == pytest.approx(total**2 / sum(part**2 / df for part, df in parts))


def test_a_comparison_has_the_interval_that_was_asked_for() -> None:
    calm = {name: [70.0, 70.1, 70.2] for name in ("b", "c", "d", "e")}
    made = level_study({"a": [66.0, 72.0, 75.0]} | calm)
    pooled, wider, own = (
        compare(made, "a", "b", intervals=intervals) for intervals in ("pooled", "wider", "own")
    )
    assert own.estimate == from_own_spread(made, "a", "b")
    assert wider.estimate == own.estimate
    assert wider.high > pooled.high
    # The pooled spread is far too wide for these two, and stays: too few seeds to know.
    calm_pair = compare(made, "b", "c").estimate
    assert compare(made, "b", "c", intervals="wider").estimate == calm_pair
    # Unless one's own was asked for before the run.
    alone = compare(made, "b", "c", intervals="own").estimate
    assert alone == from_own_spread(made, "b", "c")
    assert alone.se < calm_pair.se


def test_differences_seed_by_seed_give_the_interval_of_the_paired_t_test() -> None:
    ours, theirs = [61.0, 64.0, 66.0, 71.0], [58.5, 60.0, 64.5, 67.0]
    made = level_study({"c": [5.0, 95.0], "a": ours, "b": theirs}, sets=["amazon"])
    other = stats.ttest_rel(ours, theirs)
    ends = other.confidence_interval(0.95)
    paired = compare(made, "a", "b", intervals="paired")
    assert paired.difference == pytest.approx(3.0)
    assert (paired.low, paired.high) == pytest.approx((ends.low, ends.high))
    assert paired.p == pytest.approx(other.pvalue)


def test_seeds_of_one_recipe_alone_do_not_count_in_pairs() -> None:
    made = level_study({"a": [61.0, 64.0, 99.0], "b": [58.5, 60.0]}, sets=["amazon"])
    both = level_study({"a": [61.0, 64.0], "b": [58.5, 60.0]}, sets=["amazon"])
    found, expected = (compare(one, "a", "b", intervals="paired") for one in (made, both))
    assert found.estimate == expected.estimate
    assert found.difference == pytest.approx(3.25)
    assert from_paired_seeds(level_study({"a": [1.0, 2.0], "b": [1.0]}), "a", "b") is None


def test_pairs_count_articles_too_and_those_of_their_runs() -> None:
    levels = {"a": [61.0, 64.0, 70.0], "b": [58.0, 58.5]}
    paired = from_paired_seeds(level_study(levels, spread=20.0), "a", "b")
    articles = 24 / 23 * 24 * 40**2 / 48**2 / 4
    # Differences of 3 and 5.5.
    parts = [(2.5**2 / 2 / 2, 1), (articles, 23), (articles, 23)]
    total = sum(part for part, _ in parts)
    assert paired is not None
    assert paired.se == pytest.approx(total**0.5)
    assert paired.df == pytest.approx(total**2 / sum(part**2 / df for part, df in parts))


def test_where_a_recipe_has_one_training_the_pooled_spread_stands_in() -> None:
    made = level_study({"a": [66.0], "b": [70.0, 71.0], "c": [70.0, 72.0]}, spread=1.0)
    alone, pooled = (compare(made, "a", "b", intervals=one) for one in ("own", "pooled"))
    assert alone.estimate == pooled.estimate


def test_by_exact_match_it_is_half_as_much() -> None:
    by_f1, by_match = (
        compare(golden(), "augment", "real", metric=metric) for metric in ("f1", "exact_match")
    )
    assert by_match.difference == by_f1.difference / 2
    assert by_match.p == pytest.approx(by_f1.p)


def test_a_primary_comparison_has_the_smallest_visible_effect_of_the_strictest_step() -> None:
    alone, of_three = (
        compare(golden(), "augment", "real", primary=True, n_primary=n).smallest_visible
        for n in (1, 3)
    )
    assert of_three == pytest.approx(
        compare(golden(), "augment", "real").estimate.smallest_visible(0.05 / 3)
    )
    assert of_three > alone


def test_a_comparison_that_was_not_named_before_is_exploratory() -> None:
    made = level_study({"real": [70.0, 71.0], "mix": [72.0, 74.0]})
    assert not compare(made, "mix", "real").primary
    assert compare(made, "mix", "real", primary=True).primary
