"""The curve of real sizes: its fit, what pairs are worth, prices, and the reader's own line."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from augqa.errors import EvidenceError
from augqa.evidence import SHIFTS, Study
from augqa.evidence.contrast import Joint, lack_of_fit
from augqa.evidence.curves import Worth, fit_curve, price, worth
from augqa.evidence.robustness_line import robustness_line
from augqa.evidence.words import curve_words, price_words, robustness_words, worth_words
from tests.studies import level_study

SIZES = {"quarter": 1000, "half": 2000, "real": 4000, "double": 8000}


def score(n: float, floor: float = 0.0) -> float:
    """Error 32 above the floor at 1,000 examples, halved by four times as many."""
    return 100 - floor - 32 * (n / 1000) ** -0.5


def sized(noise: float = 0.4, floor: float = 0.0, **others: float) -> Study:
    """Return a study of the sizes and others, three seeds with the same noise."""
    levels = {name: score(n, floor) for name, n in SIZES.items()} | others
    return level_study({name: [x - noise, x, x + noise] for name, x in levels.items()})


def worth_of(low: float, value: float, high: float, *, n_real: int = 4000) -> Worth:
    return Worth(
        recipe="augment",
        n_real=n_real,
        n_generated=1000,
        real_examples=value,
        low=low,
        high=high,
        scope="recipes",
        measured=(1000, 8000),
    )


def test_a_power_is_found_again() -> None:
    curve = fit_curve(sized(), SIZES)
    assert curve.form == "power"
    assert curve.theta[1] == pytest.approx(-0.5)
    assert curve.at(np.array([1000.0, 4000.0])) == pytest.approx([68, 84])
    assert curve.size_of(84) == pytest.approx(4000)
    assert curve.fits
    assert "each doubling takes off 29.3 % of the error" in curve_words(curve)


def test_a_floor_is_fitted_where_the_power_alone_does_not_fit() -> None:
    curve = fit_curve(sized(noise=0.05, floor=10.0), SIZES)
    assert curve.form == "power with a floor"
    assert curve.theta[2] == pytest.approx(10.0, abs=1e-3)
    assert curve.size_of(score(4000, 10.0)) == pytest.approx(4000, rel=1e-3)
    assert curve.size_of(90.5) == inf  # above where it ends


def test_a_floor_may_lie_close_to_a_reader_without_error() -> None:
    levels = {name: 99.5 - 32 * (n / 1000) ** -1.5 for name, n in SIZES.items()}
    made = level_study({name: [x - 0.01, x, x + 0.01] for name, x in levels.items()})
    curve = fit_curve(made, SIZES)
    assert curve.form == "power with a floor"
    assert curve.theta[2] == pytest.approx(0.5, abs=1e-3)


def test_scores_that_jump_about_are_not_a_curve() -> None:
    levels = {"quarter": 50.0, "half": 80.0, "real": 50.0, "double": 80.0}
    made = level_study({name: [x - 0.1, x + 0.1] for name, x in levels.items()})
    curve = fit_curve(made, SIZES)
    assert not curve.fits
    assert "no smooth curve fits (p under 0.001)" in curve_words(curve)


def test_the_fit_moves_with_the_scores_as_it_says() -> None:
    levels = [60.0, 70.0, 77.0, 80.0]
    sizes = np.array([1500.0, 6000.0])
    curve, moved = (
        fit_curve(level_study({name: [x] for name, x in zip(SIZES, row, strict=True)}), SIZES)
        for row in (levels, [60.0, 70.01, 77.0, 80.0])
    )
    by_difference = (moved.at(sizes) - curve.at(sizes)) / 0.01
    # To first order: the curve is not a straight line and does not go through the scores.
    assert curve.pull_at(sizes)[:, 1] == pytest.approx(by_difference, rel=0.02)


def test_pairs_are_worth_the_examples_with_which_the_curve_reaches_their_score() -> None:
    made = sized(augment=score(6000))
    found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
    assert found.real_examples == pytest.approx(2000)
    assert found.per_pair[0] == pytest.approx(0.4)
    assert 0 < found.low < 2000 < found.high
    assert not found.extrapolated
    assert worth_words(found).startswith(
        "augment: 5,000 generated pairs are worth 2,000 real ones, 0.40 a pair (interval: "
    )


def test_pairs_that_hurt_are_worth_less_than_nothing() -> None:
    made = sized(augment=score(3000))
    found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
    assert found.real_examples == pytest.approx(-1000)
    assert found.high < 0
    assert "are worth −1,000 real ones" in worth_words(found)


def test_at_the_ends_of_the_interval_recipe_and_curve_explain_the_distance() -> None:
    made = sized(augment=score(6000))
    found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
    ends = 4000 + np.array([found.low, found.high])
    pulls = []
    for name in SIZES:
        # How much the curve moves with one score, by fitting it again.
        moved = fit_curve(_moved(name), SIZES)
        pulls.append((moved.at(ends) - fit_curve(made, SIZES).at(ends)) / 0.01)
    gap = np.abs(score(6000) - fit_curve(made, SIZES).at(ends))
    noise = 0.4 / sqrt(3) * np.sqrt(1 + (np.array(pulls) ** 2).sum(axis=0))
    assert gap / noise == pytest.approx([stats.t.ppf(0.975, 10)] * 2, rel=0.005)


def _moved(name: str) -> Study:
    levels = {recipe: score(n) + 0.01 * (recipe == name) for recipe, n in SIZES.items()}
    return level_study({recipe: [x - 0.4, x, x + 0.4] for recipe, x in levels.items()})


def test_a_score_far_above_a_flat_curve_has_no_size() -> None:
    levels = {name: [60 + n / 1000] for n, name in enumerate(SIZES)}
    assert fit_curve(level_study(levels), SIZES).size_of(99) == inf


def test_the_interval_ends_where_the_score_can_be_told_from_the_curve() -> None:
    made = sized(augment=score(6000))
    curve = fit_curve(made, SIZES)
    found = worth(made, curve, "augment", n_real=4000, n_generated=5000)
    # Between the sizes measured the curve itself is known better than a recipe.
    one_recipe = 2.2 * 0.4 / sqrt(3)
    low, high = curve.at(np.array([4000 + found.low, 4000 + found.high]))
    assert score(6000) - low > one_recipe
    assert high - score(6000) > one_recipe
    assert score(6000) - low < 2 * one_recipe
    assert high - score(6000) < 2 * one_recipe


def test_an_interval_narrower_than_a_step_of_the_search_is_found() -> None:
    widths = []
    for noise in (0.001, 0.002):
        made = sized(noise=noise, augment=score(6000))
        found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
        assert found.low < 2000 < found.high
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.02)
    assert widths[1] < 50


def test_more_noise_makes_the_interval_wider() -> None:
    widths = []
    for noise in (0.1, 0.4):
        made = sized(noise=noise, augment=score(6000))
        found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
        widths.append(found.high - found.low)
    assert widths[1] > 3 * widths[0]


def test_beyond_the_sizes_measured_it_is_said_so() -> None:
    made = sized(augment=score(12_000))
    found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
    assert found.real_examples == pytest.approx(8000)
    assert found.extrapolated
    assert worth_words(found) == (
        "augment: 5,000 generated pairs are worth more than 4,000 real ones, beyond what was"
        " measured (interval: more than 4,000 to more than 4,000)."
    )


def test_far_below_the_sizes_measured_the_interval_ends_where_the_search_begins() -> None:
    def flat(n: float) -> float:
        return 100 - 50 * (n / 1000) ** -0.1

    levels = {name: flat(n) for name, n in SIZES.items()} | {"augment": flat(5)}
    made = level_study({name: [x - 1e-6, x, x + 1e-6] for name, x in levels.items()})
    found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
    assert found.real_examples == pytest.approx(5 - 4000, abs=0.01)
    # A 64th of the smallest size that was measured.
    assert (found.low, found.high) == (-4000, pytest.approx(1000 / 64 - 4000))


def test_on_a_flat_curve_nothing_is_told() -> None:
    flat = dict.fromkeys([*SIZES, "augment"], 70.0)
    made = level_study({name: [x - 1, x, x + 1] for name, x in flat.items()})
    found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
    assert (found.low, found.high) == (-4000, inf)
    assert "cannot be told" in worth_words(found)


def test_one_seed_is_about_these_readers() -> None:
    levels = {name: [score(n)] for name, n in SIZES.items()} | {"augment": [score(6000)]}
    made = level_study(levels, spread=1.0)
    found = worth(made, fit_curve(made, SIZES), "augment", n_real=4000, n_generated=5000)
    assert found.scope == "readers"
    assert "for these readers alone: one seed" in worth_words(found)


@pytest.mark.parametrize(
    "sizes", [{"quarter": 1000, "half": 2000}, {"quarter": 1, "half": 1, "real": 2}, {}]
)
def test_too_few_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(EvidenceError, match="needs three different ones"):
        fit_curve(sized(), sizes)


def test_a_recipe_of_the_curve_is_not_held_against_it() -> None:
    made = sized()
    with pytest.raises(EvidenceError, match="recipe real with 4000 real examples"):
        worth(made, fit_curve(made, SIZES), "real", n_real=4000, n_generated=10)


def test_annotating_is_cheaper_below_the_price_at_which_both_cost_the_same() -> None:
    found = price(worth_of(200, 500, 1000), cost_per_pair=0.01)
    # 1,000 pairs for 10: as 500 real examples at 0.02.
    assert (found.break_even, found.low, found.high) == pytest.approx((0.02, 0.01, 0.05))
    words = "Annotating is cheaper below 0.0200 a real example (interval from 0.0100 to 0.0500)"
    assert price_words(found) == words + "."
    assert price_words(found, cost_per_real=0.005) == f"{words}: at 0.0050 annotating is cheaper."
    assert price_words(found, cost_per_real=0.1) == f"{words}: at 0.1000 generating is cheaper."
    assert price_words(found, cost_per_real=0.02).endswith("cannot be told which is cheaper.")


def test_pairs_that_may_be_worth_nothing_have_no_upper_price() -> None:
    found = price(worth_of(-200, 500, 1000), cost_per_pair=0.01)
    assert (found.low, found.high) == (0.01, inf)
    assert "to any price)" in price_words(found)
    hurting = price(worth_of(-900, -500, 1000), cost_per_pair=0.01)
    assert (hurting.break_even, hurting.low) == (inf, 0.01)
    assert "annotating is cheaper for certain below 0.0100" in price_words(hurting)
    assert "at any price" in price_words(price(worth_of(-900, -500, -100), cost_per_pair=0.01))


def home_and_shift(**others: tuple[float, float]) -> Study:
    """Return a study whose real sizes lie on the line 1.5 x - 40 of the shift over home."""
    levels = {name: (x, 1.5 * x - 40) for name, x in zip(SIZES, (50, 58, 65, 70), strict=True)}
    rows = {
        name: [[x - 0.3, y - 0.2], [x, y + 0.4], [x + 0.3, y - 0.2]]
        for name, (x, y) in (levels | others).items()
    }
    return level_study(rows, sets=("squad", "nyt"))


def test_effective_robustness_is_the_distance_from_the_reader_s_own_line() -> None:
    made = home_and_shift(augment=(60.0, 53.0), worse=(60.0, 48.0), strong=(80.0, 81.0))
    line = robustness_line(made, list(SIZES), home="squad")
    assert (line.slope, line.intercept) == pytest.approx((1.5, -40))
    assert line.span == (50, 70)
    assert {name: one.value for name, one in line.above.items()} == pytest.approx(
        {"augment": 3.0, "worse": -2.0, "strong": 1.0}
    )
    assert line.outside == ("strong",)
    assert line.above["augment"].interval()[0] > 0 > line.above["worse"].interval()[1]
    words = robustness_words(line, "strong")
    assert words.startswith("strong: +1.0 [")
    assert "the line is continued: measured from 50.0 to 70.0 on squad" in words


def test_the_error_of_a_distance_is_that_of_the_recipe_and_of_the_line() -> None:
    made = home_and_shift(augment=(60.75, 52.0))
    line = robustness_line(made, list(SIZES), home="squad", target="nyt")
    # y - 1.5 x of three seeds; at the middle of four sizes the line has a quarter of its variance.
    away = np.array([-0.2 + 0.45, 0.4, -0.2 - 0.45])
    expected = away.var(ddof=1) / 3 * (1 + 1 / 4)
    assert line.above["augment"].se ** 2 == pytest.approx(expected)
    middle = line.band[np.abs(line.band[:, 0] - 60.75).argmin()]
    assert middle[1] == pytest.approx(1.5 * middle[0] - 40)
    assert (middle[1] - middle[2]) == pytest.approx(middle[3] - middle[1])
    assert line.band[0, 1] - line.band[0, 2] > middle[1] - middle[2]


def test_a_line_needs_three_sizes_that_differ_at_home() -> None:
    with pytest.raises(EvidenceError, match="needs three real sizes"):
        robustness_line(home_and_shift(), ["quarter", "half"], home="squad")
    same = level_study({name: [[60, 50]] for name in SIZES}, sets=("squad", "nyt"))
    with pytest.raises(EvidenceError, match=r"all real sizes score 60\.00 on squad"):
        robustness_line(same, list(SIZES), home="squad")


def test_without_articles_lack_of_fit_is_the_f_test_against_repeated_runs() -> None:
    fit = pytest.importorskip("statsmodels.api").OLS
    rng = np.random.default_rng(2)
    x = np.repeat([0.0, 1.0, 2.0, 4.0], 3)
    y = 3 * x**2 + rng.normal(0, 1, 12)
    line = fit(y, np.stack([np.ones(12), x], axis=1)).fit()
    means = fit(y, (x[:, None] == np.unique(x)) * 1.0).fit()
    points, design = y.reshape(4, 3).mean(axis=1), np.stack([np.ones(4), np.unique(x)], axis=1)
    hat = design @ np.linalg.pinv(design)
    runs = Joint(
        values=points,
        trainings=np.eye(4) * means.mse_resid / 3,
        df_trainings=8,
        articles=(),
        one_seed=np.zeros(4, dtype=bool),
    )
    ours = lack_of_fit(runs, points - hat @ points, hat, np.full(4, 3.0))
    assert ours == pytest.approx(means.compare_f_test(line)[1])


def test_the_target_may_be_one_shift() -> None:
    made = level_study({name: [[score(n), 50.0 + i]] for i, (name, n) in enumerate(SIZES.items())})
    assert fit_curve(made, SIZES, target="new_wiki").size_of(84) == pytest.approx(4000)
    assert fit_curve(made, SIZES, target=SHIFTS).size_of(84) != pytest.approx(4000)
