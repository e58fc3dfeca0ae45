"""The switches that hold libraries to one arithmetic, and who sets them when."""

import ast
import os
import sys
from pathlib import Path

import pytest
import yaml

from augqa import processor
from tests.apart import child

ROOT = Path(__file__).parents[1]
# They load none of the libraries that the switches are for.
HARMLESS = {"tqdm", "typer"}


SHOW = "import augqa, os, augqa.processor as p; print([os.environ.get(n) for n in p.SWITCHES])"


def test_importing_augqa_sets_every_switch_where_params_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("reproducible: x86_64\n")
    assert child(SHOW, tmp_path).stdout.strip() == str(list(processor.SWITCHES.values()))


@pytest.mark.parametrize("text", ["reproducible: machine\n", "seeds: [1]\n", "a: [", None])
def test_other_params_set_no_switch(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "params.yaml").write_text(text)
    assert child(SHOW, tmp_path).stdout.strip() == str([None] * len(processor.SWITCHES))


STAGE = "from augqa.stage import run\ndef stage() -> str:\n    return 'ran'\nrun(stage)\n"


def test_a_stage_that_loaded_numpy_before_augqa_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("reproducible: x86_64\n")
    found = child("import numpy\n" + STAGE, tmp_path)
    assert found.returncode == 1
    assert "numpy was imported before augqa" in found.stderr


def test_a_stage_that_loads_augqa_first_runs(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("reproducible: x86_64\n")
    found = child(STAGE, tmp_path)
    assert (found.returncode, "ran" in found.stderr) == (0, True)


@pytest.mark.parametrize("script", sorted((ROOT / "stages").glob("*.py")), ids=lambda p: p.stem)
def test_no_stage_imports_a_library_of_numbers_before_augqa(script: Path) -> None:
    before = []
    for node in ast.parse(script.read_text()).body:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        roots = [name.split(".")[0] for name in names]
        if "augqa" in roots:
            break
        before += [root for root in roots if root not in sys.stdlib_module_names]
    assert set(before) <= HARMLESS


def test_torch_and_numpy_heed_their_switches(tmp_path: Path) -> None:
    # One step below what x86_64 asks for, so that every processor shows whether it was heard.
    code = (
        "import os\n"
        "os.environ |= {'ATEN_CPU_CAPABILITY': 'default', 'NPY_DISABLE_CPU_FEATURES': 'X86_V3'}\n"
        "import numpy, torch\n"
        "from numpy._core._multiarray_umath import __cpu_features__ as features\n"
        "print(torch.backends.cpu.get_cpu_capability(), features['X86_V3'])"
    )
    if os.uname().machine != "x86_64":
        pytest.skip("switches of x86-64")
    assert child(code, tmp_path).stdout.split() == ["DEFAULT", "False"]


def test_numpy_knows_the_features_that_are_switched_off(tmp_path: Path) -> None:
    code = "from numpy._core._multiarray_umath import __cpu_dispatch__ as d; print(*d)"
    dispatched = child(code, tmp_path).stdout.split()
    if os.uname().machine != "x86_64":
        pytest.skip("switches of x86-64")
    above = set(dispatched) - {"X86_V3"}
    assert set(processor.SWITCHES["NPY_DISABLE_CPU_FEATURES"].split()) == above


def test_each_stage_whose_bytes_depend_on_the_processor_tracks_the_param() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    tracking = {name for name, stage in stages.items() if "reproducible" in params_of(stage)}
    assert tracking == {
        "generate_contexts",
        "generate_pairs",
        "judge_pairs",
        "blend",  # a chooser may embed questions
        "train_question_generator",
        "answer_round_trip",
        "measure_quality",
        "train_real",
        "train",
        "evaluate_real",
        "evaluate",
    }


def params_of(stage: dict[str, object]) -> object:
    return stage.get("do", stage).get("params", [])  # type: ignore[attr-defined]
