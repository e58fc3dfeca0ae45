"""Paths that params name: found from any folder a stage runs in, and told from names."""

from pathlib import Path

import pytest

from augqa.errors import CheckpointError
from augqa.model_paths import find_path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a temporary workspace of `dvc exp run`; return the repository's root."""
    root, workspace = tmp_path / "root", tmp_path / "workspace"
    (root / "local" / "reader").mkdir(parents=True)
    workspace.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.chdir(workspace)
    return root


def test_a_relative_folder_is_found_from_the_repositorys_root(elsewhere: Path) -> None:
    assert find_path("local/reader", param="p") == elsewhere / "local" / "reader"


def test_the_working_directory_comes_before_the_repositorys_root(elsewhere: Path) -> None:
    Path("local/reader").mkdir(parents=True)
    found = find_path("local/reader", param="p")
    assert found is not None
    assert found.resolve() == Path.cwd() / "local" / "reader"
    assert found.resolve() != elsewhere / "local" / "reader"


def test_a_home_folder_is_found(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(elsewhere))
    assert find_path("~/local", param="p") == elsewhere / "local"


@pytest.mark.parametrize(
    "named",
    [
        *("./org/model", "../model", ".cache/model", "~/no/model", "/no/such/model"),
        *("local/gone", "local/reader/gone"),  # its first part is a folder
        "model.gguf",
    ],
)
def test_what_looks_like_a_path_and_is_not_there_is_refused(elsewhere: Path, named: str) -> None:
    with pytest.raises(CheckpointError, match=r"^p '.*': no such folder or file here") as caught:
        find_path(named, param="p")
    assert repr(named) in str(caught.value)
    if named == "local/gone":
        assert str(elsewhere / "local" / "gone") in str(caught.value)


def test_a_path_object_is_never_a_name(elsewhere: Path) -> None:  # noqa: ARG001
    with pytest.raises(CheckpointError, match="no such folder"):
        find_path(Path("org/model"), param="p")


@pytest.mark.parametrize("named", ["org/model", "model", "org/model@refs/pr/4"])
def test_a_name_is_no_path(elsewhere: Path, named: str) -> None:  # noqa: ARG001
    assert find_path(named, param="p") is None
