import dataclasses
from typing import Any

import pytest

from augqa.errors import DataError
from augqa.report.findings import Findings, Row
from augqa.report.numbers import signed
from augqa.report.page import fact_texts
from augqa.report.plots import f1_by_set
from augqa.report.results import (
    Results,
    gather,
    results_of_summary,
    step,
    summary_metrics,
)
from augqa.report.robustness import (
    anchor_mean_shift,
    effective_robustness,
    no_line,
    not_comparable,
)
from augqa.report.table import is_best, report_text, table_text
from augqa.test_sets import ANCHORS, LINES, SQUAD_TRAIN, ReportedSet
from tests import example_pages
from tests.examples import SETS, SHIFTS, reported

Scores = dict[str, float]


def evaluation(f1s: Scores, *, n: int = 52) -> dict[str, Any]:
    return {
        "sets": {
            name: {"exact_match": f1 / 2, "f1": f1, "n_questions": n} for name, f1 in f1s.items()
        },
        "not_available": [name for name in SETS if name not in f1s],
    }


def blend(n_real: int = 30, n_generated: int = 10) -> dict[str, Any]:
    return {"n_real": n_real, "n_generated": n_generated, "n_dropped": {"not_chosen": 7}}


def found(
    per_regime: dict[str, list[Scores]],
    *,
    n: int = 52,
    test_sets: tuple[ReportedSet, ...] = reported(),
) -> Results:
    n_seeds = len(next(iter(per_regime.values())))
    return gather(
        {
            regime: {seed: evaluation(f1s, n=n) for seed, f1s in enumerate(runs, 1)}
            for regime, runs in per_regime.items()
        },
        {regime: blend() for regime in per_regime},
        seeds=range(1, n_seeds + 1),
        test_sets=test_sets,
    )


TWO = {
    "real": [{"squad": 40.0, "new_wiki": 30.0, "amazon": 20.0}],
    "mix": [{"squad": 39.0, "new_wiki": 33.0, "amazon": 21.2}],
}
SAID = Findings(
    finding="mix: not shown: +2.1 F1 on the mean of 2 shifts.",
    visible="a true difference of 3.0 F1 would be seen in four studies of five",
    primary=("mix against real: not shown: +2.1 F1 on the mean of 2 shifts.",),
    shifts=(
        Row(
            recipe="mix",
            against="real",
            target="shifts",
            difference="+2.1",
            interval="[-1.0, 5.2]",
            meaning="not shown",
        ),
    ),
    sets=(),
    stress=(),
    edges=("Every recipe had one training.",),
    remarks=("real stays.",),
)


# -- gathering ---------------------------------------------------------------------------------


def test_the_summary_is_the_mean_over_seeds_and_nothing_else() -> None:
    results = found({"real": [{"squad": 40.0, "nyt": 10.0}, {"squad": 50.0, "nyt": 13.0}]}, n=9)
    assert summary_metrics(results) == {
        "regimes": {
            "real": {
                "squad": {"exact_match": 22.5, "f1": 45.0, "n_questions": 9},
                "nyt": {"exact_match": 5.75, "f1": 11.5, "n_questions": 9},
            }
        },
        "not_available": ["new_wiki", "amazon", "reddit"],
    }


def test_the_deviation_over_seeds_is_that_of_a_sample() -> None:
    row = found({"real": [{"nyt": 10.0, "amazon": 20.0}, {"nyt": 14.0, "amazon": 18.0}]}).baseline
    std = row.std("nyt")
    assert std is not None
    assert std.f1 == pytest.approx(2.8284, abs=1e-4)  # 10 and 14
    assert row.mean_shift_f1 == 15.5
    assert row.mean_shift_f1_std == pytest.approx(0.7071, abs=1e-4)  # 15 and 16


def test_one_seed_has_no_deviation() -> None:
    row = found(TWO).baseline
    assert (row.std("squad"), row.mean_shift_f1_std) == (None, None)


def test_the_mean_shift_leaves_squad_out() -> None:
    assert found(TWO).baseline.mean_shift_f1 == 25.0


