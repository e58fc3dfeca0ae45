"""One training step's losses and gradients: written out on a CPU, through modules elsewhere."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from augqa.finetuning.batches import passes
from augqa.finetuning.determinism import sub_seed
from augqa.reader.batch import Batch, make_batch, span_losses
from augqa.reader.bert import Bert
from augqa.reader.bert_weights import Gradients
from augqa.reader.buffers import Workspace
from augqa.reader.features import Ints, Offsets, Windows
from augqa.reader.ranks import Ranks

if TYPE_CHECKING:
    from augqa.reader.packed import PackedEncoder

_PASS_TOKENS = 1024  # windows of a CPU pass: enough for the products, few enough for the caches

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """The windows to train on, with the answers' positions in them.

    Attributes:
        windows: All windows.
        chosen: Indices of those that hold their question's whole answer.
        first: Position of the first answer token in each of these.
        last: Position of the last one, inclusive.
    """

    windows: Windows
    chosen: Offsets
    first: Ints
    last: Ints

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def lengths(self) -> Offsets:
        return self.windows.lengths[self.chosen]

    def batch(self, rows: Offsets) -> tuple[Batch, Tensor, Tensor]:
        """Return the windows `rows` with the first and last answer token of each."""
        first, last = (
            torch.from_numpy(part[rows].astype(np.int64)) for part in (self.first, self.last)
        )
        return make_batch(self.windows, self.chosen[rows]), first, last


class Step(Protocol):
    """Computes one optimiser step's gradients."""

    def gradients(self, rows: Offsets, step: int) -> Losses:
        """Set the parameters' gradients to this process's share of those of the mean loss.

        Args:
            rows: The lessons of the step, over all processes.
            step: Number of the step: dropout depends on it, the seed and the rows alone.

        Returns:
            The loss of each of `rows`; 0 for those of other processes.
        """
        ...


class WrittenOutStep:
    """On a CPU, each thread with windows of its own.

    Threads that work apart keep the core busy with products while another one is at memory;
    threads that share every operation wait for each other after each.

    Args:
        bert: The model.
        lessons: What is learned.
        seed: Of dropout.
        threads: Windows that are worked on at once, each by one thread.
        ranks: The processes; each takes its share of a step's windows.
        bf16: Multiply the layers' matrices in bfloat16; all else is in float32.
    """

    def __init__(
        self,
        bert: Bert,
        lessons: Lessons,
        *,
        seed: int,
        threads: int,
        ranks: Ranks,
        bf16: bool = False,
    ) -> None:
        self._ranks = ranks
        self._bert = bert
        self._lessons = lessons
        self._seed = seed
        self._matrices = torch.bfloat16 if bf16 else torch.float32
        bert.weights.refresh(training=True, matrices=self._matrices)
        self._work = [Workspace() for _ in range(threads)]
        self._sums = [Gradients(bert.weights) for _ in range(threads)]

    def gradients(self, rows: Offsets, step: int) -> Losses:
        self._bert.weights.refresh(training=True, matrices=self._matrices)
        losses = np.zeros(len(rows))
        lengths = self._lessons.lengths[rows]
        n_workers = len(self._work)
        hands = deal(lengths.tolist(), n_workers * self._ranks.world)
        hands = hands[n_workers * self._ranks.rank :][:n_workers]

        def work(worker: int) -> None:
            torch.set_num_threads(1)
            sums, space = self._sums[worker], self._work[worker]
            sums.clear()
            hand = np.array(hands[worker], dtype=np.int64)
            n_passes = max(1, round(lengths[hand].sum() / _PASS_TOKENS))
            for part in deal(lengths[hand].tolist(), n_passes):
                losses[hand[part]] = self._pass(rows[hand[part]], step, len(rows), sums, space)

        with ThreadPoolExecutor(len(self._work)) as pool:
            list(pool.map(work, range(len(self._work))))
        self._bert.weights.share(self._sums)
        return losses

    def _pass(
        self, rows: Offsets, step: int, n_rows: int, sums: Gradients, space: Workspace
    ) -> Losses:
        if not len(rows):
            return np.empty(0)
        batch, first, last = self._lessons.batch(rows)
        seeds = [2 * sub_seed(self._seed, "step", step, "row", row) for row in rows.tolist()]
        logits, state = self._bert.forward(batch, space, seeds)
        each, to_logits = _loss_gradients(logits, batch.lengths, first, last, n_rows)
        self._bert.backward(state, to_logits, sums, space)
        return each


class ModuleStep:
    """Through transformers' modules and autograd, on any device and for any architecture.

    Args:
        encoder: The model.
        lessons: What is learned.
        seed: Of dropout.
        pass_tokens: Most tokens of one pass; the passes of a step add their gradients up.
        bf16: Compute in bfloat16 where that is safe; weights stay in float32.
        ranks: The processes; each takes every so manieth pass.
    """

    def __init__(
        self,
        encoder: "PackedEncoder",
        lessons: Lessons,
        *,
        seed: int,
        pass_tokens: int,
        bf16: bool,
        ranks: Ranks,
    ) -> None:
        self._ranks = ranks
        self._encoder = encoder
        self._lessons = lessons
        self._seed = seed
        self._pass_tokens = pass_tokens
        self._bf16 = bf16

    def gradients(self, rows: Offsets, step: int) -> Losses:
        for parameter in self._encoder.model.parameters():
            # A process without a pass still takes part in the sum of all.
            parameter.grad = torch.zeros_like(parameter)
        losses = np.zeros(len(rows))
        device = self._encoder.device
        cut = passes(self._lessons.lengths[rows], self._pass_tokens)
        for number in range(self._ranks.rank, len(cut), self._ranks.world):
            part = cut[number]
            batch, first, last = self._lessons.batch(rows[part])
            # Of the pass, not of the process: it draws the same dropout wherever it runs.
            torch.manual_seed(sub_seed(self._seed, "step", step, "pass", number))
            with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
                logits = self._encoder.logits(batch)
            start, end = (part_logits.float() for part_logits in logits)
            each = span_losses((start, end), batch.lengths, first.to(device), last.to(device))
            torch.autograd.backward(each.sum() / len(rows))
            losses[part] = each.detach().double().cpu().numpy()
        return losses


def _loss_gradients(
    logits: Tensor, lengths: tuple[int, ...], first: Tensor, last: Tensor, n_rows: int
) -> tuple[Losses, Tensor]:
    leaf = logits.detach().requires_grad_()
    each = span_losses((leaf[:, 0], leaf[:, 1]), lengths, first, last)
    (gradient,) = torch.autograd.grad(each.sum() / n_rows, leaf)
    return each.detach().double().numpy(), gradient


def deal(lengths: Sequence[int], n: int) -> list[list[int]]:
    """Deal windows out to `n` hands of near equal length; each hand in rising order."""
    totals = [0] * n
    hands: list[list[int]] = [[] for _ in range(n)]
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        poorest = totals.index(min(totals))
        hands[poorest].append(position)
        totals[poorest] += lengths[position]
    return [sorted(hand) for hand in hands]
