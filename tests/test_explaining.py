"""Where a number or a pair comes from: the stages behind it alone, and each step of a pair."""

from pathlib import Path
from typing import Any

import pytest

from augqa.errors import DataError
from augqa.explaining import (
    number_lines,
    pair_lines,
    past_of,
    prompts_of,
    read_evaluation,
    read_lock,
)
from augqa.records import GeneratedContext, QAExample, Rejection, RoundTripAnswer
from augqa.tables import write_table
from tests.examples import example, generated_context


def stage(*deps: str, outs: tuple[str, ...], **params: Any) -> dict[str, Any]:
    return {
        "deps": [{"path": path, "md5": "d"} for path in deps],
        "outs": [{"path": path, "md5": f"md5 of {path}"} for path in outs],
        "params": {"params.yaml": params},
    }


STAGES = {
    "hash_code": stage("src", outs=("data/code",)),
    "prepare": stage("data/code/prepare.json", outs=("data/pool",), prepare={"seed": 13}),
    "validate@pool": stage("data/pool", outs=("metrics/validation/pool.json",)),
    "blend@mix": stage(
        "data/pool", "metrics/validation/pool.json", outs=("data/blends/mix",), blend={"n": 40}
    ),
    "blend@other": stage("data/pool", outs=("data/blends/other",)),
    "train@mix-1": stage("data/blends/mix/1.parquet", outs=("data/models/mix-1",)),
    "evaluate@mix-1": stage("data/models/mix-1", outs=("data/predictions/mix-1",)),
}


def test_only_the_stages_behind_a_number_are_told_first_to_last() -> None:
    past = past_of(STAGES, "evaluate@mix-1")
    assert [made.stage for made in past] == [
        "prepare",
        "blend@mix",
        "train@mix-1",
        "evaluate@mix-1",
    ]
    assert past[1].outs == {"data/blends/mix": "md5 of data/blends/mix"}
    assert past[0].params == {"prepare.seed": 13}


def test_a_stage_that_has_not_run_names_those_that_have() -> None:
    with pytest.raises(DataError, match=r"evaluate@mix-2 has not run. It knows evaluate@mix-1"):
        past_of(STAGES, "evaluate@mix-2")


def lines_of(test_set: str) -> str:
    scores = {"f1": 41.234, "exact_match": 20.0, "n_questions": 52}
    return "\n".join(
        number_lines(
            recipe="mix",
            test_set=test_set,
            evaluations={1: {"run_key": "k" * 64, "sets": {"amazon": scores}}},
            stages=STAGES,
            commit="abc123 of today",
            run_ids={"k" * 64: "run7"},
            served={"generate_contexts": {"n_by_model": {"small": 32}}, "generate_pairs": {}},
            prompts=["p" * 64],
        )
    )


def test_a_number_has_its_commit_md5s_params_models_prompts_run_and_command() -> None:
    text = lines_of("amazon")
    for words in (
        "F1 41.23, exact match 20.00, 52 questions",
        "MLflow run run7",
        "Commit: abc123 of today",
        "md5 of data/models/mix-1",
        "blend.n: 40",
        "generate_contexts: small (32)",
        f"prompt {'p' * 64}",
        "augqa run evaluate@mix-1",
    ):
        assert words in text


def test_a_set_that_was_not_measured_names_those_that_were() -> None:
    with pytest.raises(DataError, match="not measured on 'nyt': choose one of amazon"):
        lines_of("nyt")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    pair = example("q1/c0/p0", origin="generated", context_origin="generated")
    dropped = example("q1/c0/p1", origin="generated", context_origin="generated")
    write_table(tmp_path / "generated/pairs.parquet", [pair, dropped], QAExample)
    refused = Rejection(id="q1/c0/p2", reason="answer_not_a_span", detail="Ada")
    write_table(tmp_path / "generated/pairs_rejected.parquet", [refused], Rejection)
    context = generated_context("Mary Shelley wrote Frankenstein in 1818.", id_="q1/c0")
    write_table(tmp_path / "generated/contexts.parquet", [context], GeneratedContext)
    seed = example("q1", question="Who wrote it?")
    write_table(tmp_path / "prepared/seed_questions.parquet", [seed], QAExample)
    answer = RoundTripAnswer(id="q1/c0/p0", text="Shelley", score=1.0, f1=66.7)
    write_table(tmp_path / "generated/round_trip_answers.parquet", [answer], RoundTripAnswer)
    write_table(tmp_path / "filtered/kept.parquet", [pair], QAExample)
    reason = Rejection(id="q1/c0/p1", reason="answer_in_question", detail="Ada")
    write_table(tmp_path / "filtered/rejected.parquet", [reason], Rejection)
    write_table(tmp_path / "blends/mix/7.parquet", [pair], QAExample)
    return tmp_path


