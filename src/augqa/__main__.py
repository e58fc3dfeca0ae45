"""The commands behind the Makefile: `python -m augqa data|profile|grow|table|results`."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from augqa.errors import AugQAError, DataError, ParamsError
from augqa.metrics import read_metrics
from augqa.params import load_params, with_value
from augqa.report import table_text
from augqa.sources import SETS, import_files
from augqa.stage import project_root

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

PROFILES = Path("profiles")
RESULTS = Path("docs/results")
PARAMS = Path("params.yaml")
FILTER_METRICS = Path("metrics/filter_pairs.json")


@app.command()
def data(folder: Annotated[str, typer.Argument(metavar="DIR")]) -> None:
    """Bring SQuAD-format files from DIR to data/external, each one checked first."""
    if not folder:
        raise ParamsError("no folder given. Say `make data FROM=DIR`.")
    external = project_root() / "data" / "external"
    found = import_files(Path(folder), external)
    for name in SETS:
        typer.echo(f"{name:9} {found.get(name, 'not available')}")
    typer.echo(
        f"{len(found)} sets in {external}. Pin them with these SHA-256 in data.files, set"
        " data.source to files (profile cpu does both for real SQuAD)."
    )


@app.command()
def profile(name: str) -> None:
    """Put profiles/NAME.yaml in force as params.yaml, after it has been checked."""
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise ParamsError(f"no profile {name!r}: choose one of {known}")
    load_params(path)
    if PARAMS.is_file() and _is_only_here(PARAMS):
        raise ParamsError(
            "params.yaml has changes of yours that stand neither in git nor in a profile, and this"
            " would overwrite them: commit them, or copy the file to profiles/ under a new name"
        )
    shutil.copyfile(path, PARAMS)
    typer.echo(f"params.yaml is now profile {name}")


@app.command()
def grow() -> None:
    """Raise prepare.n_seeds until filter_pairs.target_kept pairs are kept, or no seed is left."""
    if load_params().filter_pairs.model_dump()["target_kept"] is None:
        raise ParamsError("filter_pairs.target_kept is null: say there how many pairs to keep")
    while True:
        before = _written_at(FILTER_METRICS)
        # What it says goes to the terminal, as if it had been called by hand.
        status = subprocess.run(["dvc", "repro", "filter_pairs"], check=False)
        if status.returncode == 0:
            found = read_metrics(FILTER_METRICS)
            n_seeds = load_params().prepare.n_seeds
            typer.echo(
                f"{found['n_kept']} pairs kept from {n_seeds} seeds. Now `dvc repro`; commit"
                " params.yaml with what it gives."
            )
            return
        # Numbers of a former run say nothing about this one.
        of_this_run = _written_at(FILTER_METRICS) not in (None, before)
        needed = read_metrics(FILTER_METRICS).get("n_seeds_needed") if of_this_run else None
        if needed is None:
            raise DataError(
                "`dvc repro filter_pairs` stopped, and more seeds do not help: its message stands"
                " above"
            )
        text = PARAMS.read_text(encoding="utf-8")
        PARAMS.write_text(with_value(text, "prepare.n_seeds", needed), encoding="utf-8")
        typer.echo(f"prepare.n_seeds is now {needed}")


@app.command()
def table(summary: Path = Path("metrics/summary.json")) -> None:
    """Print the results table again."""
    typer.echo(table_text(read_metrics(summary)))


@app.command()
def results(name: str) -> None:
    """Keep the finished run in docs/results/NAME: params, hashes, metrics, table and page."""
    status = subprocess.run(["dvc", "status", "--quiet"], check=False)
    if status.returncode != 0:
        raise DataError(
            "`dvc status` shows changes: the metrics at hand are not those of the params, data and"
            " code at hand. Run `dvc repro` to the end first."
        )
    folder = RESULTS / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in (Path("params.yaml"), Path("dvc.lock"), Path("report/index.html")):
        shutil.copyfile(file, folder / file.name.replace("index", "report"))
    shutil.rmtree(folder / "metrics", ignore_errors=True)
    shutil.copytree("metrics", folder / "metrics")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    (folder / "table.md").write_text(
        f"# Results: {name}\n\nMade by `make profile NAME={name} && dvc repro` at commit"
        f" {commit.stdout.strip() or 'unknown'}, kept by `make results NAME={name}`.\n\n"
        f"```text\n{table_text(read_metrics(Path('metrics/summary.json')))}\n```\n\n"
        "[params.yaml](params.yaml), [dvc.lock](dvc.lock), [metrics](metrics), page:"
        " [report.html](report.html)\n",
        encoding="utf-8",
    )
    typer.echo(f"{folder} holds the run")


def _written_at(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None


def _is_only_here(path: Path) -> bool:
    """Return whether a file's content is neither a profile's nor the one git has."""
    content = path.read_bytes()
    if any(content == profile.read_bytes() for profile in PROFILES.glob("*.yaml")):
        return False
    committed = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"], capture_output=True, check=False
    )
    return committed.returncode != 0 or committed.stdout != content


def main() -> None:
    """Run a command; a mistake of the user's is one message and exit code 1."""
    try:
        app()
    except AugQAError as error:
        typer.echo(f"augqa: error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