def test_other_questions_are_not_averaged_with_these() -> None:
    with pytest.raises(DataError, match=r"evaluation of mix, seed 1 counts .* cannot be compared"):
        gather(
            {
                "real": {1: evaluation({"squad": 1.0}, n=5)},
                "mix": {1: evaluation({"squad": 1.0}, n=6)},
            },
            {"real": blend(), "mix": blend()},
            seeds=[1],
            test_sets=reported(),
        )


def test_a_set_that_is_neither_scored_nor_named_as_missing_is_an_error() -> None:
    metrics = {**evaluation({"squad": 1.0}), "not_available": ["nyt"]}
    with pytest.raises(DataError, match="evaluation of real, seed 1: without scores are"):
        gather({"real": {1: metrics}}, {"real": blend()}, seeds=[1], test_sets=reported())


def test_an_unknown_set_is_an_error_that_names_it() -> None:
    metrics = evaluation({"squad": 1.0, "bioasq": 2.0})
    with pytest.raises(DataError, match="found bioasq"):
        gather({"real": {1: metrics}}, {"real": blend()}, seeds=[1], test_sets=reported())


def test_a_missing_key_is_named_with_its_place() -> None:
    metrics = evaluation({"squad": 1.0})
    del metrics["sets"]["squad"]["f1"]
    with pytest.raises(DataError, match="real, seed 1, set squad: no 'f1' in it"):
        gather({"real": {1: metrics}}, {"real": blend()}, seeds=[1], test_sets=reported())


def test_a_summary_reads_back_with_real_first() -> None:
    summary = summary_metrics(found({"real": TWO["real"], "augment": TWO["mix"]}))
    sorted_as_written = {**summary, "regimes": dict(sorted(summary["regimes"].items()))}
    back = results_of_summary(sorted_as_written, reported())
    assert [row.regime for row in back.regimes] == ["real", "augment"]
    assert summary_metrics(back) == summary


def test_a_step_shows_what_it_does_not_know_and_sorts_reasons_by_count() -> None:
    made = step(
        "pairs",
        {"n_pairs": 9, "n_rejected": {"b": 1, "a": 1, "c": 5}, "n_requests": 1200, "seconds": 1.25}
        | {"n_by_model": {"small_model": 9}, "source": "sample", "n_none": {}},
        count="n_pairs",
        dropped="n_rejected",
    )
    assert list(made.dropped.items()) == [("c", 5), ("a", 1), ("b", 1)]
    assert fact_texts(made) == ["requests: 1,200", "seconds: 1.2", "by model: small model 9"]


# -- what the numbers can tell -----------------------------------------------------------------


def test_effective_robustness_is_the_distance_from_the_line() -> None:
    results = found({"real": [{"squad": 90.0, "nyt": 90.0, "amazon": 80.0}]})
    row = results.baseline
    assert effective_robustness(results, row, "nyt") == pytest.approx(90 - (1.090 * 90 - 9.82))
    assert effective_robustness(results, row, "amazon") == pytest.approx(80 - (1.488 * 90 - 54.29))


@pytest.mark.parametrize("squad", [22.0, 70.0])
def test_no_number_where_the_line_does_not_hold(squad: float) -> None:
    results = found({"real": [{"squad": squad, "nyt": 60.0}]})
    assert effective_robustness(results, results.baseline, "nyt") is None
    reason = no_line(results, results.baseline)
    assert reason == f"the line does not hold: F1 on squad is {squad:.1f}, not above 70"


def test_the_lines_are_for_the_content_that_they_were_published_for() -> None:
    scores = {"real": [{"squad": 90.0, "nyt": 90.0}]}
    results = found(scores)
    assert no_line(results, results.baseline) is None
    other = found(scores, test_sets=reported(published=False))
    text = report_text(other, SAID, sample=False, trained_on=None, reader="roberta-base")
    assert "none: no test set here is SQuAD dev, by its content" in text


def test_a_line_starts_from_squad_dev_whatever_it_is_called_here() -> None:
    squad, nyt = reported(["squad", "nyt"])
    mine = (
        dataclasses.replace(squad, name="one", role="shift"),
        dataclasses.replace(nyt, name="squad"),
    )
    metrics = {**evaluation({"one": 90.0, "squad": 90.0}), "not_available": []}
    results = gather({"real": {1: metrics}}, {"real": blend()}, seeds=[1], test_sets=mine)
    robustness = effective_robustness(results, results.baseline, "squad")
    assert robustness == pytest.approx(90 - (1.090 * 90 - 9.82))
    assert effective_robustness(results, results.baseline, "one") is None


