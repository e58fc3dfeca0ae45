"""The commands behind the Makefile: what they bring, and what they refuse to overwrite."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.commands.checking import check
from augqa.errors import ParamsError
from augqa.formats import to_squad
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.report.findings import Findings, findings_metrics
from tests.examples import example
from tests.loopback import Loopback

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with params.yaml and profiles, in a git repository that knows neither."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    begin(tmp_path)
    return tmp_path


def begin(folder: Path) -> None:
    """Make a folder a git repository with an empty commit."""
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    me = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    start = ["commit", "-q", "--allow-empty", "-m", "start"]
    subprocess.run(["git", *me, *start], cwd=folder, check=True)


def augqa(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "augqa", *arguments],
        cwd=project,
        env={
            **os.environ,
            "DVC_ROOT": str(project),
            "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_profile_is_put_in_force_as_it_stands(project: Path) -> None:
    done = augqa(project, "profile", "cpu")
    assert done.returncode == 0, done.stderr
    assert (project / "params.yaml").read_bytes() == (project / "profiles/cpu.yaml").read_bytes()


def test_a_profile_does_not_overwrite_params_that_stand_nowhere_else(project: Path) -> None:
    mine = (project / "params.yaml").read_text() + "# mine\n"
    (project / "params.yaml").write_text(mine)
    done = augqa(project, "profile", "cpu")
    assert done.returncode == 1
    assert "changes of yours" in done.stderr
    assert (project / "params.yaml").read_text() == mine


def test_an_unknown_profile_names_the_known_ones(project: Path) -> None:
    done = augqa(project, "profile", "gpu")
    assert done.returncode == 1
    names = "confirm, cpu, embedded, levers, levers_asked, levers_trained, paper, ratios, study"
    assert f"choose one of {names}, tydi" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_brings_checked_files_and_names_missing_sets(project: Path) -> None:
    shutil.copyfile(project / "profiles/cpu.yaml", project / "params.yaml")
    mine = project / "mine"
    mine.mkdir()
    for name in ("train-v1.1.json", "dev-v1.1.json"):
        (mine / name).write_text(json.dumps(to_squad([example()])))
    done = augqa(project, "data", "mine")
    assert done.returncode == 0, done.stderr
    assert "reddit: not available (reddit.json)" in done.stdout
    assert "squad.json: SQuAD JSON, 1 questions\n  from dev-v1.1.json" in done.stdout
    assert (project / "data/external/squad.json").is_file()


def test_data_gives_the_entry_for_a_file_that_no_params_name(project: Path) -> None:
    (project / "mine").mkdir()
    rows = "context,question,answer\nThe cat sat.,Who sat?,The cat\n"
    (project / "mine/My Tickets-2.csv").write_text(rows)
    done = augqa(project, "data", "mine")
    assert done.returncode == 0, done.stderr
    assert "1 file is in" in done.stdout
    (entry,) = re.findall(r"data\.test_sets in params\.yaml\n((?:    .*\n)+)", done.stdout)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(
        text.replace("  test_sets:\n", f"  test_sets:\n{entry}", 1)
    )
    assert load_params(project / "params.yaml").data.test_sets["my_tickets_2"].role == "shift"


def test_data_without_a_folder_says_what_to_type(project: Path) -> None:
    done = augqa(project, "data", "")
    assert done.returncode == 1
    assert "make data FROM=DIR" in done.stderr


# Stands in for `dvc repro filter_pairs`: each of 70 seeds of the pool gives half a pair.
SCRIPTED_DVC = """\
#!{python}
import json, pathlib, sys, yaml
params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
n_seeds = params["prepare"]["n_seed_questions"]
target = params["filter_pairs"]["target_kept"]
with open("calls", "a") as calls:
    print(n_seeds, *sys.argv[1:], file=calls)
if n_seeds == 13:
    sys.exit(255)  # an earlier stage fails
