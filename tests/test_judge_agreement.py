"""benchmarks/judge.py: how far a model's grades agree with what a person said of the same pairs."""

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import AugQAError
from augqa.records import QAExample
from augqa.tables import write_table
from tests.blends.test_kinds import pair
from tests.chat_server import Model

pytest_plugins = ["tests.chat_server"]

ROOT = Path(__file__).parents[1]
PAIRS = [pair(f"g{n}", question=f"Who wrote number {n}?") for n in range(6)]
GOOD, BAD = "Question: 5\nAnswer: 4\nGrounding: 5", "Question: 2\nAnswer: 4\nGrounding: 5"


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return runpy.run_path(str(ROOT / "benchmarks" / "judge.py"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model) -> Path:
    """Return a folder with params.yaml and six pairs, entered; its language model is `model`."""
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["llm"] |= {"provider": "openai", "base_url": model.url, "model": "tiny"}
    values["llm"] |= {"max_retries": 0, "max_failed_fraction": 1.0}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    shutil.copytree("prompts", tmp_path / "prompts")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    write_table(tmp_path / "pairs.parquet", PAIRS, QAExample)
    return tmp_path


def read(project: Path, judge: dict[str, Any], *words: str) -> None:
    """Write what a person said of each pair in turn: yes or no for `question`."""
    rows = [f"{judge['digest'](PAIRS[n])},{word}" for n, word in enumerate(words)]
    (project / "r.csv").write_text("\n".join(["digest,question", *rows]), encoding="utf-8")


def grade(model: Model, *replies: str) -> None:
    """Let the model say of each pair in turn what is given."""
    model.answer = lambda asked: replies[int(asked.split("number ")[-1][0])]


def run(judge: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    argv = ["judge.py", "--readings", "r.csv", "--pairs", "pairs.parquet", *more]
    monkeypatch.setattr(sys, "argv", argv)
    judge["main"]()


def test_kappa_is_what_the_textbook_has(judge: dict[str, Any]) -> None:
    # 20 yes by both, 5 and 10 by one alone, 15 by none: 0.7 agree, 0.5 would by chance.
    person = [True] * 25 + [False] * 25
    model = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    found = judge["agreement"](person, model)
    assert found.table == (20, 5, 10, 15)
    assert found.share == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    # By the large-sample standard error, 0.13.
    assert found.low == pytest.approx(0.15, abs=0.05)
    assert found.high == pytest.approx(0.65, abs=0.05)


def test_who_says_the_same_of_every_pair_has_no_kappa(judge: dict[str, Any]) -> None:
    found = judge["agreement"]([True, False, False], [True, True, True])
    assert (found.share, found.kappa, found.low) == (pytest.approx(1 / 3), None, None)


def test_the_model_is_compared_with_the_person(
    project: Path,
    judge: dict[str, Any],
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read(project, judge, "yes", "yes", "no", "no", "yes")  # the sixth was not read
    grade(model, GOOD, BAD, GOOD, BAD, "no idea")
    run(judge, monkeypatch)
    line, last = capsys.readouterr().out.splitlines()[-2:]
    assert line.startswith("question: 50 % of 4 agree, kappa 0.00 [")
    assert line.endswith("by both 1, by the person alone 1, by the model alone 1, by none 1")
    numbers = json.loads(last)
    assert numbers["n_failed"] == {"unreadable_grades": 1}
    assert (numbers["n_pairs"], numbers["question"]["n"], numbers["models"]) == (
        5,
        4,
        ["tiny-2026"],
    )
    assert "answer" not in numbers  # nobody read it
    assert len(model.asked) == 5


def test_a_grade_that_is_the_least_asked_for_is_a_yes(
    project: Path,
    judge: dict[str, Any],
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read(project, judge, "yes", "no")
    grade(model, "Question: 3\nAnswer: 4\nGrounding: 5", BAD)
    run(judge, monkeypatch, "--min-grade", "3")
    numbers = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert numbers["min_grade"] == 3
    assert list(numbers["question"]["table"]) == [1, 0, 0, 1]


def test_without_an_endpoint_nothing_is_asked(
    project: Path, judge: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["llm"]["provider"] = "embedded"
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    read(project, judge, "yes")
    with pytest.raises(AugQAError, match=r"llm\.provider is embedded.*name an endpoint"):
        run(judge, monkeypatch)


def test_a_pair_that_is_written_otherwise_by_now_is_not_the_one_that_was_read(
    project: Path, judge: dict[str, Any], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(project, judge, "yes", "no")
    changed = [pair("g0", question="Who wrote the first?"), *PAIRS[1:]]
    write_table(project / "pairs.parquet", changed, QAExample)
    with pytest.raises(AugQAError, match=r"pairs\.parquet: 1 of the 2 pairs .* are not in it"):
        run(judge, monkeypatch)
    assert model.asked == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("digest,question\na,maybe\n", "r.csv, line 2: question is 'maybe', not yes or no"),
        ("digest,question\na,yes\na,no\n", "r.csv, line 3: a stands twice"),
        ("digest\na\n", "r.csv, line 2: needs digest, and one of proper, question, answer"),
        ("digest,question\n", "r.csv: no reading"),
    ],
)
def test_readings_of_another_form_are_named(
    text: str, said: str, tmp_path: Path, judge: dict[str, Any]
) -> None:
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    with pytest.raises(AugQAError, match=said):
        judge["readings"](tmp_path / "r.csv")


@pytest.mark.parametrize(("name", "n_proper"), [("study_37", 15), ("cloze_37", 29)])
def test_the_kept_readings_are_those_of_the_docs(
    name: str, n_proper: int, judge: dict[str, Any]
) -> None:
    said = judge["readings"](ROOT / "docs" / "results" / "readings" / f"{name}.csv")
    assert len(said) == 50
    assert sum(reading["proper"] for reading in said.values()) == n_proper
