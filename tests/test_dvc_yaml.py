"""dvc.yaml held against the scripts: names, paths, imports, params and gates."""

import ast
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.params import Params
from tests.scripts import SCRIPTS, function

PIPELINE: dict[str, Any] = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]

# Whoever reads the table of the first column depends on the gate of the second.
GATES = {
    "data/prepared/pool.parquet": "metrics/validation/pool.json",
    "data/generated/contexts.parquet": "metrics/validation/contexts.json",
    "data/generated/pairs.parquet": "metrics/validation/pairs.json",
    "data/filtered/kept.parquet": "metrics/validation/kept.json",
    **{
        f"data/blends/{name}/${{item.seed}}.parquet": (
            f"metrics/validation/blend-{name}/${{item.seed}}.json"
        )
        for name in ("real", "${item.regime}")
    },
}


def script_of(stage: str) -> str:
    """Return the script's name: `blend_real` and `validate_kept` run blend and validate."""
    name = stage.removesuffix("_real")
    return "validate" if name.startswith("validate_") else name


def body(stage: str) -> dict[str, Any]:
    """Return the stage's body; of a foreach stage, that of its first item, filled in."""
    entry = PIPELINE[stage]
    if "foreach" not in entry:
        return dict(entry)
    key, item = next(iter(entry["foreach"].items()))
    text = yaml.safe_dump(entry["do"], width=10_000).replace("${key}", key)
    for name, value in item.items():
        text = text.replace(f"${{item.{name}}}", value)
    filled: dict[str, Any] = yaml.safe_load(text)
    return filled


def paths(entries: list[Any]) -> set[str]:
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def options(stage: str) -> dict[str, str]:
    """Return the command line's options: parameter name to value."""
    words = shlex.split(body(stage)["cmd"])
    assert words[:2] == ["python", f"stages/{script_of(stage)}.py"]
    names, values = words[2::2], words[3::2]
    return {
        name.removeprefix("--").replace("-", "_"): value
        for name, value in zip(names, values, strict=True)
    }


def kinds(script: str) -> dict[str, str]:
    """Return parameter name to kind, as written in the signature."""
    tree = ast.parse(SCRIPTS[script].read_text(encoding="utf-8"))
    (definition,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == script
    )
    arguments = [*definition.args.args, *definition.args.kwonlyargs]
    return {a.arg: ast.unparse(a.annotation) if a.annotation else "" for a in arguments}


def test_each_stage_has_one_script_of_its_name() -> None:
    assert {script_of(stage) for stage in PIPELINE} == set(SCRIPTS)


@pytest.mark.parametrize("stage", PIPELINE)
def test_the_command_line_gives_the_script_s_parameters(stage: str) -> None:
    signature = inspect.signature(function(script_of(stage)))
    required = {n for n, p in signature.parameters.items() if p.default is p.empty}
    assert required <= set(options(stage)) <= set(signature.parameters)


@pytest.mark.parametrize("stage", PIPELINE)
def test_each_input_is_a_dep_and_each_output_an_out(stage: str) -> None:
    entry = body(stage)
    deps = paths(entry["deps"])
    outs = paths([*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])])
    given = options(stage)
    for name, annotation in kinds(script_of(stage)).items():
        if name not in given:
            continue
        if annotation in ("Input", "OptionalInput"):
            assert given[name] in deps
        elif annotation == "Output":
            assert given[name] in outs
    written = {given[n] for n, a in kinds(script_of(stage)).items() if a == "Output" and n in given}
    assert outs == written


@pytest.mark.parametrize("stage", [stage for stage in PIPELINE if stage != "hash_code"])
def test_the_code_behind_a_stage_is_one_dep(stage: str) -> None:
    deps = paths(body(stage)["deps"])
    code = {dep for dep in deps if dep.startswith(("src", "stages", "data/code"))}
    assert code == {f"data/code/{script_of(stage)}.json"}


# No result depends on it, so that a change of it runs nothing anew.
UNTRACKED = {"executor"}


@pytest.mark.parametrize("stage", PIPELINE)
def test_who_works_on_batches_invalidates_nothing(stage: str) -> None:
    tracked = {entry.split(".")[0] for entry in body(stage).get("params", [])}
    assert not tracked & UNTRACKED


@pytest.mark.parametrize("stage", PIPELINE)
def test_each_param_that_a_script_reads_is_tracked(stage: str) -> None:
    # Stages of one script share what it reads: the gate on a blend reads `blend`, the others not.
    same = [other for other in PIPELINE if script_of(other) == script_of(stage)]
    tracked = [entry for other in same for entry in body(other).get("params", [])]
    source = SCRIPTS[script_of(stage)].read_text(encoding="utf-8")
    read = set(re.findall(r"load_params\(\)\.(\w+)", source))
    for name in re.findall(r"(\w+) = load_params\(\)\n", source):
        read |= set(re.findall(rf"\b{name}\.(\w+)", source))
    for section in (read & set(Params.model_fields)) - UNTRACKED:
        assert any(t == section or t.startswith(f"{section}.") for t in tracked), section
    for entry in tracked:
        assert entry.split(".")[0] in Params.model_fields


@pytest.mark.parametrize("stage", [s for s in PIPELINE if script_of(s) != "validate"])
def test_whoever_reads_a_table_depends_on_its_gate(stage: str) -> None:
    deps = paths(body(stage)["deps"])
    # A later gate stands behind an earlier one: kept pairs are checked pairs of checked contexts.
    behind = {
        "train": {"data/prepared/pool.parquet"},
        "train_real": {"data/prepared/pool.parquet"},
        "filter_pairs": {"data/generated/pairs.parquet"},
        "blend": {
            "data/prepared/pool.parquet",
            "data/generated/contexts.parquet",
            "data/generated/pairs.parquet",
        },
    }
    for table, gate in GATES.items():
        if table in deps and table not in behind.get(stage, set()):
            # Summarize depends on the whole folder of the gates.
            assert deps & {gate, "metrics/validation"}


def test_the_headline_is_the_only_file_that_exp_show_reads() -> None:
    # Some hundred numbers under `metrics` would bury the ones that a person compares.
    found = [entry for stage in PIPELINE for entry in body(stage).get("metrics", [])]
    assert found == [{"metrics/headline.json": {"cache": False}}]


def test_every_json_of_numbers_is_kept_in_git() -> None:
    for stage in PIPELINE:
        for out in body(stage).get("outs", []):
            if next(iter(out if isinstance(out, dict) else [out])).startswith("metrics/"):
                assert list(out.values()) == [{"cache": False}], out


def test_every_cached_out_is_ignored_by_git() -> None:
    ignored = Path(".gitignore").read_text(encoding="utf-8").split()
    for stage in PIPELINE:
        for out in body(stage).get("outs", []):
            if isinstance(out, str):
                assert any(out.startswith(line.strip("/*")) for line in ignored), out
