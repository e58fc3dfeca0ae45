"""Experiments in git refs become one study: each training once, what failed by name."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.commands import sweeping
from augqa.errors import DataError
from augqa.evidence.words import points
from augqa.metrics import read_metrics
from augqa.params import load_params
from augqa.records import Cluster, QuestionScore
from augqa.report.experiments import (
    ExperimentRow,
    compared_lines,
    experiment_rows,
    gathered_evidence,
)
from augqa.study.experiments import fetched, together
from augqa.tables import write_table

ROOT = Path(__file__).parents[1]


def git(project: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True, cwd=project
    )
    return done.stdout.strip()


def write(path: Path, numbers: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(numbers), encoding="utf-8")


def write_run(project: Path, recipe: str, seed: int, f1: float, key: str, n_generated: int) -> None:
    rows = [
        QuestionScore(id=f"a{n}", exact_match=0.0, f1=f1 + seed + (1 if n % 4 < 2 else -1))
        for n in range(60)
    ]
    folder = project / f"data/predictions/{recipe}-{seed}/scores"
    write_table(folder / "amazon.parquet", rows, QuestionScore)
    write(project / f"metrics/evaluate/{recipe}-{seed}.json", {"run_key": key})
    sizes = {"n_real": 40 - n_generated, "n_generated": n_generated}
    write(project / f"metrics/blend/{recipe}.json", sizes)


def set_fraction(project: Path, fraction: float) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"regimes": ["mix"], "training_seeds": [1, 2]}
    params["study"]["primary"] = [{"recipe": "mix", "control": "real"}]
    params["blend"]["mix"]["generated_fraction"] = fraction
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose commits stand for experiments: fractions 0.75, 1 and the last."""
    project = tmp_path_factory.mktemp("project")
    git(project, "init", "-q")
    subprocess.run(["dvc", "init", "-q"], cwd=project, check=True)
    clusters = [Cluster(id=f"a{n}", context_id="c", article=f"t{n // 2}") for n in range(60)]
    write_table(project / "data/prepared/clusters/amazon.parquet", clusters, Cluster)
    for name, fraction, f1 in (("three", 0.75, 45.0), ("all", 1.0, 35.0), ("half", 0.5, 50.0)):
        set_fraction(project, fraction)
        for seed in (1, 2):
            write_run(project, "real", seed, 40.0, f"real-{seed}", 0)
            write_run(project, "mix", seed, f1, f"{name}-{seed}", round(40 * fraction))
        if name == "all":
            git(project, "rm", "-rq", "--cached", "data/predictions/mix-2")
            ignored = project / ".git/info/exclude"
            ignored.write_text("data/predictions/mix-2\n", encoding="utf-8")
        git(project, "add", "--all")
        git(project, "commit", "-qm", name)
        git(project, "tag", name)
        (project / ".git/info/exclude").write_text("", encoding="utf-8")
    return project


REVS = {"": "half", "three": "three", "all": "all"}


def test_a_training_that_experiments_share_counts_once(project: Path) -> None:
    with fetched(REVS, str(project)) as kept:
        study = together(kept)
    assert set(study.runs) == {
        *(("real", seed) for seed in (1, 2)),
        *(("mix", seed) for seed in (1, 2)),
        *(("mix@three", seed) for seed in (1, 2)),
        ("mix@all", 1),
    }
    assert study.training_sets["mix@three"] == {"n_real": 10, "n_generated": 30}
    assert study.recipes["mix@all"].model_dump()["generated_fraction"] == 1.0


def test_a_run_without_scores_is_named_with_its_experiment(project: Path) -> None:
    with fetched(REVS, str(project)) as kept:
        assert together(kept).missing == ("mix-2 of all",)


def test_the_study_of_all_has_their_sweep_and_says_what_failed(project: Path) -> None:
    with fetched(REVS, str(project)) as kept:
        found = gathered_evidence(
            together(kept),
            load_params(project / "params.yaml"),
            clusters=project / "data/prepared/clusters",
        )
    over_shifts = [one for one in found.exploratory if one.target == "shifts"]
    by_recipe = {one.recipe: one for one in over_shifts if one.metric == "f1"}
    assert points(by_recipe["mix@three"].difference) == "+5.0"
    # Named before the run in the workspace: it alone is primary.
    assert [one.planned.recipe for one in found.primary] == ["mix"]
    (sweep,) = found.ratios
    assert sweep.sweep.points == {"mix": 0.5, "mix@three": 0.75, "mix@all": 1.0}
    assert any("Failed or not run: mix-2 of all." in edge.words for edge in found.edges)


def test_an_experiment_without_params_is_an_error_that_names_it(project: Path) -> None:
    git(project, "tag", "-f", "bare", git(project, "commit-tree", "-m", "x", EMPTY_TREE))
    with (
        pytest.raises(DataError, match=r"experiment bare: its params\.yaml cannot be read"),
        fetched({"bare": "bare"}, str(project)),
    ):
        pass


EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def row(name: str, values: dict[str, Any], state: str | None = None) -> ExperimentRow:
    return ExperimentRow(name=name, rev="a" * 40, is_baseline=False, state=state, values=values)


