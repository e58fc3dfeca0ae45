"""Tables: what is written is read, in order, with equal bytes for equal rows."""

import dataclasses
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augqa import tables
from augqa.errors import DataError, RecordError
from augqa.records import Prediction, QAExample, Rejection
from augqa.tables import TableWriter, count_rows, iterate_table, read_table, schema, write_table
from tests.examples import example


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    rows = [example("b", context="🧟 Mary Shelley"), example("a")]
    write_table(tmp_path / "t.parquet", rows, QAExample)
    assert read_table(tmp_path / "t.parquet", QAExample) == rows


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_table(tmp_path / name, (example(str(n)) for n in range(50)), QAExample)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def rows_of(n: int) -> Iterator[Prediction]:
    return (Prediction(id=f"q{number}", text="word " * 40) for number in range(n))


def test_rows_written_one_by_one_give_the_bytes_of_rows_written_at_once(tmp_path: Path) -> None:
    n = 2 * tables._ROWS_A_GROUP + 3
    write_table(tmp_path / "at once", list(rows_of(n)), Prediction)
    with TableWriter(tmp_path / "one by one", Prediction) as table:
        for row in rows_of(n):
            table.write(row)
    assert (tmp_path / "one by one").read_bytes() == (tmp_path / "at once").read_bytes()
    assert count_rows(tmp_path / "at once") == n
    assert list(iterate_table(tmp_path / "at once", Prediction)) == list(rows_of(n))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        tracemalloc.reset_peak()
        write_table(tmp_path / "t.parquet", rows_of(n), Prediction)
        assert sum(1 for _ in iterate_table(tmp_path / "t.parquet", Prediction)) == n
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        small, large = (peak(groups * tables._ROWS_A_GROUP) for groups in (2, 8))
    finally:
        tracemalloc.stop()
    assert large < 1.2 * small


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
    with pytest.raises(DataError, match="augqa run"):
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
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]
