"""The writer that `train_context_writer` made: loaded and asked here, without an endpoint."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augqa import prompts
from augqa.blocks import blocks
from augqa.checkpoints import load_language_model
from augqa.context_writer import settings
from augqa.context_writer.choosing import ChoosingWriter, choosing
from augqa.context_writer.decoding import Row, Sampling, sample
from augqa.context_writer.entries import Given
from augqa.context_writer.face import ContextAsk
from augqa.context_writer.form import ask as form
from augqa.context_writer.form import form_sha256
from augqa.context_writer.training import RECORD, TrainedAs
from augqa.errors import ContextWriterError
from augqa.executor import batching
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.finetuning.determinism import sub_seed
from augqa.finetuning.record import check_form, read_record
from augqa.finetuning.tokens import headed_ids
from augqa.metrics import Usage
from augqa.records import GeneratedContext

_PARAM = "generate_contexts.trained.checkpoint"


def load(own: settings.Trained, given: Given) -> ChoosingWriter:
    """Return the writer of the folder that params name, or else of the one trained here.

    Raises:
        ContextWriterError: As `load_trained`; or if it has not learned a style that is asked for.
    """
    folder = given.trained if own.checkpoint is None else Path(own.checkpoint)
    writer = load_trained(
        folder or Path(),
        how=Sampling(
            temperature=own.temperature,
            top_p=own.top_p,
            no_repeat_ngram_tokens=own.no_repeat_ngram_tokens,
            max_new_tokens=own.max_new_tokens,
        ),
        seed=given.params.seed,
        max_words=given.params.max_words,
        batch_size=own.batch_size,
        threads=own.threads,
        executor=given.executor,
    )
    for style, weight in given.params.styles.items():
        if weight > 0 and style != writer.trained_as.style:
            raise ContextWriterError(
                f"generate_contexts.styles: {style!r} is no style of {folder}, which was trained on"
                f" {writer.trained_as.style!r} alone"
            )
    return choosing(writer, given)


def load_trained(
    folder: Path,
    *,
    how: Sampling,
    seed: int,
    max_words: int,
    batch_size: int,
    threads: int,
    executor: Executor = LOCAL,
) -> "TrainedContextWriter":
    """Load a writer that was trained here.

    Raises:
        ContextWriterError: If the folder or its record is missing or damaged, or the writer was
            trained on another form than this version asks in.
        CheckpointError: As `load_language_model`.
    """
    trained_as = read_record(
        folder / RECORD,
        TrainedAs,
        refused=ContextWriterError,
        absent=f"{_PARAM}: {folder} has no {RECORD}, so it was not made by train_context_writer."
        " Name a writer in context_writers and run `augqa run`.",
    )
    check_form(
        folder,
        trained_on=trained_as.prompt_sha256,
        asked_in=form_sha256(),
        refused=ContextWriterError,
    )
    tokenizer, model, source = load_language_model(str(folder), "causal", param=_PARAM)
    return TrainedContextWriter(
        tokenizer=tokenizer,
        model=model,
        served_name=source.served_name,
        trained_as=trained_as,
        how=how,
        seed=seed,
        max_words=max_words,
        batch_size=batch_size,
        threads=threads,
        executor=executor,
    )


@dataclass(slots=True, kw_only=True)
class TrainedContextWriter:
    """Writes contexts in batches on this machine.

    Equal asks and settings give equal contexts on the CPU.

    Attributes:
        tokenizer: The model's.
        model: A causal model of transformers.
        served_name: What to call it in a record.
        trained_as: What it was trained for.
        how: The choice of tokens.
        seed: Of the draws; each ask has its own, made from this and its id.
        max_words: Most words of a context.
        batch_size: Contexts at once.
        threads: CPU threads; another number may give other bytes.
        executor: Who lets the model write; the contexts are the same.
        usage: Nothing to pay.
    """

    tokenizer: Any
    model: Any
    served_name: str
    trained_as: TrainedAs
    how: Sampling
    seed: int
    max_words: int
    batch_size: int
    threads: int
    executor: Executor = LOCAL
    usage: Usage = field(default_factory=Usage)

    def write(self, asks: Iterable[ContextAsk]) -> Iterator[GeneratedContext]:
        """Yield a context or its failure for each ask, in their order."""
        for block in blocks(asks, batching.BLOCK):  # prompts of like lengths go together
            yield from self._write(block)

    def _write(self, asks: Sequence[ContextAsk]) -> Iterator[GeneratedContext]:
        rows = [
            Row(
                headed_ids(
                    self.tokenizer,
                    form(
                        question=each.seed.question,
                        answer=each.seed.answers[0].text,
                        style=self.trained_as.style,
                    ),
                ),
                sub_seed(self.seed, each.id),
            )
            for each in asks
        ]
        fitting = [row for row in rows if len(row.prompt) <= self.trained_as.max_prompt_tokens]
        sample(
            fitting,
            model=self.model,
            how=self.how,
            end=self.tokenizer.eos_token_id,
            padding=self.tokenizer.pad_token_id,
            batch_size=self.batch_size,
            threads=self.threads,
            executor=self.executor,
        )
        for each, row in zip(asks, rows, strict=True):
            yield self._context(each, row)

    def _context(self, ask: ContextAsk, row: Row) -> GeneratedContext:
        too_long = len(row.prompt) > self.trained_as.max_prompt_tokens
        finish_reason = "stop" if row.ended else "length"
        text, failure = "", "prompt_too_long" if too_long else None
        if not too_long:
            written = self.tokenizer.decode(row.written, skip_special_tokens=True)
            text, failure = prompts.finish_context(
                written, finish_reason=finish_reason, max_words=self.max_words
            )
        return GeneratedContext(
            id=ask.id,
            source_id=ask.seed.id,
            text=text,
            failure=failure,
            model=self.served_name,
            finish_reason=finish_reason,
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.written) + row.ended,
            prompt_sha256=self.trained_as.prompt_sha256,
            style=ask.style,
        )
