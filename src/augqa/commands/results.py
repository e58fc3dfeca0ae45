"""Commands that show and keep results: table, results."""

import re
import shutil
import subprocess
from pathlib import Path

import typer

from augqa.commands.inputs import PARAMS, PROFILES
from augqa.commands.reporting import CASES, PAGE, report
from augqa.errors import DataError, ParamsError
from augqa.metrics import read_metrics
from augqa.params import load_params
from augqa.report import table_text
from augqa.report.template import write_page
from augqa.test_sets import reported_sets

RESULTS = Path("docs/results")


def table(
    summary: Path = Path("metrics/summary.json"), evidence: Path = Path("metrics/evidence.json")
) -> None:
    """Print the results and what they show again: columns and roles are those of params.yaml."""
    typer.echo(_table(summary, evidence))


def results(name: str) -> None:
    """Keep the finished run in docs/results/NAME: params, hashes, metrics, table and page."""
    path = PROFILES / f"{name}.yaml"
    if not re.fullmatch(r"\w[\w-]*", name) or not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise ParamsError(f"no profile {name!r} to keep the results of: choose one of {known}")
    if path.read_bytes() != PARAMS.read_bytes():
        raise ParamsError(
            f"params.yaml is not {path}: the kept page would name a profile that it was not made"
            f" with. Save your params as {path} first, or keep them under a name of their own"
        )
    status = subprocess.run(["dvc", "status", "--quiet"], check=False)
    if status.returncode != 0:
        raise DataError(
            "`dvc status` shows changes: the metrics at hand are not those of the params, data and"
            " code at hand. Run `dvc repro` to the end first."
        )
    folder = RESULTS / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in (Path("params.yaml"), Path("dvc.lock")):
        shutil.copyfile(file, folder / file.name)
    # The page of the run leads back to it under another name.
    cases = Path("report/pairs.html").read_text(encoding="utf-8")
    write_page(folder / CASES, cases.replace('href="index.html"', f'href="{PAGE}"'))
    shutil.rmtree(folder / "metrics", ignore_errors=True)
    shutil.copytree("metrics", folder / "metrics")
    # Not the page of the run, which leads to pages of the gates that are not kept.
    report(folder)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    (folder / "table.md").write_text(
        f"# Results: {name}\n\nMade by `make profile NAME={name} && dvc repro` at commit"
        f" {commit.stdout.strip() or 'unknown'}, kept by `make results NAME={name}`.\n\n"
        f"```text\n{_table(Path('metrics/summary.json'), Path('metrics/evidence.json'))}\n```\n\n"
        "[params.yaml](params.yaml), [dvc.lock](dvc.lock), [metrics](metrics), page:"
        " [report.html](report.html), [single pairs](pairs.html)\n",
        encoding="utf-8",
    )
    typer.echo(f"{folder} holds the run")


def _table(summary: Path, evidence: Path) -> str:
    test_sets = reported_sets(load_params().data.test_sets)
    return table_text(read_metrics(summary), test_sets, read_metrics(evidence))
