"""Badges with their sentence, the honest edges in words, and who is champion."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from augqa.evidence import Badge, EdgeKind, Planned, Study, Verdict, compare, seed_spread
from augqa.evidence.champion import champion
from augqa.evidence.comparisons import Intervals, corrected
from augqa.evidence.edges import study_edges
from augqa.evidence.verdict import verdict
from augqa.evidence.words import interval, number, points
from tests.studies import level_study, question_set, study

PLANNED = Planned(recipe="augment", against="real_longer")


def three(level: float, noise: float = 0.3) -> list[float]:
    return [level - noise, level, level + noise]


def judged(made: Study, planned: Planned = PLANNED) -> Verdict:
    found: list = [None]
    if {planned.recipe, planned.against} <= set(made.seeds) and made.shifts:
        found, _ = corrected([compare(made, planned.recipe, planned.against)], {})
    return verdict(planned, found[0], study=made, spread=seed_spread(made))


def edges(
    made: Study,
    *,
    not_available: Sequence[str] = (),
    expected: Mapping[str, Sequence[int]] | None = None,
    planned: Sequence[Planned] = (PLANNED,),
    intervals: Intervals = "pooled",
) -> dict[EdgeKind, str]:
    names = list(made.seeds)
    compared = [compare(made, name, names[0]) for name in names[1:]] if made.shifts else []
    spread = seed_spread(made, target=tuple(made.sets))
    found = study_edges(
        made,
        not_available=not_available,
        expected=expected or {},
        spread=spread,
        planned=planned,
        compared=compared,
        intervals=intervals,
    )
    assert len({edge.kind for edge in found}) == len(found)
    return {edge.kind: edge.words for edge in found}


def test_a_recipe_above_its_control_helps() -> None:
    found = judged(level_study({"augment": three(72.3), "real_longer": three(70.0)}))
    assert found.badge is Badge.HELPS
    # Three seeds with a variance of 0.09 each: 2.776 (0.09 * 2 / 3)^(1/2) = 0.68.
    assert found.sentence == (
        "helps: +2.3 F1 on the mean of 2 shifts [1.6, 3.0] against as many updates on real data"
        " (corrected p under 0.001, 3 seeds)."
    )
    assert found.edges == ()


def test_a_recipe_below_its_control_hurts() -> None:
    found = judged(level_study({"augment": three(67.7), "real_longer": three(70.0)}))
    assert found.badge is Badge.HURTS
    assert found.sentence.startswith("hurts: −2.3 F1 on the mean of 2 shifts [−3.0, −1.6] against")


def test_what_is_within_noise_is_not_shown_and_it_is_said_what_would_be_seen() -> None:
    found = judged(level_study({"augment": three(70.4, 2.0), "real_longer": three(70.0, 2.0)}))
    assert found.badge is Badge.NOT_SHOWN
    assert found.sentence == (
        "not shown: +0.4 F1 on the mean of 2 shifts [−4.1, 4.9] against as many updates on real"
        " data (corrected p 0.82, 3 seeds); a difference of 6.1 would be seen in four studies of"
        " five."
    )
    assert [edge.kind for edge in found.edges] == [EdgeKind.TOO_SMALL_TO_SEE]


def test_with_one_seed_nothing_is_said_about_the_recipe() -> None:
    found = judged(level_study({"augment": [75.0], "real_longer": [70.0]}, spread=1.0))
    assert found.badge is Badge.NOT_SHOWN
    assert "+5.0 F1" in found.sentence
    assert "for these readers alone. augment and real_longer had one training" in found.sentence
    assert [edge.kind for edge in found.edges] == [EdgeKind.ONE_SEED]


def test_a_recipe_without_its_control_is_not_shown() -> None:
    found = judged(level_study({"augment": three(75), "real": three(70)}))
    assert found.badge is Badge.NOT_SHOWN
    assert found.sentence == (
        "not shown: augment stands without its control: real_longer has no scores, so that a gain"
        " over it could come from more steps or more examples."
    )
    assert [edge.kind for edge in found.edges] == [EdgeKind.NO_CONTROL]


def test_a_recipe_that_failed_is_not_shown() -> None:
    found = judged(level_study({"real_longer": three(70)}))
    assert found.sentence == "not shown: augment has no scores: it failed or did not run."
    assert [edge.kind for edge in found.edges] == [EdgeKind.NO_RECIPE]


def test_without_a_shift_nothing_is_shown() -> None:
    made = level_study({"augment": three(75), "real_longer": three(70)}, sets=["squad"])
    found = verdict(PLANNED, None, study=made, spread=seed_spread(made, target="squad"))
    assert found.sentence == "not shown: augment cannot be compared: no shift is available."
    assert EdgeKind.NO_SHIFT in edges(made)


def test_seeds_that_change_nothing_show_nothing() -> None:
    made = level_study({"augment": [75.0, 75.0], "real_longer": [70.0, 70.0]})
    found = judged(made)
    assert found.badge is Badge.NOT_SHOWN
    assert "the seed does not reach the training" in found.sentence
    assert EdgeKind.SEEDS_WITHOUT_EFFECT in edges(made)


def test_a_control_of_one_s_own_is_named_in_one_s_own_words() -> None:
    made = level_study({"mix": three(75), "real": three(70)})
    known = judged(made, Planned(recipe="mix", against="real"))
    assert "against the real examples alone (" in known.sentence
    own = judged(made, Planned(recipe="mix", against="real", control="the same size, all real"))
    assert "against the same size, all real (" in own.sentence


def test_one_shift_is_named() -> None:
    made = level_study({"augment": three(75), "real_longer": three(70)}, sets=["nyt"])
    assert "on nyt, the only shift [" in judged(made).sentence


def test_a_plain_study_has_no_edge() -> None:
    assert edges(level_study({"real": three(70), "augment": three(75)})) == {}


def test_sets_that_could_not_be_had_are_named() -> None:
    made = level_study({"real": three(70), "augment": three(75)})
    found = edges(made, not_available=["nyt", "reddit"])
    assert found[EdgeKind.MISSING_SHIFT].startswith(
        "Not available: nyt and reddit. The mean is over 2 shifts"
    )


def test_runs_that_failed_are_named() -> None:
    made = level_study({"real": three(70), "augment": three(75)})
    found = edges(made, expected={"real": [1, 2, 3, 4, 5], "augment": [1, 2, 3], "mix": [1, 2]})
    assert found[EdgeKind.FAILED_RUN].startswith(
        "Failed or not run: real (seeds 4 and 5) and mix (every seed)."
    )


def test_one_seed_is_said_for_the_recipes_that_have_it() -> None:
    made = level_study({"real": three(70), "augment": [75.0], "mix": [71.0]})
    assert edges(made)[EdgeKind.ONE_SEED].startswith("augment and mix had one training")
    every = level_study({"real": [70.0], "augment": [75.0]})
    assert edges(every)[EdgeKind.ONE_SEED].startswith("Every recipe had one training")


@pytest.mark.parametrize(("n_articles", "few"), [(19, True), (20, False)])
def test_fewer_than_20_articles_are_too_few(n_articles: int, few: bool) -> None:
    made = level_study(
        {"real": three(70), "augment": three(75)}, sets=["nyt"], n_articles=n_articles
    )
    assert (EdgeKind.FEW_ARTICLES in edges(made)) == few


def test_sets_of_few_articles_are_named_in_one_sentence() -> None:
    scores = {"real": three(70), "augment": three(75)}
    small = level_study(scores, sets=["nyt", "reddit"], n_articles=13)
    assert edges(small)[EdgeKind.FEW_ARTICLES].startswith("nyt and reddit have 13 articles each: ")
    smaller = level_study(scores, sets=["nyt"], n_articles=7)
    found = study_edges(
        replace(small, sets={**small.sets, "nyt": smaller.sets["nyt"]}),
        not_available=(),
        expected={},
        spread=seed_spread(small, target=("nyt", "reddit")),
        planned=(),
        compared=(),
    )
    (words,) = [edge.words for edge in found if edge.kind is EdgeKind.FEW_ARTICLES]
    assert words.startswith("nyt (7) and reddit (13) have few articles: below 20 ")


def test_sets_of_the_same_articles_are_named() -> None:
    names = [f"article {n}" for n in range(20)]
    sets = [question_set(name, range(20), names) for name in ("squad", "attacked")]
    sets.append(question_set("nyt", range(20), [name + "!" for name in names]))
    rows = {recipe: [{s.name: [x] * 20 for s in sets} for x in (60, 61)] for recipe in ("a", "b")}
    found = edges(study(sets, rows))
    assert found[EdgeKind.SHARED_ARTICLES] == (
        "squad and attacked share articles: they are not counted as independent."
    )


def test_unequal_spreads_over_seeds_are_told() -> None:
    made = level_study({"real": three(70, 0.02), "augment": three(75, 5.0)})
    told = edges(made)[EdgeKind.UNEQUAL_VARIANCES]
    assert "most in augment (5.0 against 3.5 pooled): comparisons have the wider of two" in told
    own = edges(made, intervals="own")[EdgeKind.UNEQUAL_VARIANCES]
    assert "comparisons have the interval of the two recipes' own spread; curves" in own


def test_a_study_without_a_primary_comparison_is_exploratory() -> None:
    made = level_study({"real": three(70), "augment": three(75)})
    assert EdgeKind.NOTHING_PLANNED in edges(made, planned=())


def test_a_study_that_could_not_have_found_what_it_saw_says_so() -> None:
    small = edges(level_study({"real": three(70, 2.0), "augment": three(71, 2.0)}))
    assert small[EdgeKind.TOO_SMALL_TO_SEE].startswith(
        "The smallest difference that such a study sees in four cases of five is 6.1, and the"
        " largest that it saw is 1.0"
    )


def test_the_champion_moves_to_one_that_is_better_for_sure() -> None:
    made = level_study({"real": three(70), "mix": three(72), "augment": three(75)})
    found = champion(made, "real")
    assert (found.name, found.moved) == ("augment", True)
    assert found.sentence.startswith("The champion moves from real to augment: +5.0 [")
    assert [(shift, name) for shift, name, _ in found.chosen] == [
        ("new_wiki", "augment"),
        ("amazon", "augment"),
    ]
    assert found.gain is not None
    assert found.gain.value == pytest.approx(5.0)


def test_the_champion_stays_where_noise_explains_the_difference() -> None:
    made = level_study({"real": three(70, 2.0), "augment": three(71, 2.0)})
    found = champion(made, "real")
    assert not found.moved
    assert found.sentence.startswith("real stays: augment comes nearest with +1.0 [−3.5, 5.5] F1")


def test_the_champion_stays_where_many_candidates_make_one_look_better() -> None:
    levels = {"real": three(70, 1.0), "augment": three(72.4, 1.0)}
    others = {f"other{n}": three(70 - n / 100, 1.0) for n in range(8)}
    # The noise is the same; only how many were tried is not.
    made = level_study(levels | others)
    assert champion(made, "real", candidates=["augment"]).moved
    assert not champion(made, "real").moved


def test_the_champion_is_not_chosen_on_the_shift_that_it_is_reported_on() -> None:
    # Each recipe is far better on one shift, and worse on the other: a choice by one fails.
    rows = {
        "real": [[70.0, 70.0], [70.3, 70.3]],
        "one": [[80.0, 66.0], [80.3, 66.3]],
        "other": [[66.0, 80.0], [66.3, 80.3]],
    }
    found = champion(level_study(rows), "real")
    assert [one.shown for one in found.candidates] == [True, True]
    assert not found.moved
    assert found.gain is not None
    assert found.gain.value == pytest.approx(-4.0)
    assert "on the one left out, which does not leave out 0" in found.sentence


def test_with_one_shift_or_one_seed_the_champion_stays() -> None:
    one_shift = level_study({"real": three(70), "augment": three(75)}, sets=["nyt"])
    assert champion(one_shift, "real").sentence == (
        "real stays: with one shift it cannot be chosen on others than it is reported on."
    )
    one_seed = level_study({"real": [70.0], "augment": [75.0]}, spread=0.1)
    assert champion(one_seed, "real").sentence == (
        "real stays: with one training a recipe nothing can be said about it."
    )
    assert "there is no other recipe" in champion(level_study({"real": [70.0]}), "real").sentence


@pytest.mark.parametrize(
    ("value", "signed", "plain"),
    [(2.34, "+2.3", "2.3"), (-2.34, "−2.3", "−2.3"), (-0.04, "0.0", "0.0"), (0.0, "0.0", "0.0")],
)
def test_numbers_have_their_sign(value: float, signed: str, plain: str) -> None:
    assert points(value) == signed
    assert number(value) == plain


def test_an_interval_without_end_shows_it() -> None:
    assert interval(float("-inf"), 1234.56) == "[−∞, 1,234.6]"
