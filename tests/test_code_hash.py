"""The hash of code: what changes it, what does not, and which modules stand behind a script."""

import re
import sys
from pathlib import Path

import pytest

from augqa.code_hash import REPORTING, code_behind, code_hash
from augqa.errors import DataError

CODE = '''"""Add numbers."""

LIMIT = 3  # our choice


def add(a: int, b: int) -> int:
    """Return the sum."""
    # why
    return f"{a:>{LIMIT}} # no comment {b!r}" + """
    text"""
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# because"),
        ('"""Return the sum."""', '"""Return what both are together."""'),
        ('"""Add numbers."""\n', '"""Add\n\n    numbers."""\n'),
        ("a: int, b: int", "\n    a: int, b: int\n"),
        ("  # our choice", ""),
        ("LIMIT = 3", "LIMIT   =   3"),
    ],
)
def test_comments_docstrings_and_layout_do_not_change_the_hash(old: str, new: str) -> None:
    assert old in CODE
    assert code_hash(CODE.replace(old, new)) == code_hash(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("# no comment", "# a comment"),  # inside a string
        ("{b!r}", "{b!s}"),
        ("    text", "   text"),
        ("    return", "    pass\n    return"),
    ],
)
def test_what_code_does_changes_the_hash(old: str, new: str) -> None:
    assert old in CODE
    assert code_hash(CODE.replace(old, new)) != code_hash(CODE)


def test_a_deeper_block_is_other_code() -> None:
    flat = "for n in x:\n    f(n)\ng(n)\n"
    assert code_hash(flat) != code_hash("for n in x:\n    f(n)\n    g(n)\n")


def test_the_hash_is_the_same_on_every_python() -> None:
    # Computed with Python 3.11, where an f-string is one token; 3.12 and later have several.
    assert code_hash(CODE).startswith("7eab211a0afd1b9f"), sys.version


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_modules_behind_modules_are_found_by_every_way_of_importing(tmp_path: Path) -> None:
    write(
        tmp_path,
        stage="from house import kitchen\nimport house.cellar\nimport json\n",
        house__kitchen="def cook():\n    from house.oven import bake\n",
        house__oven="LOADER = 'house.garden:grow'\n",
        house__garden="",
        house__cellar="",
        house__attic="",
    )
    (tmp_path / "house" / "__init__.py").write_text("", encoding="utf-8")
    found = code_behind(tmp_path / "stage.py", roots=[tmp_path])
    assert set(found) == {
        "stage.py",
        "house",
        "house.kitchen",
        "house.oven",
        "house.garden",
        "house.cellar",
    }


def test_files_beside_a_package_count(tmp_path: Path) -> None:
    write(tmp_path, stage="import house\n")
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "__init__.py").write_text("", encoding="utf-8")
    prompt = tmp_path / "house" / "ask.md"
    prompt.write_text("Ask.", encoding="utf-8")
    before = code_behind(tmp_path / "stage.py", roots=[tmp_path])
    prompt.write_text("Ask!", encoding="utf-8")
    after = code_behind(tmp_path / "stage.py", roots=[tmp_path])
    assert {name for name in after if after[name] != before[name]} == {"house/ask.md"}


def test_a_plugin_counts_where_a_catalogue_is_imported(tmp_path: Path) -> None:
    write(tmp_path, one="import augqa.registry\n", none="import json\n")
    write(tmp_path, mine="import own\n")
    write(tmp_path, own="X = 1\n")
    roots = [Path("src"), tmp_path]
    assert {"mine", "own"} <= set(code_behind(tmp_path / "one.py", roots=roots, plugins=["mine"]))
    assert set(code_behind(tmp_path / "none.py", roots=roots, plugins=["mine"])) == {"none.py"}


def test_an_import_for_types_alone_does_not_count(tmp_path: Path) -> None:
    write(
        tmp_path,
        stage="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import other\n",
        other="",
    )
    assert set(code_behind(tmp_path / "stage.py", roots=[tmp_path])) == {"stage.py"}


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    write(tmp_path, stage="def (:\n")
    with pytest.raises(DataError, match=r"stage\.py: not Python"):
        code_behind(tmp_path / "stage.py", roots=[tmp_path])


def test_a_training_does_not_depend_on_recipes_gates_report_or_tracking() -> None:
    found = set(code_behind(Path("stages/train.py"), roots=[Path("src")]))
    assert "augqa.reader.training" in found
    foreign = r"augqa\.(report|tracking|blend|expectations|llm|filters|params|quality)"
    assert [name for name in found if re.match(foreign, name)] == []


def test_modules_that_only_report_are_there() -> None:
    # A name of REPORTING that was moved away would make a dependency untracked.
    for name in REPORTING:
        path = Path("src").joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
