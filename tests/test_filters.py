import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import DataError
from augqa.filters import (
    Reason,
    advice,
    counts,
    decide,
    is_question,
    n_seeds_needed,
    over_target,
    rejection,
)
from augqa.overlap import NearDuplicates, NgramIndex, word_ngrams
from augqa.params import FilterPairs
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.tables import read_table, write_table
from tests.examples import example
from tests.scripts import function

FILTER_PAIRS = function("filter_pairs")
LIMITS: Mapping[str, Any] = {
    "test_contexts": NgramIndex([], n_words=3),
    "test_questions": NgramIndex([], n_words=3),
    "max_test_overlap_fraction": 0.5,
    "min_round_trip_f1": 50.0,
    "round_trip_exact_match": False,
    "min_reader_score": 0.0,
    "max_answer_words": 3,
    "min_question_words": 3,
    "max_question_words": 6,
}
CONTEXT = "Mary Shelley wrote Frankenstein in 1818 while she lived in Bath."


def pair(id_: str = "q1", **changes: str) -> QAExample:
    return example(id_, origin="generated", context_origin="generated", **changes)  # type: ignore[arg-type]


def answer(id_: str = "q1", *, f1: float = 100.0, score: float = 5.0) -> RoundTripAnswer:
    return RoundTripAnswer(id=id_, text="Percy", score=score, f1=f1)


def reason(judged: QAExample, read: RoundTripAnswer, **changes: Any) -> str | None:
    found = rejection(judged, read, **{**LIMITS, **changes})
    return None if found is None else found.reason


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who wrote Frankenstein?", None),
        ("Who wrote?", Reason.QUESTION_TOO_SHORT),
        ("Who wrote the book in the end?", Reason.QUESTION_TOO_LONG),
        ("Who wrote Frankenstein", Reason.NOT_A_QUESTION),
        ("Tell me the author?", Reason.NOT_A_QUESTION),
        ("Is Mary Shelley the author?", Reason.ANSWER_IN_QUESTION),
        ("Was it mary  the SHELLEY?", Reason.ANSWER_IN_QUESTION),
        ("Was it Mary, née Shelley?", None),  # not in a row
        ("Was it Rosemary Shelley then?", None),  # not the same word
    ],
)
def test_a_question_is_judged_by_its_length_form_and_words(
    question: str, expected: Reason | None
) -> None:
    assert reason(pair(question=question), answer()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("When was it built?", True),
        ("It was built when?", True),
        ("In 1901, was it sold?", True),
        ("Did she leave ?", True),
        ("“Who is it?”", True),
        ("She did leave?", False),
        ("The showhow of it?", False),
        ("When was it built.", False),
        ("من كتب الكتاب؟", True),
        ("谁写的？", True),
        ("谁写的", False),
        ("", False),
    ],
)
def test_a_question_ends_with_its_mark_and_asks(text: str, expected: bool) -> None:
    assert is_question(text) is expected


@pytest.mark.parametrize(
    ("read", "changes", "expected"),
    [
        (answer(f1=50.0), {}, None),
        (answer(f1=49.9), {}, Reason.NOT_ROUND_TRIP_CONSISTENT),
        (answer(f1=0.0), {"min_round_trip_f1": 0.0}, None),
        (answer(score=0.0), {}, None),
        (answer(score=-0.1), {}, Reason.LOW_READER_SCORE),
        (answer(score=-0.1), {"min_reader_score": None}, None),
        (answer(f1=0.0, score=-1), {"max_answer_words": 1}, Reason.ANSWER_TOO_LONG),  # the first
    ],
)
def test_a_pair_is_judged_by_what_the_reader_answers(
    read: RoundTripAnswer, changes: Mapping[str, Any], expected: Reason | None
) -> None:
    assert reason(pair(), read, **changes) == expected


def test_an_exact_match_may_be_asked_for_beside_f1() -> None:
    read = RoundTripAnswer(id="q1", text="the Mary Shelley!", score=5.0, f1=100.0)
    assert reason(pair(), read, round_trip_exact_match=True) is None
    other = RoundTripAnswer(id="q1", text="Shelley", score=5.0, f1=66.7)
    assert reason(pair(), other) is None
    assert reason(pair(), other, round_trip_exact_match=True) == "not_round_trip_consistent"


