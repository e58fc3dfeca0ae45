"""Answers as Parquet and MRQA hold them, in every type that a writer gives them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augqa.errors import DataError
from augqa.formats import read_examples


def lists(text: Any, start: Any, of: Any = pa.list_) -> Any:
    return pa.struct([("text", of(text)), ("answer_start", of(start))])


TWO_LISTS = {"text": ["Mary"], "answer_start": [0]}
OBJECTS = [{"text": "Mary", "answer_start": 0}]
SOUND = {
    "struct<list>": (lists(pa.string(), pa.int32()), TWO_LISTS),
    "struct<large_list>": (lists(pa.large_string(), pa.int64(), pa.large_list), TWO_LISTS),
    "unsigned": (lists(pa.string(), pa.uint32()), TWO_LISTS),
    "list<struct>": (
        pa.list_(pa.struct([("text", pa.string()), ("answer_start", pa.int64())])),
        OBJECTS,
    ),
}
FAULTY = {
    "a float": (lists(pa.string(), pa.float64()), {"text": ["Mary"], "answer_start": [0.0]}, "0.0"),
    "NaN": (
        lists(pa.string(), pa.float64()),
        {"text": ["Mary"], "answer_start": [float("nan")]},
        "nan",
    ),
    "null": (lists(pa.string(), pa.int32()), None, "None"),
    "a number": (pa.int32(), 7, "7"),
}


def written(folder: Path, kind: Any, value: Any) -> Path:
    path = folder / "x.json"  # its name says nothing
    columns = {
        "id": ["a1"],
        "context": ["Mary met a ghost."],
        "question": ["Who?"],
        "answers": pa.array([value], type=kind),
    }
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("name", SOUND)
def test_answers_of_every_parquet_type_are_read(name: str, tmp_path: Path) -> None:
    (example,) = read_examples(written(tmp_path, *SOUND[name])).examples
    assert (example.answers[0].text, example.answers[0].start) == ("Mary", 0)


@pytest.mark.parametrize("name", FAULTY)
def test_a_value_of_parquet_that_is_none_is_named(name: str, tmp_path: Path) -> None:
    kind, value, shown = FAULTY[name]
    path = written(tmp_path, kind, value)
    with pytest.raises(DataError) as caught:
        read_examples(path)
    text = str(caught.value)
    assert text.startswith(f"{path} (flat Parquet): 1 of 1 questions")
    assert "row 0" in text
    assert f"found {shown}" in text


@pytest.mark.parametrize(
    ("spans", "shown"),
    [([[0.0, 3.0]], "[0.0, 3.0]"), ([[0]], "[0]"), ([[0, float("nan")]], "[0, nan]"), ("x", "'x'")],
)
def test_a_span_of_mrqa_that_is_none_is_named(spans: Any, shown: str, tmp_path: Path) -> None:
    answer = {"text": "Mary", "char_spans": spans}
    qas = [{"qid": "q1", "question": "Who?", "answers": ["Mary"], "detected_answers": [answer]}]
    path = tmp_path / "x.jsonl"
    path.write_text(
        json.dumps({"header": {"dataset": "x"}})
        + "\n"
        + json.dumps({"context": "Mary met a ghost.", "qas": qas})
    )
    with pytest.raises(DataError) as caught:
        read_examples(path)
    assert f"{path} (MRQA JSON lines)" in str(caught.value)
    assert "line 2, qas[0]" in str(caught.value)
    assert f"found {shown}" in str(caught.value)