def test_a_kept_pair_is_followed_from_its_seed_question_to_the_training_set(data: Path) -> None:
    text = "\n".join(pair_lines("q1/c0/p0", data))
    for words in (
        "seed question q1: Who wrote it? (Mary Shelley)",
        "context q1/c0: by m, style encyclopedic, prompt 0",
        "answer: 'Mary Shelley' at 0",
        "round-trip answer: 'Shelley', F1 66.7",
        "kept by the filters",
        "in the training set of mix, training seed 7",
    ):
        assert words in text


def test_a_dropped_and_a_refused_pair_name_the_reason(data: Path) -> None:
    assert "dropped by a filter: answer_in_question (Ada)" in "\n".join(
        pair_lines("q1/c0/p1", data)
    )
    refused = "\n".join(pair_lines("q1/c0/p2", data))
    assert "refused by the generator: answer_not_a_span (Ada)" in refused
    assert "round-trip" not in refused


def test_an_unknown_pair_is_an_error(data: Path) -> None:
    with pytest.raises(DataError, match="no pair 'q9/c0/p0'"):
        pair_lines("q9/c0/p0", data)


def test_prompts_are_those_of_the_training_sets(data: Path) -> None:
    assert prompts_of([data / "blends/mix/7.parquet"]) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it has no stages"),
        (b"- 1", "it has no stages"),
        (b"stages: 3", "it has no stages"),
        (b"stages: {a: null}", "stage a: holds a NoneType"),
        (b"stages: {1: {}}", "stage 1: its name is no text"),
        (b"stages: {a: {deps: 3}}", "stage a: deps has an entry without a path: 3"),
        (b"stages: {a: {outs: [{md5: x}]}}", "stage a: outs has an entry without a path"),
        (b"stages: {a: {outs: [{path: 3}]}}", "stage a: outs has an entry without a path"),
        (b"stages: {a: {params: {params.yaml: 3}}}", "stage a: params are not keys with values"),
        (b"stages: {a: {params: 3}}", "stage a: params are not keys with values"),
        (b"stages: !!timestamp x", "line 1: x is no value"),
        (b"stages: " + b"[" * 100_000, "nested more than"),
        (b"stages: \xe9", "not UTF-8"),
        (b"stages: {'a\x1b': 3}", "not YAML"),
    ],
)
def test_what_is_no_lock_file_is_one_line_that_names_it(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "dvc.lock"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_lock(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: not a lock file of DVC: ")
    assert says in said
    assert said.isprintable()


def test_stages_that_come_from_each_other_are_an_error() -> None:
    stages = {"a": stage("y", outs=("x",)), "b": stage("x", outs=("y",))}
    with pytest.raises(DataError, match="stage a comes from itself"):
        past_of(stages, "a")


def test_a_past_may_be_as_long_as_it_likes() -> None:
    stages = {f"s{n}": stage(f"p{n + 1}", outs=(f"p{n}",)) for n in range(3_000)}
    assert [made.stage for made in past_of(stages, "s0")][:2] == ["s2999", "s2998"]


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ("3", "sets is 3: "),
        ('{"amazon": 3}', "sets.amazon is 3: "),
        ('{"amazon": {"f1": "x", "exact_match": 1, "n_questions": 2}}', 'amazon.f1 is "x"'),
        ('{"amazon": {"f1": 1, "exact_match": NaN, "n_questions": 2}}', "exact_match is NaN"),
        ('{"amazon": {"f1": 1, "exact_match": 2}}', "no n_questions of amazon"),
    ],
)
def test_metrics_that_hold_no_scores_are_named(tmp_path: Path, sets: str, says: str) -> None:
    path = tmp_path / "real-1.json"
    path.write_text(f'{{"sets": {sets}}}', encoding="utf-8")
    with pytest.raises(DataError, match=says) as caught:
        read_evaluation(path)
    assert str(caught.value).startswith(f"{path}: ")
