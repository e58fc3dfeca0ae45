"""Answers that a file gives as plain text, and what stands before a header."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augqa.errors import DataError
from augqa.formats import read_examples

CONTEXT = "Mary met a ghost. Ann met a ghost."
ROW = {"context": CONTEXT, "question": "Who met it first?"}

PLAIN: dict[str, dict[str, Any]] = {
    "text": {"answers": "Mary"},
    "a list of texts": {"answers": ["Mary"]},
    "answer": {"answer": "Mary"},
    "answer with its start": {"answer": "Mary", "answer_start": 0},
    "answers absent beside answer": {"answers": None, "answer": "Mary"},
}


def in_lines(folder: Path, row: dict[str, Any]) -> Path:
    path = folder / "mine.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    return path


def in_parquet(folder: Path, row: dict[str, Any]) -> Path:
    path = folder / "mine.parquet"
    pq.write_table(pa.Table.from_pylist([row]), path)
    return path


@pytest.mark.parametrize("write", [in_lines, in_parquet])
@pytest.mark.parametrize("form", PLAIN)
def test_an_answer_in_plain_text_is_looked_for(form: str, write: Any, tmp_path: Path) -> None:
    (example,) = read_examples(write(tmp_path, {**ROW, **PLAIN[form]})).examples
    assert [(one.text, one.start) for one in example.answers] == [("Mary", 0)]


def test_a_start_beside_an_answer_tells_which_of_two_is_meant(tmp_path: Path) -> None:
    row = {**ROW, "answer": "a ghost", "answer_start": 26}
    (example,) = read_examples(in_lines(tmp_path, row)).examples
    assert example.answers[0].start == 26


def test_a_plain_answer_that_occurs_twice_is_refused_where_it_is_trained_on(tmp_path: Path) -> None:
    path = in_lines(tmp_path, {**ROW, "answer": "a ghost"})
    with pytest.raises(DataError, match="'a ghost'"):
        read_examples(path)
    (example,) = read_examples(path, starts_matter=False).examples
    assert example.answers[0].start == CONTEXT.index("a ghost")


def test_other_spellings_that_the_context_lacks_are_kept_to_score_by(tmp_path: Path) -> None:
    row = {**ROW, "id": "q1", "answers": ["Mary Shelley", "Mary"]}
    reading = read_examples(in_lines(tmp_path, row))
    assert [one.text for one in reading.examples[0].answers] == ["Mary"]
    assert reading.texts == {"q1": ("Mary Shelley",)}


def test_a_plain_answer_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'Percy'"):
        read_examples(in_lines(tmp_path, {**ROW, "answers": ["Percy"]}))


@pytest.mark.parametrize("value", ["", []])
def test_no_text_at_all_is_a_question_without_an_answer(value: Any, tmp_path: Path) -> None:
    path = in_lines(tmp_path, {**ROW, "answers": value})
    with pytest.raises(DataError, match="unanswerable"):
        read_examples(path)


@pytest.mark.parametrize("mark", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_of_excel_before_a_header_is_passed_over(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"{mark}\ncontext;question;answer\n{CONTEXT};Who?;Mary\n", encoding="utf-8")
    (example,) = read_examples(path).examples
    assert example.answers[0].text == "Mary"


@pytest.mark.parametrize(("before", "line"), [("", 2), ("sep=,\n", 3), ("\n\n", 4)])
def test_a_row_is_named_by_its_line_whatever_comes_before_the_header(
    before: str, line: int, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"{before}context,question,answer\n{CONTEXT},Who?,Percy\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"line {line}: "):
        read_examples(path)


def test_an_arrow_stream_is_told_what_to_do_with(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([ROW])
    path = tmp_path / "data-00000-of-00001.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match=r"Arrow stream.*to_parquet"):
        read_examples(path)
