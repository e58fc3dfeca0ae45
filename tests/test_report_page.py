"""The report page: what stands on it, and that it needs nothing beside it."""

import dataclasses
import re
from typing import Any

import pytest

from augqa.evidence import Plan, gather
from augqa.report.page import Cost, cost_of
from augqa.report.pairs import pairs_page
from augqa.report.recipe_scores import RegimeResult, SetScore
from augqa.report.results import Results, gate, step
from augqa.test_sets import SQUAD_TRAIN
from tests import example_pages
from tests.example_pages import DISPUTED, PAIRS, PROVENANCE, report_page
from tests.examples import reported
from tests.studies import level_study


@pytest.fixture(scope="module")
def html() -> str:
    return report_page()


def sample(**changed: Any) -> str:
    fields = {"sample": True, "source": "the project's own sample", **changed}
    return report_page(provenance=dataclasses.replace(PROVENANCE, **fields))


def row(html: str, recipe: str) -> str:
    (found,) = re.findall(rf"</span>{recipe}</th>.*?</tr>", table(html), flags=re.DOTALL)
    return str(found)


def table(html: str) -> str:
    return html[html.index('class="scores"') : html.index("</table>", html.index('class="scores"'))]


def test_the_page_needs_nothing_beside_it(html: str) -> None:
    assert "<script" not in html
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")", html
    )
    links = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert links == ["data:,", "pairs.html", "gates/kept.html"]


def test_equal_arguments_give_equal_bytes(html: str) -> None:
    assert report_page() == html
    assert report_page(date="2026-01-31") != html


def test_badge_gain_home_controls_and_cost_stand_before_all_else(html: str) -> None:
    opening = html[: html.index("<section")]
    assert '<p class="badge helps">helps</p>' in opening
    order = ["On the shifts", "At home", "Controls", "Cost", "Trained on", "Commit", "Date"]
    places = [opening.index(f"<dt>{name}</dt>") for name in order]
    assert places == sorted(places)
    assert '<b class="big">1 of 2</b>' in opening
    assert "840,000 tokens read, 310,000 written" in opening


def test_commit_and_date_are_those_given_or_said_to_be_unknown(html: str) -> None:
    assert "see dvc.lock" in html
    assert "<dd>not kept</dd>" in html
    named = report_page(commit="abc1234", date="2026-01-31")
    assert "<dd>abc1234</dd>" in named
    assert "<dd>2026-01-31</dd>" in named


def test_a_cell_is_coloured_where_every_shown_control_agrees(html: str) -> None:
    assert row(html, "mix").count('<td class="above">') == 5  # the mean and four shifts
    assert "above real" in row(html, "mix")
    # Above as many updates, below as many further examples: said, not coloured.
    assert "above real_longer, below real_more" in row(html, "augment")
    assert "class=" not in row(html, "augment").replace('class="swatch', "")


def test_without_a_named_comparison_no_cell_is_coloured() -> None:
    study = example_pages.study()
    plain = report_page(study=study, evidence=gather(study, Plan(baseline="real")))
    assert 'class="above"' not in table(plain)
    assert 'class="below"' not in table(plain)
    assert "No comparison was named before the run" in plain


def test_the_header_has_the_smallest_effect_that_can_be_seen(html: str) -> None:
    head = table(html)[: table(html).index("</thead>")]
    found = example_pages.evidence(example_pages.study())
    assert found.smallest_visible is not None
    assert f"sees {found.smallest_visible:.1f}" in head
    assert len(re.findall(r"sees \d", head)) == 6


def test_limits_are_said_before_the_figures() -> None:
    study = example_pages.study(n_seeds=1)
    one_seed = report_page(study=study)
    opening = one_seed[: one_seed.index("<section")]
    assert "had one training" in opening
    assert '<p class="badge not-shown">not shown</p>' in opening


def test_the_page_says_when_the_scores_mean_nothing(html: str) -> None:
    assert "say nothing about the method" in sample()
    assert "say nothing about the method" not in html


def test_example_data_is_named_as_such(html: str) -> None:
    assert "Example data." not in html
    assert "Made up by hand" in report_page(example=example_pages.EXAMPLE)


def test_anchors_that_are_not_comparable_are_marked(html: str) -> None:
    assert "Published, not comparable" in html
    provenance = dataclasses.replace(PROVENANCE, trained_on=SQUAD_TRAIN, reader="roberta-base")
    comparable = report_page(provenance=provenance)
    assert ">Published</th>" in comparable
    assert "not comparable" not in comparable


