"""Metrics files: sorted, rounded, never NaN."""

from pathlib import Path

import pytest

from augqa.errors import DataError
from augqa.metrics import read_metrics, write_metrics


def test_keys_are_sorted_and_floats_have_four_decimals(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "m.json"
    write_metrics(path, {"b": 1.23456789, "a": {"d": 2, "c": [0.00001]}})
    assert path.read_text() == (
        '{\n  "a": {\n    "c": [\n      0.0\n    ],\n    "d": 2\n  },\n  "b": 1.2346\n}\n'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_number_is_refused_and_the_former_file_stays(tmp_path: Path, value: float) -> None:
    path = tmp_path / "m.json"
    write_metrics(path, {"f1": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_metrics(path, {"f1": value})
    assert read_metrics(path) == {"f1": 1.0}


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[1]", "not a JSON object")])
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_metrics(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"m\.json: no such metrics file"):
        read_metrics(tmp_path / "m.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' + "9" * 5_000 + "}"])
def test_what_python_cannot_hold_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"m\.json: not JSON: "):
        read_metrics(path)


def test_a_key_that_is_asked_for_and_is_not_there_names_the_file_at_any_depth(
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.json"
    write_metrics(path, {"sets": [{"amazon": {"f1": 1.0}}]})
    found = read_metrics(path)
    for place, key in ((found, "words"), (found["sets"][0]["amazon"], "exact_match")):
        with pytest.raises(DataError, match=rf"m\.json: has no '{key}': another version"):
            place[key]
        assert place.get(key) is None
        assert key not in place