def with_own_shift(f1: float = 50.0) -> Results:
    names = [*SETS, "mine"]
    metrics = evaluation({**dict.fromkeys(SETS, 91.0), "mine": f1})
    return gather(
        {"real": {1: metrics}, "mix": {1: metrics}},
        {"real": blend(), "mix": blend()},
        seeds=[1],
        test_sets=reported(names),
    )


def test_where_nothing_was_published_there_is_a_dash() -> None:
    results = with_own_shift()
    text = report_text(results, SAID, sample=False, trained_on=SQUAD_TRAIN, reader="roberta-base")
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert lines["bert-base-uncased"][1:] == ["88.2", "86.8", "85.8", "75.1", "77.0", "–", "–"]
    robustness = text[text.index("Effective robustness") :].splitlines()
    assert robustness[2].split() == ["real", "+1.6", "+1.6", "+9.9", "+9.6", "–"]
    html = example_pages.report_page(found=results)
    assert "<td>–</td>" in html
    assert all(anchor_mean_shift(anchor, results) is None for anchor in ANCHORS)


def test_an_own_shift_counts_in_the_mean() -> None:
    assert with_own_shift(50.0).baseline.mean_shift_f1 == (4 * 91 + 50) / 5


def test_a_stress_test_is_in_no_mean_and_stands_apart() -> None:
    metrics = {**evaluation({"squad": 40.0, "nyt": 30.0, "noise": 5.0}), "not_available": []}
    results = gather(
        {"real": {1: metrics}},
        {"real": blend()},
        seeds=[1],
        test_sets=reported(["squad", "nyt"], stress=["noise"]),
    )
    assert results.baseline.mean_shift_f1 == 30.0
    assert (results.sets, results.stress) == (("squad", "nyt"), ("noise",))
    text = report_text(results, SAID, sample=True, trained_on=None, reader="x").splitlines()
    assert "noise" not in text[0]
    (n,) = (n for n, line in enumerate(text) if line.split() == ["stress", "tests", "noise"])
    assert text[n + 2].split() == ["real", "2.5/5.0"]
    html = example_pages.report_page(found=results)
    assert '<h3 id="stress">Stress tests</h3>' in html
    assert "Title of noise" in html
    assert [record["set"] for record in f1_by_set(results)] == ["squad", "nyt"]


def test_every_shift_has_a_line_and_every_anchor_its_shifts() -> None:
    assert set(LINES) == set(SHIFTS)
    assert all(set(SHIFTS) <= set(anchor.f1) <= set(SETS) for anchor in ANCHORS)


@pytest.mark.parametrize(
    ("reader", "comparable"),
    [
        ("roberta-base", True),
        ("FacebookAI/roberta-base", True),
        ("google-bert/bert-base-uncased", True),
        ("deepset/roberta-base-squad2", True),
        ("/models/bert-base-cased/", True),
        ("distilbert/distilroberta-base", False),
        ("FacebookAI/xlm-roberta-base", False),
        ("FacebookAI/roberta-large", False),
        ("all-MiniLM-L6-v2", False),
    ],
)
def test_anchors_stand_beside_readers_of_their_size_alone(reader: str, comparable: bool) -> None:
    reason = not_comparable(found(TWO), sample=False, trained_on=SQUAD_TRAIN, reader=reader)
    assert (reason is None) is comparable


@pytest.mark.parametrize(
    ("published", "sample", "trained_on", "reason"),
    [
        (True, True, None, "own sample"),
        (True, False, None, "the real training set is not SQuAD's"),
        (False, False, SQUAD_TRAIN, "no test set here is one that scores were published for"),
    ],
)
def test_anchors_stand_beside_the_same_task_alone(
    published: bool, sample: bool, trained_on: str | None, reason: str
) -> None:
    results = found(TWO, test_sets=reported(published=published))
    said = not_comparable(results, sample=sample, trained_on=trained_on, reader="roberta-base")
    assert said is not None
    assert reason in said


