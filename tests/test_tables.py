"""Tables: what is written is read, in order, with equal bytes for equal rows."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augqa.errors import DataError, RecordError
from augqa.records import Prediction, QAExample, Rejection
from augqa.tables import read_table, schema, write_table
from tests.examples import example


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    rows = [example("b", context="🧟 Mary Shelley"), example("a")]
    write_table(tmp_path / "t.parquet", rows, QAExample)
    assert read_table(tmp_path / "t.parquet", QAExample) == rows


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_table(tmp_path / name, (example(str(n)) for n in range(50)), QAExample)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_table_keeps_its_schema(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", [], Rejection)
    assert read_table(tmp_path / "t.parquet", Rejection) == []


def test_the_columns_are_the_fields_of_the_record() -> None:
    assert schema(Prediction).names == ["id", "text"]
    assert schema(QAExample).field("answers").type == pa.list_(
        pa.struct(
            [
                pa.field("text", pa.string(), nullable=False),
                pa.field("start", pa.int64(), nullable=False),
            ]
        )
    )


def test_a_table_of_another_record_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", [], Rejection)
    with pytest.raises(DataError, match="not a table of Prediction"):
        read_table(tmp_path / "t.parquet", Prediction)


def test_a_missing_table_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dvc repro"):
        read_table(tmp_path / "t.parquet", Prediction)


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"t\.parquet: not a readable Parquet"):
        read_table(path, Prediction)


def test_a_broken_row_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    row = dataclasses.asdict(example("q7"))
    row["answers"][0]["start"] = 3
    pq.write_table(pa.Table.from_pylist([row], schema=schema(QAExample)), path)
    with pytest.raises(RecordError, match=r"t\.parquet: q7: answer 'Mary Shelley' is not at 3"):
        read_table(path, QAExample)


def test_a_crash_while_writing_leaves_the_former_table(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, [Prediction(id="q1", text="old")], Prediction)

    def rows():  # type: ignore[no-untyped-def]
        yield Prediction(id="q1", text="new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(path, rows(), Prediction)
    assert read_table(path, Prediction)[0].text == "old"
