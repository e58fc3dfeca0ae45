"""Windows: those of the tokenizer's own overflow, with the answers where they stand."""

import errno
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from augqa.reader.feature_cache import cached_windows
from augqa.reader.features import label_windows, make_windows
from tests.readers import CONTEXT, load
from tests.tiny import encoder

__all__ = ["encoder"]  # the fixture


def test_windows_are_those_of_the_tokenizers_own_overflow(encoder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    questions = ["who wrote frankenstein?", "where?", "when was lord byron born?"]
    contexts = [CONTEXT, "London is on the Thames.", CONTEXT * 3]
    expected = tokenizer(
        questions,
        contexts,
        truncation="only_second",
        max_length=20,
        stride=5,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
        padding=False,
    )
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    windows = make_windows(tokenizer, questions, contexts, max_seq_length=20, doc_stride=5)
    found = [
        windows.ids[a:b].tolist()
        for a, b in zip(windows.starts[:-1], windows.starts[1:], strict=True)
    ]
    assert found == expected["input_ids"]
    assert windows.question.tolist() == expected["overflow_to_sample_mapping"]
    for i, types in enumerate(expected["token_type_ids"]):
        at, n = windows.context_at[i], windows.n_context[i]
        assert types == [0] * at + [1] * (len(types) - at)
        begin = windows.context_from[i]
        spans = list(
            zip(
                windows.char_start[begin : begin + n].tolist(),
                windows.char_end[begin : begin + n].tolist(),
                strict=True,
            )
        )
        assert spans == expected["offset_mapping"][i][at : at + n]


def test_labels_point_at_the_answer_in_every_window_that_holds_it(encoder: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    context = "the novel " * 20 + "Lord Byron" + " was born." * 10
    start = context.index("Lord")
    windows = make_windows(tokenizer, ["who?"], [context], max_seq_length=20, doc_stride=8)
    chosen, first, last = label_windows(windows, [start], [start + 10])
    assert 0 < len(chosen) < len(windows)
    for window, i, j in zip(chosen, first, last, strict=True):
        shift = windows.context_from[window] - windows.context_at[window]
        text = context[windows.char_start[shift + i] : windows.char_end[shift + j]]
        assert text == "Lord Byron"


def test_a_long_question_narrows_the_overlap_and_still_covers_the_context(encoder: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    windows = make_windows(tokenizer, ["who " * 25], [CONTEXT], max_seq_length=32, doc_stride=16)
    covered = set()
    for begin, n in zip(windows.context_from, windows.n_context, strict=True):
        covered |= set(range(begin, begin + n))
    assert covered == set(range(len(windows.char_start)))


def test_equal_texts_are_tokenised_once(encoder: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    one = make_windows(tokenizer, ["who?"], [CONTEXT], max_seq_length=32, doc_stride=4)
    two = make_windows(tokenizer, ["who?", "when?"], [CONTEXT] * 2, max_seq_length=32, doc_stride=4)
    assert len(two.char_start) == len(one.char_start)


def test_cached_windows_equal_fresh_ones_and_change_with_the_text(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    settings: Any = {"max_seq_length": 20, "doc_stride": 4}
    fresh = make_windows(tokenizer, ["who?"], [CONTEXT], **settings)
    cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    cached_windows(tmp_path, tokenizer, ["when?"], [CONTEXT], **settings)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr("augqa.reader.feature_cache.make_windows", None)
    again = cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    assert again.ids.tolist() == fresh.ids.tolist()
    assert again.starts.tolist() == fresh.starts.tolist()
    assert again.char_end.tolist() == fresh.char_end.tolist()


def test_a_damaged_cache_entry_is_made_again(encoder: Path, tmp_path: Path) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    settings: Any = {"max_seq_length": 20, "doc_stride": 4}
    good = cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    expected = good.ids.tolist()
    (next(tmp_path.iterdir()) / "ids.npy").write_bytes(b"broken")
    again = cached_windows(tmp_path, tokenizer, ["who?"], [CONTEXT], **settings)
    assert again.ids.tolist() == expected


@pytest.mark.parametrize("fault", ["file", "full", "damaged"])
def test_a_cache_that_cannot_be_used_is_told_of_once_and_done_without(
    encoder: Path,
    tmp_path: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokenizer = load(encoder, head_seed=0).tokenizer
    settings: Any = {"max_seq_length": 20, "doc_stride": 4}
    expected = make_windows(tokenizer, ["who?"], [CONTEXT], **settings)
    cache = tmp_path / "cache"
    if fault == "file":
        cache.write_text("in the way")
    else:

        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        if fault == "damaged":
            cached_windows(cache, tokenizer, ["who?"], [CONTEXT], **settings)
            (next(cache.iterdir()) / "types.json").write_text("[1]")
        monkeypatch.setattr("augqa.reader.feature_cache.np.save", full)
    for _ in range(3):
        found = cached_windows(cache, tokenizer, ["who?"], [CONTEXT], **settings)
        assert found.ids.tolist() == expected.ids.tolist()
    told = [record for record in caplog.records if "not kept for the next time" in record.message]
    assert len(told) == 1
    if fault != "file":
        assert list(cache.iterdir()) == []
