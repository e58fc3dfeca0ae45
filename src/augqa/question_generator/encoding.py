"""Contexts and answers as token ids, the same in training and in use."""

from typing import Any

from augqa.finetuning.tokens import SPARE_TOKENS, headed_ids, plain_ids, token_starts
from augqa.question_generator.forms import cue, head
from augqa.sentences import Span, sentence_spans
from augqa.spans import window_around


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
    taken = len(headed_ids(tokenizer, head(""))) + len(asking) + SPARE_TOKENS
    window = window_around(text, answer, starts, max_units=max(1, max_source_tokens - taken))
    return headed_ids(tokenizer, head(text[slice(*window)])), asking