def state(rev: str, plugins: list[str], f1: float, name: str | None = None) -> dict[str, Any]:
    """Return what `dvc exp show --json` says of a commit or an experiment."""
    data = {
        "params": {"params.yaml": {"data": {"plugins": plugins, "train": {"epochs": 2}}}},
        "metrics": {"metrics/headline.json": {"data": {"mean_shift_f1": {"mix": f1}}}},
        "deps": {"plugins": {"hash": "3c2dcff0567d73bf63c15bb38409649f.dir"}},
    }
    return {"rev": rev, "name": name, "data": data, "experiments": None}


def test_a_param_has_its_own_value_where_a_folder_has_its_name() -> None:
    child = {"revs": [state("a" * 40, ["mine"], 2.5, "more")], "executor": {"state": "failed"}}
    rows = experiment_rows(
        [
            state("workspace", [], 1.5),
            state("b" * 40, [], 1.5) | {"experiments": [child]},
            {"rev": "c" * 40, "name": "main", "data": None, "error": {"msg": "unreadable"}},
        ]
    )
    assert [(row.name, row.state, row.is_baseline) for row in rows] == [
        ("workspace", None, True),
        ("bbbbbbb", None, True),
        ("more", "Failed", False),
        ("main", None, True),
    ]
    assert [row.values for row in rows] == [
        {"mean_shift_f1.mix": 1.5, "plugins": [], "train.epochs": 2},
        {"mean_shift_f1.mix": 1.5, "plugins": [], "train.epochs": 2},
        {"mean_shift_f1.mix": 2.5, "plugins": ["mine"], "train.epochs": 2},
        {},
    ]


def test_gather_reads_each_experiment_at_its_commit_and_names_what_failed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    children = [
        {"revs": [state(git(project, "rev-parse", "three"), [], 45.0, "three")], "executor": None},
        {"revs": [state("d" * 40, [], 0.0, "lost")], "executor": {"state": "failed"}},
        {"revs": [state("e" * 40, [], 0.0, "later")], "executor": {"state": "queued"}},
    ]
    shown = [state("workspace", [], 50.0), state("half", [], 50.0) | {"experiments": children}]
    done = subprocess.CompletedProcess([], 0, stdout=json.dumps(shown), stderr="")
    monkeypatch.setattr(sweeping, "asked", lambda *_: done)
    monkeypatch.chdir(project)
    sweeping.gather()
    told = capsys.readouterr().out
    assert "mix@three" in told
    assert "experiment lost" in told
    assert "later" not in told


@pytest.mark.parametrize("said", ["", "null", "[3]", '[{"rev": "a", "data": 3}]', "[" * 9999])
def test_what_dvc_says_in_another_form_is_one_line(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    done = subprocess.CompletedProcess([], 1, stdout=said, stderr="ERROR: no commit yet")
    monkeypatch.setattr(sweeping, "asked", lambda *_: done)
    with pytest.raises(DataError, match="experiments cannot be read: ERROR: no commit yet"):
        sweeping.compare()


def test_compare_shows_the_headline_and_only_the_params_that_differ() -> None:
    same = {"n_kept": 50, "train.epochs": 2}
    rows = [
        row("workspace", same | {"mean_shift_f1.mix": 28.5, "blend.mix.generated_fraction": 0.5}),
        row("more", same | {"blend.mix.generated_fraction": 0.75}, "Failed"),
    ]
    lines = compared_lines(rows)
    assert lines[0].split() == ["experiment", "state", "mean_shift_f1", "n_kept", "blend.mix"]
    assert lines[1].split() == ["mix", "generated_fraction"]
    assert lines[2].split() == ["workspace", "–", "28.5", "50", "0.5"]
    assert lines[3].split() == ["more", "Failed", "–", "50", "0.75"]


def test_what_columns_share_stands_above_the_first_of_them() -> None:
    lines = compared_lines([row("a", {"mean_shift_f1.augment": 47.6, "mean_shift_f1.real": 52.9})])
    assert lines == [
        "experiment  mean_shift_f1",
        "                  augment  real",
        "a                    47.6  52.9",
    ]


def test_a_sweep_of_the_default_recipes_fits_160_columns() -> None:
    headline = {
        f"{key}.{name}": value
        for key, values in read_metrics(ROOT / "metrics/headline.json").items()
        for name, value in (values.items() if isinstance(values, dict) else [("", values)])
    }
    shares = {"generated-share-0.25": 0.25, "generated-share-0.75": 0.75}
    numbers = {key.rstrip("."): value for key, value in headline.items()}
    rows = [
        row(name, numbers | {"blend.augment.generated_share": share}, "Success")
        for name, share in shares.items()
    ]
    lines = compared_lines(rows)
    assert "mean_shift_f1" in lines[0]
    assert "real_longer" in lines[1]
    assert max(map(len, lines)) <= 160


def test_names_of_anybody_s_experiment_lead_to_no_folder(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(project), "copy")
    copy = tmp_path / "copy"
    params = yaml.safe_load((copy / "params.yaml").read_text(encoding="utf-8"))
    params["blend"]["../../x"] = params["blend"]["mix"]
    params["regimes"] = ["../../x"]
    (copy / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    with (
        pytest.raises(
            DataError, match=r"the workspace: its params\.yaml cannot be read: (?s:.)*pattern"
        ),
        fetched({"": None}, str(copy)),
    ):
        pass
