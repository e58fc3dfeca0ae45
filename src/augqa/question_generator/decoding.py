"""Batched, length-sorted generation: texts in, what the model wrote out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from augqa.candidates import Candidate
from augqa.executor.batching import map_items
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.executor.models import model_key, movable, tokenizer_key
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
    threads: int,
    repeats_input: bool = False,
    executor: Executor = LOCAL,
) -> None:
    """Write into each source what the model makes of it.

    Args:
        sources: The texts; one of more tokens than `max_source_tokens` is marked as not fitting.
        model: A model of transformers.
        tokenizer: Its tokenizer; pads on the side that the model needs.
        generation: A GenerationConfig.
        max_source_tokens: Longest text.
        batch_size: Texts at once.
        threads: CPU threads.
        repeats_input: Whether the output begins with the input, as a causal model's does.
        executor: Who lets the model write; the texts are the same.

    Raises:
        ExecutorError: As `Executor.map`.
    """
    for source in sources:
        source.fits = len(source.ids) <= max_source_tokens
    fitting = [source for source in sources if source.fits]
    written = map_items(
        Writing(model, tokenizer, generation, threads, repeats_input),
        fitting,
        alike=lambda source: (len(source.ids), source.text),
        batch_size=batch_size,
        batch_of=lambda chosen: [source.ids for source in chosen],
        title="questions",
        executor=executor,
    )
    for source, (text, ended) in zip(fitting, written, strict=True):
        source.output, source.ended = text, ended


@dataclass(frozen=True, slots=True)
class Writing:
    """What a model writes to inputs that are read at once, and whether it ended; a `Work`.

    Attributes:
        model: A model of transformers.
        tokenizer: Its tokenizer.
        generation: A GenerationConfig.
        threads: CPU threads.
        repeats_input: Whether the output begins with the input.
        n_at_once: They take all threads.
        is_kept: Writing takes long.
    """

    model: Any
    tokenizer: Any
    generation: Any
    threads: int
    repeats_input: bool
    n_at_once: int = 1
    is_kept: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        own = (self.tokenizer, self.generation, self.threads, self.repeats_input)
        return Writing, (movable(self.model), *own)

    def key(self) -> str:
        """Return a hash of all that a text depends on, but for the inputs."""
        tokenizer = tokenizer_key(self.tokenizer)
        generation = self.generation.to_json_string()
        side = self.tokenizer.padding_side
        own = (tokenizer, side, generation, self.threads, self.repeats_input)
        return model_key(self.model, "writing", *own)

    @contextmanager
    def session(self) -> Iterator[Callable[[list[list[int]]], list[tuple[str, bool]]]]:
        """Give the function that lets the model write."""
        torch.set_num_threads(self.threads)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        yield self._write

    def _write(self, inputs: list[list[int]]) -> list[tuple[str, bool]]:
        batch = self.tokenizer.pad({"input_ids": inputs}, return_tensors="pt").to(self.model.device)
        with torch.inference_mode():
            outputs = self.model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                generation_config=self.generation,
            )
        # An encoder-decoder's output begins with its start token.
        outputs = outputs[:, batch["input_ids"].shape[1] if self.repeats_input else 1 :]
        texts = self.tokenizer.batch_decode(outputs, skip_special_tokens=True)
        end = self.tokenizer.eos_token_id
        return [(text, end in ids) for text, ids in zip(texts, outputs.tolist(), strict=True)]


def outcome(source: Source, answer: Candidate) -> Draft | Refusal:
    """Return what the model wrote for an answer as a draft, or why it is none."""
    if not source.fits:
        return Refusal(reason="longer_than_input", detail=source.text[:80])
    if not source.ended:
        return Refusal(reason="output_cut_off", detail=source.output)
    return Draft(question=source.output.strip(), answer=answer.text, start=answer.start)
