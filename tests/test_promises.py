"""docs/promises.md names tests that exist, and a test or a trial for each promise."""

import ast
import re
from pathlib import Path

import pytest

PAGE = Path("docs/promises.md").read_text(encoding="utf-8")
ROWS = [
    line.strip("|").split(" | ")
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| case |")
]
NAMED = sorted(set(re.findall(r"`(\w+::\w+)`", PAGE)))
# endpoints.md names its tests in its last column, some by their beginning alone.
QUIRKS = Path("docs/endpoints.md").read_text(encoding="utf-8")


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    made = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return made | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("named", NAMED)
def test_a_promise_is_held_by_a_test_that_exists(named: str) -> None:
    file, name = named.split("::")
    path = Path(f"tests/test_{file}.py")
    assert path.is_file(), f"{named}: no {path}"
    assert f"test_{name}" in functions(path), f"{named}: no such test in {path}"


def test_each_promise_names_a_test_or_where_it_was_tried() -> None:
    assert len(ROWS) > 50
    bare = [row[0] for row in ROWS if "::" not in row[2] and "](" not in row[2]]
    assert bare == []


def test_the_tests_that_endpoints_names_exist() -> None:
    tests = {name for path in Path("tests").glob("test_*.py") for name in functions(path)}
    files = {path.stem for path in Path("tests").glob("test_*.py")}
    cells = [
        line.strip().strip("|").split(" | ")[-1].strip()
        for line in QUIRKS.splitlines()
        if line.startswith("| ") and line.count(" | ") == 3
    ]
    named = {
        part.strip()
        for cell in cells
        for part in re.split(r"[,;:]", cell)
        if part.strip() not in ("test", "the same", "")
    }
    assert len(named) > 20
    lost = [
        one
        for one in named
        if one not in files and not any(test.startswith(f"test_{one}") for test in tests)
    ]
    assert lost == []
