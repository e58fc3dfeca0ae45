"""The tool that changes the pure modules: each change is one, and what it runs is there."""

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("mutants", "tools/mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_each_module_and_each_test_file_is_there(tool: Any) -> None:
    for module, tests in tool.TESTS.items():
        assert Path(f"src/augqa/{module}.py").is_file()
        for name in tests.split():
            assert Path(f"tests/test_{name}.py").is_file(), module


def test_each_mutant_of_a_module_is_another_program_with_one_change(tool: Any) -> None:
    sound = ast.parse(Path("src/augqa/scoring.py").read_text(encoding="utf-8"))
    mutants = tool.mutants("scoring")
    programs = [ast.unparse(tool.changed(mutant)) for mutant in mutants]
    assert len(programs) > 20
    for program, mutant in zip(programs, mutants, strict=True):
        compile(program, "scoring.py", "exec")
        before, after = ast.unparse(sound).splitlines(), program.splitlines()
        assert before != after, mutant
        if len(before) == len(after):
            assert sum(a != b for a, b in zip(before, after, strict=True)) == 1, mutant


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = a and b", ["x = a or b"]),
        ("x = not a", ["x = a"]),
        ("x = a + 'text'", []),
        ("x = min(a, b)", ["x = max(a, b)"]),
        ("raise E(1 + 2)", []),
        ("x: int = True", ["x: int = False"]),
        ("x = f'{a + 1}'", []),
        ("f(a)", ["pass"]),
    ],
)
def test_what_decides_is_changed_and_no_message_and_no_type(
    tool: Any, code: str, expected: list[str]
) -> None:
    found = [
        ast.unparse(tool.with_change(ast.parse(code), number, which))
        for number, node in enumerate(tool.nodes(ast.parse(code)))
        for which, _ in enumerate(tool.changes(node))
    ]
    assert found == expected
