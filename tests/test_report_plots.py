"""Records for `dvc plots`."""

import pytest

from augqa.report.plots import by_generated_fraction, f1_by_set, funnel, question_words
from tests import example_pages
from tests.examples import quality_metrics
from tests.test_report import TWO, found


def test_plot_records_are_flat_and_in_the_order_of_the_table() -> None:
    records = f1_by_set(found(TWO))
    assert [record["bar"] for record in records[:3]] == [
        "squad, real",
        "squad, mix",
        "new_wiki, real",
    ]
    assert records[1]["f1"] == 39.0
    assert by_generated_fraction(found(TWO))[1] == {
        "regime": "mix",
        "n_examples": 40,
        "generated_fraction": 0.25,
        "mean_shift_f1": pytest.approx(27.1),
    }
    assert funnel(example_pages.STEPS)[:2] == [
        {"step": "seed questions", "n": 2000},
        {"step": "contexts", "n": 1950},
    ]


def test_question_words_are_one_record_a_word_and_set() -> None:
    records = question_words(quality_metrics())
    bars = [record["bar"] for record in records]
    assert bars[:3] == ["other, real", "other, generated", "other, kept"]
    assert len(bars) == 9
    assert records[-1] == {"bar": "when, kept", "word": "when", "set": "kept", "fraction": 0.0}
