"""The estimator against numbers by hand, and against other implementations of its parts."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from augqa.errors import EvidenceError
from augqa.evidence import SHIFTS, Study, compare
from augqa.evidence.contrast import (
    Estimate,
    joint,
    of_recipes,
    smallest_visible,
    target_weights,
)
from tests.studies import golden, level_study, question_set, study


def random_study(*, seed: int = 1, sets: tuple[str, ...] = ("squad", "nyt", "amazon")) -> Study:
    """Return a study of three recipes with 2, 3 and 4 seeds and articles of all sizes."""
    rng = np.random.default_rng(seed)
    made = [
        question_set(name, np.sort(np.r_[:9, rng.integers(0, 9, 60)]).tolist()) for name in sets
    ]
    runs = {
        recipe: [
            {one.name: rng.uniform(0, 100, len(one.ids)).tolist() for one in made}
            for _ in range(n_seeds)
        ]
        for recipe, n_seeds in (("a", 2), ("b", 3), ("c", 4))
    }
    return study(made, runs)


def test_a_difference_has_the_variance_computed_by_hand() -> None:
    found = compare(golden(), "augment", "real")
    assert found.difference == 30
    # Trainings 125 (1/2 + 1/2), articles 225.
    assert found.estimate.se == pytest.approx(sqrt(350))
    assert found.estimate.df == pytest.approx(350**2 / (125**2 / 2 + 225**2 / 1))
    half = stats.t.ppf(0.975, found.estimate.df) * sqrt(350)
    assert (found.low, found.high) == pytest.approx((30 - half, 30 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(30 / sqrt(350), found.estimate.df))


def test_the_variance_over_articles_is_that_of_clustered_least_squares() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    clusters = np.sort(np.r_[:12, rng.integers(0, 12, 150)])
    one = question_set("amazon", clusters.tolist())
    values = rng.uniform(0, 100, (2, len(clusters)))
    made = study([one], {"a": [{"amazon": values[0]}], "b": [{"amazon": values[1]}]})
    fit = sm.OLS(values[0] - values[1], np.ones(len(clusters))).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    assert compare(made, "a", "b").estimate.se == pytest.approx(float(fit.bse[0]))


def test_the_variance_over_articles_is_near_a_bootstrap_of_articles() -> None:
    cluster = pytest.importorskip("evalsig.inference.cluster_bootstrap")
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(200), 5)
    values = np.clip(50 + rng.normal(0, 10, (2, 200)).repeat(5, axis=1), 0, 100)
    one = question_set("amazon", clusters.tolist())
    made = study([one], {"a": [{"amazon": values[0]}], "b": [{"amazon": values[1]}]})
    other = cluster.cluster_bootstrap_ci(values[1], values[0], clusters, n_resamples=4000)
    ours = compare(made, "a", "b")
    assert ours.difference == pytest.approx(other.delta)
    assert ours.high - ours.low == pytest.approx(other.ci[1] - other.ci[0], rel=0.05)


def test_without_articles_it_is_students_t() -> None:
    # Every question of a run scores the same: nothing depends on the articles.
    ours, theirs = [61.0, 64.0, 66.0, 71.0], [58.0, 60.0, 65.0]
    found = compare(level_study({"a": ours, "b": theirs}, sets=["amazon"]), "a", "b")
    other = stats.ttest_ind(ours, theirs)
    assert found.estimate.df == 5
    assert found.p == pytest.approx(other.pvalue)
    ends = other.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


def test_seed_variance_is_pooled_over_recipes_that_are_not_compared() -> None:
    levels = {"a": [60.0, 62.0], "b": [50.0, 52.0], "c": [10.0, 18.0], "d": [9.0]}
    found = compare(level_study(levels), "a", "b")
    # Sums of squares 2, 2 and 32 with one degree of freedom each.
    assert found.estimate.se == pytest.approx(sqrt(36 / 3))
    assert found.estimate.df == 3


def test_over_sets_variances_add_up_by_the_square_of_their_number() -> None:
    made = random_study()
    parts = [compare(made, "a", "c", target=name) for name in ("nyt", "amazon")]
    whole = compare(made, "a", "c")
    assert whole.difference == pytest.approx(np.mean([part.difference for part in parts]))
    runs = made.run_means("f1") @ target_weights(made, SHIFTS)
    within = [runs[:2], runs[2:5], runs[5:]]
    pooled = sum(((one - one.mean()) ** 2).sum() for one in within) / 6
    articles = 0.0
    for name in ("nyt", "amazon"):
        n = made.sets[name].n_questions
        averages = made.mean_over_seeds(made.sums["f1"][name])
        away = averages[0] - averages[2]
        away = away - away.sum() / n.sum() * n
        articles += 9 / 8 * (away**2).sum() / n.sum() ** 2 / 2**2
    assert whole.estimate.se**2 == pytest.approx(pooled * (1 / 2 + 1 / 4) + articles)


def test_sets_of_the_same_articles_are_not_independent() -> None:
    names = [f"article {n}" for n in range(6)]
    clusters = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    values = [[10, 30, 20, 40, 50, 70, 5, 15, 60, 90, 35, 45], [20] * 12]

    def se(*, shared: bool) -> float:
        sets = [question_set("a", clusters, names)]
        sets.append(question_set("b", clusters, names if shared else [n + "!" for n in names]))
        runs = {
            recipe: [{"a": row, "b": row}] for recipe, row in zip(("x", "y"), values, strict=True)
        }
        return compare(study(sets, runs), "x", "y").estimate.se

    # The very same questions twice tell no more than once.
    assert se(shared=True) == pytest.approx(sqrt(2) * se(shared=False))


def test_weighted_sums_agree_however_they_are_combined() -> None:
    made = random_study()
    weights = np.array([0.7, -1.0, 0.3])
    over_sets = target_weights(made, SHIFTS)
    whole = joint(made, (weights[:, None] * over_sets)[None], metric="f1").combine(np.ones(1))
    parts = of_recipes(made, over_sets, metric="f1").combine(weights)
    assert (whole.value, whole.se) == pytest.approx((parts.value, parts.se))
    assert whole.scope == parts.scope == "recipes"


def test_one_training_is_about_these_readers_alone() -> None:
    made = level_study({"a": [60.0], "b": [50.0, 58.0], "c": [40.0, 41.0]}, spread=1.0)
    found = compare(made, "a", "b")
    assert (found.scope, found.p) == ("readers", None)
    # Articles alone: every other one a point up and down, and 24 of them.
    assert found.estimate.se == pytest.approx(sqrt(24 / 23 * 24 * 4 / 48**2 / 2))
    assert compare(made, "b", "c").scope == "recipes"


def test_a_set_of_one_article_has_no_end() -> None:
    made = level_study({"a": [60.0, 61.0], "b": [50.0, 52.0]}, sets=["nyt"], n_articles=1)
    found = compare(made, "a", "b")
    assert (found.low, found.high, found.smallest_visible, found.p) == (-inf, inf, inf, 1.0)


def test_uneven_articles_have_the_degrees_of_freedom_of_fewer_even_ones() -> None:
    one = question_set("amazon", [0, 0, 0, 1, 2, 2])
    rows = {"a": [{"amazon": [10, 20, 60, 40, 30, 70]}], "b": [{"amazon": [0] * 6}]}
    # Articles of 3, 1 and 2 questions tell as much as 36 / 14 of one size.
    assert compare(study([one], rows), "a", "b").estimate.df == pytest.approx(36 / 14 - 1)


def test_equal_recipes_without_noise_do_not_differ() -> None:
    assert compare(level_study({"a": [60.0, 60.0], "b": [60.0, 60.0]}), "a", "b").p == 1.0


def test_a_target_that_is_not_there_is_named() -> None:
    with pytest.raises(EvidenceError, match="no test set reddit; there are new_wiki, amazon"):
        target_weights(level_study({"a": [1.0]}), "reddit")
    with pytest.raises(EvidenceError, match="is a shift"):
        target_weights(level_study({"a": [1.0]}, sets=["squad"]), SHIFTS)


@pytest.mark.parametrize(("n_seeds", "expected"), [(2, 3.0), (3, 2.3), (4, 1.9), (5, 1.7)])
def test_eight_recipes_show_what_their_seeds_allow(n_seeds: int, expected: float) -> None:
    # A standard deviation of 0.93 over seeds, as measured for the packaged encoder.
    found = smallest_visible(0.93 * sqrt(2 / n_seeds), 8 * (n_seeds - 1))
    assert found == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("df", [1.0, 2.5, 8.0, 60.0])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3])
def test_the_smallest_visible_effect_has_its_power_by_the_noncentral_t(
    df: float, alpha: float
) -> None:
    found = smallest_visible(2.0, df, alpha=alpha) / 2
    critical = stats.t.ppf(1 - alpha / 2, df)
    # The other tail is next to nothing, and there scipy gives no number.
    assert stats.nct.sf(critical, df, found) == pytest.approx(0.8, abs=1e-5)


def test_with_many_runs_the_smallest_visible_effect_is_the_normal_one() -> None:
    evalsig = pytest.importorskip("evalsig")
    other = evalsig.mde(sd_diff=20.0, n_pairs=10_000).mde
    assert smallest_visible(20.0 / 100, 1e6) == pytest.approx(other, rel=1e-4)


def test_an_interval_leaves_out_0_exactly_where_p_is_below_its_level() -> None:
    for value in (0.5, 1.9, 2.1, 4.0):
        one = Estimate(value=value, se=0.8, df=7.0, scope="recipes")
        for alpha in (0.05, 0.01):
            assert (one.interval(alpha)[0] > 0) == (one.p < alpha)
