"""YAML of others is read within bounds, and whatever is wrong with it is one short line."""

import os
from pathlib import Path

import pytest

from augqa import processor
from augqa.errors import ParamsError
from augqa.params_text import read_yaml
from augqa.yaml_text import YamlFault, parse_yaml, read_text

# PyYAML raises an error of Python's own for each of these.
STRAY = {
    "a day that is none": "a: !!timestamp x",
    "a truth that is none": "a: !!bool x",
    "no digit": 'a: !!int ""',
    "no number": 'a: !!float ""',
    "digits without end": "a: " + "9" * 5_000,
    "a sum of sixties": "a: " + ":".join(["1"] + ["59"] * 3_000) + ".5",
    "a version without end": "%YAML " + "9" * 5_000 + ".1\n---\na: 1",
    "beyond Unicode": 'a: "\\U00110000"',
    "far beyond Unicode": 'a: "\\UFFFFFFFF"',
}


@pytest.mark.parametrize("name", STRAY)
def test_what_no_parser_expects_is_one_short_line_with_its_number(name: str) -> None:
    with pytest.raises(YamlFault, match=r"^line [123]: ") as caught:
        parse_yaml(STRAY[name])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", STRAY)
def test_what_is_looked_at_on_import_is_never_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(STRAY[name], encoding="utf-8")
    assert not processor.asks(path)


@pytest.mark.parametrize("number", [2**64 - 1, -(2**64 - 1)])
def test_a_whole_number_of_64_bits_is_taken(number: int) -> None:
    assert parse_yaml(f"a: {number}") == {"a": number}


@pytest.mark.parametrize(
    "number", ["0x1" + "0" * 16, "0x" + "f" * 5_000, str(2**64), "-" + "9" * 40]
)
def test_a_larger_whole_number_is_refused(number: str) -> None:
    # Python does not write more than 4,300 digits, not even into a message.
    with pytest.raises(YamlFault, match=r"line 1: .* is no value: more than 64 bits"):
        parse_yaml(f"a: {number}")


@pytest.mark.parametrize("escape", ["\\0", "\\ud800", "x\\udfffy"])
def test_a_text_that_no_file_can_hold_is_refused(escape: str) -> None:
    with pytest.raises(YamlFault, match=r"line 1: .* holds a NUL, or half of a surrogate pair"):
        parse_yaml(f'a: "{escape}"')


def test_reading_ends_where_there_are_too_many_values() -> None:
    text = "a:\n" + "- 1\n" * 1_000
    # The mapping, its key and its list are values, too.
    assert len(parse_yaml(text, max_values=1_003)["a"]) == 1_000
    with pytest.raises(YamlFault, match=r"line (99|100): more than 100 values"):
        parse_yaml(text, max_values=100)


def test_a_file_is_read_no_further_than_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: 12", encoding="utf-8")
    assert read_text(path, max_bytes=5) == "a: 12"
    with pytest.raises(YamlFault, match="has 5 bytes, more than 4"):
        read_text(path, max_bytes=4)


def test_a_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "params.yaml")
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    for name in ("params.yaml", "endless.yaml"):
        with pytest.raises(ParamsError, match=f"{name}: is no ordinary file"):
            read_yaml(tmp_path / name)
        assert not processor.asks(tmp_path / name)


def test_a_link_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.symlink_to(path)
    with pytest.raises(ParamsError, match="cannot be read: Too many levels of symbolic links"):
        read_yaml(path)
