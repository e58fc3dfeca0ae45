"""A study that is kept in parts: scores question by question, and what is refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.commands.results import results
from augqa.errors import DataError
from augqa.params import load_params
from augqa.report.assembling import assemble, recipes_of, sets_in_order, write_numbers
from augqa.report.files import Inputs, measured_in, numbers_in
from augqa.report.kept import assemble_kept
from augqa.report.pairs import pairs_page
from augqa.report.template import write_page
from augqa.study.keeping import KeptQuestion, KeptScore, keep_scores, read_kept
from augqa.study.reading import columns, run_folder
from augqa.tables import read_table, write_table
from tests.measured import F1S, N_ARTICLES, OPTIONS, project, read, write, write_clusters

__all__ = ["project"]  # the fixture

RUNS = [(recipe, seed) for recipe in ("real", "generated", "mix") for seed in (1, 2)]
METRICS = Path("metrics")
KEPT = Path("docs/results/own")
SHARED = ("data/prepared/pool.parquet", "data/filtered/kept.parquet")


@pytest.fixture
def finished(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run to its end, at the places of dvc.yaml, as profile `own`."""
    monkeypatch.chdir(project)
    at = (Path(OPTIONS[k]) for k in ("predictions", "clusters", "written", "test", "sampled-pairs"))
    made = assemble(load_params(), Inputs(measured_in(METRICS), *at))
    write_numbers(made, numbers_in(METRICS))
    write_page(Path("report/pairs.html"), pairs_page(made.sampled_pairs, made.disputed))
    Path("profiles").mkdir()
    shutil.copyfile("params.yaml", "profiles/own.yaml")
    shutil.copytree("data/clusters", "data/prepared/clusters")
    Path("data/generated").mkdir()
    shutil.copyfile("contexts.parquet", "data/generated/contexts.parquet")
    for recipe, seed in RUNS:
        write(METRICS / "train" / f"{recipe}-{seed}.json", {})
    write_lock(dict.fromkeys(SHARED, "1"))
    dvc_says({})
    monkeypatch.setenv("PATH", str(project / "bin"), prepend=os.pathsep)
    return project


def write_lock(md5s: dict[str, str]) -> None:
    outs = [{"path": path, "md5": md5} for path, md5 in md5s.items()]
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"all": {"outs": outs}}}))


def dvc_says(changed: dict[str, Any]) -> None:
    """Put a `dvc` on the path that tells of these changed stages."""
    script = Path("bin/dvc")
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\necho '{json.dumps(changed)}'\n", encoding="utf-8")
    script.chmod(0o755)


def keep(project: Path, folder: Path, runs: list[tuple[str, int]]) -> None:
    params = load_params(project / "params.yaml")
    keep_scores(
        folder,
        {run: run_folder(project / "data/predictions", *run) for run in runs},
        project / "data/clusters",
        test_sets=sets_in_order(params, measured_in(project / "metrics")),
        mentioned={},
    )


def kept_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.usefixtures("finished")
def test_a_kept_study_says_what_the_run_said() -> None:
    results("own")
    for name in ("evidence.json", "headline.json", "summary.json", "plots/f1_by_set.json"):
        assert read(KEPT / "metrics" / name) == read(METRICS / name)
    said = read(METRICS / "evidence.json")
    # Articles that generated contexts mention are part of it.
    assert said["evidence"]["leakage"]


def test_parts_make_the_same_study_as_one_go(project: Path, tmp_path: Path) -> None:
    keep(project, tmp_path / "whole", RUNS)
    keep(project, tmp_path / "parts", RUNS[:2])
    keep(project, tmp_path / "parts", RUNS[2:])
    assert kept_files(tmp_path / "parts") == kept_files(tmp_path / "whole")
    assert len(kept_files(tmp_path / "whole")) == len(RUNS) + 1


def test_scores_are_those_of_the_run_question_by_question(project: Path, tmp_path: Path) -> None:
    keep(project, tmp_path / "kept", RUNS)
    table = columns(tmp_path / "kept/scores/mix-2.parquet", KeptScore)
    # Sets in the order of the params; 40, 30 and 20 F1, mix 2 above, seed 2, 1.3 up and down.
    per_set = 2 * N_ARTICLES
    assert table["f1"].to_pylist()[:3] == pytest.approx([42.7, 42.7, 45.3])
    assert table["f1"].to_pylist()[per_set] == pytest.approx(32.7)
    assert len(table) == len(F1S) * per_set


def test_neither_titles_nor_texts_are_kept(project: Path, tmp_path: Path) -> None:
    keep(project, tmp_path / "kept", RUNS[:1])
    questions = columns(tmp_path / "kept/questions.parquet", KeptQuestion).to_pylist()
    assert set(questions[0]) == {"test_set", "id", "article", "mentioned"}
    assert {type(row["article"]) for row in questions} == {int}


