"""Stage summarize as a command, on metrics files as the other stages write them."""

import html
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.params import load_params
from augqa.records import (
    Cluster,
    GeneratedContext,
    Prediction,
    QAExample,
    QuestionScore,
    SampledPair,
)
from augqa.report import table_text
from augqa.tables import write_table
from augqa.test_sets import reported_sets
from tests.example_pages import sampled
from tests.examples import SETS, example, generated_context, quality_metrics

ROOT = Path(__file__).parents[1]
OPTIONS = {
    "predictions": "data/predictions",
    "clusters": "data/clusters",
    "written": "contexts.parquet",
    "test": "data/test",
    "evaluations": "metrics/evaluate",
    "blends": "metrics/blend",
    "gates": "metrics/validation",
    "prepare": "metrics/prepare.json",
    "contexts": "metrics/generate_contexts.json",
    "pairs": "metrics/generate_pairs.json",
    "filters": "metrics/filter_pairs.json",
    "quality": "metrics/quality.json",
    "sampled-pairs": "sampled_pairs.parquet",
    "summary": "metrics/summary.json",
    "evidence": "metrics/evidence.json",
    "headline": "metrics/headline.json",
    "plots": "metrics/plots",
    "report": "report/index.html",
    "cases": "report/pairs.html",
}
F1S = {"squad": 40.0, "new_wiki": 30.0, "amazon": 20.0}
ABOVE_REAL = {"real": 0.0, "generated": -4.0, "mix": 2.0}
N_ARTICLES = 26  # of two questions each


def write(path: Path, metrics: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics), encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return metrics


