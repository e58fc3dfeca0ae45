"""Fine-tuning: examples in, a reader out; equal seeds give equal bytes on the CPU."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from augqa.errors import ReaderError
from augqa.finetuning.determinism import pinned, sub_seed
from augqa.finetuning.schedule import AdamW, adamw, warm_up_and_decay
from augqa.reader.answering import Reader
from augqa.reader.features import Offsets, label_windows
from augqa.reader.ranks import Ranks, joined, leads
from augqa.reader.resuming import Progress, load_progress, save_progress
from augqa.reader.steps import Lessons, ModuleStep, Step, WrittenOutStep
from augqa.records import QAExample
from augqa.sampling import choose
from augqa.scoring import f1

OnEpoch = Callable[[int, float], None]

_SAVE_EVERY_S = 300.0  # between checkpoints inside an epoch; each epoch ends with one as well
_GROUP = 64  # batches whose windows are sorted by length together, where windows are padded


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What a training did.

    Attributes:
        n_examples: Examples that were trained on.
        n_windows: Windows of them that hold the whole answer; the others teach nothing.
        cut_off: Ids of the examples whose answer no window holds whole, or whose question leaves
            no room for a context: not trained on.
        held_out: Ids of the examples that only told when to stop.
        n_steps: Optimiser steps.
        loss_per_epoch: Mean loss over the windows of each epoch.
        held_out_f1: F1 on the held-out examples after each epoch; empty if there are none.
        best_epoch: The epoch whose weights the reader has, from 1.
    """

    n_examples: int
    n_windows: int
    cut_off: tuple[str, ...]
    held_out: tuple[str, ...]
    n_steps: int
    loss_per_epoch: tuple[float, ...]
    held_out_f1: tuple[float, ...]
    best_epoch: int

    @property
    def numbers(self) -> dict[str, Any]:
        """Counts, losses and scores, without the ids, as JSON content."""
        return {
            "n_examples": self.n_examples,
            "n_windows": self.n_windows,
            "n_cut_off": len(self.cut_off),
            "n_held_out": len(self.held_out),
            "n_steps": self.n_steps,
            "loss_per_epoch": list(self.loss_per_epoch),
            "held_out_f1": list(self.held_out_f1),
            "best_epoch": self.best_epoch,
        }

    @property
    def closing(self) -> str:
        """The training in one line."""
        return (
            f"{self.n_examples} examples, {len(self.cut_off)} cut off,"
            f" loss {self.loss_per_epoch[0]:.2f} to {self.loss_per_epoch[-1]:.2f}"
        )