# -- the text table ----------------------------------------------------------------------------


def test_the_text_is_this_table() -> None:
    text = report_text(found(TWO), SAID, sample=True, trained_on=None, reader="all-MiniLM-L6-v2")
    assert text.splitlines()[:10] == [
        "        train       squad    new_wiki      amazon  mean shift",
        "regime      n      EM/F1       EM/F1       EM/F1          F1",
        "-------------------------------------------------------------",
        "real       40  20.0/40.0*  15.0/30.0   10.0/20.0        25.0",
        "mix        40  19.5/39.0   16.5/33.0*  10.6/21.2*       27.1*",
        "",
        "* best F1 of our regimes; EM and F1 in percent, by the rules of SQuAD v1.1",
        "questions: squad 52, new_wiki 52, amazon 52",
        "not available: nyt, reddit",
        "seeds: 1",
    ]
    assert text.endswith("Sample data: these scores say nothing about the method.")


def test_real_data_is_not_called_a_sample() -> None:
    text = report_text(found(TWO), SAID, sample=False, trained_on=None, reader="all-MiniLM-L6-v2")
    assert "Sample" not in text


def test_several_seeds_get_a_line_of_deviations() -> None:
    runs = [{"squad": 40.0, "nyt": 10.0}, {"squad": 42.0, "nyt": 14.0}]
    text = report_text(found({"real": runs}), SAID, sample=False, trained_on=None, reader="x")
    (line,) = (line for line in text.splitlines() if line.startswith("  std over seeds"))
    assert line.split()[3:] == ["0.7/1.4", "1.4/2.8", "2.8"]
    assert "One seed" not in text


def test_anchors_are_printed_beside_comparable_readers() -> None:
    settings: dict[str, Any] = {"sample": False, "trained_on": SQUAD_TRAIN}
    text = report_text(found(TWO), SAID, reader="roberta-base", **settings)
    (line,) = (line for line in text.splitlines() if line.startswith("bert-base-uncased"))
    assert line.split() == ["bert-base-uncased", "88.2", "86.8", "75.1", "80.9"]
    assert "bert-base-uncased" not in report_text(found(TWO), SAID, reader="x", **settings)


def test_a_published_row_without_a_score_here_is_left_out() -> None:
    # Nobody measured humans on SQuAD dev by these rules.
    results = found({"real": [{"squad": 90.0}]})
    text = report_text(
        results, SAID, sample=False, trained_on=SQUAD_TRAIN, reader="roberta-base"
    ).splitlines()
    assert any(line.startswith("bert-base-uncased") for line in text)
    assert not any(line.startswith("human") for line in text)
    html = example_pages.report_page(found=results)
    assert "bert-base-uncased" in html
    assert ">human</th>" not in html


def test_a_summary_alone_gives_the_same_rows_without_sizes() -> None:
    text = table_text(summary_metrics(found(TWO)), reported())
    assert "mix     19.5/39.0   16.5/33.0*  10.6/21.2*       27.1*" in text.splitlines()
    assert "not available: nyt, reddit" in text
    assert "seeds" not in text


@pytest.mark.parametrize("summary", [{}, {"regimes": {}, "not_available": []}])
def test_what_is_no_summary_is_refused(summary: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="summary: no "):
        table_text(summary, reported())


@pytest.mark.parametrize(
    ("value", "column", "best"),
    [
        (2.0, [1.0, 2.0], True),
        (1.0, [1.0, 2.0], False),
        (1.96, [1.0, 2.0, 1.96], True),  # both are shown as 2.0
        (2.0, [2.0], False),
        (2.0, [2.0, 2.0], False),
        (None, [None, None], False),
    ],
)
def test_the_best_is_marked_as_the_reader_sees_it(
    value: float | None, column: list[float | None], best: bool
) -> None:
    assert is_best(value, column) is best


@pytest.mark.parametrize(("value", "text"), [(1.25, "+1.2"), (-0.04, "0.0"), (-3.0, "-3.0")])
def test_a_difference_has_a_sign_unless_it_is_none(value: float, text: str) -> None:
    assert signed(value) == text