def write_scores(
    project: Path, regime: str, seed: int, f1s: dict[str, float], *, wave: float = 1.0
) -> None:
    """Write scores that lie `wave` above and below the F1 of a set, article by article."""
    for name, f1 in f1s.items():
        rows = []
        for n in range(2 * N_ARTICLES):
            value = f1 + (wave if n // 2 % 2 else -wave)
            rows.append(QuestionScore(id=f"{name}-{n}", exact_match=value / 2, f1=value))
        folder = project / "data/predictions" / f"{regime}-{seed}"
        write_table(folder / "scores" / f"{name}.parquet", rows, QuestionScore)
        said = [Prediction(id=row.id, text=f"{regime} says {row.id}") for row in rows]
        write_table(folder / f"{name}.parquet", said, Prediction)


def write_clusters(project: Path, names: Iterable[str], *, n_articles: int = N_ARTICLES) -> None:
    for name in names:
        rows = [
            Cluster(
                id=f"{name}-{n}",
                context_id=f"{n // 2}",
                article=f"Article_{n // 2 % n_articles}_of_{name}",
            )
            for n in range(2 * N_ARTICLES)
        ]
        write_table(project / "data/clusters" / f"{name}.parquet", rows, Cluster)


def write_regime(project: Path, regime: str, *, above_real: float, seeds: list[int]) -> None:
    metrics = project / "metrics"
    for seed in seeds:
        # Not all seeds alike: recipe and seed together move a run.
        f1s = {name: f1 + above_real + seed for name, f1 in F1S.items()}
        write_scores(project, regime, seed, f1s, wave=1.0 + len(regime) / 10)
        sets = {
            name: {"exact_match": f1 / 2, "f1": f1, "n_questions": 52} for name, f1 in f1s.items()
        }
        missing = [name for name in SETS if name not in sets]
        write(
            metrics / "evaluate" / f"{regime}-{seed}.json",
            {
                "regime": regime,
                "seed": seed,
                "run_key": f"{regime}-{seed}",
                "sets": sets,
                "not_available": missing,
            },
        )
    write(
        metrics / "blend" / f"{regime}.json",
        {"regime": regime, "n_examples": 60, "n_real": 40, "n_generated": 20, "n_dropped": {}},
    )
    for seed in seeds:
        write_gate(metrics, f"blend-{regime}/{seed}")


def write_gate(metrics: Path, artefact: str) -> None:
    write(
        metrics / "validation" / f"{artefact}.json",
        {
            "success": True,
            "n_rows": 60,
            "n_expectations": 1,
            "expectations": {"ids_are_unique": {"success": True, "severity": "critical"}},
        },
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with params and the metrics of three regimes and two seeds."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"regimes": ["generated", "mix"], "training_seeds": [1, 2]}
    params["study"]["primary"] = [{"recipe": "mix", "control": "real"}]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    metrics = tmp_path / "metrics"
    for regime, above_real in ABOVE_REAL.items():
        write_regime(tmp_path, regime, above_real=above_real, seeds=[1, 2])
    for artefact in ("pool", "contexts", "pairs", "kept"):
        write_gate(metrics, artefact)
    write(
        metrics / "prepare.json",
        {
            "content": {name: f"sha256:{name}" for name in ("train", *F1S)},
            "n_pool": 120,
            "n_seed_questions": 60,
            "n_dropped": {"repeated_question": 5},
            "test": dict.fromkeys(F1S, 52),
            "not_available": ["nyt", "reddit"],
        },
    )
    write(
        metrics / "generate_contexts.json",
        {"n_requests": 60, "n_contexts": 57, "n_failed": {"truncated": 3}, "mean_words": 81.5},
    )
    write(
        metrics / "generate_pairs.json",
        {"n_pairs": 80, "n_rejected": {"answer_not_in_context": 34}, "n_by_model": {"small": 80}},
    )
    write(
        metrics / "filter_pairs.json",
        {"n_kept": 50, "n_rejected": {"not_round_trip_consistent": 30}},
    )
    write_clusters(tmp_path, F1S)
    for name in F1S:
        asked = [example(f"{name}-{n}", question=f"Who is {n}?") for n in range(2 * N_ARTICLES)]
        write_table(tmp_path / "data/test" / f"{name}.parquet", asked, QAExample)
    texts = ["The article 3 of amazon is long.", "About article 4 of amazon."]
    contexts = [generated_context(text, id_=f"q{n}/c0") for n, text in enumerate(texts)]
    write_table(tmp_path / "contexts.parquet", contexts, GeneratedContext)
    write(metrics / "quality.json", quality_metrics())
    pair = sampled(question="Who won the boat race?", answer="Ada", context="Ada won.")
    write_table(tmp_path / "sampled_pairs.parquet", [pair], SampledPair)
    return tmp_path


def summarize(project: Path) -> subprocess.CompletedProcess[str]:
    words = [word for name, path in OPTIONS.items() for word in (f"--{name}", path)]
    return subprocess.run(
        [sys.executable, ROOT / "stages" / "summarize.py", *words],
        cwd=project,
        # No store to be had: its making takes seconds, and is no part of what is held here.
        env={**os.environ, "MLFLOW_TRACKING_URI": "sqlite:////dev/null/no.db"},
        capture_output=True,
        text=True,
        check=False,
    )


def outputs(project: Path) -> dict[str, bytes]:
    names = ("metrics/summary.json", "metrics/evidence.json", "metrics/headline.json")
    made = [project / name for name in (*names, "report/index.html", "report/pairs.html")]
    made += sorted((project / "metrics/plots").iterdir())
    return {path.name: path.read_bytes() for path in made}


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


def change(project: Path, **sections: Any) -> None:
    """Change keys of sections of the params."""
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in sections.items():
        if isinstance(value, dict) and isinstance(params[name], dict):
            params[name] |= value
        else:
            params[name] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


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


def test_one_seed_says_nothing_about_the_recipe(project: Path) -> None:
    change(project, training_seeds=[1])
    everywhere(project, "had one training")
    assert "these readers alone" in summarize(project).stderr


def test_a_missing_shift_is_told(project: Path) -> None:
    everywhere(project, "Not available: nyt and reddit. The mean is over 2 shifts")


def test_a_failed_run_is_named_and_the_others_are_reported(project: Path) -> None:
    shutil.rmtree(project / "data/predictions/mix-2")
    everywhere(project, "Failed or not run: mix (seed 2).")
    assert set(read(project / "metrics/headline.json")["mean_shift_f1"]) == set(ABOVE_REAL)


def test_a_recipe_that_failed_whole_is_no_line_of_the_table(project: Path) -> None:
    for seed in (1, 2):
        shutil.rmtree(project / f"data/predictions/mix-{seed}")
    everywhere(project, "mix has no scores: it failed or did not run")
    assert set(read(project / "metrics/summary.json")["regimes"]) == {"real", "generated"}


def test_few_articles_are_told(project: Path) -> None:
    write_clusters(project, F1S, n_articles=7)
    everywhere(project, "amazon has 7 articles: below 20")


@pytest.mark.parametrize("control", [None, "real_longer"])
def test_a_recipe_without_its_control_is_not_shown(project: Path, control: str | None) -> None:
    change(project, study={"primary": [{"recipe": "mix", "control": control}]})
    everywhere(project, "mix: not shown: mix stands without its control")
    assert "delta" not in read(project / "metrics/headline.json")


def test_an_effect_too_small_to_see_is_told(project: Path) -> None:
    everywhere(project, "Not shown is not the same as no effect.")


def test_a_control_of_another_size_is_told(project: Path) -> None:
    sizes = {"n_examples": 80, "n_real": 60, "n_generated": 20, "n_dropped": {}}
    write(project / "metrics/blend/mix.json", sizes)
    everywhere(project, "mix is trained on 80 examples and its control real on 60")


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
