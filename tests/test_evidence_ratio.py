"""Sweeps over the ratio: the best one, those that cannot be ruled out, and when to be silent."""

import numpy as np
import pytest

from augqa.errors import EvidenceError
from augqa.evidence import Study, Sweep
from augqa.evidence.ratio import _ranges, movement, one_shift_left_out, ratio_curve, ratio_finding
from augqa.evidence.words import movement_words, ratio_finding_words, ratio_words
from tests.studies import level_study

RATIOS = {"r0": 0.0, "r25": 0.25, "r50": 0.5, "r75": 0.75, "r90": 0.9, "r100": 1.0}
SWEEP = Sweep(name="size", kind="fixed size", points=RATIOS)


def swept(
    *curves: tuple[float, float], noise: float = 0.3, sets: tuple[str, ...] = ("new_wiki", "amazon")
) -> Study:
    """Return a study whose score is 70 - bend (ratio - best)^2, for best and bend of each set."""
    over = curves if len(curves) == len(sets) else curves * len(sets)
    return level_study(
        {
            name: [
                [70 - bend * (ratio - best) ** 2 + step for best, bend in over]
                for step in (-noise, 0.0, noise)
            ]
            for name, ratio in RATIOS.items()
        },
        sets=sets,
    )


def inside(kept: tuple[tuple[float, float], ...], ratio: float) -> bool:
    return any(low <= ratio <= high for low, high in kept)


def test_the_top_of_a_quadratic_is_found_between_the_points() -> None:
    found = ratio_curve(swept((0.4, 20.0)), RATIOS)
    assert found.quadratic
    assert found.best == pytest.approx(0.4)
    assert found.interior
    assert found.curvature.value == pytest.approx(-20)
    assert len(found.kept) == 1
    assert inside(found.kept, 0.4)
    assert not inside(found.kept, 0.0)
    assert not inside(found.kept, 1.0)
    assert ratio_words(found).startswith("The best ratio is 0.40; cannot be ruled out as the best")


def test_the_fit_is_weighted_least_squares() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    levels = {
        name: (60 + rng.normal(0, 1, n)).tolist()
        for name, n in zip(RATIOS, (2, 3, 4, 2, 5, 3), strict=True)
    }
    x = np.array(list(RATIOS.values()))
    fit = sm.WLS(
        [np.mean(seeds) for seeds in levels.values()],
        np.stack([np.ones(6), x, x**2], axis=1),
        weights=[len(seeds) for seeds in levels.values()],
    ).fit()
    found = ratio_curve(level_study(levels), RATIOS)
    assert found.quadratic
    assert found.curvature.value == pytest.approx(float(fit.params[2]))
    assert found.band[-1, 1] == pytest.approx(float(fit.params.sum()))
    # Statsmodels estimates the noise from the fit, we know it from the seeds.
    scale = sum(np.var(seeds) * len(seeds) for seeds in levels.values()) / 13
    errors = np.sqrt(scale * np.diag(fit.normalized_cov_params))
    assert found.curvature.se == pytest.approx(errors[2])


def test_more_noise_leaves_more_ratios() -> None:
    widths = [
        sum(high - low for low, high in ratio_curve(swept((0.4, 20.0), noise=noise), RATIOS).kept)
        for noise in (0.1, 0.3, 1.0)
    ]
    assert widths[0] < widths[1] < widths[2]


def test_without_a_bend_no_interior_optimum_is_shown() -> None:
    found = ratio_curve(swept((0.4, 0.1), noise=1.0), RATIOS)
    assert not found.interior
    assert found.kept == ((0.0, 1.0),)
    assert ratio_words(found).startswith("No interior optimum shown; cannot be ruled out")


@pytest.mark.parametrize(("best", "end", "other"), [(1.4, 1.0, 0.0), (-0.4, 0.0, 1.0)])
def test_an_optimum_at_the_end_is_not_an_interior_one(
    best: float, end: float, other: float
) -> None:
    found = ratio_curve(swept((best, 10.0)), RATIOS)
    assert found.best == end
    assert not found.interior
    assert inside(found.kept, end)
    assert not inside(found.kept, other)
    assert "No interior optimum shown" in ratio_words(found)


def test_a_dip_is_not_an_optimum() -> None:
    found = ratio_curve(swept((0.4, -20.0)), RATIOS)
    assert found.best == 1.0
    assert not found.interior
    assert not inside(found.kept, 0.4)
    assert not inside(found.kept, 0.0)


def test_a_cliff_is_not_a_quadratic_and_points_are_compared() -> None:
    plateau = dict.fromkeys(RATIOS, 70.0) | {"r75": 70.4, "r100": 50.0}
    made = level_study({name: [x - 0.3, x, x + 0.3] for name, x in plateau.items()})
    found = ratio_curve(made, RATIOS)
    assert not found.quadratic
    assert found.best == 0.75
    assert [low for low, high in found.kept if low == high] == [0.0, 0.25, 0.5, 0.75, 0.9]
    assert len(found.band) == 0
    assert "a quadratic does not fit (p under 0.001)" in ratio_words(found)


