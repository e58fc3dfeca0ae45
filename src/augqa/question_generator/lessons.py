"""What a question generator learns from: examples as token ids, and the loss on them.

The loss is that of the question's tokens and its end, never of the context's or the answer's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from augqa.finetuning.batches import Offsets
from augqa.question_generator.encoding import (
    SPARE_TOKENS,
    causal_ids,
    plain_ids,
    target_ids,
    token_starts,
)
from augqa.question_generator.forms import HIGHLIGHT, PREFIXES, marked, target
from augqa.records import QAExample, Rejection
from augqa.spans import window_around

IGNORED = -100  # label of a token that is not learned
_PADDING = -1  # segment of the padding


@dataclass(frozen=True, slots=True)
class Unit:
    """What goes through the model in one row.

    Attributes:
        ids: Ids of its examples.
        n_tokens: Length of the row.
        n_targets: Tokens that are learned.
    """

    ids: tuple[str, ...]
    n_tokens: int
    n_targets: int


class Lessons(Protocol):
    """All that is to be learned."""

    units: list[Unit]
    left_out: list[Rejection]

    def loss(self, model: Any, rows: Offsets) -> Tensor:
        """Return the summed loss of the target tokens of the units `rows`, a scalar."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """A context and the questions on it, in one row of tokens.

    Each token has its segment: 0 for the context, k for the k-th question with its answer. It
    sees the tokens before it of its own segment and of the context.

    Attributes:
        tokens: Their ids.
        segments: Of each token.
        positions: Of each token, as if its question were the only one.
        labels: The token that is to follow, or IGNORED.
    """

    tokens: list[int]
    segments: list[int]
    positions: list[int]
    labels: list[int]


def make_row(head: Sequence[int], questions: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Row:
    """Put the ids of a context and of its questions, (cue, target) each, into a row."""
    row = Row(list(head), [0] * len(head), list(range(len(head))), [IGNORED] * len(head))
    for number, (cue, aim) in enumerate(questions, start=1):
        own = [*cue, *aim[:-1]]
        row.tokens.extend(own)
        row.segments.extend([number] * len(own))
        row.positions.extend(range(len(head), len(head) + len(own)))
        row.labels.extend([IGNORED] * (len(cue) - 1) + list(aim))
    return row


class CausalLessons:
    """Lessons of a causal model: the questions on one context share its computation.

    Args:
        tokenizer: The model's.
        examples: The examples; the first answer of each counts.
        max_source_tokens: Longest context with what asks for a question.
        max_question_tokens: Longest question, its end included.
        pass_tokens: Longest row.
        share_contexts: Whether a row may hold more than one question.
    """

    def __init__(
        self,
        tokenizer: Any,
        examples: Sequence[QAExample],
        *,
        max_source_tokens: int,
        max_question_tokens: int,
        pass_tokens: int,
        share_contexts: bool,
    ) -> None:
        self._pad = tokenizer.pad_token_id
        self.left_out: list[Rejection] = []
        by_context: dict[tuple[str, tuple[int, ...]], list[tuple[str, list[int], list[int]]]] = {}
        for example in examples:
            answer = example.answers[0]
            span = (answer.start, answer.start + len(answer.text))
            head, cue = causal_ids(
                tokenizer, example.context, span, max_source_tokens=max_source_tokens
            )
            aim = target_ids(tokenizer, target(example.question))
            fault = _fault(len(head) + len(cue), max_source_tokens, len(aim), max_question_tokens)
            if fault is not None:
                self.left_out.append(Rejection(id=example.id, reason=fault))
                continue
            key = (example.context_id, tuple(head))
            by_context.setdefault(key, []).append((example.id, cue, aim))

        self.units: list[Unit] = []
        self._rows: list[Row] = []
        for (_, head_ids), questions in by_context.items():
            begin = 0
            while begin < len(questions):
                end, n_tokens = begin, len(head_ids)
                while end < len(questions):
                    _, cue, aim = questions[end]
                    n_tokens += len(cue) + len(aim) - 1
                    if end > begin and (n_tokens > pass_tokens or not share_contexts):
                        break
                    end += 1
                taken = questions[begin:end]
                row = make_row(head_ids, [(cue, aim) for _, cue, aim in taken])
                n_targets = sum(len(aim) for _, _, aim in taken)
                ids = tuple(id_ for id_, _, _ in taken)
                self._rows.append(row)
                self.units.append(Unit(ids, len(row.tokens), n_targets))
                begin = end

    def loss(self, model: Any, rows: Offsets) -> Tensor:
        """Return the summed loss of the target tokens of the units `rows`, a scalar."""
        return self._loss(model, [self._rows[row] for row in rows.tolist()])

    def loss_apart(self, model: Any, row: int) -> Tensor:
        """Return the loss of a unit whose questions go through the model one by one."""
        whole = self._rows[row]
        n_head = whole.segments.count(0)
        parts = []
        for number in range(1, whole.segments[-1] + 1):
            own = [i for i, s in enumerate(whole.segments) if i < n_head or s == number]
            fields = (whole.tokens, whole.segments, whole.positions, whole.labels)
            parts.append(self._loss(model, [Row(*([f[i] for i in own] for f in fields))]))
        return torch.stack(parts).sum()

    def _loss(self, model: Any, chosen: Sequence[Row]) -> Tensor:
        tokens = _padded([row.tokens for row in chosen], self._pad, model.device)
        segments = _padded([row.segments for row in chosen], _PADDING, model.device)
        positions = _padded([row.positions for row in chosen], 0, model.device)
        labels = _padded([row.labels for row in chosen], IGNORED, model.device)
        learned = labels != IGNORED
        logits = model(
            input_ids=tokens,
            attention_mask=attention_mask(segments),
            position_ids=positions,
            logits_to_keep=learned,  # the vocabulary is far wider than the layers
            use_cache=False,
        ).logits
        return cross_entropy(logits.float(), labels[learned], reduction="sum")


def attention_mask(segments: Tensor) -> Tensor:
    """Return what is added to the attention: 0 where a token may look, a very low number else.

    Args:
        segments: Shape ``(n_rows, n_tokens)``.

    Returns:
        Shape ``(n_rows, 1, n_tokens, n_tokens)``: from, to.
    """
    n = segments.shape[1]
    earlier = torch.ones(n, n, dtype=torch.bool, device=segments.device).tril()
    own = segments[:, :, None] == segments[:, None, :]
    context = (segments == 0)[:, None, :]
    seen = earlier & (own | context)
    mask = torch.zeros(seen.shape, device=segments.device)
    return mask.masked_fill(~seen, torch.finfo(mask.dtype).min)[:, None]


class Seq2SeqLessons:
    """Lessons of a sequence-to-sequence model, in form ``answer_aware``."""

    def __init__(
        self,
        tokenizer: Any,
        examples: Sequence[QAExample],
        *,
        max_source_tokens: int,
        max_question_tokens: int,
    ) -> None:
        self._pad = tokenizer.pad_token_id
        self.left_out: list[Rejection] = []
        self.units: list[Unit] = []
        self._rows: list[tuple[list[int], list[int]]] = []
        prefix = PREFIXES["answer_aware"]
        around = tokenizer(f"{prefix}{HIGHLIGHT}  {HIGHLIGHT}")["input_ids"]
        room = max(1, max_source_tokens - len(around) - SPARE_TOKENS)
        for example in examples:
            text, answer = example.context, example.answers[0]
            span = (answer.start, answer.start + len(answer.text))
            window = window_around(text, span, token_starts(tokenizer, text), max_units=room)
            source = tokenizer(prefix + marked(text, span, window), verbose=False)["input_ids"]
            question = " ".join(example.question.split())
            aim = [*plain_ids(tokenizer, question), tokenizer.eos_token_id]
            fault = _fault(len(source), max_source_tokens, len(aim), max_question_tokens)
            if fault is not None:
                self.left_out.append(Rejection(id=example.id, reason=fault))
                continue
            self._rows.append((source, aim))
            self.units.append(Unit((example.id,), len(source) + len(aim), len(aim)))

    def loss(self, model: Any, rows: Offsets) -> Tensor:
        """Return the summed loss of the target tokens of the units `rows`, a scalar."""
        chosen = [self._rows[row] for row in rows.tolist()]
        tokens = _padded([source for source, _ in chosen], self._pad, model.device)
        lengths = torch.tensor([len(source) for source, _ in chosen], device=model.device)
        labels = _padded([aim for _, aim in chosen], IGNORED, model.device)
        logits = model(
            input_ids=tokens,
            attention_mask=torch.arange(tokens.shape[1], device=model.device) < lengths[:, None],
            # The model makes its decoder's inputs from the labels; the loss it adds is not used.
            labels=labels,
            use_cache=False,
        ).logits
        learned = labels != IGNORED
        return cross_entropy(logits[learned].float(), labels[learned], reduction="sum")


def _fault(n_source: int, most_source: int, n_question: int, most_question: int) -> str | None:
    if n_source > most_source:
        return "source_too_long"
    return "question_too_long" if n_question > most_question else None


def _padded(rows: Sequence[Sequence[int]], value: int, device: Any) -> Tensor:
    longest = max(len(row) for row in rows)
    parts = [pad(torch.tensor(row), (0, longest - len(row)), value=value) for row in rows]
    return torch.stack(parts).to(device)


def lengths(units: Sequence[Unit]) -> Offsets:
    """Return the length of each unit's row."""
    return np.array([unit.n_tokens for unit in units], dtype=np.int64)
