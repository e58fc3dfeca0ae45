"""What a context writer learns from: the contexts of real examples, each to one question on it.

The loss is that of the context's tokens and its end, never of the question's or the answer's.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from augqa.context_writer.form import ask, target
from augqa.finetuning.batches import Offsets
from augqa.finetuning.lessons import IGNORED, Row, Unit, causal_loss
from augqa.finetuning.tokens import SPARE_TOKENS, headed_ids, target_ids, token_starts
from augqa.records import QAExample, Rejection
from augqa.sampling import rank
from augqa.spans import window_around


def distinct_contexts_first(
    examples: Sequence[QAExample], n: int | None, *, seed: int
) -> list[QAExample]:
    """Return `n` of the examples (all for None), in seeded order, one of each context first.

    A second question on a context teaches its text again, so it comes after all first ones. A
    smaller choice lies in a larger one.
    """
    taken: dict[str, int] = {}
    turns: list[tuple[int, str, QAExample]] = []
    for example in sorted(examples, key=lambda example: rank(example.id, seed=seed)):
        turn = taken.get(example.context_id, 0)
        taken[example.context_id] = turn + 1
        turns.append((turn, rank(example.context_id, seed=seed), example))
    return [example for *_, example in sorted(turns, key=lambda each: each[:2])][:n]


class WriterLessons:
    """Lessons of a context writer.

    Args:
        tokenizer: The model's.
        examples: The examples; the first answer of each counts.
        style: What the contexts' manner is called.
        max_prompt_tokens: Longest question with its answer; an example with more is left out.
        max_context_tokens: Longest context, its end included; a longer one is cut to whole
            sentences about the answer.
    """

    def __init__(
        self,
        tokenizer: Any,
        examples: Sequence[QAExample],
        *,
        style: str,
        max_prompt_tokens: int,
        max_context_tokens: int,
    ) -> None:
        self._pad = tokenizer.pad_token_id
        self.left_out: list[Rejection] = []
        self.units: list[Unit] = []
        self._rows: list[Row] = []
        room = max(1, max_context_tokens - SPARE_TOKENS)
        for example in examples:
            text, answer = example.context, example.answers[0]
            prompt = headed_ids(
                tokenizer, ask(question=example.question, answer=answer.text, style=style)
            )
            span = (answer.start, answer.start + len(answer.text))
            window = window_around(text, span, token_starts(tokenizer, text), max_units=room)
            aim = target_ids(tokenizer, target(text[slice(*window)]))
            fault = None
            if len(prompt) > max_prompt_tokens:
                fault = "prompt_too_long"
            elif len(aim) > max_context_tokens:
                fault = "context_too_long"
            if fault is not None:
                self.left_out.append(Rejection(id=example.id, reason=fault))
                continue
            tokens = [*prompt, *aim[:-1]]
            self._rows.append(
                Row(
                    tokens=tokens,
                    segments=[0] * len(tokens),
                    positions=list(range(len(tokens))),
                    labels=[IGNORED] * (len(prompt) - 1) + aim,
                )
            )
            self.units.append(Unit((example.id,), len(tokens), len(aim)))

    def loss(self, model: Any, rows: Offsets) -> Tensor:
        """Return the summed loss of the target tokens of the units `rows`, a scalar."""
        return causal_loss(model, [self._rows[row] for row in rows.tolist()], padding=self._pad)
