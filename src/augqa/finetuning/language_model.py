"""Fine-tuning of language models; equal seeds give equal bytes on the CPU.

What is learned is the lessons' business: questions to answers, or contexts to questions.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from augqa.errors import TrainingError
from augqa.finetuning.batches import Offsets, passes
from augqa.finetuning.determinism import sub_seed
from augqa.finetuning.lessons import Lessons, lengths
from augqa.finetuning.resuming import load_state, save_state
from augqa.finetuning.schedule import AdamW, adamw, warm_up_and_decay
from augqa.records import Rejection

OnPart = Callable[[int, float], None]

_SAVE_EVERY_S = 300.0  # between checkpoints; the end of an epoch has none of its own
_PARTS = 10  # of the steps, whose mean losses are reported


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
class FineTuning:
    """How a language model is trained, whatever it learns.

    Attributes:
        seed: Of the order of the examples, of dropout, and of the adapters.
        layers: Train these topmost layers alone (of encoder and decoder each), or ``all``: the
            lower ones then cost a pass forward only. Embeddings train with ``all``.
        lora: Train adapters of these layers instead of their weights.
        epochs: Passes over the examples.
        batch_size: Examples of one step; a few more where the last ones share a context.
        pass_tokens: Most tokens, padding included, that go through the model at once.
        learning_rate: Its highest value, after the warm-up; from there it falls linearly to 0.
        warmup_fraction: Share of the steps in which it rises linearly from 0.
        weight_decay: Of matrices; biases and norms have none.
        max_grad_norm: Longer gradients are scaled to this norm.
        precision: Of the products, as autocast of torch has it; weights stay in float32.
    """

    seed: int
    layers: int | Literal["all"]
    lora: Lora | None
    epochs: int
    batch_size: int
    pass_tokens: int
    learning_rate: float
    warmup_fraction: float
    weight_decay: float
    max_grad_norm: float
    precision: Literal["float32", "bfloat16"] = "float32"

    @classmethod
    def parted(cls, settings: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """Part settings of a params section: these, and all others."""
        own = {field.name for field in fields(cls)}
        values = {name: value for name, value in settings.items() if name in own}
        if values["lora"] is not None:
            values["lora"] = Lora(**values["lora"])
        return cls(**values), {n: value for n, value in settings.items() if n not in own}


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningReport:
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

    @property
    def numbers(self) -> dict[str, Any]:
        """All but which examples were left out: how many."""
        numbers = asdict(self)
        numbers["n_left_out"] = len(numbers.pop("left_out"))
        return {**numbers, "loss_per_part": list(self.loss_per_part)}

    @property
    def reasons(self) -> list[list[str]]:
        """Id and reason of each example that was left out."""
        return [[row.id, row.reason] for row in self.left_out]

    @property
    def closing(self) -> str:
        """The training in one line."""
        return (
            f"{self.n_examples} examples, {len(self.left_out)} left out,"
            f" {self.n_trained_weights:,} of {self.n_weights:,} weights,"
            f" loss {self.loss_per_part[0]:.2f} to {self.loss_per_part[-1]:.2f}"
        )


def fine_tune(
    model: Any,
    lessons: Lessons,
    how: FineTuning,
    *,
    checkpoint: str,
    section: str,
    on_part: OnPart | None = None,
    resume: Path | None = None,
) -> tuple[Any, FineTuningReport]:
    """Train a model on lessons; to be called on pinned threads.

    Args:
        model: A model of transformers.
        lessons: What it is to learn; not empty.
        how: The settings.
        checkpoint: Where the model comes from, for messages.
        section: Section of params.yaml that the settings stand in, for messages.
        on_part: Called with the number of each tenth of the steps, from 1, and its mean loss;
            again for those before a resumption.
        resume: Folder for checkpoints; a training killed there goes on from the last one, to the
            same weights. The caller removes it when the model is saved.

    Returns:
        The model, adapters merged, and what the training did.

    Raises:
        TrainingError: If the layers or targets are not in the model, the loss is not finite, or
            `resume` holds another training.
    """
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    model = _choose_trained(
        model, how.layers, how.lora, checkpoint=checkpoint, section=section, seed=how.seed
    )
    course = _Course(
        model=model,
        lessons=lessons,
        seed=how.seed,
        epochs=how.epochs,
        batch_size=how.batch_size,
        pass_tokens=how.pass_tokens,
        learning_rate=how.learning_rate,
        warmup_fraction=how.warmup_fraction,
        max_grad_norm=how.max_grad_norm,
        bf16=how.precision == "bfloat16",
        optimizer=adamw(
            model.parameters(), learning_rate=how.learning_rate, weight_decay=how.weight_decay
        ),
        section=section,
        resume=resume,
        on_part=on_part,
    )
    trained_weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    losses = course.run()
    if how.lora is not None:
        model = model.merge_and_unload()
    model.requires_grad_(True).eval()
    return model, FineTuningReport(
        n_examples=sum(len(unit.ids) for unit in lessons.units),
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
    bf16: bool
    optimizer: AdamW
    section: str
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
        self.optimizer.zero_grad()
        total = 0.0
        for part in passes(lengths(units), self.pass_tokens):
            with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bf16):
                loss = self.lessons.loss(self.model, rows[part])
            torch.autograd.backward(loss / n_targets)
            total += float(loss.detach())
        mean: float = total / n_targets
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is {mean} at step {step + 1} of {self.n_steps}, in a batch of"
                f" {', '.join(id_ for unit in units for id_ in unit.ids)}. Lower the learning_rate"
                f" in section {self.section}, or look at these examples."
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


def _choose_trained(
    model: Any,
    layers: int | Literal["all"],
    lora: Lora | None,
    *,
    checkpoint: str,
    section: str,
    seed: int,
) -> Any:
    """Freeze what is not to be trained; return the model, with adapters where asked for."""
    stacks = _stacks(model)
    prefixes = tuple(name + "." for name, _ in stacks)
    top: tuple[str, ...] = prefixes
    if layers != "all":
        for name, stack in stacks:
            if layers > len(stack):
                raise TrainingError(
                    f"{checkpoint}: {name} has {len(stack)} layers, so its top {layers} cannot be"
                    f" trained. Lower {section} layers."
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
        raise TrainingError(
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
