"""Stage summarize as a command, on metrics files as the other stages write them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.records import SampledPair
from augqa.tables import write_table
from tests.examples import SETS, quality_metrics

ROOT = Path(__file__).parents[1]
OPTIONS = {
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
    "plots": "metrics/plots",
    "report": "report/index.html",
}
F1S = {"squad": 40.0, "new_wiki": 30.0, "amazon": 20.0}
ABOVE_REAL = {"real": 0.0, "generated": -4.0, "mix": 2.0}


def write(path: Path, metrics: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics), encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return metrics


def write_regime(metrics: Path, regime: str, *, above_real: float, seeds: list[int]) -> None:
    for seed in seeds:
        sets = {
            name: {"exact_match": f1 / 2, "f1": f1 + above_real + seed, "n_questions": 52}
            for name, f1 in F1S.items()
        }
        missing = [name for name in SETS if name not in sets]
        write(
            metrics / "evaluate" / f"{regime}-{seed}.json",
            {"regime": regime, "seed": seed, "sets": sets, "not_available": missing},
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
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    metrics = tmp_path / "metrics"
    for regime, above_real in ABOVE_REAL.items():
        write_regime(metrics, regime, above_real=above_real, seeds=[1, 2])
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
    write(metrics / "quality.json", quality_metrics())
    pair = SampledPair(
        id="q1/c1/p0",
        kept=True,
        reason=None,
        detail="",
        question="Who won the boat race?",
        answer="Ada",
        context="Ada won.",
    )
    write_table(tmp_path / "sampled_pairs.parquet", [pair], SampledPair)
    return tmp_path


def summarize(project: Path) -> subprocess.CompletedProcess[str]:
    words = [word for name, path in OPTIONS.items() for word in (f"--{name}", path)]
    return subprocess.run(
        [sys.executable, ROOT / "stages" / "summarize.py", *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def outputs(project: Path) -> dict[str, bytes]:
    made = [project / "metrics/summary.json", project / "report/index.html"]
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
        "exact_match": 20.0,
        "f1": 43.5,
        "n_questions": 52,
    }
    funnel = read(project / "metrics/plots/funnel.json")["funnel"]
    assert [record["n"] for record in funnel] == [60, 57, 80, 50]
    assert len(read(project / "metrics/plots/f1_by_set.json")["f1_by_set"]) == 9
    assert "seeds: 1, 2\n" in finished.stderr
    assert "Regime mix, the best of 2, is 2.0 F1 above real" in finished.stderr
    page = (project / "report/index.html").read_text(encoding="utf-8")
    assert "Regime mix, the best of 2, is 2.0 F1 above real" in page
    assert 'href="gates/blend-mix/2.html"' in page
    assert "Who won the boat race?" in page


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
    write_regime(project / "metrics", "augment", above_real=50.0, seeds=[1, 2])
    write_regime(project / "metrics", "mix", above_real=ABOVE_REAL["mix"], seeds=[7])
    (project / "metrics/evaluate/question_only-1.json").write_text("not JSON", encoding="utf-8")
    assert summarize(project).returncode == 0
    assert outputs(project) == first


@pytest.mark.parametrize(
    "name", ["evaluate/mix-2.json", "blend/real.json", "validation/blend-generated/2.json"]
)
def test_a_missing_file_is_named_and_nothing_is_written(project: Path, name: str) -> None:
    (project / "metrics" / name).unlink()
    finished = summarize(project)
    assert finished.returncode == 1
    assert f"summarize: error: metrics/{name}: no such metrics file" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (project / "metrics/summary.json").exists()
