"""What is wrong with a file as a whole, and how much of one is read at all."""

import contextlib
import dataclasses
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from augqa.errors import DataError
from augqa.formats import opening, placing, read_examples, soundness
from augqa.formats.offsets import RULES, Converter, Rule
from augqa.formats.rows import FoundAnswer, FoundRow
from tests.test_formats import flat, lines, squad
from tests.work import CountedSet, CountedText, no_hang


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_examples(path, repair=True, unanswerable="drop")
    return str(caught.value)


WHOLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "white space": (b" \n\t\n", "holds nothing but white space"),
    "an error page": (b"\n<!DOCTYPE html><html>404", "is an HTML or XML page"),
    "a zip": (b"PK\x03\x04rest", "a zip archive"),
    "UTF-16 without a mark": ("[]".encode("utf-16-le"), "UTF-16 or UTF-32 without a byte order"),
    "UTF-32 without a mark": ("[]".encode("utf-32-be"), "UTF-16 or UTF-32 without a byte order"),
    "UTF-16 cut short": ("﻿[1".encode("utf-16-le")[:-1], "not UTF-16-LE text"),
    "half a pair in UTF-16": (b"\xff\xfe[\x00\x3e\xd8]\x00", "not UTF-16-LE text"),
    "a comma too many": (json.dumps(squad(), indent=1).encode()[:-2] + b",\n}", "a comma stands b"),
    "a comma in a list": (b'{"data": [1, 2,]}', "a comma stands before the closing ']'"),
    "Python's own notation": (str(squad()).encode(), "single quotes, as Python writes them"),
    "commas between lines": (lines(flat()).replace("\n", ",\n").encode(), "a comma behind a whole"),
    "Latin-1": ('{"data": [{"title": "Café"}]}'.encode("latin-1"), "not UTF-8 text: line 1, byte"),
    "not text": (bytes(range(128, 256)), "not UTF-8"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "cut short": (json.dumps(squad()).encode()[:-9], "may be cut short"),
    "cut short, indented": (
        json.dumps(squad(), indent=1).encode()[:99],
        r"not JSON at line 8, col",
    ),
    "gzip cut short": (
        gzip.compress(json.dumps(squad()).encode())[:-9],
        "gzip data: the file is c",
    ),
    "gzip damaged": (b"\x1f\x8b\x08" + b"\x00" * 7 + b"\xff" * 99, "cannot be read"),
    "packed twice": (gzip.compress(gzip.compress(b"{}")), "packed twice"),
    "a packed error page": (gzip.compress(b"<html>"), "holds an HTML"),
    "nested deep": (b"[" * 200_000, "nested deeper than can be read"),
    "nested deep in a row": (
        b'{"data": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        "nested deeper",
    ),
    "JSON of another kind": (b'[{"text": "x"}]', "its first row is with the keys 'text'"),
    "a list of texts": (b'["a", "b"]', "its first row is 'a'"),
    "an empty list": (b'{"data": []}', "its list is empty"),
    "an empty object": (b"{}", "with the keys none"),
    "a number": (b"[1]", "its first row is 1"),
    "prose": (b"# Read me\nfirst\n", "of no format that is known here"),
    "CSV of other columns": (b"a,b,c\n1,2,3\n", "context, question, answer"),
    "a header alone": (b"context,question,answer\n", "no question is left: it holds no row"),
    "two documents": (json.dumps(squad()).encode() + b"\n{}\n", "follows a complete JSON document"),
    "Parquet cut short": (b"PAR1garbage", "not a readable Parquet file"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_no_data_is_named_for_what_it_is(name: str, tmp_path: Path) -> None:
    content, message = WHOLE[name]
    path = tmp_path / "train.json"
    path.write_bytes(content)
    text = refusal(path)
    assert text.startswith(str(path))
    assert message in text


def test_a_folder_a_missing_file_and_a_pipe_are_named(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "nowhere.json")
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in refusal(tmp_path / "pipe")


def test_bytes_that_are_not_utf_8_further_down_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines(flat()).encode() + b'{"id": "\xff"}\n')
    assert "not UTF-8 text: line 3, byte 8 is 0xff" in refusal(path)
    path.write_bytes(b"context,question,answer\nA cat.,What?,cat\n\xff,?,a\n")
    assert "not UTF-8 text after line" in refusal(path)


# -- bounds ------------------------------------------------------------------------------------


def test_a_document_beyond_the_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_DOCUMENT_BYTES", 100)
    path = tmp_path / "big.json"
    path.write_text(json.dumps(squad(), indent=1))
    assert "Write it as JSON lines" in refusal(path)


def test_a_line_beyond_the_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "big.jsonl"
    path.write_text(lines(flat()) + " " * 2000)
    assert "line 3 is longer" in refusal(path)


def test_text_beyond_the_bound_is_refused_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_TEXT_BYTES", 200_000)
    path = tmp_path / "big.jsonl"
    path.write_text(lines(flat()) + " " * 300_000)
    assert "too much to be held in memory" in refusal(path)


def test_endless_blank_lines_are_refused(tmp_path: Path) -> None:
    # Of 200 MB of them, each read by itself, nobody would see the end.
    path = tmp_path / "blank"
    header = "context,question,answer\n"
    for text in ("\n" * 200_000, lines(flat()) + "\n" * 200_000, header + "\n" * 200_000):
        path.write_text(text)
        assert "more than 100000 blank lines" in refusal(path)


READ_IN_LITTLE_MEMORY = """\
import resource, sys
from pathlib import Path
from augqa.errors import DataError
from augqa.formats import read_examples
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_examples(Path(sys.argv[1]))
except DataError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read_apart(path: Path) -> tuple[str, int]:
    """Read a file in a process of its own; return its message and the MiB that it took."""
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_LITTLE_MEMORY, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *message, memory = done.stdout.splitlines()
    return "\n".join(message), int(memory)


@pytest.mark.parametrize("byte", [b" ", b"[", b'"', b"\x00"])
def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(byte: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb.json.gz"
    # 1 GiB, in a MB: parts that follow each other are one file.
    path.write_bytes(gzip.compress(byte * 2**24) * 64)
    message, memory = read_apart(path)
    assert "unpacks to more than 200 times its size" in message
    assert memory < 200


def test_a_file_of_5_gb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.write(b'{\n"data": [')
        file.truncate(5 * 10**9)  # sparse: nulls, which no disk has to hold
    assert "is one JSON document of more than 512 MiB" in refusal_apart(path)


def refusal_apart(path: Path) -> str:
    message, memory = read_apart(path)
    assert memory < 1500
    return message


def found_rows(n: int, *, answer: str, start: int) -> tuple[CountedText, list[FoundRow]]:
    """Return a context of 20 n characters and n questions on it: quadratic if each reads it all."""
    context = CountedText("Mary met a 🧟 ghost. " * n)
    return context, [
        FoundRow(
            place=f"row {i}",
            id=f"q{i}",
            title="",
            context=context,
            question="?",
            answers=(FoundAnswer(text=answer, start=start),),
        )
        for i in range(n)
    ]


@pytest.mark.parametrize(("answer", "start"), [("ghost", 13), ("ghost", 14), ("ghost", -1)])
def test_many_questions_on_one_long_context_read_it_a_few_times_in_all(
    answer: str, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, converted = 4000, []
    context, rows = found_rows(n, answer=answer, start=start)

    def counted(rule: Rule) -> Rule:
        def converter(text: str) -> Converter:
            converted.append(len(text))
            return rule.converter(text)

        return dataclasses.replace(rule, converter=converter)

    monkeypatch.setattr(placing, "RULES", tuple(counted(rule) for rule in RULES))
    with contextlib.suppress(DataError):
        soundness.examine(
            iter(rows),
            where="x.json",
            kind="SQuAD JSON",
            repair=True,
            unanswerable="refuse",
            starts_matter=False,
        )
    assert 0 < context.n_read < 10 * len(context) + 500 * n
    assert sum(converted) <= 20 * len(context)


def test_a_row_without_an_id_that_repeats_looks_for_a_free_one_in_few_steps() -> None:
    ids, n = CountedSet(), 5000
    for _ in range(n):
        ids.add("id" if "id" not in ids else next(soundness._numbered("id", ids)))
    assert len(ids) == n
    assert ids.n_looked_up < n * 2 * (n.bit_length() + 1)


def test_a_header_of_many_columns_is_read_in_good_time(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = ",".join(f"c{n}" for n in range(200_000))
    path.write_text(f"context,question,answer,{names},c7\n", encoding="utf-8")
    with no_hang(), pytest.raises(DataError, match="column 'c7' stands twice in the header"):
        read_examples(path)