def test_points_are_ruled_out_with_a_correction_for_how_many_others_there_are() -> None:
    plateau = dict.fromkeys(RATIOS, 70.4) | {"r0": 69.6, "r25": 69.85, "r100": 50.0}
    made = level_study({name: [x - 0.3, x, x + 0.3] for name, x in plateau.items()})
    # A difference of two has the error 0.3 (2 / 3)^(1/2) = 0.245 with 12 degrees of freedom: one
    # of five is seen above 2.68 of it, 0.66, a single one above 1.78 of it, 0.44.
    assert [low for low, _ in ratio_curve(made, RATIOS).kept] == [0.25, 0.5, 0.75, 0.9]


def test_with_one_seed_a_quadratic_cannot_be_tested() -> None:
    made = level_study({name: [60.0 + n] for n, name in enumerate(RATIOS)}, spread=1.0)
    words = ratio_words(ratio_curve(made, RATIOS))
    assert "could not be tested" in words
    assert "for these readers alone (one seed)" in words


def test_the_ratio_is_chosen_on_other_shifts_than_it_is_reported_on() -> None:
    # What is best on one shift is bad on the other.
    found = ratio_finding(swept((0.25, 20.0), (0.75, 20.0)), SWEEP)
    assert [(one.shift, one.recipe) for one in found.left_out] == [
        ("new_wiki", "r75"),
        ("amazon", "r25"),
    ]
    # From 70 - 20 (0.25)^2 to 70 - 20 (0.5)^2; and from 70 - 20 (0.75)^2 to 70 - 20 (0.5)^2.
    gains = [20 * (0.25**2 - 0.5**2), 20 * (0.75**2 - 0.5**2)]
    assert [one.gain.value for one in found.left_out] == pytest.approx(gains)
    assert found.gain is not None
    assert found.gain.value == pytest.approx(np.mean(gains))
    assert [round(curve.best, 2) for curve in found.by_shift.values()] == [0.25, 0.75]


def test_one_recipe_chosen_everywhere_gains_what_it_gains() -> None:
    made = swept((0.4, 20.0))
    rows, gain = one_shift_left_out(made, lambda _: "r50", against="r0")
    assert {recipe for _, recipe, _ in rows} == {"r50"}
    assert gain is not None
    assert gain.value == pytest.approx(20 * (0.4**2 - 0.1**2))


def test_one_shift_cannot_be_left_out() -> None:
    found = ratio_finding(swept((0.4, 20.0), sets=("nyt",)), SWEEP)
    assert (found.left_out, found.gain) == ((), None)
    assert found.overall is not None


def test_points_that_failed_are_named_and_the_others_are_used() -> None:
    sweep = Sweep(name="size", kind="fixed size", points=RATIOS | {"r60": 0.6, "r80": 0.8})
    found = ratio_finding(swept((0.4, 20.0)), sweep)
    assert found.missing == ("r60", "r80")
    assert "2 points of sweep size failed or did not run: r60 and r80." in ratio_finding_words(
        found
    )
    few = Sweep(name="size", kind="fixed size", points={"r0": 0.0, "r50": 0.5, "r60": 0.6})
    left = ratio_finding(swept((0.4, 20.0)), few)
    assert left.overall is None
    assert ratio_finding_words(left)[-1] == "Sweep size has 2 points: three are needed."


def test_two_points_of_one_ratio_are_refused() -> None:
    with pytest.raises(EvidenceError, match="three different ratios or more, found r0: 0, r25: 0"):
        ratio_curve(swept((0.4, 20.0)), {"r0": 0.0, "r25": 0.0, "r50": 0.5})


def test_the_correlation_with_distance_is_spearman_s_with_an_exact_p() -> None:
    rising = movement({"a": 1, "b": 2, "c": 3, "d": 9}, {"a": 0.1, "b": 0.2, "c": 0.5, "d": 0.9})
    assert rising.correlation == pytest.approx(1.0)
    assert rising.p == pytest.approx(2 / 24)
    mixed = movement({"a": 1, "b": 2, "c": 3}, {"a": 0.2, "b": 0.9, "c": 0.5})
    # Ranks 1, 2, 3 and 1, 3, 2: each of the 6 orders is as far from 0 or further.
    assert mixed.correlation == pytest.approx(0.5)
    assert mixed.p == pytest.approx(1.0)
    assert movement({"a": 1}, {"a": 0.5}).lowest_p == 1.0
    assert movement({"a": 1, "b": 2}, {"a": 0.5, "b": 0.5}).correlation is None


def test_it_is_said_how_little_four_shifts_show() -> None:
    four = movement({"a": 1, "b": 2, "c": 3, "d": 9}, {"a": 0.1, "b": 0.2, "c": 0.5, "d": 0.9})
    assert movement_words(four) == (
        "Rank correlation of distance and best ratio over 4 shifts: 1.00, p 0.083; 4 shifts cannot"
        " give a p below 0.08, so this shows nothing."
    )
    five = dict(zip("abcde", range(5), strict=True))
    assert "shows nothing" not in movement_words(movement(five, five))


def test_a_range_ends_half_a_step_beyond_the_last_ratio_that_is_not_ruled_out() -> None:
    grid = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    found = _ranges(grid, [True, False, False, True, True, False])
    assert np.array(found) == pytest.approx(np.array([[0.0, 0.05], [0.25, 0.45]]))
