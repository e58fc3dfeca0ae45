"""Passages of the user's own documents."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augqa.context_writer.documents import DocumentsWriter, documents, passages
from augqa.errors import ContextWriterError, DataError
from augqa.records import context_id
from tests.examples import example


def not_utf8() -> bytes:
    """Return a table whose text is bytes that are none."""
    bytes_ = pa.array([b"\xff"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 1, bytes_.buffers())
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), buffer)
    return buffer.getvalue()


SENTENCE = "The pump of line {} stands still since Monday."  # nine words


def writer(folder: Path, n: int | None = None, min_words: int = 8) -> DocumentsWriter:
    return DocumentsWriter(
        folder=folder,
        n_passages=n,
        min_words=min_words,
        max_words=20,
        text_column="text",
        seed=1,
    )


def test_paragraphs_are_joined_while_they_fit_and_long_ones_cut_at_sentence_ends() -> None:
    short, long = SENTENCE.format(1), " ".join(SENTENCE.format(n) for n in range(2, 6))
    found = passages(f"{short}\n\n{short}\n\n{long}", min_words=8, max_words=20)
    assert [len(passage.split()) for passage in found] == [18, 18, 18]
    assert found[1] == f"{SENTENCE.format(2)} {SENTENCE.format(3)}"


def test_a_short_rest_and_a_sentence_without_an_end_are_no_passage() -> None:
    assert passages("Too short.", min_words=8, max_words=20) == []
    assert passages("word " * 50, min_words=8, max_words=20) == []


def test_passages_are_real_text_under_ids_of_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SENTENCE.format(1), encoding="utf-8")
    (passage,) = writer(tmp_path).contexts([example()])
    assert passage.text == SENTENCE.format(1)
    assert passage.id == f"doc-{context_id(passage.text)}/c1"
    assert (passage.origin, passage.model, passage.failure) == ("real", None, None)


def test_all_three_kinds_of_files_are_read_in_any_depth(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "README.md").write_text("A note.")
    (tmp_path / "a.txt").write_text("one")
    lines = [json.dumps({"text": "two"}), "", json.dumps({"text": "three"})]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    pq.write_table(pa.table({"text": ["four"]}), tmp_path / "in" / "c.parquet")
    assert list(documents(tmp_path, text_column="text")) == ["one", "two", "three", "four"]


def test_a_smaller_choice_lies_in_a_larger_one_whatever_the_files_are_called(
    tmp_path: Path,
) -> None:
    for n in range(9):
        (tmp_path / f"{n}.txt").write_text(SENTENCE.format(n))
    few, many = ([p.id for p in writer(tmp_path, n).contexts([])] for n in (3, 6))
    assert many[:3] == few
    (tmp_path / "0.txt").rename(tmp_path / "z.txt")
    assert [p.id for p in writer(tmp_path, 6).contexts([])] == many


def test_as_many_passages_as_seed_questions_unless_a_number_is_given(tmp_path: Path) -> None:
    for n in range(9):
        (tmp_path / f"{n}.txt").write_text(SENTENCE.format(n))
    assert len(list(writer(tmp_path).contexts([example("a"), example("b")]))) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"%PDF", r"a\.pdf: not a document"),
        ("a.txt", b"\xff\xfe\x00", r"a\.txt: not a readable text"),
        ("a.jsonl", b'{"text": "x"}\n{', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl", b'{"body": "x"}', r"a\.jsonl, line 1: no text under 'text'"),
        ("a.jsonl", b"[1]", r"a\.jsonl, line 1: no text under 'text'"),
        ("a.jsonl", b'{"text": "\\ud800"}', r"a\.jsonl, line 1: text holds half of a surrogate"),
        ("a.jsonl", b"[" * 100_000, r"a\.jsonl, line 1: not JSON"),
        ("a.parquet", not_utf8(), r"a\.parquet: not a readable Parquet"),
        ("a.parquet", b"PAR1", r"a\.parquet: not a readable Parquet"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(documents(tmp_path, text_column="text"))


def test_a_folder_without_a_passage_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ContextWriterError, match=r"put \.txt, \.jsonl or \.parquet files there"):
        list(writer(tmp_path).contexts([example()]))
