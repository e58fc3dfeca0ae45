"""Benchmarks say at their start what they lack, and not after minutes."""

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from augqa.errors import AugQAError
from augqa.processor import SWITCHES

COMMAND = runpy.run_path("benchmarks/command.py")


def test_a_benchmark_without_its_package_ends_at_once_and_names_it() -> None:
    # As if the package were not installed, wherever this runs.
    code = (
        "import runpy, sys; sys.modules['xllamacpp'] = None; sys.argv = ['generation.py'];"
        "sys.path.insert(0, 'benchmarks');"
        "runpy.run_path('benchmarks/generation.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].endswith(
        "error: xllamacpp: not installed; `make bench` installs it"
    )
    assert "Traceback" not in done.stderr


def test_a_part_that_needs_no_package_asks_for_none() -> None:
    COMMAND["need_packages"]("json")
    with pytest.raises(AugQAError, match="no_such_package, nor_this"):
        COMMAND["need_packages"]("json", "no_such_package", "nor_this")


def test_a_folder_that_is_read_at_the_end_is_asked_for_at_the_start(tmp_path: Path) -> None:
    COMMAND["need_folder"]("--trained", tmp_path)
    COMMAND["need_folder"]("--trained", None)
    with pytest.raises(AugQAError, match=r"--trained .*gone: there is no such folder"):
        COMMAND["need_folder"]("--trained", tmp_path / "gone")


@pytest.mark.parametrize(("params", "told"), [("reproducible: x86_64\n", True), ("", False)])
def test_a_benchmark_in_a_folder_that_slows_libraries_down_says_so(
    params: str, told: bool, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text(params)
    code = (
        f"import sys; sys.path.insert(0, {str(Path('benchmarks').resolve())!r}); import command; "
    )
    done = subprocess.run(
        [sys.executable, "-c", code + "command.run_command(lambda: print('measured'))"],
        cwd=tmp_path,
        env={name: os.environ[name] for name in os.environ.keys() - SWITCHES.keys()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "measured\n"
    assert ("held to AVX2" in done.stderr) == told


@pytest.mark.parametrize("script", sorted(Path("benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_a_benchmark_reads_only_options_that_it_has(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    had, read = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="add_argument"), args=[*names], keywords=words):
                given = {word.arg: word.value for word in words}
                flags = [name.value for name in names if isinstance(name, ast.Constant)]
                dest = given.get("dest")
                name = dest.value if isinstance(dest, ast.Constant) else flags[-1]
                had.add(str(name).lstrip("-").replace("-", "_"))
            case ast.Attribute(value=ast.Name(id="options"), attr=name, ctx=ast.Store()):
                had.add(name)
            case ast.Attribute(value=ast.Name(id="options"), attr=name):
                read.add(name)
    assert read <= had
