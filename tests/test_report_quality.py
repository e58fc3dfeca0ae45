"""Generated data beside real data: scores with intervals, pictures, tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augqa.errors import DataError
from augqa.report.quality import (
    of_mean,
    quality_of,
    quality_pictures,
    quality_scores,
    wilson,
)
from augqa.report.quality_tables import quality_tables
from tests.example_pages import report_page
from tests.examples import quality_metrics


def test_the_interval_of_a_fraction_is_wilsons() -> None:
    # The upper end of none of n is z^2 / (n + z^2).
    low, high = wilson(0.0, 75)
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(1.959964**2 / (75 + 1.959964**2))
    assert wilson(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)


@given(st.integers(1, 400), st.data())
def test_an_interval_holds_its_fraction_and_shrinks_with_n(n: int, data: st.DataObject) -> None:
    fraction = data.draw(st.integers(0, n)) / n
    low, high = wilson(fraction, n)
    assert 0 <= low <= fraction + 1e-12
    assert fraction - 1e-12 <= high <= 1
    wider = wilson(fraction, 4 * n)
    assert wider[1] - wider[0] < high - low


def test_no_trial_says_nothing() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_the_interval_of_a_mean_is_students() -> None:
    # t of 0.975 with 24 degrees of freedom is 2.0639.
    assert of_mean(10.0, 2.0, 25) == pytest.approx(
        (10 - 2.0639 * 2 / 24**0.5, 10 + 2.0639 * 2 / 24**0.5), abs=1e-4
    )


def test_four_scores_come_first_each_with_interval_and_n() -> None:
    scores = quality_scores(quality_metrics())
    titles = [score.title for score in scores]
    assert titles == ["On topic", "Holds the fact", "Varied", "Like real data"]
    for score in scores:
        for mark in score.marks:
            assert mark.low < mark.value < mark.high
            assert mark.n > 0
    topic = {mark.name: mark.words for mark in scores[0].marks}
    assert topic == {"real": "0.61", "shuffled": "0.07", "generated": "0.43", "kept": "0.44"}


def test_a_perfect_score_on_thirteen_texts_has_a_wide_interval() -> None:
    metrics = quality_metrics()
    metrics["two_sample_auc"]["questions"]["real"] = {"n": 13, "generated": 1.0, "kept": 1.0}
    (_, kept) = quality_scores(metrics)[3].marks
    assert (kept.value, kept.words) == (100, "1.00")
    assert kept.low < 60


def test_what_was_not_measured_has_no_mark() -> None:
    metrics = quality_metrics()
    metrics["two_sample_auc"]["questions"]["real"] = {"n": 2, "generated": None, "kept": None}
    metrics["seed_questions"]["kept"] |= {"similarity": None, "seed_answer_fraction": None, "n": 0}
    topic, fact, _, like_real = quality_scores(metrics)
    assert like_real.marks == ()
    assert "kept" not in {mark.name for mark in (*topic.marks, *fact.marks)}
    assert "Too few texts to tell." in report_page(quality=quality_of(metrics))


def test_pictures_have_a_bar_for_each_set_with_its_interval() -> None:
    words, lengths, places = quality_pictures(quality_metrics())
    assert [label for label, _ in words.rows] == ["what", "when", "other"]  # by real share
    assert [label for label, _ in lengths.rows] == ["1", "4 to 5", "over 10"]
    assert next(label for label, _ in places.rows) == "first fifth"
    assert dict(words.counts) == {"real": 3, "generated": 3, "kept": 3}
    for picture in (words, lengths, places):
        for _, marks in picture.rows:
            assert [mark.name for mark in marks] == ["real", "generated", "kept"]
            assert all(mark.low <= mark.value <= mark.high <= picture.widest for mark in marks)


def test_quality_stands_beside_real_data() -> None:
    tables = {table.title: table for table in quality_tables(quality_metrics())}
    seeded = tables["Contexts and their seed questions"]
    assert seeded.columns == ("real", "shuffled", "generated", "kept")
    assert dict(seeded.rows)["Similarity to the seed question"] == ("0.61", "0.07", "0.43", "0.44")
    assert dict(seeded.rows)["Contexts that hold a seed answer"] == ("6 %",) * 4
    contexts = dict(tables["Contexts"].rows)
    assert contexts["Distinct words in 2,500 words"] == ("50 %",) * 3
    assert contexts["Texts"] == ("1,500",) * 3
    words = tables["Question words"].rows  # by real share, other last
    assert [label for label, _ in words] == ["what", "when", "other"]
    assert [label for label, _ in tables["Answers"].rows][1:4] == [
        "1 word",
        "4 to 5 words",
        "over 10 words",
    ]
    apart = tables["How well a classifier tells contexts apart"]
    assert apart.rows == (
        ("real (1,000 texts each)", ("–", "0.85", "0.80")),
        ("amazon (20 texts each)", ("0.97", "0.91", "–")),
    )


def test_quality_without_a_part_names_it() -> None:
    metrics = quality_metrics()
    del metrics["two_sample_auc"]["questions"]
    with pytest.raises(DataError, match="quality: no 'questions' in it, found contexts"):
        quality_tables(metrics)
