"""Filters and the gate on kept pairs give the same by several processes as by one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from augqa import processes, tables
from augqa.expectations import example_frame
from augqa.filters import JudgedAlone, Surroundings, decide, judge_rows
from augqa.overlap import similar_texts
from augqa.records import QAExample, RoundTripAnswer
from augqa.tables import iterate_table, write_table
from tests.examples import example
from tests.filtering import SETTINGS, held_out, pair, read
from tests.gating import FILTERED

N = 24


@pytest.fixture
def n_cores(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how many there are; parts are of three rows, so that a context lies in two of them."""
    monkeypatch.setattr(processes, "_ROWS_A_PART", 3)
    return lambda n: monkeypatch.setattr(processes, "_cores", lambda: n)


def pairs() -> list[QAExample]:
    """Return pairs, four a context, of which filters drop some for each kind of reason."""
    odd = {
        1: {"question": "Who wrote it then and why and where and for whom?"},  # too long
        5: {"question": "What does the passage say?"},
        6: {"question": "Who wrote Frankenstein?"},  # as in the test sets
        9: {"answer": "Frankenstein in 1818 by her"},
        14: {"question": "Who wrote the the book?"},
    }
    return [
        pair(
            f"q{n}",
            **{
                "question": f"Who wrote book {n % 7}?",
                "context": f"Percy wrote Frankenstein in 1818 by her own hand, {n // 4}.",
                "answer": "Percy",
                **odd.get(n, {}),
            },
        )
        for n in range(N)
    ]


def answers(order: Sequence[int] = range(N)) -> list[RoundTripAnswer]:
    return [read(f"q{n}", f1=10.0 if n in (2, 17) else 100.0, score=float(n)) for n in order]


def judged(folder: Path, given: list[RoundTripAnswer]) -> tuple[JudgedAlone, Any]:
    write_table(folder / "pairs.parquet", pairs(), QAExample)
    write_table(folder / "answers.parquet", given, RoundTripAnswer)
    around: dict[str, Any] = {
        "settings": {**SETTINGS, "max_pairs_per_context": 1},
        "surroundings": Surroundings(held_out=held_out(questions=["Who wrote Frankenstein?"])),
    }
    found = judge_rows(folder / "pairs.parquet", answers=folder / "answers.parquet", **around)
    return found, decide(found, **around)


def test_filters_decide_the_same_on_two_cores_as_on_one(tmp_path: Path, n_cores: Any) -> None:
    n_cores(1)
    alone, decision = judged(tmp_path, answers())
    assert {found.reason for found in decision.rejected.values()} >= {
        *("question_too_long", "passage_dependent", "question_in_test_set", "answer_too_long"),
        *("garbled", "not_round_trip_consistent", "duplicate_question"),
        "over_max_pairs_per_context",
    }
    n_cores(2)
    assert judged(tmp_path, answers()) == (alone, decision)
    n_cores(3)
    assert judged(tmp_path, answers()) == (alone, decision)


def test_answers_in_another_order_than_the_pairs_change_nothing(
    tmp_path: Path, n_cores: Any
) -> None:
    n_cores(2)
    assert judged(tmp_path, answers(range(N - 1, -1, -1))) == judged(tmp_path, answers())


def test_pairs_without_an_answer_are_counted_where_answers_are_fewer(
    tmp_path: Path, n_cores: Any
) -> None:
    n_cores(2)
    found, _ = judged(tmp_path, answers([n for n in range(N) if n not in (3, 20)]))
    assert (found.without, found.n_pairs) == (["q3", "q20"], N)


def test_the_gate_on_kept_pairs_sees_the_same_on_two_cores_as_on_one(
    tmp_path: Path, n_cores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_ROWS_A_GROUP", 2)  # several batches a part
    write_table(tmp_path / "kept.parquet", pairs(), QAExample)
    # Of another order, and one is missing.
    write_table(tmp_path / "answers.parquet", answers(range(N - 2, -1, -1)), RoundTripAnswer)
    frames = []
    for cores in (1, 2):
        n_cores(cores)
        frames.append(
            example_frame(
                tmp_path / "kept.parquet",
                round_trip=tmp_path / "answers.parquet",
                filtered=FILTERED,
            ).data
        )
    assert frames[0]["reader_score"].to_list()[:-1] == list(range(N - 1))
    assert frames[0]["reader_score"].isna().sum() == 1
    pd.testing.assert_frame_equal(frames[0], frames[1])


def test_texts_that_are_alike_are_found_on_two_cores_as_on_one(n_cores: Any) -> None:
    texts = [f"Who wrote the {n // 3}th book of {n}?" for n in range(90)]
    groups = [range(n, n + 5) for n in range(80)] + [range(40)]
    found = []
    for cores in (1, 2):
        n_cores(cores)
        found.append(similar_texts(texts, groups, 0.7))
    assert len(found[0]) > 30
    assert found[0] == found[1]


@pytest.mark.parametrize("rows", [range(5), range(1000, 1100), range(1030, 2049), range(3000)])
def test_rows_are_read_alone_wherever_groups_of_the_file_end(tmp_path: Path, rows: range) -> None:
    table = [example(f"q{n}") for n in range(2500)]
    write_table(tmp_path / "t.parquet", table, QAExample)
    found = list(iterate_table(tmp_path / "t.parquet", QAExample, rows=rows))
    assert [row.id for row in found] == [row.id for row in table[rows.start : rows.stop]]