def test_where_nothing_was_published_there_are_no_rows_of_dashes() -> None:
    results = example_pages.results(example_pages.study())
    own = dataclasses.replace(
        results,
        test_sets=tuple(dataclasses.replace(one, published=None) for one in results.test_sets),
    )
    html = report_page(found=own)
    assert "Published" not in html
    assert "roberta-base (FreeLB)" not in html


def test_drops_and_warnings_are_shown(html: str) -> None:
    assert "Dropped: 38 truncated, 12 empty." in html
    assert "questions_look_asked (warning)" in html


def test_sets_that_could_not_be_had_are_named() -> None:
    study = level_study(
        {"real": [40.0, 41.0], "mix": [44.0, 45.0]}, sets=("squad", "new_wiki", "amazon")
    )
    found = dataclasses.replace(example_pages.results(study), test_sets=reported())
    missing = report_page(study=study, found=found, evidence=gather(study, Plan(baseline="real")))
    assert "Not available: nyt, reddit." in missing


def one_recipe(**f1: float) -> Results:
    runs = ({name: SetScore(exact_match=0.0, f1=score) for name, score in f1.items()},)
    shifts = tuple(name for name in f1 if name != "squad")
    return Results(
        regimes=(RegimeResult(regime="real", runs=runs, shifts=shifts, n_real=3, n_generated=0),),
        test_sets=reported(),
        n_questions=dict.fromkeys(f1, 52),
        seeds=(1,),
    )


@pytest.mark.parametrize("f1", [{"squad": 5.0}, {"nyt": 80.0}, {"squad": 100.0, "nyt": 0.0}])
def test_the_page_stands_with_little_to_show(f1: dict[str, float]) -> None:
    study = level_study({"real": [list(f1.values())]}, sets=tuple(f1))
    alone = report_page(
        study=study, found=one_recipe(**f1), evidence=gather(study, Plan(baseline="real"))
    )
    assert alone.endswith("</html>\n")
    places = re.findall(r'(?:x1|x2|cx|width|x)="(-?[\d.]+)%"', alone)
    assert all(0 <= float(place) <= 100 for place in places)


def test_bars_stay_inside_the_chart() -> None:
    study = level_study({"real": [[100.0, 0.0]]}, sets=("squad", "nyt"))
    evidence = gather(study, Plan(baseline="real"))
    html = report_page(study=study, found=one_recipe(squad=100.0, nyt=0.0), evidence=evidence)
    assert 'class="bar c0" x="0" y="28" width="66.0%"' in html


def test_cost_adds_up_what_steps_and_trainings_counted() -> None:
    steps = [
        step("a", {"n": 1, "prompt_tokens": 10, "completion_tokens": 5}, count="n"),
        step("b", {"n": 1, "prompt_tokens": 7, "list_cost_usd": 0.5}, count="n"),
    ]
    cost = cost_of(steps, n_trainings=2)
    assert cost == Cost(prompt_tokens=17, completion_tokens=5, list_cost_usd=0.5, n_trainings=2)
    assert cost.words() == [
        "17 tokens read, 5 written",
        "0.50 USD",
        "2 trainings",
    ]


def test_what_was_not_counted_is_said_to_be_unknown() -> None:
    cost = cost_of([], n_trainings=1)
    assert cost.words() == ["price not known", "1 training"]


def test_deviations_are_spoken_of_where_there_are_some(html: str) -> None:
    assert "means over 3 training seeds" in html
    results = example_pages.results(example_pages.study())
    first, *others = results.regimes
    begun = dataclasses.replace(first, runs=first.runs[:1])
    some = report_page(found=dataclasses.replace(results, regimes=(begun, *others)))
    assert "means over up to 3 training seeds" in some
    alone = [dataclasses.replace(row, runs=row.runs[:1]) for row in results.regimes]
    none = report_page(found=dataclasses.replace(results, regimes=tuple(alone)))
    assert "standard deviation of F1" not in none
    assert "Lines show" in html
    assert "Lines show" not in none


def test_a_study_without_pages_of_gates_promises_none(html: str) -> None:
    assert "Each name leads to a page" in html
    assert "Each name leads to a page" not in report_page(gates=[gate("kept", {})])


def test_paper_is_white_and_keeps_what_colour_says(html: str) -> None:
    for made in (html, pairs_page(PAIRS, DISPUTED)):
        rules = re.findall(r"@media ([^{]*) \{", made)
        dark = {rule for rule in rules if "dark" in rule}
        assert dark == {"screen and (prefers-color-scheme: dark)"}
        assert "print-color-adjust: exact" in made
