"""Fine-tuning for answer-aware question generation; equal seeds give equal bytes on the CPU."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import GenerationConfig

from augqa.checkpoints import Kind, Source, load_language_model
from augqa.errors import QuestionGeneratorError
from augqa.finetuning.batches import Offsets, passes
from augqa.finetuning.determinism import pinned, sub_seed
from augqa.finetuning.resuming import load_state, save_state
from augqa.finetuning.saving import save_checkpoint
from augqa.finetuning.schedule import adamw, warm_up_and_decay
from augqa.question_generator.forms import (
    HIGHLIGHT,
    PREFIXES,
    causal_sha256,
    seq2seq_sha256,
)
from augqa.question_generator.lessons import CausalLessons, Lessons, Seq2SeqLessons, lengths
from augqa.question_generator.trained import RECORD, Trained
from augqa.records import QAExample, Rejection
from augqa.sampling import choose

OnPart = Callable[[int, float], None]

_SAVE_EVERY_S = 300.0  # between checkpoints; the end of an epoch has none of its own
_PARTS = 10  # of the steps, whose mean losses are reported
_LOSS_NEAR = 1e-4  # relative: what rounding may make of a sum over some tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685).

    Attributes:
        rank: Of the matrices.
        alpha: What they add is scaled by alpha / rank.
        targets: Names that the adapted linear layers end with, such as ``q_proj``; None for all.
    """

    rank: int
    alpha: int
    targets: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorReport:
    """What a training did.

    Attributes:
        n_examples: Examples that were trained on.
        left_out: Those that were not, with the reason.
        n_steps: Optimiser steps.
        n_tokens: Tokens that went through the model in an epoch, padding not included.
        n_target_tokens: Those of them that were learned.
        n_weights: Weights of the model.
        n_trained_weights: Those that were trained; with LoRA the adapters'.
        loss_per_part: Mean loss of a target token in each tenth of the steps.
    """

    n_examples: int
    left_out: tuple[Rejection, ...]
    n_steps: int
    n_tokens: int
    n_target_tokens: int
    n_weights: int
    n_trained_weights: int
    loss_per_part: tuple[float, ...]


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
        save_checkpoint(folder, self.model, self.tokenizer)
        own = self.model.generation_config
        # The checkpoint's own sampling defaults stay behind.
        GenerationConfig(
            decoder_start_token_id=own.decoder_start_token_id,
            bos_token_id=own.bos_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        ).save_pretrained(folder)
        text = json.dumps(asdict(self.trained), indent=2, sort_keys=True)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def train_question_generator(
    examples: Sequence[QAExample],
    *,
    kind: Kind,
    checkpoint: str,
    seed: int,
    n_examples: int | None,
    layers: int | Literal["all"],
    lora: Lora | None,
    epochs: int,
    batch_size: int,
    pass_tokens: int,
    share_contexts: bool,
    max_source_tokens: int,
    max_question_tokens: int,
    learning_rate: float,
    warmup_fraction: float,
    weight_decay: float,
    max_grad_norm: float,
    threads: int,
    on_part: OnPart | None = None,
    resume: Path | None = None,
) -> tuple[TrainedModel, GeneratorReport]:
    """Fine-tune a checkpoint to write the question to an answer in its context.

    Args:
        examples: The training set, in any order; the first answer of each counts.
        kind: What the checkpoint is.
        checkpoint: As for `find_checkpoint`.
        seed: Of the choice and the order of the examples, of dropout, and of the adapters.
        n_examples: Examples to train on, whole contexts as long as possible; None for all.
        layers: Train these topmost layers alone (of encoder and decoder each), or ``all``: the
            lower ones then cost a pass forward only. Embeddings train with ``all``.
        lora: Train adapters of these layers instead of their weights.
        epochs: Passes over the examples.
        batch_size: Examples of one step; a few more where the last ones share a context.
        pass_tokens: Most tokens, padding included, that go through the model at once.
        share_contexts: Compute the context of several questions once (kind ``causal``).
        max_source_tokens: Longest context with what asks for a question; a longer one is cut to
            whole sentences about the answer.
        max_question_tokens: Longest question; an example with a longer one is left out.
        learning_rate: Its highest value, after the warm-up; from there it falls linearly to 0.
        warmup_fraction: Share of the steps in which it rises linearly from 0.
        weight_decay: Of matrices; biases and norms have none.
        max_grad_norm: Longer gradients are scaled to this norm.
        threads: CPU threads; another number may give other bytes.
        on_part: Called with the number of each tenth of the steps, from 1, and its mean loss;
            again for those before a resumption.
        resume: Folder for checkpoints; a training killed there goes on from the last one, to the
            same weights. The caller removes it when the model is saved.

    Returns:
        The model, and what the training did.

    Raises:
        CheckpointError: As `load_language_model`.
        QuestionGeneratorError: If the checkpoint does not fit, no example is left to train on,
            the layers or targets are not in the model, or the loss is not finite.
    """
    with pinned(threads):
        param = f"train_question_generator.{kind}.checkpoint"
        tokenizer, model, source = load_language_model(checkpoint, kind, param=param)
        _refuse_short(model, source, max_source_tokens + max_question_tokens)
        chosen = _chosen(examples, n_examples, seed)
        limits: dict[str, Any] = {
            "max_source_tokens": max_source_tokens,
            "max_question_tokens": max_question_tokens,
        }
        lessons: Lessons
        if kind == "causal":
            limits |= {"pass_tokens": pass_tokens, "share_contexts": share_contexts}
            lessons = CausalLessons(tokenizer, chosen, **limits)
            prompt_sha256 = causal_sha256()
        else:
            _add_highlight(tokenizer, model, seed)
            lessons = Seq2SeqLessons(tokenizer, chosen, **limits)
            prompt_sha256 = seq2seq_sha256("answer_aware", PREFIXES["answer_aware"])
        if not lessons.units:
            raise QuestionGeneratorError(_nothing_left(lessons.left_out))
        if share_contexts and isinstance(lessons, CausalLessons):
            _refuse_mixed_up(model, lessons, checkpoint)
        n_weights = sum(parameter.numel() for parameter in model.parameters())
        model = _choose_trained(model, layers, lora, checkpoint, seed)
        course = _Course(
            model=model,
            lessons=lessons,
            seed=seed,
            epochs=epochs,
            batch_size=batch_size,
            pass_tokens=pass_tokens,
            learning_rate=learning_rate,
            warmup_fraction=warmup_fraction,
            max_grad_norm=max_grad_norm,
            optimizer=adamw(
                model.parameters(), learning_rate=learning_rate, weight_decay=weight_decay
            ),
            resume=resume,
            on_part=on_part,
        )
        trained_weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
        losses = course.run()
        if lora is not None:
            model = model.merge_and_unload()
        model.requires_grad_(True).eval()
    left_out = {row.id for row in lessons.left_out}
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
    return made, GeneratorReport(
        n_examples=sum(example.id not in left_out for example in chosen),
        left_out=tuple(lessons.left_out),
        n_steps=course.n_steps,
        n_tokens=sum(unit.n_tokens for unit in lessons.units),
        n_target_tokens=sum(unit.n_targets for unit in lessons.units),
        n_weights=n_weights,
        n_trained_weights=trained_weights,
        loss_per_part=losses,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """How far a training is: steps done, and the mean loss of a target token in each."""

    step: int = 0
    losses: tuple[float, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Course:
    """A training under way."""

    model: Any
    lessons: Lessons
    seed: int
    epochs: int
    batch_size: int
    pass_tokens: int
    learning_rate: float
    warmup_fraction: float
    max_grad_norm: float
    optimizer: torch.optim.AdamW
    resume: Path | None
    on_part: OnPart | None
    n_steps: int = 0

    def run(self) -> tuple[float, ...]:
        """Train to the end; return the mean loss of each part of the steps."""
        steps = [step for epoch in range(1, self.epochs + 1) for step in self._steps(epoch)]
        self.n_steps = len(steps)
        # Step at which each part is over.
        ends = [round((p + 1) * len(steps) / _PARTS) for p in range(_PARTS)]
        ends = sorted(set(ends) - {0})
        progress = self._load()
        means: list[float] = []
        self._report(progress, ends, means)
        self.model.train()
        saved = time.monotonic()
        bar = tqdm(
            steps[progress.step :],
            desc="training",
            initial=progress.step,
            total=len(steps),
            unit="step",
            disable=None,
        )
        for rows in bar:
            loss = self._step(rows, progress.step)
            progress = replace(progress, step=progress.step + 1, losses=(*progress.losses, loss))
            bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
            self._report(progress, ends, means)
            if self.resume is not None and time.monotonic() - saved > _SAVE_EVERY_S:
                self._save(progress)
                saved = time.monotonic()
        return tuple(means)

    def _steps(self, epoch: int) -> list[Offsets]:
        """Return the units of each step of an epoch, in seeded random order."""
        random = np.random.default_rng(sub_seed(self.seed, "order", epoch))
        order = random.permutation(len(self.lessons.units))
        n_examples = list(accumulate(len(self.lessons.units[i].ids) for i in order))
        steps, begin, done = [], 0, 0
        for position, total in enumerate(n_examples):
            if total - done >= self.batch_size or position == len(order) - 1:
                steps.append(order[begin : position + 1])
                begin, done = position + 1, total
        return steps

    def _step(self, rows: Offsets, step: int) -> float:
        """Make one step; return the mean loss of its target tokens."""
        share = warm_up_and_decay(step, self.n_steps, self.warmup_fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * share
        units = [self.lessons.units[row] for row in rows]
        n_targets = sum(unit.n_targets for unit in units)
        # Of the step, not of the process: it draws the same dropout after a resumption.
        torch.manual_seed(sub_seed(self.seed, "step", step))
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for part in passes(lengths(units), self.pass_tokens):
            loss = self.lessons.loss(self.model, rows[part])
            torch.autograd.backward(loss / n_targets)
            total += float(loss.detach())
        mean: float = total / n_targets
        if not math.isfinite(mean):
            raise QuestionGeneratorError(
                f"the loss is {mean} at step {step + 1} of {self.n_steps}, in a batch of"
                f" {', '.join(id_ for unit in units for id_ in unit.ids)}. Lower the learning_rate"
                " in section train_question_generator, or look at these examples."
            )
        trained = [p for p in self.model.parameters() if p.requires_grad]
        torch.nn.utils.clip_grad_norm_(trained, self.max_grad_norm)
        self.optimizer.step()
        return mean

    def _report(self, progress: _Progress, ends: Sequence[int], means: list[float]) -> None:
        """Append the mean loss of each part that is over."""
        while len(means) < len(ends) and progress.step >= ends[len(means)]:
            begin = ends[len(means) - 1] if means else 0
            losses = progress.losses[begin : ends[len(means)]]
            means.append(sum(losses) / len(losses))
            if self.on_part is not None:
                self.on_part(len(means), means[-1])

    def _weights(self) -> dict[str, Tensor]:
        return {n: p.detach() for n, p in self.model.named_parameters() if p.requires_grad}

    def _save(self, progress: _Progress) -> None:
        if self.resume is not None:
            save_state(
                self.resume,
                step=progress.step,
                parts={"weights": self._weights()},
                optimizer=self.optimizer,
                progress=asdict(progress),
            )

    def _load(self) -> _Progress:
        progress = _Progress()

        def put_in_place(stored: dict[str, Any], part: Callable[[str], dict[str, Tensor]]) -> None:
            nonlocal progress
            progress = _Progress(step=stored["step"], losses=tuple(stored["losses"]))
            weights, own = part("weights"), self._weights()
            if weights.keys() != own.keys():
                raise KeyError(f"other weights: {sorted(weights.keys() ^ own.keys())[:1]}")
            for name, tensor in own.items():
                tensor.copy_(weights[name])

        if self.resume is not None:
            load_state(self.resume, optimizer=self.optimizer, put_in_place=put_in_place)
        return progress


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


def _choose_trained(
    model: Any, layers: int | Literal["all"], lora: Lora | None, checkpoint: str, seed: int
) -> Any:
    """Freeze what is not to be trained; return the model, with adapters where asked for."""
    stacks = _stacks(model)
    prefixes = tuple(name + "." for name, _ in stacks)
    top: tuple[str, ...] = prefixes
    if layers != "all":
        for name, stack in stacks:
            if layers > len(stack):
                raise QuestionGeneratorError(
                    f"{checkpoint}: {name} has {len(stack)} layers, so its top {layers} cannot be"
                    " trained. Lower train_question_generator layers."
                )
        top = tuple(
            f"{name}.{index}."
            for name, stack in stacks
            for index in range(len(stack) - layers, len(stack))
        )
        tables = {
            id(t.weight) for t in (model.get_input_embeddings(), model.get_output_embeddings())
        }
        tables |= {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        for name, parameter in model.named_parameters():
            below = name.startswith(prefixes) and not name.startswith(top)
            parameter.requires_grad_(not below and id(parameter) not in tables)
    if lora is None:
        return model
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.startswith(top)]
    targets = [
        name for name in linear if lora.targets is None or name.split(".")[-1] in lora.targets
    ]
    if not targets:
        known = sorted({name.split(".")[-1] for name in linear})
        raise QuestionGeneratorError(
            f"{checkpoint}: none of its linear layers is called {', '.join(lora.targets or ())}."
            f" Choose LoRA targets of {', '.join(known)}."
        )
    # peft costs seconds, and only adapters need it.
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415

    torch.manual_seed(sub_seed(seed, "adapters"))
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, bias="none")
    return get_peft_model(model, config)


def _stacks(model: Any) -> list[tuple[str, nn.ModuleList]]:
    """Return the stacks of layers: the outermost module lists, of encoder and decoder."""
    found: list[tuple[str, nn.ModuleList]] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(outer + ".") for outer, _ in found)
        if isinstance(module, nn.ModuleList) and not inside:
            found.append((name, module))
    return found
