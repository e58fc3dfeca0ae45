"""CPU seconds that each stage takes before it does anything, and a `dvc repro` that runs nothing.

    python benchmarks/startup.py [--stages train validate] [--rounds 3] [--against FOLDER]

Each script is asked for its ``--help``, in a process of its own: that imports all that it imports.
With ``--against`` the same is measured in turns for another checkout, and ratios are printed. Put a
finished project, such as one that `make demo` has run in, in ``--project`` to measure `dvc repro`
there, and in turns in a pipeline of as many stages that do nothing: what DVC costs by itself.
Medians; the last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from command import need_folder, run_command

from augqa.yaml_text import parse_yaml

ROOT = Path(__file__).parents[1]


def cpu_seconds(command: list[str], *, folder: Path) -> float:
    """Run a command in a checkout, on its own package; return what it took."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "src"), str(folder)])}
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None  # noqa: S101 - it was asked for
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} in {folder}: {said[-500:]}")
    return usage.ru_utime + usage.ru_stime


def empty_pipeline(folder: Path, n_stages: int) -> None:
    """Make a project of DVC of small stages, one after the other, and run them."""
    stages: dict[str, dict[str, object]] = {}
    for number in range(n_stages):
        stages[f"s{number}"] = {"cmd": f"echo {number} > o{number}", "outs": [f"o{number}"]}
        if number:
            stages[f"s{number}"]["deps"] = [f"o{number - 1}"]
    # JSON is YAML.
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"], ["dvc", "repro"]):
        cpu_seconds(command, folder=folder)


def n_stages_of(project: Path) -> int:
    """Return the number of stages that a finished project's dvc.lock has."""
    lock = parse_yaml((project / "dvc.lock").read_text(encoding="utf-8"))
    return len(lock["stages"])


def main() -> None:
    """Measure in turns and print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder))


def _measure(scratch: Path) -> None:
    names = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", nargs="+", default=names, choices=names)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--project", type=Path, help="a project in which nothing is left to run")
    own = parser.parse_args()
    need_folder("--against", own.against)
    need_folder("--project", own.project)
    checkouts = {"now": ROOT} | ({"before": own.against.resolve()} if own.against else {})
    if own.project is not None:
        empty_pipeline(scratch, n_stages_of(own.project))
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(own.rounds):
        for name in own.stages:
            for label, folder in checkouts.items():
                took = cpu_seconds([sys.executable, f"stages/{name}.py", "--help"], folder=folder)
                found.setdefault(name, {}).setdefault(label, []).append(took)
        if own.project is not None:
            for label, folder in (("now", own.project.resolve()), ("empty", scratch)):
                took = cpu_seconds(["dvc", "repro"], folder=folder)
                found.setdefault("dvc repro", {}).setdefault(label, []).append(took)
    medians = {
        name: {label: round(statistics.median(took), 2) for label, took in by_label.items()}
        for name, by_label in found.items()
    }
    for name, by_label in medians.items():
        for other in ("before", "empty"):
            if other in by_label:
                by_label["ratio"] = round(by_label["now"] / by_label[other], 2)
        print(name, by_label)
    print(json.dumps(medians))


if __name__ == "__main__":
    run_command(main)
