"""Fine-tuning for writing contexts to questions and their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa.checkpoints import load_language_model
from augqa.context_writer.form import form_sha256
from augqa.context_writer.lessons import WriterLessons, distinct_contexts_first
from augqa.errors import ContextWriterError
from augqa.finetuning.determinism import pinned
from augqa.finetuning.language_model import FineTuning, FineTuningReport, OnPart, fine_tune
from augqa.finetuning.record import write_record
from augqa.finetuning.saving_language_models import save_language_model
from augqa.records import QAExample

RECORD = "context_writer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedAs:
    """What the user of a trained context writer must know; lies beside its weights.

    Attributes:
        base: Name of the checkpoint it was trained from.
        prompt_sha256: Hash of the form it was trained on.
        style: What the manner of its training set was called.
        max_prompt_tokens: Longest question with its answer that it was trained on.
        max_context_tokens: Longest context that it was trained on.
    """

    base: str
    prompt_sha256: str
    style: str
    max_prompt_tokens: int
    max_context_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedWriter:
    """A trained context writer, to be saved.

    Attributes:
        model: A causal model of transformers, the adapters merged.
        tokenizer: Its tokenizer.
        trained_as: What its user must know.
    """

    model: Any
    tokenizer: Any
    trained_as: TrainedAs

    def save(self, folder: Path) -> None:
        """Write the checkpoint and what it was trained for; equal weights give equal bytes."""
        save_language_model(folder, self.model, self.tokenizer)
        write_record(folder / RECORD, self.trained_as)


def train_context_writer(
    examples: Sequence[QAExample],
    *,
    checkpoint: str,
    how: FineTuning,
    n_examples: int | None,
    style: str,
    max_prompt_tokens: int,
    max_context_tokens: int,
    threads: int,
    on_part: OnPart | None = None,
    resume: Path | None = None,
) -> tuple[TrainedWriter, FineTuningReport]:
    """Fine-tune a causal checkpoint to write the context to a question and its answer.

    Args:
        examples: The training set, in any order; the first answer of each counts.
        checkpoint: As for `find_checkpoint`.
        how: The settings that any training has; its seed is that of the choice, too.
        n_examples: Examples to train on, of as many contexts as there are; None for all.
        style: What the manner of the contexts is called.
        max_prompt_tokens: Longest question with its answer; an example with more is left out.
        max_context_tokens: Longest context; a longer one is cut to whole sentences about the
            answer.
        threads: CPU threads; another number may give other bytes.
        on_part: As for `fine_tune`.
        resume: As for `fine_tune`.

    Returns:
        The writer, and what the training did.

    Raises:
        QuestionGeneratorError: As `load_language_model`.
        ContextWriterError: If the model is too short, or no example is left to train on.
        TrainingError: As `fine_tune`.
    """
    section = "train_context_writer"
    with pinned(threads):
        tokenizer, model, source = load_language_model(
            checkpoint, "causal", param=f"{section}.checkpoint"
        )
        longest = getattr(model.config, "max_position_embeddings", None)
        n_tokens = max_prompt_tokens + max_context_tokens
        if isinstance(longest, int) and n_tokens > longest:
            raise ContextWriterError(
                f"{source.served_name}: questions and contexts of up to {n_tokens} tokens are more"
                f" than the {longest} positions that the model has. Lower max_context_tokens in"
                f" section {section}."
            )
        chosen = distinct_contexts_first(examples, n_examples, seed=how.seed)
        lessons = WriterLessons(
            tokenizer,
            chosen,
            style=style,
            max_prompt_tokens=max_prompt_tokens,
            max_context_tokens=max_context_tokens,
        )
        if not lessons.units:
            first = f", the first one, {lessons.left_out[0].id}," if lessons.left_out else ""
            raise ContextWriterError(
                f"there is no example to train on: of {len(chosen)}{first} all are left out. Raise"
                f" max_prompt_tokens or max_context_tokens in section {section}."
            )
        model, report = fine_tune(
            model,
            lessons,
            how,
            checkpoint=checkpoint,
            section=section,
            on_part=on_part,
            resume=resume,
        )
    made = TrainedWriter(
        model=model,
        tokenizer=tokenizer,
        trained_as=TrainedAs(
            base=source.served_name,
            prompt_sha256=form_sha256(),
            style=style,
            max_prompt_tokens=max_prompt_tokens,
            max_context_tokens=max_context_tokens,
        ),
    )
    return made, report