def train_reader(
    examples: Sequence[QAExample],
    *,
    checkpoint: str | Path,
    seed: int,
    max_seq_length: int,
    doc_stride: int,
    max_answer_tokens: int,
    n_best: int,
    threads: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    warmup_fraction: float,
    weight_decay: float,
    max_grad_norm: float,
    precision: Literal["float32", "bfloat16"] = "float32",
    pass_tokens: int = 16384,
    compile: bool = False,
    held_out_fraction: float = 0.0,
    pool: Sequence[QAExample] | None = None,
    patience: int = 1,
    on_epoch: OnEpoch | None = None,
    cache: Path | None = None,
    resume: Path | None = None,
) -> tuple[Reader, TrainingReport]:
    """Fine-tune a checkpoint on `examples`; the first answer of each is the one learned.

    Started by `accelerate launch` or `torchrun`, all processes train one reader together, and
    each returns it.

    Args:
        examples: The training set, in any order.
        checkpoint: As for `Reader.load`; a head it lacks is drawn from `seed`.
        seed: Of the head, the order of the examples, and dropout.
        max_seq_length: As in `Reader`, like the next four.
        doc_stride: See there.
        max_answer_tokens: See there.
        n_best: See there.
        threads: See there.
        epochs: Most passes over the examples.
        batch_size: Windows of one optimiser step, over all processes.
        learning_rate: Its highest value, after the warm-up; from there it falls linearly to 0.
        warmup_fraction: Share of the steps in which it rises linearly from 0.
        weight_decay: Of matrices; biases and layer norms have none.
        max_grad_norm: Longer gradients are scaled to this norm.
        precision: Of the products. Weights and optimiser stay in float32.
        pass_tokens: Most tokens, padding included, that go through transformers' modules at
            once; a step takes as many passes as it needs. The layers written out for the CPU
            have a size of their own.
        compile: Compile the modules with torch.compile; needs a C++ compiler on a CPU.
        held_out_fraction: Share of the pool's contexts that is not trained on but tells when to
            stop.
        pool: Real examples, of which contexts are held out: the same for every training set of a
            seed, and real ones whatever it is made of. None: `examples` themselves.
        patience: Epochs without a better F1 on these, after which training stops.
        on_epoch: Called with the number of each epoch, from 1, and its mean loss; again for
            those before a resumption.
        cache: Folder where the tokens of these texts are kept for the next time.
        resume: Folder for checkpoints; a training killed there goes on from the last one, to
            the same weights. The caller removes it when the reader is saved.

    Returns:
        The reader, and what the training did.

    Raises:
        CheckpointError: If the checkpoint is missing, refused or incomplete.
        ReaderError: If no example is left to train on, the loss is not finite, or the processes
            were given different things.
    """
    with joined() as ranks, pinned(threads):
        reader = Reader.load(
            checkpoint,
            threads=threads,
            head_seed=sub_seed(seed, "head"),
            param="reader.checkpoint",
            max_seq_length=max_seq_length,
            doc_stride=doc_stride,
            max_answer_tokens=max_answer_tokens,
            n_best=n_best,
        )
        taught, held_out = _hold_out(
            examples, examples if pool is None else pool, held_out_fraction, seed
        )
        lessons, cut_off = _lessons(reader, taught, cache)
        how: tuple[object, ...] = (
            *(seed, epochs, batch_size, learning_rate, warmup_fraction, weight_decay),
            *(max_grad_norm, precision, pass_tokens, compile, patience),
        )
        ranks.refuse_unlike(_given(reader, lessons, held_out, how))
        if compile:
            reader.encoder.compile()
        stepper: Step
        bf16 = precision == "bfloat16"
        if reader.bert is not None and not compile:
            stepper = WrittenOutStep(
                reader.bert, lessons, seed=seed, threads=threads, ranks=ranks, bf16=bf16
            )
        else:
            stepper = ModuleStep(
                reader.encoder,
                lessons,
                seed=seed,
                pass_tokens=pass_tokens,
                bf16=bf16,
                ranks=ranks,
            )
        course = _Course(
            reader=reader,
            lessons=lessons,
            names=[example.id for example in taught],
            stepper=stepper,
            ranks=ranks,
            seed=seed,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            warmup_fraction=warmup_fraction,
            max_grad_norm=max_grad_norm,
            optimizer=adamw(
                reader.model.parameters(), learning_rate=learning_rate, weight_decay=weight_decay
            ),
            resume=resume,
        )
        progress = course.run(held_out, patience, on_epoch)
    return reader, TrainingReport(
        n_examples=len(np.unique(lessons.windows.question[lessons.chosen])),
        n_windows=len(lessons),
        cut_off=cut_off,
        held_out=tuple(example.id for example in held_out),
        n_steps=progress.step,
        loss_per_epoch=progress.losses,
        held_out_f1=progress.held_out_f1,
        best_epoch=progress.best_epoch,
    )