def test_sets_that_share_an_article_share_its_number(project: Path, tmp_path: Path) -> None:
    shutil.copyfile(
        project / "data/clusters/new_wiki.parquet", project / "data/clusters/amazon.parquet"
    )
    for folder in (project / "data/predictions").glob("*/scores"):
        shutil.copyfile(folder / "new_wiki.parquet", folder / "amazon.parquet")
    keep(project, tmp_path / "kept", RUNS)
    params = load_params(project / "params.yaml")
    study, _ = read_kept(
        tmp_path / "kept",
        recipes=recipes_of(params),
        seeds=[1, 2],
        test_sets=sets_in_order(params, measured_in(project / "metrics")),
    )
    assert study.groups() == [["squad"], ["new_wiki", "amazon"]]


def test_scores_of_other_questions_are_refused(project: Path, tmp_path: Path) -> None:
    keep(project, tmp_path / "kept", RUNS[:1])
    for name in ("data/clusters", "data/predictions/mix-1/scores"):
        shutil.copyfile(project / name / "squad.parquet", project / name / "nyt.parquet")
    with pytest.raises(DataError, match=r"test set nyt it has 0 questions, here are 52"):
        keep(project, tmp_path / "kept", [("mix", 1)])


def test_other_articles_are_refused(project: Path, tmp_path: Path) -> None:
    keep(project, tmp_path / "kept", RUNS[:1])
    write_clusters(project, F1S, n_articles=N_ARTICLES - 1)
    with pytest.raises(DataError, match="the articles of test set squad"):
        keep(project, tmp_path / "kept", [("mix", 1)])


@pytest.mark.usefixtures("finished")
def test_scores_that_fit_no_questions_are_named() -> None:
    results("own")
    questions = read_table(KEPT / "questions.parquet", KeptQuestion)
    write_table(KEPT / "questions.parquet", questions[:104], KeptQuestion)
    with pytest.raises(DataError, match=r"real-1.parquet: 156 scores.* has 104 questions"):
        assemble_kept(load_params(), KEPT)


@pytest.mark.usefixtures("finished")
def test_an_unfinished_study_is_kept_on_demand_and_names_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    dvc_says({"train@mix-2": [], "evaluate@mix-2": [], "blend@generated": []})
    with pytest.raises(DataError, match="keep what is there: --unfinished"):
        results("own")
    assert not KEPT.exists()
    results("own", unfinished=True)
    assert "holds 3 of 6 runs, 3 of them from here" in capsys.readouterr().out
    assert sorted(path.stem for path in (KEPT / "scores").iterdir()) == [
        "mix-1",
        "real-1",
        "real-2",
    ]
    assert "generated" not in read(KEPT / "metrics/summary.json")["regimes"]
    for shown in ("table.md", "report.html"):
        text = (KEPT / shown).read_text(encoding="utf-8")
        assert "Failed or not run: generated (every seed) and mix (seed 2)." in text


@pytest.mark.usefixtures("finished")
def test_a_later_part_adds_to_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    results("own")
    evidence = read(KEPT / "metrics/evidence.json")
    shutil.rmtree(KEPT)
    dvc_says({"evaluate@mix-2": []})
    results("own", unfinished=True)
    # Another machine: what was kept is not there to be measured again.
    dvc_says({"blend_real": [], "blend@generated": [], "evaluate@mix-1": []})
    for run in (METRICS / "evaluate").glob("real-*"):
        run.unlink()
    results("own", unfinished=True)
    assert "holds 6 of 6 runs, 1 of them from here" in capsys.readouterr().out
    assert read(KEPT / "metrics/evidence.json") == evidence


@pytest.mark.usefixtures("finished")
def test_stages_that_all_recipes_share_must_have_run() -> None:
    dvc_says({"filter_pairs": [], "evaluate@mix-2": []})
    with pytest.raises(DataError, match="changes in 1 stages, filter_pairs first"):
        results("own", unfinished=True)


def changed_pairs() -> str:
    write_lock(dict(zip(SHARED, ("1", "2"), strict=True)))
    return "rest on data/filtered/kept.parquet with md5 1, the runs here on 2"


def changed_training() -> str:
    change("train", {"epochs": 7})
    return "another section train of params.yaml"


def changed_recipe() -> str:
    change("blend", {"mix": {"kind": "mix", "n_examples": 9, "generated_fraction": 0.5}})
    return "recipe mix has other knobs there than here"


def change(section: str, values: dict[str, Any]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params[section] |= values
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    shutil.copyfile("params.yaml", "profiles/own.yaml")


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("changed", [changed_pairs, changed_training, changed_recipe])
def test_runs_of_another_study_are_refused_and_nothing_is_lost(changed: Callable[[], str]) -> None:
    results("own")
    before = kept_files(KEPT)
    words = changed()
    with pytest.raises(DataError, match=words):
        results("own")
    assert kept_files(KEPT) == before


@pytest.mark.usefixtures("finished")
def test_pages_with_texts_are_kept_on_demand_alone() -> None:
    results("own")
    assert not (KEPT / "pairs.html").exists()
    results("own", pairs=True)
    assert "Who won the boat race?" in (KEPT / "pairs.html").read_text(encoding="utf-8")
