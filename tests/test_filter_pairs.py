"""The stage filter_pairs: what it writes, and what it says where it stops."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import DataError
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.tables import read_table, write_table
from tests.examples import example
from tests.filtering import pair
from tests.filtering import read as answer
from tests.scripts import function

FILTER_PAIRS = function("filter_pairs")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with params.yaml, entered."""
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    # The profile in force may keep all; here the round trip is to decide.
    set_params(tmp_path, min_round_trip_f1=50.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def set_params(project: Path, **changes: Any) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["filter_pairs"] |= changes
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def run_filter_pairs(folder: Path) -> str:
    return str(
        FILTER_PAIRS(
            pairs=folder / "pairs.parquet",
            round_trip_answers=folder / "answers.parquet",
            test=folder / "test",
            seed_questions=folder / "seed_questions.parquet",
            prepare=folder / "prepare.json",
            kept=folder / "kept.parquet",
            rejected=folder / "rejected.parquet",
            metrics=folder / "m.json",
        )
    )


def written(folder: Path, pairs: list[QAExample], answers: list[RoundTripAnswer]) -> None:
    write_table(folder / "pairs.parquet", pairs, QAExample)
    write_table(folder / "answers.parquet", answers, RoundTripAnswer)
    test = example("t1", context="Nothing of the kind.", question="What kind is it?", answer="kind")
    write_table(folder / "test" / "squad.parquet", [test], QAExample)
    write_table(folder / "seed_questions.parquet", [example("s1"), example("s2")], QAExample)
    (folder / "prepare.json").write_text('{"n_pool": 9}')


def test_filter_pairs_parts_all_pairs_into_kept_and_rejected(project: Path) -> None:
    pairs = [pair("q1"), pair("q2"), pair("q3", question="What was written in 1818?")]
    written(project, pairs, [answer("q1"), answer("q2"), answer("q3", f1=10.0)])
    closing = run_filter_pairs(project)
    assert closing == (
        "kept 1 of 3 pairs; rejected: 1 not_round_trip_consistent, 1 duplicate_question"
    )
    assert read_table(project / "kept.parquet", QAExample) == pairs[:1]
    rejected = read_table(project / "rejected.parquet", Rejection)
    assert [row.id for row in rejected] == ["q2", "q3"]
    assert json.loads((project / "m.json").read_text()) == {
        "n_kept": 1,
        "n_rejected": {"duplicate_question": 1, "not_round_trip_consistent": 1},
        "n_not_english": 0,
    }


def test_filter_pairs_with_nothing_left_says_which_params_to_change(project: Path) -> None:
    written(project, [pair("q1"), pair("q2")], [answer("q1", f1=0.0), answer("q2", f1=0.0)])
    with pytest.raises(DataError, match="none of the 2 pairs is left") as error:
        run_filter_pairs(project)
    message = str(error.value)
    assert "2 not_round_trip_consistent: change filter_pairs.min_round_trip_f1" in message
    assert len(read_table(project / "rejected.parquet", Rejection)) == 2
    assert json.loads((project / "m.json").read_text())["n_kept"] == 0
    assert not (project / "kept.parquet").exists()


def test_filter_pairs_refuses_answers_of_other_pairs(project: Path) -> None:
    written(project, [pair("q1"), pair("q2")], [answer("q1")])
    with pytest.raises(DataError, match=r"no answer to 1 of 2 pairs of .*, the first one q2"):
        run_filter_pairs(project)


def test_filter_pairs_without_a_test_set_does_not_call_pairs_clean(project: Path) -> None:
    written(project, [pair("q1")], [answer("q1")])
    (project / "test" / "squad.parquet").unlink()
    with pytest.raises(DataError, match="test: no table in this folder"):
        run_filter_pairs(project)


def test_filter_pairs_reads_its_limits_from_params(project: Path) -> None:
    written(project, [pair("q1")], [answer("q1", score=1.0)])
    set_params(project, min_reader_score=2.0)
    with pytest.raises(
        DataError, match=r"1 low_reader_score: change filter_pairs\.min_reader_score"
    ):
        run_filter_pairs(project)


def test_filter_pairs_stops_short_of_the_target_and_says_how_many_seeds_it_takes(
    project: Path,
) -> None:
    written(project, [pair("s1/c1/p0")], [answer("s1/c1/p0")])
    set_params(project, target_kept=3)
    with pytest.raises(DataError, match=r"1 pairs are kept, 0\.50 a seed, but") as error:
        run_filter_pairs(project)
    assert "target_kept asks for 3: that takes about 7 seed questions instead of 2" in str(
        error.value
    )
    assert json.loads((project / "m.json").read_text())["n_seed_questions_needed"] == 7
    assert not (project / "kept.parquet").exists()


def test_filter_pairs_goes_on_where_the_seeds_ran_out(project: Path) -> None:
    written(project, [pair("s1/c1/p0")], [answer("s1/c1/p0")])
    (project / "prepare.json").write_text('{"n_pool": 2}')
    set_params(project, target_kept=3)
    assert run_filter_pairs(project).endswith("; the seed questions ran out 2 short of target_kept")
    assert "n_seed_questions_needed" not in json.loads((project / "m.json").read_text())


def test_filter_pairs_keeps_no_more_than_the_target(project: Path) -> None:
    others = ["When did it rain?", "Where does the river end?", "Which town is it?"]
    pairs = [
        pair(f"s2/c1/p{n}", question=question, answer="1818") for n, question in enumerate(others)
    ] + [pair("s1/r/p0")]
    written(project, pairs, [answer(p.id) for p in pairs])
    set_params(project, target_kept=2)
    run_filter_pairs(project)
    kept = [row.id for row in read_table(project / "kept.parquet", QAExample)]
    assert kept == ["s2/c1/p0", "s1/r/p0"]
    assert json.loads((project / "m.json").read_text())["n_rejected"] == {"over_target_kept": 2}


def test_filter_pairs_warns_of_what_is_not_english(project: Path) -> None:
    context = "玛丽·雪莱在1818年写了弗兰肯斯坦。她住在巴斯。"
    foreign = pair("q1", context=context, question="谁写了弗兰肯斯坦？", answer="玛丽·雪莱")
    written(project, [foreign, pair("q2")], [answer("q1"), answer("q2")])
    assert "warning: 1 of 2 pairs do not read as English" in run_filter_pairs(project)
    metrics = json.loads((project / "m.json").read_text())
    assert (metrics["n_kept"], metrics["n_not_english"]) == (2, 1)


def test_filter_pairs_takes_answers_in_any_order(project: Path) -> None:
    pairs = [pair(f"q{n}", question=f"Who wrote book number {n}?") for n in range(4)]
    good = [answer(f"q{n}", f1=100.0 if n % 2 else 0.0) for n in (3, 0, 2, 1)]
    set_params(project, min_duplicate_similarity=None)
    written(project, pairs, good)
    run_filter_pairs(project)
    # The same question with the same answer but for a number is another one.
    assert [row.id for row in read_table(project / "kept.parquet", QAExample)] == ["q1", "q3"]


def test_kept_pairs_are_written_as_any_table_is(project: Path) -> None:
    pairs = [pair(f"q{n}", question=f"Who wrote book {n}?") for n in range(2500)]
    answers = [answer(p.id, f1=100.0 if n % 3 else 0.0) for n, p in enumerate(pairs)]
    set_params(project, min_duplicate_similarity=None)
    written(project, pairs, answers)
    run_filter_pairs(project)
    kept = [p for n, p in enumerate(pairs) if n % 3]
    write_table(project / "expected.parquet", kept, QAExample)
    expected = (project / "expected.parquet").read_bytes()
    assert (project / "kept.parquet").read_bytes() == expected
