"""A project in which everything has been measured, for tests of stage summarize."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.records import (
    Cluster,
    GeneratedContext,
    Prediction,
    QAExample,
    QuestionScore,
    SampledPair,
)
from augqa.tables import write_table
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
    return new_study(tmp_path)


def new_study(folder: Path) -> Path:
    """Fill a folder with params and the metrics of three regimes and two seeds."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"regimes": ["generated", "mix"], "training_seeds": [1, 2]}
    params["study"]["primary"] = [{"recipe": "mix", "control": "real"}]
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    metrics = folder / "metrics"
    for regime, above_real in ABOVE_REAL.items():
        write_regime(folder, regime, above_real=above_real, seeds=[1, 2])
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
    write_clusters(folder, F1S)
    for name in F1S:
        asked = [example(f"{name}-{n}", question=f"Who is {n}?") for n in range(2 * N_ARTICLES)]
        write_table(folder / "data/test" / f"{name}.parquet", asked, QAExample)
    texts = ["The article 3 of amazon is long.", "About article 4 of amazon."]
    contexts = [generated_context(text, id_=f"q{n}/c0") for n, text in enumerate(texts)]
    write_table(folder / "contexts.parquet", contexts, GeneratedContext)
    write(metrics / "quality.json", quality_metrics())
    pair = sampled(question="Who won the boat race?", answer="Ada", context="Ada won.")
    write_table(folder / "sampled_pairs.parquet", [pair], SampledPair)
    return folder


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
