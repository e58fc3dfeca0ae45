"""What a question generator learns from: examples as token ids, and the loss on them.

The loss is that of the question's tokens and its end, never of the context's or the answer's.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from augqa.finetuning.batches import Offsets
from augqa.finetuning.lessons import IGNORED, Row, Unit, causal_loss, padded
from augqa.finetuning.tokens import SPARE_TOKENS, plain_ids, target_ids, token_starts
from augqa.question_generator.encoding import causal_ids
from augqa.question_generator.forms import HIGHLIGHT, PREFIXES, marked, target
from augqa.records import QAExample, Rejection
from augqa.spans import window_around


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
        return causal_loss(model, [self._rows[row] for row in rows.tolist()], padding=self._pad)

    def loss_apart(self, model: Any, row: int) -> Tensor:
        """Return the loss of a unit whose questions go through the model one by one."""
        whole = self._rows[row]
        n_head = whole.segments.count(0)
        parts = []
        for number in range(1, whole.segments[-1] + 1):
            own = [i for i, s in enumerate(whole.segments) if i < n_head or s == number]
            fields = (whole.tokens, whole.segments, whole.positions, whole.labels)
            alone = Row(*([f[i] for i in own] for f in fields))
            parts.append(causal_loss(model, [alone], padding=self._pad))
        return torch.stack(parts).sum()


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
        tokens = padded([source for source, _ in chosen], self._pad, model.device)
        lengths = torch.tensor([len(source) for source, _ in chosen], device=model.device)
        labels = padded([aim for _, aim in chosen], IGNORED, model.device)
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
