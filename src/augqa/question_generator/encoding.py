"""Contexts and answers as token ids, the same in training and in use."""

from typing import Any

from augqa.question_generator.forms import cue, head
from augqa.sentences import Span, sentence_spans
from augqa.spans import window_around

# A window may take a token or two more when it is encoded by itself.
SPARE_TOKENS = 4


def token_starts(tokenizer: Any, text: str) -> list[int]:
    """Return the offset of each token of `text`, in characters."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [start for start, _ in encoded["offset_mapping"]]


def causal_ids(
    tokenizer: Any, text: str, answer: Span, *, max_source_tokens: int
) -> tuple[list[int], list[int]]:
    """Return the ids of the context with what goes before it, and those that ask for `answer`.

    A context that is too long is cut to a window of whole sentences about the answer, and so is a
    sentence that would take more than half. The ids of a single word may still be too many.

    Args:
        tokenizer: A fast tokenizer.
        text: The context.
        answer: Where the answer stands in it.
        max_source_tokens: Most ids, both together.
    """
    starts = token_starts(tokenizer, text)
    whole = (s for s in sentence_spans(text) if s[0] <= answer[0] and answer[1] <= s[1])
    sentence = next(whole, answer)
    asking = plain_ids(tokenizer, cue(text, answer, sentence))
    if len(asking) > max_source_tokens // 2:
        sentence = window_around(text, answer, starts, max_units=max(1, max_source_tokens // 4))
        asking = plain_ids(tokenizer, cue(text, answer, sentence))
    taken = len(_headed(tokenizer, head(""))) + len(asking) + SPARE_TOKENS
    window = window_around(text, answer, starts, max_units=max(1, max_source_tokens - taken))
    return _headed(tokenizer, head(text[slice(*window)])), asking


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of `text` without anything around it."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _headed(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of `text` behind the token that the model wants first, if it wants one."""
    begins = tokenizer("", verbose=False)["input_ids"][:1]
    begins = begins if begins == [tokenizer.bos_token_id] else []
    return [*begins, *plain_ids(tokenizer, text)]


def target_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of what a causal model is to write, and of its end."""
    return [*plain_ids(tokenizer, text), tokenizer.eos_token_id]
