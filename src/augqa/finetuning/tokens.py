"""Texts as token ids, the same in training and in use."""

from typing import Any

# A window may take a token or two more when it is encoded by itself.
SPARE_TOKENS = 4


def token_starts(tokenizer: Any, text: str) -> list[int]:
    """Return the offset of each token of `text`, in characters."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [start for start, _ in encoded["offset_mapping"]]


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of `text` without anything around it."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def headed_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of `text` behind the token that the model wants first, if it wants one."""
    begins = tokenizer("", verbose=False)["input_ids"][:1]
    begins = begins if begins == [tokenizer.bos_token_id] else []
    return [*begins, *plain_ids(tokenizer, text)]


def target_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of what a causal model is to write, and of its end."""
    return [*plain_ids(tokenizer, text), tokenizer.eos_token_id]
