"""What the owners of the data ask for goes along with what is made of it, and makes nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import ParamsError
from augqa.params import load_params
from augqa.test_sets import Data
from tests.example_pages import report_page
from tests.scripts import function

PROFILES = sorted(Path("profiles").glob("*.yaml"))
FETCH_RAW = function("fetch_raw")


@pytest.fixture
def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return loaded


def data(train: str | None, **test_sets: str | None) -> Data:
    source = {"kind": "sample", "name": "a.json"}
    return Data(
        repair=False,
        unanswerable="refuse",
        train={**source, "license": train},
        test_sets={
            name: {"title": name.upper(), "role": "shift", "source": {**source, "license": found}}
            for name, found in test_sets.items()
        },
    )


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_set_of_a_profile_states_its_licence(path: Path) -> None:
    for name, source in load_params(path).data.sources().items():
        assert source.license, name


def test_sets_of_the_same_terms_stand_on_one_line() -> None:
    assert data("CC0-1.0", a="MIT", b="CC0-1.0").licences() == (
        "training set; B: CC0-1.0",
        "A: MIT",
    )


def test_terms_that_nobody_stated_are_said_to_be_so() -> None:
    assert data(None, a="MIT").licences()[0] == "training set: not stated"


@pytest.mark.parametrize("text", ["", "MIT\nlicense: CC0", "MIT\x1b[2J", "MIT\u202e", "x" * 301])
def test_terms_that_are_no_printable_line_are_refused(
    values: dict[str, Any], tmp_path: Path, text: str
) -> None:
    values["data"]["train"]["license"] = text
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ParamsError, match=r"data\.train.*license"):
        load_params(path)


def test_the_page_names_them() -> None:
    html = report_page()
    assert "<li>training set; SQuAD dev: CC-BY-SA-4.0 (Rajpurkar et al. 2016)</li>" in html


def test_a_licence_changes_nothing_that_is_made(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Path("data/sample").resolve()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    manifests = []
    for stated in ("CC0-1.0", "MIT"):
        values["data"]["train"] |= {"license": stated, "citation": f"{stated} et al."}
        Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        FETCH_RAW(sample=sample, raw=tmp_path / stated)
        manifests.append((tmp_path / stated / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]
