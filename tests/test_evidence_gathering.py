"""A small study made by hand, from scores to everything that a report shows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from augqa.errors import EvidenceError
from augqa.evidence import (
    SHIFTS,
    Badge,
    EdgeKind,
    Evidence,
    Plan,
    Planned,
    Sizes,
    Study,
    Sweep,
    as_metrics,
    gather,
)
from augqa.evidence.comparisons import from_own_spread, from_paired_seeds
from augqa.evidence.leakage import leakage
from augqa.evidence.words import leakage_words
from tests.studies import level_study, question_set, study

SETS = ("squad", "new_wiki", "amazon")
# Home and shifts of each recipe. Real sizes: the error on the shifts is 32 at 1,000 real examples
# and falls by a fifth with each doubling.
LEVELS = {
    "real": (82.0, 100 - 32 * 0.8, 100 - 32 * 0.8),
    "real_half": (78.0, 68.0, 68.0),
    "real_more": (85.0, 100 - 32 * 0.64, 100 - 32 * 0.64),
    "real_longer": (82.1, 74.5, 74.3),
    "mix": (81.0, 76.2, 75.2),
    "augment": (83.0, 78.0, 77.0),
    "generated": (70.0, 60.0, 64.0),
}
PLAN = Plan(
    baseline="real",
    primary=(
        Planned(recipe="augment", against="real_longer"),
        Planned(recipe="augment", against="real_more"),
        Planned(recipe="mix", against="real", control="the same size without a generated pair"),
    ),
    real_sizes={"real_half": 1000, "real": 2000, "real_more": 4000},
    generated={"augment": Sizes(n_real=2000, n_generated=2000, cost_per_pair=0.002)},
    cost_per_real=0.5,
    sweeps=(
        Sweep(
            name="fixed size",
            kind="fixed size",
            points={"real": 0.0, "mix": 0.5, "generated": 1.0},
        ),
    ),
    distances={"new_wiki": 0.1, "amazon": 0.7},
    champion="real",
)


def made(**without: None) -> Study:
    return level_study(
        {
            name: [[x - step for x in levels] for step in (0.2, 0.0, -0.2)]
            for name, levels in LEVELS.items()
            if name not in without
        },
        sets=SETS,
        spread=0.5,
    )


@pytest.fixture(scope="module")
def found() -> Evidence:
    return gather(made(), PLAN)


def test_the_headline_is_the_first_comparison_that_was_named(found: Evidence) -> None:
    assert found.headline == f"augment: {found.primary[0].verdict.sentence}"
    assert found.headline.startswith("augment: helps: +3.1 F1 on the mean of 2 shifts [2.")
    assert "against as many updates on real data (corrected p under 0.001" in found.headline


def test_each_primary_comparison_has_its_badge(found: Evidence) -> None:
    badges = [one.verdict.badge for one in found.primary]
    # 77.5 against 79.5 with as many further real examples.
    assert badges == [Badge.HELPS, Badge.HURTS, Badge.HELPS]
    assert "against the same size without a generated pair" in found.primary[2].verdict.sentence
    for one in found.primary:
        assert [part.target for part in one.by_shift] == ["new_wiki", "amazon"]
        assert all(part.corrected_p is not None for part in one.by_shift)


def test_the_table_has_each_recipe_on_the_shifts_and_on_each_set(found: Evidence) -> None:
    rows = {row.recipe: row for row in found.recipes}
    assert list(rows) == list(LEVELS)
    assert list(rows["augment"].scores["f1"]) == [SHIFTS, *SETS]
    augment = rows["augment"].scores["f1"]
    assert augment[SHIFTS].mean == pytest.approx(77.5)
    assert augment["squad"].runs == pytest.approx((82.8, 83.0, 83.2))
    assert augment["squad"].std == pytest.approx(0.2)
    assert rows["augment"].scores["exact_match"][SHIFTS].mean == pytest.approx(77.5 / 2)


def test_what_was_not_named_is_exploratory_and_has_no_star(found: Evidence) -> None:
    assert {one.against for one in found.exploratory} == {"real", "real_longer", "real_more"}
    assert {one.stars for one in found.exploratory} == {""}
    every = [(one.recipe, one.against, one.metric, one.target) for one in found.exploratory]
    assert len(set(every)) == len(every)
    assert ("augment", "real_longer", "exact_match", SHIFTS) in every
    assert ("augment", "real_longer", "f1", "squad") in every
    assert ("augment", "real_longer", "f1", SHIFTS) not in every
    asked = {(recipe, *rest) for recipe, against, *rest in every if against == "real"}
    assert ("mix", "f1", SHIFTS) not in asked  # it is primary
    assert ("mix", "exact_match", SHIFTS) in asked
    assert ("mix", "f1", "squad") in asked
    assert ("augment", "f1", SHIFTS) in asked


def test_pairs_are_worth_real_examples_and_have_a_price(found: Evidence) -> None:
    (worth,) = found.worths
    # 22.5 of error are reached at 2,000 (25.6 / 22.5)^(1 / 0.3219) examples.
    assert worth.real_examples == pytest.approx(2000 * (25.6 / 22.5) ** (1 / 0.321928) - 2000)
    assert found.prices["augment"].break_even == pytest.approx(4 / worth.real_examples)
    words = " ".join(found.remarks)
    assert "augment: 2,000 generated pairs are worth 986 real ones, 0.49 a pair" in words
    assert "at 0.5000 generating is cheaper." in words
    assert "above the reader's own line on the shifts" in words
    assert set(found.curves) == {SHIFTS, *SETS}
    assert set(found.lines) == {SHIFTS, "new_wiki", "amazon"}


def test_the_sweep_and_the_champion_are_there_in_words(found: Evidence) -> None:
    (ratio,) = found.ratios
    assert ratio.overall is not None
    assert ratio.movement is not None
    words = " ".join(found.remarks)
    assert "Chosen on all shifts but one and measured on that one" in words
    assert "The champion moves from real to real_more" in words
    assert found.champion is not None
    assert found.champion.name == "real_more"


def test_a_plain_study_has_no_edge(found: Evidence) -> None:
    assert found.edges == ()
    assert found.smallest_visible is not None
    assert 0.2 < found.smallest_visible < 1.5
    assert found.spread["f1"].std == pytest.approx(0.2)


def test_everything_can_be_written_as_json(found: Evidence) -> None:
    text = json.dumps(as_metrics(found), allow_nan=False, sort_keys=True)
    assert json.loads(text)["primary"][0]["overall"]["estimate"]["value"] == pytest.approx(3.1)
    assert as_metrics(replace(found.worths[0], high=float("inf")))["high"] is None


def test_a_control_that_failed_leaves_the_others_and_still_counts() -> None:
    whole, left = (gather(one, PLAN) for one in (made(), made(real_longer=None)))
    assert left.primary[0].overall is None
    assert left.primary[0].verdict.badge is Badge.NOT_SHOWN
    assert left.headline.startswith("augment: not shown: augment stands without its control")
    assert left.primary[2].overall is not None
    assert whole.primary[2].overall is not None
    p = left.primary[2].overall.p
    assert p is not None
    # Second smallest of two that could be made, and of three that were named.
    assert left.primary[2].overall.corrected_p == pytest.approx(2 * p)


def test_one_seed_is_told_everywhere() -> None:
    single = level_study({name: [levels] for name, levels in LEVELS.items()}, sets=SETS, spread=0.5)
    found = gather(single, PLAN)
    assert {one.verdict.badge for one in found.primary} == {Badge.NOT_SHOWN}
    assert [edge.kind for edge in found.edges] == [EdgeKind.ONE_SEED]
    assert found.smallest_visible is None
    assert found.champion is not None
    assert not found.champion.moved
    assert {one.stars for one in found.exploratory} == {""}


def test_without_a_shift_the_scores_are_still_shown() -> None:
    home = level_study({name: [[levels[0]]] * 2 for name, levels in LEVELS.items()}, sets=["squad"])
    found = gather(home, replace(PLAN, distances={}, sweeps=()))
    assert found.recipes[0].scores["f1"]["squad"].mean == 82.0
    assert EdgeKind.NO_SHIFT in {edge.kind for edge in found.edges}
    assert (found.champion, found.smallest_visible) == (None, None)


def test_with_fewer_than_three_sizes_there_is_no_curve() -> None:
    found = gather(made(real_half=None), PLAN)
    assert (found.curves, found.worths) == ({}, ())
    assert "No curve of real sizes: of 3 sizes fewer than three have scores on a shift." in (
        found.remarks
    )


def test_sizes_without_scores_are_named() -> None:
    found = gather(made(), replace(PLAN, real_sizes={**PLAN.real_sizes, "real_most": 8000}))
    assert found.worths != ()
    assert (
        "Without scores, and so neither on the curve of real sizes nor held against it: real_most."
        in found.remarks
    )


def test_nothing_named_makes_everything_exploratory() -> None:
    found = gather(made(), Plan(baseline="real"))
    assert found.primary == ()
    assert found.headline.startswith("No comparison was named before the run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "none"}, "recipe 'none' has no scores; those that have: real, real_half"),
        ({"champion": "none"}, "recipe 'none' has no scores"),
        ({"primary": PLAN.primary + PLAN.primary}, "6 primary comparisons are named, 3 at most"),
        ({"primary": PLAN.primary[:1] * 2}, "augment against real_longer: it is named twice"),
        ({"primary": (Planned(recipe="mix", against="mix"),)}, "compares a recipe with itself"),
        ({"distances": {"nyt": 1.0}}, "the distance of 'nyt' is given, the shifts are new_wiki"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        gather(made(), replace(PLAN, **changes))


def test_a_gain_that_leaked_is_larger_on_mentioned_articles() -> None:
    one = question_set("amazon", [n // 2 for n in range(24)])
    gains = [8.0 if n // 2 < 4 else 2.0 for n in range(24)]
    rows = {
        "real": [{"amazon": [50 + step] * 24} for step in (-0.1, 0.1)],
        "augment": [{"amazon": [50 + step + gain for gain in gains]} for step in (-0.1, 0.1)],
    }
    mask = np.arange(12) < 4
    whole, alone = leakage(study([one], rows), "augment", "real", {"amazon": mask})
    assert (whole.target, alone.target) == (SHIFTS, "amazon")
    assert (whole.mentioned.value, whole.others.value) == pytest.approx((8.0, 2.0))
    assert whole.n_articles == (4, 8)
    assert whole.difference.value == pytest.approx(6.0)
    # The same trainings are on both sides: what they have in common is not in the difference.
    assert whole.difference.se == pytest.approx(0.0, abs=1e-6)
    assert whole.mentioned.se > 0.05
    assert leakage_words(whole) == (
        "augment gains +8.0 over real on the 4 articles that generated contexts mention and +2.0"
        " on the 8 others: +6.0 [6.0, 6.0], larger."
    )


def test_a_set_that_cannot_be_split_is_left_out_and_named() -> None:
    masks = {"new_wiki": np.arange(24) < 1, "amazon": np.arange(24) < 12}
    whole, alone = leakage(made(), "augment", "real", masks)
    assert whole.unsplit == ("new_wiki",)
    assert "without new_wiki, which cannot be split" in leakage_words(whole)
    assert leakage(made(), "augment", "real", {"new_wiki": np.zeros(24, dtype=bool)}) == ()
    with pytest.raises(EvidenceError, match=r"amazon: the shape \(3,\), but the study has 24"):
        leakage(made(), "augment", "real", {"amazon": np.zeros(3, dtype=bool)})
    assert alone.unsplit == ()


def test_own_spreads_are_taken_everywhere_where_they_were_asked_for() -> None:
    # All others are calm, so that the pooled spread is far smaller than that of these two.
    calm = {f"calm{n}": [60.0, 60.1, 60.2] for n in range(6)}
    noisy = {"mix": [70.0, 73.0, 75.0], "real": [66.0, 69.0, 71.5]}
    made = level_study(noisy | calm)
    plan = Plan(baseline="real", primary=(Planned(recipe="mix", against="real"),), champion="real")
    pooled, own, paired = (
        gather(made, replace(plan, intervals=one)) for one in ("pooled", "own", "paired")
    )
    expected = from_own_spread(made, "mix", "real")
    overall, calm_pair = own.primary[0].overall, own.exploratory[-1]
    assert overall is not None
    assert overall.estimate == expected
    assert calm_pair.estimate == from_own_spread(
        made, calm_pair.recipe, "real", target=calm_pair.target, metric=calm_pair.metric
    )
    assert own.champion is not None
    assert own.champion.candidates[0].estimate == expected
    said = "Each interval is from the spread over seeds of its two recipes alone"
    assert [said in " ".join(found.remarks) for found in (pooled, own)] == [False, True]
    assert paired.primary[0].overall is not None
    assert paired.primary[0].overall.estimate == from_paired_seeds(made, "mix", "real")
    assert "from the differences of its two recipes seed by seed" in " ".join(paired.remarks)
    assert "the interval of the differences seed by seed" in " ".join(e.words for e in paired.edges)
