"""A sweep by DVC's own queue to its end, then gathered and compared. Nothing stands in for DVC.

The pipeline has one stage, which draws scores instead of training; the rest is as users have it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipelines import Project

ROOT = Path(__file__).parents[1]
KEY = "blend.mix.generated_fraction"
PIPELINE = """\
stages:
  measure:
    cmd: python measure.py
    deps: [measure.py]
    params: [blend.mix.generated_fraction]
    outs:
      - data/predictions
      - data/prepared/clusters
      - metrics/evaluate: {cache: false}
      - metrics/blend: {cache: false}
    metrics:
      - metrics/headline.json: {cache: false}
"""
# A mean of 40 for real; a mix gains 12 at a half, less around it; a fraction of 0.9 fails.
MEASURE = """\
import json
from pathlib import Path
import yaml
from augqa.records import Cluster, QuestionScore
from augqa.tables import write_table

params = yaml.safe_load(Path("params.yaml").read_text())
fraction = params["blend"]["mix"]["generated_fraction"]
if fraction == 0.9:
    raise SystemExit("this one fails")
gains = {"real": 0.0, "mix": 12 - 40 * (fraction - 0.5) ** 2}


def keep(path, numbers):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(numbers))


for recipe, gain in gains.items():
    n_generated = round(40 * fraction) if recipe == "mix" else 0
    keep(f"metrics/blend/{recipe}.json", {"n_real": 40 - n_generated, "n_generated": n_generated})
    for seed in (1, 2):
        key = f"{recipe}-{seed}" + (f" at {fraction}" if recipe == "mix" else "")
        keep(f"metrics/evaluate/{recipe}-{seed}.json", {"run_key": key})
        rows = [
            QuestionScore(id=f"a{n}", exact_match=0.0, f1=40 + gain + seed + n % 4 // 2)
            for n in range(60)
        ]
        folder = Path(f"data/predictions/{recipe}-{seed}/scores")
        write_table(folder / "amazon.parquet", rows, QuestionScore)
articles = [Cluster(id=f"a{n}", context_id="c", article=f"t{n // 2}") for n in range(60)]
write_table(Path("data/prepared/clusters/amazon.parquet"), articles, Cluster)
keep("metrics/headline.json", {"delta": {"mix": gains["mix"]}})
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"regimes": ["mix"], "training_seeds": [1, 2]}
    params["study"]["primary"] = [{"recipe": "mix", "control": "real"}]
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / "measure.py").write_text(MEASURE, encoding="utf-8")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text("/src\n/data\n__pycache__\n", encoding="utf-8")
    made = Project(folder)
    made.run("git", "init", "--quiet")
    made.run("dvc", "init", "--quiet")
    made.run("git", "add", "--all")
    made.run("git", "commit", "--quiet", "--message", "start")
    return made


def augqa(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "augqa", *arguments],
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def swept(project: Project) -> subprocess.CompletedProcess[str]:
    """Run a sweep of three experiments, one of which fails, by a queue with one worker."""
    return augqa(project, "sweep", KEY, "0.25", "0.9", "0.75", "--workers", "1")


def test_the_sweep_ends_and_names_the_experiment_that_failed(
    swept: subprocess.CompletedProcess[str],
) -> None:
    assert swept.returncode == 1, swept.stdout + swept.stderr
    assert f"1 of 3 experiments failed: generated-fraction-0.9 ({KEY}=0.9)." in swept.stderr


@pytest.mark.usefixtures("swept")
def test_compare_has_a_row_an_experiment_with_its_state(project: Project) -> None:
    done = augqa(project, "compare")
    assert done.returncode == 0, done.stderr
    groups, own, *rows = [line.split() for line in done.stdout.splitlines()]
    assert groups == ["experiment", "state", "delta", "blend.mix"]
    assert own == ["mix", "generated_fraction"]
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["workspace"] == ["–", "12", "0.5"]
    assert by_name["generated-fraction-0.25"] == ["Success", "9.5", "0.25"]
    assert by_name["generated-fraction-0.75"] == ["Success", "9.5", "0.75"]
    assert by_name["generated-fraction-0.9"][0] == "Failed"


@pytest.mark.usefixtures("swept")
def test_gather_makes_one_study_of_all_and_names_what_failed(project: Project) -> None:
    done = augqa(project, "gather")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "mix: helps: +12.0 F1 on amazon, the only shift" in said
    assert "mix@generated-fraction-0.25 against real +9.5 [" in said
    assert "Failed or not run: experiment generated-fraction-0.9." in said
    assert "cannot be ruled out as the best: 0.50." in said


@pytest.mark.usefixtures("swept")
def test_a_second_sweep_runs_only_what_is_missing(project: Project) -> None:
    done = augqa(project, "sweep", KEY, "0.25", "0.75")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is there already") == 2
