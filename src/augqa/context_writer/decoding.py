"""Sampling many texts at once from a causal model on a processor.

What makes it fast: prompts of like lengths go together, so that little is computed on padding; keys
and values of what is written are kept; only the last token's row goes through the vocabulary; and
rows that have ended are taken out of the batch once they are half of it. Every row draws from a
random generator of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from augqa.executor.batching import map_items
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.executor.models import model_key, movable
from augqa.finetuning.determinism import pinned

Prompt = tuple[list[int], int]  # its ids, and the seed of its draws
Text = tuple[list[int], bool]  # ids that were written, and whether the model itself ended it

# Tokens that are looked at before all are sorted, which takes ten times as long: those of top_p
# are nearly always among them.
_LIKELIEST = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: 0 takes the likeliest.
        top_p: Draw among the likeliest tokens that have so much probability together.
        no_repeat_ngram_tokens: No sequence of so many tokens is written twice in a text; None:
            any may be.
        max_new_tokens: Longest text, in tokens.
    """

    temperature: float
    top_p: float
    no_repeat_ngram_tokens: int | None
    max_new_tokens: int


@dataclass(slots=True)
class Row:
    """A text under way.

    Attributes:
        prompt: Ids of what is written behind.
        seed: Of its draws.
        written: Ids that are written, the end not among them.
        ended: Whether the model itself ended it.
    """

    prompt: list[int]
    seed: int
    written: list[int] = field(default_factory=list)
    ended: bool = False
    _followers: dict[tuple[int, ...], list[int]] = field(default_factory=dict)

    def banned(self, n: int) -> list[int]:
        """Return the tokens that would complete a sequence of `n` that is there already."""
        return self._followers.get(tuple(self.written[len(self.written) - n + 1 :]), [])

    def append(self, token: int, n: int | None) -> None:
        """Write a token; remember what follows the `n` - 1 before it."""
        if n is not None and len(self.written) >= n - 1:
            key = tuple(self.written[len(self.written) - n + 1 :])
            self._followers.setdefault(key, []).append(token)
        self.written.append(token)


def sample(
    rows: Sequence[Row],
    *,
    model: Any,
    how: Sampling,
    end: int,
    padding: int,
    batch_size: int,
    threads: int,
    executor: Executor = LOCAL,
) -> None:
    """Write each row's text.

    Args:
        rows: What to write behind, in any order.
        model: A causal model of transformers.
        how: The choice of tokens.
        end: Id of the token that ends a text.
        padding: Id of the token that fills shorter prompts up.
        batch_size: Rows at once.
        threads: CPU threads; another number may give other bytes.
        executor: Who lets the model write; the texts are the same.

    Raises:
        ExecutorError: As `Executor.map`.
    """
    written = map_items(
        Sampled(model, how, end, padding, threads),
        rows,
        alike=lambda row: (len(row.prompt), row.prompt, row.seed),
        batch_size=batch_size,
        batch_of=lambda chosen: [(row.prompt, row.seed) for row in chosen],
        title="contexts",
        executor=executor,
    )
    for row, (ids, ended) in zip(rows, written, strict=True):
        row.written, row.ended = ids, ended


@dataclass(frozen=True, slots=True)
class Sampled:
    """Texts behind prompts that are written at once, and whether the model ended them; a `Work`.

    A batch has the ids of each prompt and the seed of its draws.

    Attributes:
        model: A causal model of transformers.
        how: The choice of tokens.
        end: Id of the token that ends a text.
        padding: Id of the token that fills shorter prompts up.
        threads: CPU threads.
        n_at_once: They take all threads.
        is_kept: Writing takes long.
    """

    model: Any
    how: Sampling
    end: int
    padding: int
    threads: int
    n_at_once: int = 1
    is_kept: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        return Sampled, (movable(self.model), self.how, self.end, self.padding, self.threads)

    def key(self) -> str:
        """Return a hash of all that a text depends on, but for the prompts."""
        return model_key(self.model, "sampled", self.how, self.end, self.padding, self.threads)

    @contextmanager
    def session(self) -> Iterator[Callable[[list[Prompt]], list[Text]]]:
        """Give the function that lets the model write, on pinned threads."""
        with pinned(self.threads):
            yield self._write

    def _write(self, prompts: list[Prompt]) -> list[Text]:
        rows = [Row(ids, seed) for ids, seed in prompts]
        with torch.inference_mode():
            _sample_batch(rows, self.model, self.how, self.end, self.padding)
        return [(row.written, row.ended) for row in rows]


def _sample_batch(rows: Sequence[Row], model: Any, how: Sampling, end: int, padding: int) -> None:
    longest = max(len(row.prompt) for row in rows)
    gaps = [longest - len(row.prompt) for row in rows]
    tokens = torch.tensor(
        [[padding] * gap + row.prompt for gap, row in zip(gaps, rows, strict=True)]
    )
    mask = torch.tensor(
        [[0] * gap + [1] * len(r.prompt) for gap, r in zip(gaps, rows, strict=True)]
    )
    places = (mask.cumsum(1) - 1).clamp(min=0)
    draws = [torch.Generator().manual_seed(row.seed) for row in rows]
    alive = list(range(len(rows)))  # rows of the batch as it stands
    cache: Any = None
    for step in range(how.max_new_tokens):
        output = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache, logits = output.past_key_values, output.logits[:, -1].float()
        chosen = []
        for place, number in enumerate(alive):
            row = rows[number]
            token = end if row.ended else _choose(logits[place], row, how, draws[number])
            row.ended = token == end
            if not row.ended:
                row.append(token, how.no_repeat_ngram_tokens)
            chosen.append(token)
        going = [place for place, number in enumerate(alive) if not rows[number].ended]
        if not going or step + 1 == how.max_new_tokens:
            return
        tokens = torch.tensor(chosen)[:, None]
        mask = torch.cat([mask, torch.ones(len(alive), 1, dtype=mask.dtype)], dim=1)
        places = places[:, -1:] + 1
        if 2 * len(going) <= len(alive):
            kept = torch.tensor(going)
            cache.batch_select_indices(kept)
            tokens, mask, places = tokens[kept], mask[kept], places[kept]
            alive = [alive[place] for place in going]


def _choose(logits: Tensor, row: Row, how: Sampling, draw: torch.Generator) -> int:
    """Return the next token of a row.

    Args:
        logits: Shape ``(n_words,)``.
        row: What is written.
        how: The choice.
        draw: The row's own random generator.
    """
    n = how.no_repeat_ngram_tokens
    if n is not None and (banned := row.banned(n)):
        logits = logits.clone()
        logits[banned] = -torch.inf
    if how.temperature == 0:
        return int(logits.argmax())
    all_shares = torch.softmax(logits / how.temperature, dim=0)
    shares, tokens = all_shares.topk(min(_LIKELIEST, len(all_shares)))
    if float(shares.sum()) < how.top_p:
        shares, tokens = all_shares.sort(descending=True)
    # The first token that reaches top_p is in.
    n_kept = int((shares.cumsum(0) - shares < how.top_p).sum())
    return int(tokens[torch.multinomial(shares[:n_kept], 1, generator=draw)])
