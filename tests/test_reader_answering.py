"""Readers loaded, saved and asked."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from augqa.errors import ReaderError
from augqa.reader import Reader
from tests.readers import CONTEXT, digest, load
from tests.tiny import checkpoint

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
