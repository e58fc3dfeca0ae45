"""The locks, and the set-up that installs them; nothing is installed here."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==(\S+)", re.MULTILINE)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


install = load("install")
inventory = load("inventory")


def pins(part: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / "requirements" / f"{part}.lock").read_text()))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_package_of_a_lock_has_a_hash(path: Path) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", path.read_text())
    assert len(blocks) > 1
    assert [block for block in blocks[1:] if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_no_lock_names_an_address(path: Path) -> None:
    assert "://" not in path.read_text()


def test_the_locks_have_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {"base": project["dependencies"], **project["optional-dependencies"]}
    everywhere = pins("base") | pins("torch")
    for part, requirements in asked.items():
        locked = everywhere | pins(part)
        for requirement in requirements:
            match = re.match(r"([a-z0-9-]+)(?:\[[a-z]+\])?(?:==(\S+))?$", requirement)
            assert match is not None, requirement
            assert locked[match[1]] == (match[2] or locked[match[1]]), requirement


def test_what_only_the_cuda_build_needs_is_in_no_other_lock() -> None:
    cuda = set(pins("cuda"))
    assert "nvidia-cublas" in cuda
    for part in ("base", "test", "bench", "ray", "weights"):
        assert not cuda & set(pins(part))


def test_the_cpu_build_is_of_the_version_of_the_lock() -> None:
    assert pins("torch-cpu")["torch"] == pins("torch")["torch"] + "+cpu"


CUDA_BUILD = ["sympy", "nvidia-cublas==13.1; platform_system == 'Linux'"]


@pytest.mark.parametrize(
    ("requirements", "platform", "expected"),
    [(CUDA_BUILD, "linux", True), (CUDA_BUILD, "darwin", False), (["sympy"], "linux", False)],
)
def test_cuda_libraries_are_for_a_cuda_build_on_linux(
    monkeypatch: pytest.MonkeyPatch, requirements: list[str], platform: str, expected: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert install.Torch("2.13.0", requirements).is_cuda is expected


def test_a_package_that_was_being_written_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, half = (
        tmp_path / f"lib/python3.11/site-packages/{name}.dist-info" for name in ("whole", "half")
    )
    for folder in (whole, half):
        folder.mkdir(parents=True)
        (folder / "METADATA").touch()
    (whole / "RECORD").touch()
    monkeypatch.setattr(install, "VENV", tmp_path)
    install.forget_half_installed()
    assert (whole.exists(), half.exists()) == (True, False)


def test_the_state_changes_with_a_lock_and_not_with_the_settings_of_a_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements").mkdir()
    for path in [*LOCKS, ROOT / "pyproject.toml"]:
        (tmp_path / path.relative_to(ROOT)).write_text(path.read_text())
    monkeypatch.chdir(tmp_path)
    before = install.fingerprint("base")
    with open("pyproject.toml", "a") as file:
        file.write("[tool.nothing]\n")
    assert install.fingerprint("base") == before
    with open("requirements/cuda.lock", "a") as file:
        file.write("# other\n")
    assert install.fingerprint("base") != before


def test_a_broken_state_counts_as_nothing_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "STATE", tmp_path / "state.json")
    assert install.read_state() == {}
    install.STATE.write_text('{"base"')
    assert install.read_state() == {}
    install.write_state({"base": "a"})
    assert install.read_state() == {"base": "a"} == json.loads(install.STATE.read_text())


def set_up(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    (folder / "tools").mkdir(exist_ok=True)
    (folder / "tools" / "setup.sh").write_text((ROOT / "tools" / "setup.sh").read_text())
    return subprocess.run(
        ["sh", "tools/setup.sh"],
        cwd=folder,
        env={**os.environ, "PYTHON": python},
        capture_output=True,
        text=True,
    )


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = set_up(tmp_path, "/no/such/python")
    assert found.returncode == 1
    assert found.stderr == "augqa: PYTHON=/no/such/python: there is no such program\n"


def test_a_python_that_does_not_fit_is_named_with_its_version(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    found = set_up(tmp_path, str(old))
    assert found.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is needed, found: Python 3.9.1." in found.stderr


def test_a_folder_that_is_no_virtual_environment_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "letter.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        install.prepare_venv()
    assert "is no virtual environment" in capsys.readouterr().err
    assert (tmp_path / ".venv" / "letter.txt").read_text() == "mine"


def test_every_installed_package_has_a_line_with_its_licence() -> None:
    packages = {found.name.lower(): found for found in inventory.distributions()}
    lines = inventory.licences(packages)
    assert len(lines) == len(packages)
    assert any(re.fullmatch(r"pydantic \S+: MIT", line) for line in lines)


def test_the_weight_of_all_is_the_sum_of_its_parts() -> None:
    packages = {found.name.lower(): found for found in inventory.distributions()}
    *rows, total = [float(line.split(" MB")[0]) for line in inventory.weight(packages)]
    assert total == pytest.approx(sum(rows), abs=1)
    assert rows[0] == max(rows[: inventory.SHOWN])
