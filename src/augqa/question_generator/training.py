"""Fine-tuning for answer-aware question generation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augqa.checkpoint_source import Source
from augqa.checkpoints import Kind, load_language_model
from augqa.errors import QuestionGeneratorError
from augqa.finetuning.determinism import pinned, sub_seed
from augqa.finetuning.language_model import FineTuning, FineTuningReport, OnPart, fine_tune
from augqa.finetuning.lessons import Lessons
from augqa.finetuning.record import write_record
from augqa.finetuning.saving_language_models import save_language_model
from augqa.question_generator.forms import (
    HIGHLIGHT,
    PREFIXES,
    causal_sha256,
    seq2seq_sha256,
)
from augqa.question_generator.lessons import CausalLessons, Seq2SeqLessons
from augqa.question_generator.trained import RECORD, Trained
from augqa.records import QAExample, Rejection
from augqa.sampling import choose

_LOSS_NEAR = 1e-4  # relative: what rounding may make of a sum over some tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A trained model, to be saved.

    Attributes:
        model: A model of transformers, the adapters merged.
        tokenizer: Its tokenizer.
        trained: What its user must know.
    """

    model: Any
    tokenizer: Any
    trained: Trained

    def save(self, folder: Path) -> None:
        """Write the checkpoint and what it was trained for; equal weights give equal bytes."""
        save_language_model(folder, self.model, self.tokenizer)
        write_record(folder / RECORD, self.trained)


def train_question_generator(
    examples: Sequence[QAExample],
    *,
    kind: Kind,
    checkpoint: str,
    how: FineTuning,
    n_examples: int | None,
    share_contexts: bool,
    max_source_tokens: int,
    max_question_tokens: int,
    threads: int,
    on_part: OnPart | None = None,
    resume: Path | None = None,
) -> tuple[TrainedModel, FineTuningReport]:
    """Fine-tune a checkpoint to write the question to an answer in its context.

    Args:
        examples: The training set, in any order; the first answer of each counts.
        kind: What the checkpoint is.
        checkpoint: As for `find_checkpoint`.
        how: The settings that any training has; its seed is that of the choice, too.
        n_examples: Examples to train on, whole contexts as long as possible; None for all.
        share_contexts: Compute the context of several questions once (kind ``causal``).
        max_source_tokens: Longest context with what asks for a question; a longer one is cut to
            whole sentences about the answer.
        max_question_tokens: Longest question; an example with a longer one is left out.
        threads: CPU threads; another number may give other bytes.
        on_part: As for `fine_tune`.
        resume: As for `fine_tune`.

    Returns:
        The model, and what the training did.

    Raises:
        QuestionGeneratorError: If the checkpoint does not fit, or no example is left to train on.
        TrainingError: As `fine_tune`.
    """
    with pinned(threads):
        param = f"train_question_generator.{kind}.checkpoint"
        tokenizer, model, source = load_language_model(checkpoint, kind, param=param)
        _refuse_short(model, source, max_source_tokens + max_question_tokens)
        chosen = _chosen(examples, n_examples, how.seed)
        limits: dict[str, Any] = {
            "max_source_tokens": max_source_tokens,
            "max_question_tokens": max_question_tokens,
        }
        lessons: Lessons
        if kind == "causal":
            limits |= {"pass_tokens": how.pass_tokens, "share_contexts": share_contexts}
            lessons = CausalLessons(tokenizer, chosen, **limits)
            prompt_sha256 = causal_sha256()
        else:
            _add_highlight(tokenizer, model, how.seed)
            lessons = Seq2SeqLessons(tokenizer, chosen, **limits)
            prompt_sha256 = seq2seq_sha256("answer_aware", PREFIXES["answer_aware"])
        if not lessons.units:
            raise QuestionGeneratorError(_nothing_left(lessons.left_out))
        if share_contexts and isinstance(lessons, CausalLessons):
            _refuse_mixed_up(model, lessons, checkpoint)
        model, report = fine_tune(
            model,
            lessons,
            how,
            checkpoint=checkpoint,
            section="train_question_generator",
            on_part=on_part,
            resume=resume,
        )
    made = TrainedModel(
        model=model,
        tokenizer=tokenizer,
        trained=Trained(
            kind=kind,
            base=source.served_name,
            prompt_sha256=prompt_sha256,
            max_source_tokens=max_source_tokens,
        ),
    )
    return made, report


def _chosen(examples: Sequence[QAExample], n: int | None, seed: int) -> list[QAExample]:
    """Return the examples of as many whole contexts as needed, in seeded order, cut to `n`."""
    by_context: dict[str, list[QAExample]] = {}
    for example in sorted(examples, key=lambda example: example.id):
        by_context.setdefault(example.context_id, []).append(example)
    order = choose(by_context, None, seed=seed)
    return [example for context in order for example in by_context[context]][:n]


def _nothing_left(left_out: Sequence[Rejection]) -> str:
    if not left_out:
        return "there is no example to train on: the training set is empty"
    return (
        f"there is no example to train on: all {len(left_out)} are left out, the first one,"
        f" {left_out[0].id}, as {left_out[0].reason}. Raise max_source_tokens or"
        " max_question_tokens in section train_question_generator."
    )


def _refuse_short(model: Any, source: Source, n_tokens: int) -> None:
    longest = getattr(model.config, "max_position_embeddings", None)
    if isinstance(longest, int) and n_tokens > longest:
        raise QuestionGeneratorError(
            f"{source.served_name}: contexts and questions of up to {n_tokens} tokens are more"
            f" than the {longest} positions that the model has. Lower max_source_tokens in section"
            " train_question_generator."
        )


def _add_highlight(tokenizer: Any, model: Any, seed: int) -> None:
    """Teach tokenizer and embeddings the highlight, which plain T5 does not know."""
    if HIGHLIGHT in tokenizer.get_vocab():
        return
    tokenizer.add_tokens([HIGHLIGHT], special_tokens=True)
    embeddings = model.get_input_embeddings()
    mean = embeddings.weight.detach().mean(dim=0)
    if len(tokenizer) > embeddings.num_embeddings:
        torch.manual_seed(sub_seed(seed, "highlight"))  # an output table of its own is drawn
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        row = tokenizer.convert_tokens_to_ids(HIGHLIGHT)
        model.get_input_embeddings().weight[row] = mean


def _refuse_mixed_up(model: Any, lessons: CausalLessons, checkpoint: str) -> None:
    """Refuse a model that does not keep the questions of a row apart.

    Raises:
        QuestionGeneratorError: If a row's loss is not the sum of its questions' own.
    """
    shared = next((i for i, unit in enumerate(lessons.units) if len(unit.ids) > 1), None)
    if shared is None:
        return
    with torch.inference_mode():
        together = float(lessons.loss(model, np.array([shared])))
        apart = float(lessons.loss_apart(model, shared))
    if abs(together - apart) > _LOSS_NEAR * max(1.0, abs(apart)):
        raise QuestionGeneratorError(
            f"{checkpoint}: questions that share a context have loss {together:.4f} together and"
            f" {apart:.4f} apart, so its attention does not keep them apart. Set"
            " train_question_generator.causal.share_contexts to false."
        )
