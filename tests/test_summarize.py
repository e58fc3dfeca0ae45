"""Stage summarize as a command, on metrics files as the other stages write them."""

import html
import shutil
from pathlib import Path

import pytest
import yaml

from augqa.params import load_params
from augqa.report.table import table_text
from augqa.test_sets import reported_sets
from tests.measured import (
    ABOVE_REAL,
    F1S,
    change,
    outputs,
    project,
    read,
    summarize,
    write_regime,
    write_scores,
)

__all__ = ["project"]  # the fixture


def test_summary_plots_page_and_table_are_made(project: Path) -> None:
    finished = summarize(project)
    assert finished.returncode == 0, finished.stderr

    summary = read(project / "metrics/summary.json")
    assert summary["not_available"] == ["nyt", "reddit"]
    assert list(summary["regimes"]) == ["generated", "mix", "real"]
    # Seeds 1 and 2 add 1 and 2 to 40 + 2.
    assert summary["regimes"]["mix"]["squad"] == {
        "exact_match": 21.75,
        "f1": 43.5,
        "n_questions": 52,
    }
    funnel = read(project / "metrics/plots/funnel.json")["funnel"]
    assert [record["n"] for record in funnel] == [60, 57, 80, 50]
    assert len(read(project / "metrics/plots/f1_by_set.json")["f1_by_set"]) == 9
    assert "seeds: 1, 2\n" in finished.stderr
    finding = "mix: not shown: +2.0 F1 on the mean of 2 shifts [−0.2, 4.2]"
    assert finding in finished.stderr
    page = (project / "report/index.html").read_text(encoding="utf-8")
    assert finding in page
    assert 'href="gates/blend-mix/2.html"' in page
    assert 'href="pairs.html"' in page
    cases = (project / "report/pairs.html").read_text(encoding="utf-8")
    assert "Who won the boat race?" in cases
    # Questions on which the recipes of the headline differ, with what the first seed's reader said.
    assert "<b>mix</b>" in cases
    assert "real says " in cases
    assert "mix says " in cases


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("llm", "<dd>SmolLM2-135M-Instruct</dd>"),
        ("hybrid", "<dd>rules choose the answer, SmolLM2-135M-Instruct asks for it</dd>"),
        ("cloze", "<dd>cloze, by rules</dd>"),
        ("t5", "<dd>lmqg/t5-base-squad-qag</dd>"),
    ],
)
def test_the_page_names_what_made_the_pairs(project: Path, method: str, shown: str) -> None:
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["generate_pairs"]["method"] = method
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    assert summarize(project).returncode == 0
    assert shown in (project / "report/index.html").read_text(encoding="utf-8")


def test_equal_metrics_give_equal_bytes(project: Path) -> None:
    assert summarize(project).returncode == 0
    first = outputs(project)
    assert summarize(project).returncode == 0
    assert outputs(project) == first


def test_files_of_regimes_and_seeds_no_longer_in_force_are_left_alone(project: Path) -> None:
    assert summarize(project).returncode == 0
    first = outputs(project)
    write_regime(project, "augment", above_real=50.0, seeds=[1, 2])
    write_regime(project, "mix", above_real=ABOVE_REAL["mix"], seeds=[7])
    (project / "metrics/evaluate/question_only-1.json").write_text("not JSON", encoding="utf-8")
    assert summarize(project).returncode == 0
    assert outputs(project) == first


# -- what the scores show ------------------------------------------------------------------------


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def everywhere(project: Path, words: str) -> None:
    """Hold that terminal, table and page all say the same words."""
    finished = summarize(project)
    assert finished.returncode == 0, finished.stderr
    assert words in in_one_line(finished.stderr)
    page = html.unescape((project / "report/index.html").read_text(encoding="utf-8"))
    assert words in in_one_line(page)
    table = table_text(
        read(project / "metrics/summary.json"),
        reported_sets(load_params(project / "params.yaml").data.test_sets),
        read(project / "metrics/evidence.json"),
    )
    assert words in in_one_line(table)


def test_the_headline_is_short_and_holds_the_named_comparison_alone(project: Path) -> None:
    assert summarize(project).returncode == 0
    found = read(project / "metrics/headline.json")
    assert found["mean_shift_f1"] == {"generated": 22.5, "mix": 28.5, "real": 26.5}
    assert found["delta"] == {"mix": 2.0}
    assert found["low"]["mix"] < 2.0 < found["high"]["mix"]
    assert found["n_kept"] == 50


def test_another_time_of_training_changes_the_terminal_and_no_file(project: Path) -> None:
    first = summarize(project)
    before = outputs(project)
    keys = [read(path)["run_key"] for path in sorted((project / "metrics/evaluate").iterdir())]
    folder = project / ".cache" / "seconds"
    folder.mkdir(parents=True)
    for key in keys:
        (folder / f"{key}.json").write_text('{"seconds": 61.4}', encoding="utf-8")
    second = summarize(project)
    assert "s here" not in first.stderr
    assert f"{len(keys)} trainings took {61.4 * len(keys):,.0f} s here" in second.stderr
    assert outputs(project) == before


def test_a_clear_gain_over_the_control_helps_and_has_stars(project: Path) -> None:
    for seed in (1, 2):
        f1s = {name: f1 + 20.0 + seed for name, f1 in F1S.items()}
        write_scores(project, "mix", seed, f1s)
    everywhere(project, "mix: helps: +20.0 F1 on the mean of 2 shifts")
    words = read(project / "metrics/evidence.json")["words"]
    (primary,) = [row for row in words["shifts"] if row["recipe"] == "mix"]
    assert primary["difference"].startswith("+20.0*")
    (other,) = [row for row in words["shifts"] if row["recipe"] == "generated"]
    # It is far below, but nobody named it before the run.
    assert (other["meaning"], other["difference"]) == ("exploratory", "−4.0")


def test_a_failed_run_is_named_and_the_others_are_reported(project: Path) -> None:
    shutil.rmtree(project / "data/predictions/mix-2")
    everywhere(project, "Failed or not run: mix (seed 2).")
    assert set(read(project / "metrics/headline.json")["mean_shift_f1"]) == set(ABOVE_REAL)


def test_a_recipe_that_failed_whole_is_no_line_of_the_table(project: Path) -> None:
    for seed in (1, 2):
        shutil.rmtree(project / f"data/predictions/mix-{seed}")
    everywhere(project, "mix has no scores: it failed or did not run")
    assert set(read(project / "metrics/summary.json")["regimes"]) == {"real", "generated"}


@pytest.mark.parametrize("control", [None, "real_longer"])
def test_a_recipe_without_its_control_is_not_shown(project: Path, control: str | None) -> None:
    change(project, study={"primary": [{"recipe": "mix", "control": control}]})
    everywhere(project, "mix: not shown: mix stands without its control")
    assert "delta" not in read(project / "metrics/headline.json")


def test_a_stress_test_is_in_no_mean_and_stands_apart(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["data"]["test_sets"]["amazon"]["role"] = "stress"
    change(project, data=params["data"])
    assert summarize(project).returncode == 0
    words = read(project / "metrics/evidence.json")["words"]
    assert {row["target"] for row in words["stress"]} == {"amazon"}
    assert "amazon" not in {row["target"] for row in words["sets"]}
    # new_wiki alone is left: 30 + 1.5.
    assert read(project / "metrics/headline.json")["mean_shift_f1"]["real"] == 31.5


def test_articles_that_contexts_mention_are_counted(project: Path) -> None:
    everywhere(project, "on the 2 articles that generated contexts mention")
    change(project, study={"mentioned_articles": False})
    assert "contexts mention" not in summarize(project).stderr