found = {{"n_kept": min(n_seeds // 2, target)}}
if found["n_kept"] < target and n_seeds < 70:
    found["n_seed_questions_needed"] = min(70, n_seeds * 2)
metrics = pathlib.Path("metrics")
metrics.mkdir(exist_ok=True)
(metrics / "filter_pairs.json").write_text(json.dumps(found))
sys.exit(255 if "n_seed_questions_needed" in found else 0)
"""


def set_up_growing(project: Path, *, n_seed_questions: int, target_kept: int) -> None:
    (project / "bin").mkdir()
    dvc = project / "bin" / "dvc"
    dvc.write_text(SCRIPTED_DVC.format(python=sys.executable))
    dvc.chmod(0o755)
    text = (project / "params.yaml").read_text()
    text = text.replace("n_seed_questions: 32", f"n_seed_questions: {n_seed_questions}")
    text = text.replace("target_kept: null", f"target_kept: {target_kept}")
    (project / "params.yaml").write_text(text)


def calls(project: Path) -> list[str]:
    return (project / "calls").read_text().splitlines()


@pytest.mark.parametrize(("target_kept", "n_asked"), [(20, [16, 32, 64]), (50, [16, 32, 64, 70])])
def test_grow_adds_seeds_until_the_target_is_reached_or_none_is_left(
    project: Path, target_kept: int, n_asked: list[int]
) -> None:
    set_up_growing(project, n_seed_questions=16, target_kept=target_kept)
    before = (project / "params.yaml").read_text()
    done = augqa(project, "grow")
    assert done.returncode == 0, done.stderr
    assert calls(project) == [f"{n} repro filter_pairs" for n in n_asked]
    kept = min(target_kept, n_asked[-1] // 2)
    assert f"{kept} pairs kept from {n_asked[-1]} seed questions" in done.stdout
    after = (project / "params.yaml").read_text()
    assert after == before.replace("n_seed_questions: 16", f"n_seed_questions: {n_asked[-1]}")


def test_grow_stops_where_another_stage_fails(project: Path) -> None:
    set_up_growing(project, n_seed_questions=13, target_kept=20)
    (project / "metrics").mkdir()
    # Of a former run: it must not be taken for the failure at hand.
    (project / "metrics" / "filter_pairs.json").write_text('{"n_seed_questions_needed": 40}')
    done = augqa(project, "grow")
    assert done.returncode == 1
    assert "more seeds do not help" in done.stderr
    assert len(calls(project)) == 1


def test_grow_without_a_target_asks_for_one(project: Path) -> None:
    done = augqa(project, "grow")
    assert done.returncode == 1
    assert "target_kept is null" in done.stderr


# Stands in for dvc: three stages, one of them up to date; the last one fails where asked to.
TALKING_DVC = """\
#!{python}
import pathlib, sys
if sys.argv[1] == "stage":
    print("prepare\\nblend@mix\\ntrain@mix-1")
    sys.exit(0)
print("Stage 'prepare' didn't change, skipping")
print("Running stage 'blend@mix':")
print("> python stages/blend.py --regime mix --pool data/prepared/pool.parquet")
print("WARNING: Process 'dvc repro' with (Pid 7), in RWLock-file 'b' had been killed.")
print("blend: mix: 40 examples")
print("Running stage 'train@mix-1':")
print("Updating lock file 'dvc.lock'")
if pathlib.Path("fail").exists():
    print("train: error: no such table")
    sys.exit(255)
"""


def set_up_talking(project: Path) -> None:
    (project / "bin").mkdir()
    dvc = project / "bin" / "dvc"
    dvc.write_text(TALKING_DVC.format(python=sys.executable))
    dvc.chmod(0o755)


def test_run_tells_how_far_it_is_without_long_command_lines(project: Path) -> None:
    set_up_talking(project)
    done = augqa(project, "run")
    assert done.returncode == 0, done.stderr
    assert "[stage 2 of 3] blend@mix\nblend: mix: 40 examples\n[stage 3 of 3]" in done.stdout
    assert "> python" not in done.stdout
    assert "Updating lock" not in done.stdout
    assert "RWLock" not in done.stdout
    assert "2 stages ran, 0 s" in done.stdout


def test_a_run_ends_with_the_finding_what_it_cannot_say_and_the_page_once(project: Path) -> None:
    set_up_talking(project)
    for name in ("metrics/evidence.json", "report/index.html"):
        (project / name).parent.mkdir(exist_ok=True)
    limits = [f"Limit {n}." for n in range(4)]
    said = Findings(
        finding="mix: not shown: +0.1 F1.",
        visible="",
        primary=("mix against real: not shown: +0.1 F1.",),
        shifts=(),
        sets=(),
        stress=(),
        edges=tuple(limits),
        remarks=(),
    )
    write_metrics(project / "metrics/evidence.json", {"words": findings_metrics(said)})
    (project / "report/index.html").touch()
    done = augqa(project, "run")
    assert done.returncode == 0, done.stderr
    end = done.stdout[done.stdout.index("mix: not") :].splitlines()
    assert end[:-1] == [
        "mix: not shown: +0.1 F1.",
        "",
        "What this cannot say:",
        "- Sample data: these scores say nothing about the method.",
        "- Limit 0.",
        "- Limit 1.",
        "- 2 more: `augqa table`, or the page",
        "",
    ]
    assert re.fullmatch(r"2 stages ran, \d+ s: report/index\.html", end[-1])
    # Stages that were asked for by name are no study.
    assert "mix: not shown" not in augqa(project, "run", "prepare").stdout


def test_the_demo_prints_no_page_and_no_table_beside_the_run() -> None:
    commands = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    last = [line for line in commands.splitlines() if line.strip()][-4:]
    assert any(line.endswith("augqa run") for line in last)
    assert "make demo took" in last[-1]
    assert "report/" not in commands
    assert "augqa table" not in commands


def test_run_fails_where_a_stage_fails_and_shows_what_it_said(project: Path) -> None:
    set_up_talking(project)
    (project / "fail").touch()
    done = augqa(project, "run")
    assert done.returncode == 1
    assert "train: error: no such table" in done.stdout
    assert "a stage stopped after 0 s" in done.stderr


def test_run_looks_at_params_before_dvc_does(project: Path) -> None:
    set_up_talking(project)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("training_seeds: [1]", "training_seeds: 1"))
    done = augqa(project, "run")
    assert done.returncode == 1
    assert "training_seeds: Input should be a valid list, found 1" in done.stderr
    assert "Running" not in done.stdout


def test_check_tells_what_a_run_would_do(project: Path) -> None:
    done = augqa(project, "check")
    assert done.returncode == 0, done.stderr
    recipes = "3 recipes (real, augment, real_longer)"
    assert f"{recipes}, 1 training seed, so 3 trainings" in done.stdout


def test_check_names_a_comparison_that_lacks_its_control_and_a_file_that_lacks(
    project: Path,
) -> None:
    text = (project / "params.yaml").read_text()
    text = text.replace("regimes: [augment, real_longer]", "regimes: [augment]")
    mine = "{title: Mine, role: shift, source: {kind: file, name: mine.csv, sha256: null}}"
    text = text.replace("  test_sets:\n", f"  test_sets:\n    mine: {mine}\n", 1)
    (project / "params.yaml").write_text(text)
    done = augqa(project, "check")
    assert done.returncode == 0, done.stderr
    assert "mine: not available (mine.csv)" in done.stdout
    assert "augment against real_longer cannot be made" in done.stdout
    assert "regimes does not have real_longer" in done.stdout


def with_llm(project: Path, **changes: Any) -> None:
    """Put values into section llm of params.yaml."""
    values = yaml.safe_load((project / "params.yaml").read_text())
    values["llm"] |= {"provider": "openai", "model": "m", "api_key_env": "AUGQA_TEST_KEY"} | changes
    (project / "params.yaml").write_text(yaml.safe_dump(values))


def test_check_names_the_addresses_that_do_not_answer_now(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", "sk-test-1234567890")
    monkeypatch.chdir(project)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with Loopback() as server:
        with_llm(project, base_url=[server.base_url, dead])
        check()
        assert server.server.paths == ["/v1/models"]
    told = [line for line in capsys.readouterr().out.splitlines() if "cannot be reached" in line]
    assert told == [f"llm.base_url: {dead} cannot be reached now: no connection"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"base_url": ["http://h:80/v1", "http://g/v1", "HTTP://H/v1/"]},
            "llm: base_url: addresses 1 and 3 are the same",
        ),
        ({"base_url": []}, "llm.base_url.*: .* at least 1 item"),
        ({"base_url": [3]}, "llm.base_url.*: Input should be a valid string, found 3"),
        ({"base_url": ["h:80/v1", "http://g/v1"]}, "llm.base_url: 'h:80/v1' is no URL"),
        (
            {"base_url": ["http://h/v1", "http://g/v1", "http://f/v1"], "api_key_env": ["A", "B"]},
            "api_key_env has 2 names and base_url 3 addresses",
        ),
        (
            {"base_url": ["http://h/v1", "http://g/v1"], "executor": "openai_batch"},
            "executor openai_batch goes to one address, and base_url has 2",
        ),
        (
            {"base_url": ["http://h/v1", "http://g/v1"], "api_key_env": ["AUGQA_TEST_KEY", "NONE"]},
            "variable NONE is empty; export the key of http://g/v1 there",
        ),
    ],
)
def test_check_refuses_addresses_that_cannot_be_meant(
    project: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], says: str
) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", "sk-test-1234567890")
    monkeypatch.chdir(project)
    with_llm(project, **changes)
    with pytest.raises(ParamsError, match=says):
        check()


@pytest.mark.parametrize("name", ["", "gpu", "../profiles/cpu"])
def test_results_are_kept_under_the_name_of_a_profile_alone(project: Path, name: str) -> None:
    done = augqa(project, "results", name)
    assert done.returncode == 1
    assert "choose one of confirm, cpu, embedded, levers, levers_asked" in done.stderr


def test_results_are_kept_for_the_profile_in_force_alone(project: Path) -> None:
    done = augqa(project, "results", "cpu")
    assert done.returncode == 1
    assert "params.yaml is not profiles/cpu.yaml" in done.stderr
