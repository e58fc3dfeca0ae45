"""Files of extractive QA: recognised by content, every question read, whatever the form."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augqa.errors import DataError
from augqa.formats import read_examples, to_squad
from augqa.records import QAExample

CONTEXT = "Mary Shelley wrote it in 1818. 🧟 It was 1818."
ROWS = [
    {"id": "q1", "title": "Frankenstein", "question": "Who wrote it?", "answer": "Mary Shelley"},
    {"id": "q2", "title": "Frankenstein", "question": "When?", "answer": "1818"},
]
STARTS = {"q1": 0, "q2": 40}


def squad() -> dict[str, Any]:
    qas = [
        {
            "id": row["id"],
            "question": row["question"],
            "answers": [{"text": row["answer"], "answer_start": STARTS[row["id"]]}],
        }
        for row in ROWS
    ]
    paragraphs = [{"context": CONTEXT, "qas": qas}]
    return {"version": "1.1", "data": [{"title": "Frankenstein", "paragraphs": paragraphs}]}


def flat(*, as_list: bool = False) -> list[dict[str, Any]]:
    rows = []
    for row in ROWS:
        start = STARTS[row["id"]]
        answers: Any = {"text": [row["answer"]], "answer_start": [start]}
        if as_list:
            answers = [{"text": row["answer"], "answer_start": start}]
        rows.append(
            {
                "id": row["id"],
                "title": row["title"],
                "context": CONTEXT,
                "question": row["question"],
                "answers": answers,
            }
        )
    return rows


def mrqa() -> list[dict[str, Any]]:
    qas = []
    for row in ROWS:
        start = STARTS[row["id"]]
        last = start + len(row["answer"]) - 1  # inclusive, as MRQA has it
        qas.append(
            {
                "qid": row["id"],
                "question": row["question"],
                "answers": [row["answer"]],
                "detected_answers": [{"text": row["answer"], "char_spans": [[start, last]]}],
            }
        )
    return [{"header": {"dataset": "Mine", "split": "dev"}}, {"context": CONTEXT, "qas": qas}]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def delimited(delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["id", "title", "context", "question", "answer", "answer_start"])
    for row in ROWS:
        writer.writerow(
            [row["id"], row["title"], CONTEXT, row["question"], row["answer"], STARTS[row["id"]]]
        )
    return text.getvalue()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


FORMATS: dict[str, Callable[[], bytes]] = {
    "SQuAD JSON": lambda: json.dumps(squad()).encode(),
    "SQuAD JSON, indented": lambda: json.dumps(squad(), indent=2).encode(),
    "SQuAD JSON, gzip": lambda: gzip.compress(json.dumps(squad()).encode()),
    "SQuAD JSON, articles alone": lambda: json.dumps(squad()["data"]).encode(),
    "flat JSON": lambda: json.dumps(flat()).encode(),
    "flat JSON, under data": lambda: json.dumps({"version": "1", "data": flat()}).encode(),
    "flat JSON, answers as a list": lambda: json.dumps(flat(as_list=True)).encode(),
    "flat JSON lines": lambda: lines(flat()).encode(),
    "flat JSON lines, gzip": lambda: gzip.compress(lines(flat()).encode()),
    "flat Parquet": lambda: parquet(flat()),
    "flat Parquet, answers as a list": lambda: parquet(flat(as_list=True)),
    "MRQA JSON lines": lambda: lines(mrqa()).encode(),
    "MRQA JSON lines, gzip": lambda: gzip.compress(lines(mrqa()).encode()),
    "MRQA JSON": lambda: lines(mrqa()[1:]).encode(),
    "CSV": lambda: delimited(",").encode(),
    "CSV, by semicolons": lambda: delimited(";").encode(),
    "TSV": lambda: delimited("\t").encode(),
    "CSV, gzip": lambda: gzip.compress(delimited(",").encode()),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    # A name that says nothing.
    return tmp_path / "data.bin"


def expected() -> list[tuple[Any, ...]]:
    return [(row["id"], CONTEXT, row["question"], row["answer"], STARTS[row["id"]]) for row in ROWS]


def told(examples: tuple[QAExample, ...]) -> list[tuple[Any, ...]]:
    return [(e.id, e.context, e.question, e.answers[0].text, e.answers[0].start) for e in examples]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bom", ["", "utf-8-sig", "utf-16", "utf-32"])
def test_each_format_gives_the_same_examples_whatever_the_name(
    name: str, bom: str, file: Path
) -> None:
    content = FORMATS[name]()
    if bom and name.endswith("gzip"):
        content = gzip.compress(gzip.decompress(content).decode().encode(bom))
    elif bom and not name.startswith("flat Parquet"):
        content = content.decode().encode(bom)
    file.write_bytes(content)
    read = read_examples(file)
    assert told(read.examples) == expected()
    kinds = ("SQuAD JSON", "flat JSON lines", "flat JSON", "flat Parquet", "MRQA", "CSV", "TSV")
    wanted = next(kind for kind in kinds if name.startswith(kind))
    assert read.kind.startswith(wanted)
    assert read.kind.endswith(", gzip") is name.endswith(", gzip")
    assert (read.n_rows, read.repaired, read.dropped) == (2, {}, ())


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("MRQA")])
def test_titles_are_kept_beside_the_examples(name: str, file: Path) -> None:
    file.write_bytes(FORMATS[name]())
    assert read_examples(file).titles == {"q1": "Frankenstein", "q2": "Frankenstein"}


def test_examples_on_one_context_share_its_id(file: Path) -> None:
    file.write_text(json.dumps(squad()))
    first, second = read_examples(file).examples
    assert first.context_id == second.context_id


def test_writing_and_reading_gives_the_same_examples(file: Path) -> None:
    file.write_text(json.dumps(squad()))
    examples = read_examples(file).examples
    file.write_text(json.dumps(to_squad(examples)))
    assert read_examples(file).examples == examples


def test_the_keys_of_squadshifts_are_allowed(file: Path) -> None:
    file.write_text(json.dumps({**squad(), "version": "1.0", "split": "test"}))
    assert len(read_examples(file).examples) == 2


def test_a_null_title_is_none(file: Path) -> None:
    content = squad()
    content["data"][0]["title"] = None
    file.write_text(json.dumps(content))
    assert read_examples(file).titles == {}


def test_repeated_answers_stay_for_they_are_what_people_said(file: Path) -> None:
    content = squad()
    content["data"][0]["paragraphs"][0]["qas"][0]["answers"] *= 3
    file.write_text(json.dumps(content))
    assert len(read_examples(file).examples[0].answers) == 3


# -- MRQA --------------------------------------------------------------------------------------


def mrqa_file(file: Path, **changes: Any) -> Path:
    rows = mrqa()
    rows[1]["qas"][0].update(changes)
    file.write_text(lines(rows))
    return file


def test_the_ends_of_mrqa_spans_are_inclusive(file: Path) -> None:
    # Not its exact spelling: the span alone tells the answer's characters.
    detected = [{"text": "mary shelley", "char_spans": [[0, 11]]}]
    read = read_examples(mrqa_file(file, detected_answers=detected))
    assert read.examples[0].answers[0].text == "Mary Shelley"


def test_mrqa_answers_that_are_no_span_are_kept_to_score_by(file: Path) -> None:
    read = read_examples(mrqa_file(file, answers=["Mary Shelley", "Mary Wollstonecraft Shelley"]))
    assert read.texts == {"q1": ("Mary Wollstonecraft Shelley",)}


def test_each_detected_span_of_mrqa_is_an_answer(file: Path) -> None:
    detected = [{"text": "1818", "char_spans": [[25, 28], [40, 43]]}]
    read = read_examples(mrqa_file(file, answers=["1818"], detected_answers=detected))
    assert [answer.start for answer in read.examples[0].answers] == [25, 40]


def test_a_span_that_is_another_text_is_a_fault(file: Path) -> None:
    detected = [{"text": "Mary Shelley", "char_spans": [[5, 16]]}]
    with pytest.raises(DataError, match="'Mary Shelley' is not at 5"):
        read_examples(mrqa_file(file, detected_answers=detected))


# -- CSV ---------------------------------------------------------------------------------------


def csv_file(file: Path, *rows: str, header: str = "context,question,answer") -> Path:
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def test_csv_without_starts_finds_the_only_occurrence(file: Path) -> None:
    (example,) = read_examples(csv_file(file, "It was 1818.,When?,1818")).examples
    assert example.answers[0].start == 7


def test_csv_without_starts_refuses_to_guess_what_is_trained_on(file: Path) -> None:
    csv_file(file, "1818 or 1818.,When?,1818")
    with pytest.raises(DataError, match="1 answer_occurs_often"):
        read_examples(file)
    (example,) = read_examples(file, starts_matter=False).examples
    assert example.answers[0].start == 0


def test_csv_without_ids_makes_them_of_the_content(file: Path) -> None:
    rows = ["A cat.,What?,cat", "A dog.,What?,dog"]
    ids = [e.id for e in read_examples(csv_file(file, *rows)).examples]
    reverse = [e.id for e in read_examples(csv_file(file, *rows[::-1])).examples]
    assert ids == reverse[::-1]
    assert len(set(ids)) == 2


def test_repeated_rows_without_ids_are_numbered(file: Path) -> None:
    ids = [e.id for e in read_examples(csv_file(file, *["A cat.,What?,cat"] * 6)).examples]
    assert [id_.partition("-")[2] for id_ in ids] == ["", "2", "3", "4", "5", "6"]


def test_line_ends_in_a_quoted_cell_are_characters_of_it(file: Path) -> None:
    file.write_bytes(b'context,question,answer,answer_start\r\n"one\r\ntwo",What?,two,5\r\n')
    (example,) = read_examples(file).examples
    assert example.context == "one\r\ntwo"


def test_a_row_of_too_many_cells_is_named_by_its_line(file: Path) -> None:
    csv_file(file, "A cat.,What?,cat", "A dog, big.,What?,dog")
    with pytest.raises(DataError, match=r"1 wrong_number_of_cells\n    line 3: 4 cells under 3"):
        read_examples(file)


def test_a_quote_that_does_not_end_is_named(file: Path) -> None:
    csv_file(file, '"A cat.,What?,cat', "A dog.,What?,dog")
    with pytest.raises(DataError, match="not CSV near line"):
        read_examples(file)


def test_a_header_that_names_a_column_twice_is_refused(file: Path) -> None:
    csv_file(file, "a,b,c,d", header="context,question,answer,answer")
    with pytest.raises(DataError, match="column 'answer' stands twice"):
        read_examples(file)


# -- SQuAD v2 ----------------------------------------------------------------------------------


def squad_v2() -> dict[str, Any]:
    content = squad()
    qas = content["data"][0]["paragraphs"][0]["qas"]
    qas[0]["is_impossible"] = False
    plausible = [{"text": "1818", "answer_start": 25}]
    qas.append(
        {
            "id": "q3",
            "question": "Where?",
            "answers": [],
            "is_impossible": True,
            "plausible_answers": plausible,
        }
    )
    return content


def test_unanswerable_questions_are_refused_by_default(file: Path) -> None:
    file.write_text(json.dumps(squad_v2()))
    with pytest.raises(DataError, match=r"1 unanswerable\n.*q3(.|\n)*data\.unanswerable: drop"):
        read_examples(file)


def test_unanswerable_questions_are_dropped_and_counted_on_request(file: Path) -> None:
    file.write_text(json.dumps(squad_v2()))
    read = read_examples(file, unanswerable="drop")
    assert told(read.examples) == expected()
    assert [(row.id, row.reason) for row in read.dropped] == [("q3", "unanswerable")]
    assert read.n_rows == 3


def test_a_repair_does_not_drop_the_unanswerable(file: Path) -> None:
    file.write_text(json.dumps(squad_v2()))
    with pytest.raises(DataError, match="1 unanswerable"):
        read_examples(file, repair=True)