def test_a_rejection_says_the_value_that_decided() -> None:
    found = rejection(pair(), answer(f1=12.34), **LIMITS)
    assert found == Rejection(
        id="q1",
        reason="not_round_trip_consistent",
        detail="F1 12.3, the reader answers 'Percy'",
    )


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        ("A b, c!", 2, {"a b", "b c"}),
        ("A b", 3, {"a b"}),
        ("?!", 2, set()),
        ("Cafe\u0301 Zoë", 2, {"cafe\u0301 zoë"}),
    ],
)
def test_ngrams_are_runs_of_words(text: str, n: int, expected: set[str]) -> None:
    assert word_ngrams(text, n) == expected


def test_what_shares_too_many_ngrams_with_a_test_set_is_dropped() -> None:
    # The context has 9 trigrams; the first four stand in the test context: 0.444.
    seen = NgramIndex(["mary shelley WROTE frankenstein, in 1818 -- again"], n_words=3)
    judged = pair(context=CONTEXT)
    assert seen.shared_fraction(CONTEXT) == pytest.approx(4 / 9)
    assert reason(judged, answer(), test_contexts=seen) is None
    strict = {"test_contexts": seen, "max_test_overlap_fraction": 0.4}
    assert reason(judged, answer(), **strict) == Reason.CONTEXT_IN_TEST_SET
    asked = NgramIndex(["Who wrote Frankenstein"], n_words=8)
    assert reason(judged, answer(), test_questions=asked) == Reason.QUESTION_IN_TEST_SET


def test_a_question_may_repeat_only_on_another_context_with_another_answer() -> None:
    other = "Percy Shelley wrote Ozymandias. Mary Shelley read it. Frankenstein is hers."
    pairs = [
        pair("first"),
        pair("again", question="who wrote the Frankenstein?"),  # equal but for case and article
        pair("other-answer", question="Who wrote Frankenstein?", answer="1818"),
        pair("same-answer", context=other, answer="Mary Shelley"),
        pair("fine", context=other, answer="Percy Shelley"),
    ]
    kept, rejected = decide(
        pairs,
        {p.id: answer(p.id) for p in pairs},
        min_duplicate_similarity=None,
        max_pairs_per_context=None,
        **LIMITS,
    )
    assert [p.id for p in kept] == ["first", "fine"]
    assert {r.id: (r.reason, r.detail) for r in rejected} == {
        "again": ("duplicate_question", "of first"),
        "other-answer": ("duplicate_question", "of first"),
        "same-answer": ("duplicate_question", "of first"),
    }


def test_a_nearly_equal_question_goes_the_same_way() -> None:
    pairs = [
        pair("first", question="Who wrote the novel Frankenstein?"),
        pair("near", question="Who wrote a novel, Frankensteins?"),
        pair("far", question="Whose novel is it?"),
    ]
    answers = {p.id: answer(p.id) for p in pairs}
    loose = decide(
        pairs, answers, min_duplicate_similarity=0.95, max_pairs_per_context=None, **LIMITS
    )
    assert [p.id for p in loose[0]] == ["first", "near", "far"]
    kept, rejected = decide(
        pairs, answers, min_duplicate_similarity=0.8, max_pairs_per_context=None, **LIMITS
    )
    assert [p.id for p in kept] == ["first", "far"]
    assert [(r.id, r.reason) for r in rejected] == [("near", "near_duplicate_question")]


def test_a_nearly_equal_question_may_stand_elsewhere_with_another_answer() -> None:
    other = "Percy Shelley wrote Ozymandias. Mary Shelley read it."
    pairs = [
        pair("first", question="Who wrote the famous novel?"),
        pair("stranger", question="Who wrote the famous novels?", context=other, answer="Percy"),
        pair("same", question="Who wrote a famous novel then?", context=other),
    ]
    kept, rejected = decide(
        pairs,
        {p.id: answer(p.id) for p in pairs},
        min_duplicate_similarity=0.7,
        max_pairs_per_context=None,
        **LIMITS,
    )
    assert [p.id for p in kept] == ["first", "stranger"]
    assert [r.reason for r in rejected] == ["near_duplicate_question"]


