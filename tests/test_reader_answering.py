"""Readers loaded, saved and asked."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Regex, pre_tokenizers
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, PreTrainedTokenizerFast

from augqa.errors import DataError, ReaderError
from augqa.reader import Reader
from tests.readers import CONTEXT, digest, load, tiny_model
from tests.tiny import checkpoint, tiny_tokenizer

__all__ = ["checkpoint"]  # the fixture


def test_an_answer_stands_at_its_start_whatever_window_it_is_in(checkpoint: Path) -> None:
    reader = load(checkpoint, max_seq_length=16)
    context = "Ärzte wrote — " * 10 + CONTEXT
    answer = reader.answer("who?", context)
    assert answer.text
    assert context[answer.start : answer.start + len(answer.text)] == answer.text


def test_transformers_loads_what_a_reader_saves(checkpoint: Path, tmp_path: Path) -> None:
    reader = load(checkpoint)
    reader.save(tmp_path)
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    inputs = tokenizer("who wrote frankenstein?", CONTEXT, return_tensors="pt")
    assert len(inputs["input_ids"][0]) > 8  # the checkpoint's own truncation is gone
    with torch.inference_mode():
        logits = model.eval()(**inputs).start_logits[0]
    with reader.encoder.plain_attention() as own, torch.inference_mode():
        assert torch.allclose(logits, own(**inputs).start_logits[0], atol=1e-5)


def test_a_saved_reader_keeps_its_settings_and_names_no_path(
    checkpoint: Path, tmp_path: Path
) -> None:
    load(checkpoint, max_seq_length=24).save(tmp_path / "a")
    again = Reader.load(tmp_path / "a", threads=1)
    assert again.max_seq_length == 24
    again.save(tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    for file in (tmp_path / "b").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
        assert str(checkpoint).encode() not in file.read_bytes()


def test_the_packaged_encoder_is_found_by_name() -> None:
    reader = Reader.load("all-MiniLM-L6-v2", threads=1, head_seed=1)
    assert reader.encoder.packs
    assert reader.answer("Who wrote Frankenstein?", CONTEXT).text in CONTEXT


def test_more_tokens_than_positions_are_refused(checkpoint: Path) -> None:
    with pytest.raises(ReaderError, match="above the 64 positions"):
        Reader.load(checkpoint, max_seq_length=65)


def test_bad_questions_are_refused_by_name(checkpoint: Path) -> None:
    reader = load(checkpoint)
    for question, context, fault in (
        ("  ", CONTEXT, "question is empty"),
        ("who?", " ", "context has no token"),
        ("who " * 40, CONTEXT, "takes 40 tokens"),
    ):
        with pytest.raises(ReaderError, match=fault):
            reader.answer(question, context)


LONG = "who " * 40


def test_a_question_too_long_for_its_context_is_no_answer_among_others(checkpoint: Path) -> None:
    reader = load(checkpoint)
    good = reader.answer("who?", CONTEXT)
    found = reader.answer_texts(
        ["who?", LONG, "  ", "who?", LONG], [CONTEXT, CONTEXT, CONTEXT, "  ", "where"]
    )
    assert [answer.is_answer for answer in found] == [True, False, False, False, False]
    assert found[0] == good
    assert found[1].text == ""
    assert found[1].score < -1e8
    assert reader.answer_texts([LONG, "who?"], [CONTEXT] * 2)[1] == good
    assert not any(a.is_answer for a in reader.answer_texts([LONG], [CONTEXT]))


@pytest.mark.parametrize("leading", [True, False])
def test_the_space_before_a_word_is_no_part_of_an_answer(tmp_path: Path, leading: bool) -> None:
    tiny_model("bert", tmp_path)
    backend = tiny_tokenizer().backend_tokenizer
    # As byte-level tokenizers without trim_offsets, and Metaspace, count it.
    pattern = Regex(r" ?\w+|[^\w\s]") if leading else Regex(r"\w+ ?|[^\w\s]")
    backend.pre_tokenizer = pre_tokenizers.Split(pattern, "isolated")
    reader = load(tmp_path)
    reader.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    reader.tokenizer.backend_tokenizer.no_truncation()
    reader.tokenizer.backend_tokenizer.no_padding()
    spans = reader.tokenizer.backend_tokenizer.encode(CONTEXT, add_special_tokens=False).offsets
    assert any(CONTEXT[a:b] != CONTEXT[a:b].strip() for a, b in spans)
    for question in ("who?", "when?", "where was byron born?", "what novel?", "a poet?"):
        answer = reader.answer(question, CONTEXT)
        assert answer.text == answer.text.strip()
        assert CONTEXT[answer.start :].startswith(answer.text)


def test_a_full_disk_leaves_no_half_model(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = load(checkpoint)
    reader.save(tmp_path / "model")
    before = digest(tmp_path / "model")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reader.tokenizer, "save_pretrained", full, raising=False)
    for folder in (tmp_path / "model", tmp_path / "new"):
        with pytest.raises(DataError, match=rf"{folder.name}: cannot be written: .*No space left"):
            reader.save(folder)
    assert digest(tmp_path / "model") == before
    assert os.listdir(tmp_path) == ["model"]
