"""A language model grades pairs: what it writes is read, counted, cached, and chosen by."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.blends.selecting import by_grade
from augqa.errors import ParamsError, RecordError
from augqa.judging import parse_grades
from augqa.params import load_params
from augqa.prompts.templates import packaged
from augqa.records import Judgement, QAExample
from augqa.tables import read_table, write_table
from tests.blends.test_kinds import pair
from tests.chat_server import Model
from tests.scripts import function
from tests.work import no_hang

pytest_plugins = ["tests.chat_server"]

ROOT = Path(__file__).parents[1]
LINES = "Question: 5\nAnswer: 4\nGrounding: 3"


@pytest.mark.parametrize(
    ("text", "grades"),
    [
        (LINES, (5, 4, 3)),
        ("Sure!\n**Question:** 5/5\n- answer = 4\n* Grounding - 3.\nIt is plain.", None),
        ("Sure!\n**Question:** 5/5\n- answer = 4\n* Grounding - 3\nIt is plain.", (5, 4, 3)),
        ("<think>Question: 1</think>" + LINES, (5, 4, 3)),
        ('```json\n{"question": 5, "answer": 4, "grounding": 3}\n```', (5, 4, 3)),
        ('{"question": 5, "answer": 4, "grounding": 6}', None),
        ('{"question": true, "answer": 4, "grounding": 3}', None),
        ("Question: 5\nAnswer: 4", None),
        (LINES + "\nAnswer: 1", None),  # two opinions are none
        ("Question: 10\nAnswer: 4\nGrounding: 3", None),
        ("Question: 4.5\nAnswer: 4\nGrounding: 3", None),
        ("", None),
    ],
)
def test_grades_are_read_or_there_are_none(text: str, grades: tuple[int, ...] | None) -> None:
    assert parse_grades(text) == grades


def test_a_long_text_is_read_once() -> None:
    with no_hang():
        assert parse_grades("question" + " :" * 1_000_000 + '{"question": ' * 1_000) is None


@pytest.mark.parametrize("name", ["judge", "judge_json"])
def test_the_worked_examples_parse_as_what_they_show(name: str) -> None:
    replies = [text for role, text in packaged(name).turns if role == "assistant"]
    assert [parse_grades(text) for text in replies] == [(5, 5, 5), (2, 3, 4), (5, 1, 1)]


@pytest.mark.parametrize("grades", [(5, 4, None), (5, 4, 0)])
def test_a_judgement_without_all_grades_has_a_failure(grades: tuple[Any, ...]) -> None:
    question, answer, grounding = grades
    with pytest.raises(RecordError, match="g1: grades"):
        Judgement(
            id="g1",
            question=question,
            answer=answer,
            grounding=grounding,
            failure=None,
            model="m",
            prompt_sha256="0",
        )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model) -> Path:
    """Return a folder with params.yaml and four pairs, entered; its language model is `model`."""
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    change(
        tmp_path,
        llm={
            "provider": "openai",
            "base_url": model.url,
            "model": "tiny",
            "max_retries": 0,
            "max_failed_fraction": 1.0,
            "prices": {"tiny": {"prompt": 1.0, "completion": 5.0, "as_of": "2026-11-29"}},
        },
    )
    (tmp_path / "prompts").mkdir()
    pairs = [pair(f"g{n}", question=f"Who wrote number {n}?") for n in range(4)]
    write_table(tmp_path / "kept.parquet", pairs, QAExample)
    return tmp_path


def change(project: Path, **sections: Any) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, changes in sections.items():
        values[name] = {**values[name], **changes} if isinstance(changes, Mapping) else changes
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def judge(project: Path) -> tuple[list[Judgement], dict[str, Any]]:
    function("judge_pairs")(
        pairs=project / "kept.parquet",
        prompts=project / "prompts",
        judgements=project / "judged",
        metrics=project / "m.json",
    )
    rows = read_table(project / "judged" / "judgements.parquet", Judgement)
    return rows, json.loads((project / "m.json").read_text())


def test_each_pair_has_grades_or_a_reason_and_tokens_are_counted(
    project: Path, model: Model
) -> None:
    model.answer = lambda asked: "no idea" if "number 2" in asked else LINES
    rows, metrics = judge(project)
    assert [row.id for row in rows] == ["g0", "g1", "g2", "g3"]
    assert [row.grade for row in rows] == [3, 3, None, 3]
    assert rows[2].failure == "unreadable_grades"
    assert metrics["n_by_grade"] == {"3": 3}
    assert metrics["n_failed.unreadable_grades"] == 1
    assert (metrics["prompt_tokens"], metrics["completion_tokens"]) == (28, 20)
    # At 1 and 5 dollars a million, to four decimals.
    assert metrics["list_cost_usd"] == pytest.approx(28e-6 + 100e-6, abs=1e-4)
    asked = model.asked[0]["messages"][-1]["content"]
    assert asked.startswith("Passage: ")
    assert asked.endswith("Question: Who wrote number 0?\nAnswer: Mary Shelley")


def test_a_second_run_asks_for_nothing_and_gives_the_same_bytes(
    project: Path, model: Model
) -> None:
    model.answer = lambda _: LINES
    judge(project)
    n_asked = len(model.asked)
    first = (project / "judged" / "judgements.parquet").read_bytes()
    judge(project)
    assert len(model.asked) == n_asked == 4
    assert (project / "judged" / "judgements.parquet").read_bytes() == first


def test_json_is_asked_for_by_a_schema(project: Path, model: Model) -> None:
    change(project, judge_pairs={"structured": True})
    model.answer = lambda _: '{"question": 5, "answer": 5, "grounding": 4}'
    rows, _ = judge(project)
    assert {row.grade for row in rows} == {4}
    schema = model.asked[0]["response_format"]["json_schema"]["schema"]
    assert set(schema["properties"]) == {"question", "answer", "grounding"}


def test_a_request_that_fails_is_a_row_with_the_client_s_reason(
    project: Path, model: Model
) -> None:
    model.answer = lambda _: "I'm sorry, but I can't help with that."
    model.finish_reason = "content_filter"
    rows, _ = judge(project)
    assert {row.failure for row in rows} == {"content_filter"}


def test_a_chooser_takes_those_of_at_least_a_grade() -> None:
    def judgement(id_: str, grade: int | None) -> Judgement:
        return Judgement(
            id=id_,
            question=None if grade is None else 5,
            answer=grade,
            grounding=None if grade is None else 5,
            failure="timeout" if grade is None else None,
            model="m",
            prompt_sha256="0",
        )

    judged = {f"g{n}": judgement(f"g{n}", grade) for n, grade in enumerate([5, 4, 3, None])}
    kept, out = by_grade([pair(f"g{n}") for n in range(5)], judged, min_grade=4)
    assert [p.id for p in kept] == ["g0", "g1"]
    assert {row.id: (row.reason, row.detail) for row in out} == {
        "g2": ("graded_low", "question 5, answer 3, grounding 5"),
        "g3": ("not_judged", "timeout"),
        "g4": ("not_judged", ""),
    }


def test_a_recipe_that_goes_by_grades_needs_judged_pairs(project: Path) -> None:
    blend = yaml.safe_load((project / "params.yaml").read_text())["blend"]
    blend["mix"]["choose"] = [{"kind": "judged", "min_grade": 4}]
    change(project, blend=blend, regimes=["mix"], judged=[])
    with pytest.raises(ParamsError, match=r"set judged to \[kept\]"):
        load_params()
    change(project, judged=["kept"])
    assert load_params().judged == ["kept"]


@pytest.mark.parametrize(("judged", "there"), [([], False), (["kept"], True)])
def test_the_stage_is_in_the_pipeline_where_params_name_a_table(
    judged: list[str], there: bool, project: Path
) -> None:
    shutil.copyfile(ROOT / "dvc.yaml", project / "dvc.yaml")
    change(project, judged=judged)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, check=True, cwd=project, capture_output=True)
    listed = subprocess.run(
        ["dvc", "stage", "list", "--name-only"], capture_output=True, text=True, check=True
    )
    assert ("judge_pairs@kept" in listed.stdout.split()) is there
