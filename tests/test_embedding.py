"""The text encoder on the packaged checkpoint: what is alike is near, and nothing else counts."""

import numpy as np
import pytest

from augqa.embedding import TextEncoder
from augqa.errors import CheckpointError

TEXTS = [
    "The bridge over the river was built of stone.",
    "Masons made the river's old stone bridge.",
    "Prices of wheat fell sharply in the spring.",
]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.load("all-MiniLM-L6-v2", threads=1)


def test_texts_about_the_same_are_nearer_than_others(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TEXTS, batch_size=2)
    assert vectors.shape == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2] + 0.2


def test_a_text_beside_longer_ones_has_the_embedding_it_has_alone(encoder: TextEncoder) -> None:
    together = encoder.encode([*TEXTS, "word " * 200], batch_size=4)
    alone = encoder.encode(TEXTS[:1], batch_size=4)
    assert together[0] == pytest.approx(alone[0], abs=1e-5)


def test_the_order_does_not_matter_and_a_repeated_text_is_read_once(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TEXTS, batch_size=2)
    again = encoder.encode([*TEXTS[::-1], TEXTS[0]], batch_size=2)
    assert again.tobytes() == np.concatenate([vectors[::-1], vectors[:1]]).tobytes()


def test_only_the_first_tokens_are_read(encoder: TextEncoder) -> None:
    short = TextEncoder(model=encoder.model, tokenizer=encoder.tokenizer, max_tokens=6, threads=1)
    # [CLS] and [SEP] leave four words.
    vectors = short.encode(["one two three four", "one two three four five six"], batch_size=1)
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)


def test_no_text_gives_no_embedding(encoder: TextEncoder) -> None:
    assert encoder.encode([], batch_size=2).shape == (0, 384)


def test_more_tokens_than_the_model_reads_are_refused(encoder: TextEncoder) -> None:
    with pytest.raises(CheckpointError, match="max_tokens 513 is above the 512"):
        TextEncoder(model=encoder.model, tokenizer=encoder.tokenizer, max_tokens=513)
