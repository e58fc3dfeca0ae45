"""Batched, length-sorted generation: texts in, what the model wrote out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from augqa.candidates import Candidate
from augqa.question_generator.proposals import Draft, Refusal
from augqa.sentences import Span


@dataclass(slots=True)
class Source:
    """One text for the model, and what it wrote.

    Attributes:
        text: The text.
        ids: Its token ids.
        candidate: The answer it asks a question for; None in form ``end_to_end``.
        window: The part of the passage it holds.
        fits: Whether the model can take it; a word longer than its input may not.
        output: What the model wrote.
        ended: Whether the model itself ended it, before the limit on new tokens.
    """

    text: str
    ids: list[int]
    candidate: Candidate | None = None
    window: Span | None = None
    fits: bool = True
    output: str = ""
    ended: bool = False


def decode(
    sources: Sequence[Source],
    *,
    model: Any,
    tokenizer: Any,
    generation: Any,
    max_source_tokens: int,
    batch_size: int,
    repeats_input: bool = False,
) -> None:
    """Write into each source what the model makes of it.

    Args:
        sources: The texts; one of more tokens than `max_source_tokens` is marked as not fitting.
        model: A model of transformers.
        tokenizer: Its tokenizer; pads on the side that the model needs.
        generation: A GenerationConfig.
        max_source_tokens: Longest text.
        batch_size: Texts at once.
        repeats_input: Whether the output begins with the input, as a causal model's does.
    """
    for source in sources:
        source.fits = len(source.ids) <= max_source_tokens
    # Equal lengths go together, so that little is computed on padding.
    fitting = [i for i, source in enumerate(sources) if source.fits]
    order = sorted(fitting, key=lambda i: (len(sources[i].ids), sources[i].text))
    starts = range(0, len(order), batch_size)
    for start in tqdm(starts, "questions", unit="batch", disable=None):
        chosen = order[start : start + batch_size]
        batch = tokenizer.pad(
            {"input_ids": [sources[i].ids for i in chosen]}, return_tensors="pt"
        ).to(model.device)
        with torch.inference_mode():
            outputs = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                generation_config=generation,
            )
        # An encoder-decoder's output begins with its start token.
        outputs = outputs[:, batch["input_ids"].shape[1] if repeats_input else 1 :]
        texts = tokenizer.batch_decode(outputs, skip_special_tokens=True)
        for i, ids, text in zip(chosen, outputs.tolist(), texts, strict=True):
            sources[i].output = text
            sources[i].ended = tokenizer.eos_token_id in ids


def outcome(source: Source, answer: Candidate) -> Draft | Refusal:
    """Return what the model wrote for an answer as a draft, or why it is none."""
    if not source.fits:
        return Refusal(reason="longer_than_input", detail=source.text[:80])
    if not source.ended:
        return Refusal(reason="output_cut_off", detail=source.output)
    return Draft(question=source.output.strip(), answer=answer.text, start=answer.start)