def test_similarity_is_the_jaccard_index_of_four_character_sets() -> None:
    seen = NearDuplicates(0.3)
    seen.add("a", "abcd")  # " abc", "abcd", "bcd "
    assert seen.similar("The ABCD!") == [("a", 1.0)]
    # " abc", "abce" and "bce " share one of five with it; "abcd e" has all three and two more.
    assert seen.similar("abce") == []
    assert seen.similar("abcd e") == [("a", pytest.approx(3 / 5))]
    seen.add("b", "abcd e")
    assert seen.similar("abcd") == [("a", 1.0), ("b", pytest.approx(3 / 5))]


def test_a_rejected_pair_hides_no_later_one_as_its_duplicate() -> None:
    pairs = [pair("bad"), pair("good")]
    answers = {"bad": answer("bad", f1=0.0), "good": answer("good")}
    kept, _ = decide(
        pairs, answers, min_duplicate_similarity=0.5, max_pairs_per_context=None, **LIMITS
    )
    assert [p.id for p in kept] == ["good"]


def test_of_one_context_the_best_scored_pairs_stay_in_their_order() -> None:
    questions = ["Who wrote Frankenstein?", "What is her name?", "Which author lived there?"]
    pairs = [pair(f"q{n}", question=question) for n, question in enumerate(questions)]
    pairs.append(pair("alone", context=CONTEXT))
    scores = {"q0": 2.0, "q1": 1.0, "q2": 2.0, "alone": 0.0}
    answers = {id_: answer(id_, score=score) for id_, score in scores.items()}
    kept, rejected = decide(
        pairs,
        answers,
        min_duplicate_similarity=None,
        max_pairs_per_context=2,
        **{**LIMITS, "min_reader_score": None},
    )
    # "alone" has another context, but repeats question and answer of q0.
    assert [p.id for p in kept] == ["q0", "q2"]
    assert counts(rejected) == {"duplicate_question": 1, "over_max_pairs_per_context": 1}


def test_each_reason_has_a_param_that_exists_or_none() -> None:
    text = advice(dict.fromkeys(Reason, 1))
    for line in text.splitlines():
        if "filter_pairs." in line:
            assert line.rsplit(".", 1)[1] in FilterPairs.model_fields
    assert len(text.splitlines()) == len(Reason)


def test_the_pairs_of_the_first_seeds_make_up_the_target() -> None:
    # Pairs on real contexts come last in the table, and still belong to their seeds.
    pairs = [pair(id_) for id_ in ("b/c1/p0", "b/c1/p1", "a/x/c1/p0", "b/r/p0", "a/x/r/p0")]

    def dropped(target: int | None) -> list[str]:
        return [row.id for row in over_target(pairs, ["a/x", "b"], target_kept=target)]

    assert dropped(3) == ["b/c1/p1", "b/r/p0"]
    assert dropped(1) == ["b/c1/p0", "b/c1/p1", "b/r/p0", "a/x/r/p0"]
    assert dropped(5) == dropped(None) == []


@pytest.mark.parametrize(
    ("n_kept", "n_seeds", "expected"),
    [
        (10, 10, 21),  # one a seed: 20 and a twentieth
        (19, 100, 111),  # 105.3 · 1.05
        (1, 10, 200),  # 210, but the pool has 200
        (20, 10, None),  # reached
        (10, 200, None),  # no seed is left
        (0, 10, None),  # nothing to go by
    ],
)
def test_the_seeds_needed_follow_from_the_yield(
    n_kept: int, n_seeds: int, expected: int | None
) -> None:
    found = n_seeds_needed(n_kept=n_kept, target_kept=20, n_seeds=n_seeds, n_pool=200)
    assert found == expected


# --- The stage -------------------------------------------------------------------------------


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
            seeds=folder / "seeds.parquet",
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
    write_table(folder / "seeds.parquet", [example("s1"), example("s2")], QAExample)
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
    with pytest.raises(DataError, match="no test set"):
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
    assert "target_kept asks for 3: that takes about 7 seeds instead of 2" in str(error.value)
    assert json.loads((project / "m.json").read_text())["n_seeds_needed"] == 7
    assert not (project / "kept.parquet").exists()


def test_filter_pairs_goes_on_where_the_seeds_ran_out(project: Path) -> None:
    written(project, [pair("s1/c1/p0")], [answer("s1/c1/p0")])
    (project / "prepare.json").write_text('{"n_pool": 2}')
    set_params(project, target_kept=3)
    assert run_filter_pairs(project).endswith("; the seeds ran out 2 short of target_kept")
    assert "n_seeds_needed" not in json.loads((project / "m.json").read_text())


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
