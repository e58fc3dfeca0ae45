"""Figures say what the evidence says: places on axes, colours, words."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa.evidence import SHIFTS, Evidence, Plan, Planned, gather
from augqa.report.figures import (
    Forest,
    Target,
    forests,
    ratio_figures,
    worth_figure,
)
from augqa.report.opening import opening
from augqa.report.scales import linear, logarithmic
from tests import example_pages
from tests.studies import golden, level_study

TARGETS = [
    Target(name=SHIFTS, title="mean of 4 shifts", role="mean"),
    Target(name="squad", title="SQuAD dev", role="home"),
    *(Target(name=n, title=n, role="shift") for n in ("new_wiki", "nyt", "amazon", "reddit")),
]


@pytest.fixture(scope="module")
def found() -> Evidence:
    return example_pages.evidence(example_pages.study())


def asked(found: Evidence) -> Forest:
    forest, _ = forests(found, TARGETS)
    assert forest is not None
    return forest


# -- axes --------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_an_axis_holds_all_values_between_its_first_and_last_tick(values: list[float]) -> None:
    axis = linear(values)
    assert axis.ticks[0] == pytest.approx(axis.low)
    assert axis.ticks[-1] == pytest.approx(axis.high)
    assert 2 <= len(axis.ticks) <= 8
    rounding = 1e-8 * (axis.high - axis.low)
    assert all(axis.low - rounding <= value <= axis.high + rounding for value in values)
    places = [axis.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 100


def test_an_axis_without_a_finite_value_is_about_zero() -> None:
    axis = linear([inf, -inf])
    assert (axis.at(-inf), axis.at(0), axis.at(inf)) == (0, 50, 100)
    assert not axis.holds(inf)


def test_each_doubling_is_as_long_on_a_logarithmic_axis() -> None:
    axis = logarithmic([1000, 4000], ticks=[1000, 2000, 4000])
    one, two, four = (axis.at(size) for size in axis.ticks)
    assert two - one == pytest.approx(four - two, abs=0.02)
    assert axis.at(-5) == 0


# -- the forest --------------------------------------------------------------------------------


def test_the_home_set_stands_beside_each_shift(found: Evidence) -> None:
    rows = asked(found).groups[0].rows
    assert [row.target.role for row in rows] == ["mean", "home", *["shift"] * 4]


def test_a_mark_lies_right_of_zero_where_the_recipe_is_above(found: Evidence) -> None:
    forest = asked(found)
    zero = forest.axis.at(0)
    for group, planned in zip(forest.groups, found.primary, strict=True):
        assert planned.overall is not None
        assert (group.rows[0].x > zero) == (planned.overall.difference > 0)
        assert group.rows[0].low <= group.rows[0].x <= group.rows[0].high


def test_a_difference_is_coloured_only_where_the_corrected_interval_leaves_0_out(
    found: Evidence,
) -> None:
    forest = asked(found)
    zero = forest.axis.at(0)
    rows = [row for group in forest.groups for row in group.rows]
    assert {row.judged for row in rows} == {"above", "below", "exploratory"}
    for row in rows:
        if row.judged in ("above", "below"):
            assert not row.low <= zero <= row.high


def test_exploratory_differences_are_never_coloured(found: Evidence) -> None:
    _, explored = forests(found, TARGETS)
    assert explored is not None
    assert {row.judged for group in explored.groups for row in group.rows} == {"exploratory"}
    assert all(group.badge is None for group in explored.groups)


def test_nothing_compared_is_no_forest() -> None:
    alone = gather(level_study({"real": [50.0, 51.0]}), Plan(baseline="real"))
    assert forests(alone, TARGETS) == (None, None)


def test_an_interval_without_end_goes_to_the_edge_with_an_arrow() -> None:
    study = level_study({"mix": [50.0, 51.0], "real": [40.0, 41.0]}, n_articles=1)
    plan = Plan(baseline="real", primary=(Planned(recipe="mix", against="real"),))
    row = asked(gather(study, plan)).groups[0].rows[0]
    assert (row.low, row.high, row.cut_low, row.cut_high) == (0, 100, True, True)
    assert row.interval == "[−∞, ∞]"


# -- curves ------------------------------------------------------------------------------------


def test_the_ratio_has_points_and_controls_at_their_scores(found: Evidence) -> None:
    (figure,) = ratio_figures(found, {"mix": "c4"})
    assert [point.name for point in figure.points] == [
        "real",
        "mix_25",
        "mix",
        "mix_75",
        "generated",
    ]
    assert [point.x for point in figure.points] == [0, 25, 50, 75, 100]
    assert figure.points[2].colour == "c4"
    # Further real examples scored best: the highest line.
    assert [control.name for control in figure.controls] == ["real_longer", "real_more"]
    assert min(figure.controls, key=lambda control: control.y).name == "real_more"


def test_a_band_is_drawn_where_the_quadratic_is_shown() -> None:
    shape = {0.0: 70.0, 0.25: 74.0, 0.5: 76.0, 0.75: 74.0, 1.0: 70.0}
    levels = {f"at_{ratio}": [y - 0.4, y, y + 0.4] for ratio, y in shape.items()}
    points = {f"at_{ratio}": ratio for ratio in shape}
    sweep = replace(example_pages.PLAN.sweeps[0], points=points)
    made = gather(level_study(levels), Plan(baseline="at_0.0", sweeps=(sweep,)))
    (figure,) = ratio_figures(made, {})
    assert len(figure.line.split()) > 100
    # A polygon: out along the lower end, back along the upper one.
    assert len(figure.band.split()) == 2 * len(figure.line.split())


def test_a_sweep_of_two_points_is_no_figure() -> None:
    sweep = replace(example_pages.PLAN.sweeps[0], points={"augment": 0.5, "real": 0.0})
    assert ratio_figures(gather(golden(), Plan(baseline="real", sweeps=(sweep,))), {}) == []


def test_worth_stands_on_the_curve_of_real_sizes(found: Evidence) -> None:
    figure = worth_figure(found, {})
    assert figure is not None
    assert [mark.name for mark in figure.marks] == ["augment", "mix"]
    line = np.array([[float(v) for v in place.split(",")] for place in figure.line.split()])
    for mark in figure.marks:
        assert mark.low < mark.x < mark.high
        on_curve = np.interp(mark.x, line[:, 0], line[:, 1])
        assert mark.y == pytest.approx(on_curve, abs=1.0)


def test_without_three_real_sizes_there_is_no_worth() -> None:
    assert worth_figure(gather(golden(), Plan(baseline="real")), {}) is None


# -- the first screen --------------------------------------------------------------------------


def test_the_first_screen_has_gain_home_and_every_control(found: Evidence) -> None:
    first = opening(found, TARGETS)
    (overall, *_) = [one.overall for one in found.primary]
    assert overall is not None
    assert first.badge == "helps"
    assert first.shifts is not None
    assert first.shifts.difference == f"+{overall.difference:.1f}"
    assert first.shifts.kind == "corrected"
    (home,) = first.home
    assert (home.where, home.kind) == ("SQuAD dev", "exploratory")
    assert [(c.name, c.badge) for c in first.controls] == [
        ("real_longer", "helps"),
        ("real_more", "hurts"),
    ]
    assert first.unasked == ("real", "pseudo_label", "copies", "unfiltered")


def test_a_recipe_without_its_control_is_not_shown_and_has_no_gain() -> None:
    plan = Plan(baseline="real", primary=(Planned(recipe="augment", against="real_more"),))
    first = opening(gather(golden(), plan), TARGETS)
    assert (first.badge, first.shifts, first.home) == ("not shown", None, ())
    assert first.controls[0].gain is None


def test_one_seed_is_said_on_the_first_screen() -> None:
    plan = Plan(baseline="real", primary=(Planned(recipe="mix", against="real"),))
    first = opening(gather(level_study({"mix": [50.0], "real": [40.0]}), plan), TARGETS)
    assert first.badge == "not shown"
    assert first.shifts is not None
    assert first.shifts.kind == "these readers alone: one seed"


def test_nothing_named_before_the_run_is_not_shown() -> None:
    first = opening(gather(golden(), Plan(baseline="real")), TARGETS)
    assert (first.badge, first.controls) == ("not shown", ())
