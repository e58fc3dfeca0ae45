"""Whatever stands in params.yaml, the answer is one short message, in a command and in a stage."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import ParamsError
from augqa.params import load_params
from augqa.params_text import read_yaml

SOUND = Path("profiles/embedded.yaml").read_text(encoding="utf-8")

# Nine lines of nine aliases each: 3.8 hundred million values in a few hundred bytes.
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "comments alone": (b"# nothing\n", "is empty"),
    "a list": (b"- 1\n- 2\n", "holds a list, not keys"),
    "a word": (b"plugins\n", "holds a str, not keys"),
    "latin-1": ("a: 1\nb: caf\u00e9\n".encode("latin-1"), "line 2: not UTF-8: byte 0xe9"),
    "utf-16": (SOUND.encode("utf-16"), "is UTF-16: save it as UTF-8"),
    "a control character": (b"a: \x00\n", "not YAML: .*#x0000"),
    "no yaml": (b"a: 1\nb: [1\nc: 2\n", "line 3: not YAML: "),
    "a tab": (b"a:\n\tb: 1\n", "line 2: not YAML: .*cannot start any token"),
    "deep lists": (b"a: " + b"[" * 3000 + b"]" * 3000, "nested more than 50 deep"),
    "deep keys": (
        "\n".join(" " * n + f"k{n}:" for n in range(300)).encode(),
        "line 50: nested more than 50 deep",
    ),
    "an open list without end": (b"[" * 100_000, "nested more than 50 deep"),
    "a key twice": (SOUND.encode() + b"\nplugins: []\n", "line .*: key 'plugins' stands twice"),
    "a key twice, below": (
        SOUND.replace("  epochs: 2", "  epochs: 2\n  epochs: 3").encode(),
        "line .*: key 'epochs' stands twice",
    ),
    "an alias bomb": (BOMB.encode(), "aliases make more than 50,000 values"),
    "a loop": (b"a: &a [*a]\n", "an alias leads back"),
    "an alias of nothing": (b"a: *b\n", "line 1: not YAML: .*undefined alias 'b'"),
    "a day that is none": (b"a: 2026-13-45\n", "line 1: 2026-13-45 is no value: month must be"),
    "a number of 5,000 digits": (b"a: " + b"9" * 5_000, "line 1: 9+.* is no value"),
    "a tag that runs": (b"a: !!python/object/apply:os.system [ls]\n", "could not determine a con"),
    "a list as a key": (b"? [a]\n: 1\n", "line 1: not YAML: .*unhashable key"),
    "too large": (b"a: 1 #" + b"x" * 1_000_001, "has 1,000,007 bytes"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none_is_one_short_line(tmp_path: Path, name: str) -> None:
    content, message = FILES[name]
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert len(said) < len(str(path)) + 500


def test_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="is a folder, and should be a file"):
        read_yaml(tmp_path)


def test_a_mark_of_utf8_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(SOUND.encode("utf-8-sig"))
    assert load_params(path) == load_params(Path("profiles/embedded.yaml"))


def test_aliases_that_are_few_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\n", encoding="utf-8")
    assert read_yaml(path) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


def written(values: Any, tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def numbers(values: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of each number."""
    if isinstance(values, dict):
        return [found for key in values for found in numbers(values[key], (*place, key))]
    if isinstance(values, list):
        return [found for n, one in enumerate(values) for found in numbers(one, (*place, n))]
    return [place] if isinstance(values, int | float) and not isinstance(values, bool) else []


NUMBERS = numbers(yaml.safe_load(Path("profiles/paper.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), True, "1"], ids=str)
def test_no_number_takes_what_is_none(tmp_path: Path, wrong: Any) -> None:
    assert len(NUMBERS) > 60
    for place in NUMBERS:
        values = yaml.safe_load(Path("profiles/paper.yaml").read_text(encoding="utf-8"))
        inner = values
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = wrong
        name = ".".join(str(part) for part in place)
        with pytest.raises(ParamsError) as caught:
            load_params(written(values, tmp_path))
        assert name in str(caught.value), place


def test_a_misspelt_word_has_the_right_one_suggested(tmp_path: Path) -> None:
    values = yaml.safe_load(SOUND)
    values["generate_contexts"]["styles"] = {"encyclopaedic": 1.0}
    values["train"]["epoch"] = values["llm"]["epoch"] = values["train"].pop("epochs")
    values["regimes"] = ["mixx"]
    with pytest.raises(ParamsError) as caught:
        load_params(written(values, tmp_path))
    said = str(caught.value)
    assert "style 'encyclopaedic' is not one of" in said
    assert "did you mean 'encyclopedic'?" in said
    assert "train.epoch: is not a known key, found 2 - did you mean 'epochs'?" in said
    # A key that lacks in another section is not meant.
    assert "llm.epoch: is not a known key, found 2\n" in said
    del values["train"]["epoch"], values["llm"]["epoch"]
    values["train"]["epochs"] = 2
    values["generate_contexts"]["styles"] = {"encyclopedic": 1.0}
    with pytest.raises(ParamsError, match=r"'mixx' is no recipe .* did you mean 'mix'"):
        load_params(written(values, tmp_path))


def test_a_style_that_the_trained_writer_has_not_learned_is_told_before_it_is_trained(
    tmp_path: Path,
) -> None:
    values = yaml.safe_load(SOUND)
    values["context_writers"] = ["causal"]
    values["generate_contexts"]["writer"] = "trained"
    load_params(written(values, tmp_path))
    values["train_context_writer"]["style"] = "encyclopaedic"
    with pytest.raises(ParamsError, match=r"learn 'encyclopaedic' - did you mean 'encyclopaedic'"):
        load_params(written(values, tmp_path))


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("prepare", {"seed": "x" * 900_000}),
        ("regimes", ["x" * 900_000]),
        ("x" * 900_000, 1),
        ("plugins", ["\x1b[31mred"]),
        ("training_seeds", ["a"] * 40_000),
        ("llm", [[["y"] * 20_000]]),
    ],
    ids=["value", "name", "key", "escape", "many", "list"],
)
def test_no_message_is_longer_than_a_screen(tmp_path: Path, key: str, wrong: Any) -> None:
    values = yaml.safe_load(SOUND)
    values[key] = wrong
    with pytest.raises(ParamsError) as caught:
        load_params(written(values, tmp_path))
    said = str(caught.value)
    assert len(said) < 15_000
    assert all(len(line) < 1_000 for line in said.splitlines())
    assert "\x1b" not in said


@pytest.mark.parametrize("name", ["deep lists", "a day that is none", "utf-16", "an alias bomb"])
def test_a_command_and_a_stage_say_the_same_without_a_traceback(tmp_path: Path, name: str) -> None:
    content, message = FILES[name]
    (tmp_path / "params.yaml").write_bytes(content)
    root = Path.cwd()
    commands = (
        ["-m", "augqa", "check"],
        [str(root / "stages/fetch_raw.py"), "--sample", str(tmp_path), "--raw", "raw"],
    )
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stderr[-2000:]
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
        pattern = message.split("line ")[-1].split(": ")[-1]
        assert pattern[:12] in done.stderr


def test_a_key_in_place_of_its_variable_s_name_is_refused_and_not_repeated(tmp_path: Path) -> None:
    values = yaml.safe_load(SOUND)
    values["llm"]["api_key_env"] = "sk-proj-S3CRET"
    with pytest.raises(ParamsError, match=r"llm\.api_key_env: must be the name of") as caught:
        load_params(written(values, tmp_path))
    assert "S3CRET" not in str(caught.value)