@dataclass(slots=True, kw_only=True)
class _Course:
    """A training under way."""

    reader: Reader
    lessons: Lessons
    names: list[str]
    stepper: Step
    ranks: Ranks
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_fraction: float
    max_grad_norm: float
    optimizer: AdamW
    resume: Path | None

    def run(
        self, held_out: Sequence[QAExample], patience: int, on_epoch: OnEpoch | None
    ) -> Progress:
        """Train to the end, or until `patience` is lost; the reader gets the best weights."""
        progress, best = Progress(), dict[str, Tensor]()
        if self.resume is not None:
            with self.ranks.files_of_first(self.resume) as folder:
                progress, best = load_progress(folder, self.reader.model, self.optimizer)
        for epoch, loss in enumerate(progress.losses, start=1):
            if on_epoch is not None:
                on_epoch(epoch, loss)
        while len(progress.losses) < self.epochs and not _is_over(progress, patience):
            progress = self._epoch(progress, best)
            if held_out:
                progress = replace(
                    progress, held_out_f1=(*progress.held_out_f1, self._f1(held_out))
                )
                if progress.best_epoch == len(progress.losses):
                    best = {k: v.clone() for k, v in self.reader.model.state_dict().items()}
            self._save(progress, best)
            if on_epoch is not None:
                on_epoch(len(progress.losses), progress.losses[-1])
        if best:
            self.reader.model.load_state_dict(best)
        self.reader.model.eval()
        return progress

    def _epoch(self, progress: Progress, best: dict[str, Tensor]) -> Progress:
        """Train to the end of the epoch that `progress` is in."""
        epoch = len(progress.losses) + 1
        order = self._batches(epoch)
        n_steps = self.epochs * len(order)
        done = progress.step - (epoch - 1) * len(order)
        saved = time.monotonic()
        self.reader.model.train()
        bar = tqdm(
            order[done:],
            desc=f"epoch {epoch}/{self.epochs}",
            initial=done,
            total=len(order),
            unit="step",
            disable=None if leads() else True,
        )
        for rows in bar:
            step = progress.step + 1
            share = warm_up_and_decay(step - 1, n_steps, self.warmup_fraction)
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate * share
            losses = self.stepper.gradients(rows, step)
            self.ranks.add_up(self.reader.model, losses)
            self._refuse_infinite(losses, rows, step, n_steps)
            torch.nn.utils.clip_grad_norm_(self.reader.model.parameters(), self.max_grad_norm)
            self.optimizer.step()
            total = progress.epoch_loss + float(losses.sum())
            progress = replace(progress, step=step, epoch_loss=total)
            if time.monotonic() - saved > _SAVE_EVERY_S:
                self._save(progress, best)
                saved = time.monotonic()
        mean = progress.epoch_loss / len(self.lessons)
        return replace(progress, epoch_loss=0.0, losses=(*progress.losses, mean))

    def _batches(self, epoch: int) -> list[Offsets]:
        """Return the rows of each step of an epoch, in seeded random order.

        Where windows are padded, those of like length come together; the order of the steps
        stays random.
        """
        random = np.random.default_rng(sub_seed(self.seed, "order", epoch))
        order = random.permutation(len(self.lessons))
        size = self.batch_size
        if isinstance(self.stepper, WrittenOutStep) or self.reader.encoder.packs:
            return [order[begin : begin + size] for begin in range(0, len(order), size)]
        lengths = self.lessons.lengths
        batches = []
        for begin in range(0, len(order), size * _GROUP):
            group = order[begin : begin + size * _GROUP]
            group = group[np.argsort(lengths[group], kind="stable")]
            batches += [group[start : start + size] for start in range(0, len(group), size)]
        return [batches[i] for i in random.permutation(len(batches))]

    def _f1(self, held_out: Sequence[QAExample]) -> float:
        answers = self.reader.answer_all(held_out, batch_size=self.batch_size)
        pairs = zip(held_out, answers, strict=True)
        scores = [max(f1(a.text, answer.text) for a in e.answers) for e, answer in pairs]
        # Processors of another kind may find another one, and all must stop at the same epoch.
        return self.ranks.of_first(sum(scores) / len(scores))

    def _refuse_infinite(self, losses: Any, rows: Offsets, step: int, n_steps: int) -> None:
        if np.isfinite(losses).all():
            return
        questions = self.lessons.windows.question[self.lessons.chosen[rows]].tolist()
        raise ReaderError(
            f"the loss is {losses.mean()} at step {step} of {n_steps}, in a batch of"
            f" {', '.join(self.names[i] for i in questions)}. Lower train.learning_rate, or look"
            " at these examples."
        )

    def _save(self, progress: Progress, best: dict[str, Tensor]) -> None:
        if self.resume is not None and leads():
            save_progress(self.resume, self.reader.model, self.optimizer, progress, best)


def _is_over(progress: Progress, patience: int) -> bool:
    if not progress.held_out_f1:
        return False
    return len(progress.held_out_f1) - progress.best_epoch >= patience


def _hold_out(
    examples: Sequence[QAExample], pool: Sequence[QAExample], fraction: float, seed: int
) -> tuple[list[QAExample], list[QAExample]]:
    """Split off whole contexts: a question on a context that was trained on tells too little.

    What was generated from a held-out question is not trained on either.
    """
    contexts = {example.context_id for example in pool}
    held = set(choose(contexts, round(fraction * len(contexts)), seed=seed))
    held_out = [example for example in pool if example.context_id in held]
    sources = {example.id for example in held_out}
    taught = [
        example
        for example in examples
        if example.context_id not in held and example.id.partition("/")[0] not in sources
    ]
    return taught, held_out


def _given(
    reader: Reader, lessons: Lessons, held_out: Sequence[QAExample], how: tuple[object, ...]
) -> Iterator[bytes]:
    """Yield all that the processes of a training must have alike."""
    yield repr((how, [example.id for example in held_out])).encode()
    for part in (lessons.windows.ids, lessons.chosen, lessons.first, lessons.last):
        yield part.tobytes()
    for weights in reader.model.state_dict().values():
        yield weights.cpu().numpy().tobytes()


def _lessons(
    reader: Reader, examples: Sequence[QAExample], cache: Path | None
) -> tuple[Lessons, tuple[str, ...]]:
    """Return what is to be learned, and the ids of the examples that no window holds."""
    if not examples:
        raise ReaderError("there is no example to train on: the training set is empty")
    names = tuple(example.id for example in examples)
    windows = reader.windows(
        [example.question for example in examples],
        [example.context for example in examples],
        cache=cache,
    )
    answers = [example.answers[0] for example in examples]
    chosen, first, last = label_windows(
        windows,
        [answer.start for answer in answers],
        [answer.start + len(answer.text) for answer in answers],
    )
    taught = set(windows.question[chosen].tolist())
    if not taught:
        raise ReaderError(
            f"there is no example to train on: no window of {reader.max_seq_length} tokens holds"
            f" the whole answer of any of the {len(names)} examples, such as {names[0]}"
        )
    cut_off = tuple(name for i, name in enumerate(names) if i not in taught)
    return Lessons(windows=windows, chosen=chosen, first=first, last=last), cut_off
