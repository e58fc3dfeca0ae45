"""How many contexts a seed question gets, which style each has, and which of the tries is kept."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

from augqa.context_writer.entries import Given
from augqa.context_writer.face import AskedWriter, ContextAsk
from augqa.context_writer.judging import AskedReader, Verdict, verdict
from augqa.metrics import Usage
from augqa.records import GeneratedContext, QAExample
from augqa.sampling import rank
from augqa.tables import Anew

Choice = Literal["all", "best"]

_RANK_DIGITS = 13  # hexadecimal; as many as a float tells apart


def draw_style(seed_id: str, styles: Mapping[str, float], *, seed: int) -> str:
    """Return the style of a seed question's contexts, drawn by a seeded hash of its id.

    Args:
        seed_id: Id of the seed question.
        styles: Weight of each style, in any order; one weight is above 0.
        seed: Of the draw.
    """
    share = int(rank(f"style:{seed_id}", seed=seed)[:_RANK_DIGITS], 16) / 16**_RANK_DIGITS
    left = share * sum(styles.values())
    drawn = ""
    for name, weight in sorted(styles.items()):
        if weight > 0:
            drawn = name
            if left < weight:
                break
            left -= weight
    return drawn


def choosing(writer: AskedWriter, given: Given) -> "ChoosingWriter":
    """Let a writer's contexts be chosen as section generate_contexts says.

    Raises:
        CheckpointError: If the reader that is to be asked is missing, refused or incomplete.
    """
    params = given.params
    return ChoosingWriter(
        writer=writer,
        contexts_per_seed=params.contexts_per_seed,
        choose=params.choose,
        styles=params.styles,
        seed=params.seed,
        reader=None if params.reader is None else _reader(params.reader, given),
    )


def _reader(checkpoint: str, given: Given) -> AskedReader:
    # It imports torch, which a prompted writer does without. By its name, which `code_behind` does
    # not follow: a change in the reader's code is to have no text written again that was paid for.
    reader = import_module("augqa.reader").Reader
    return AskedReader(
        reader=reader.load(checkpoint, param="generate_contexts.reader"), executor=given.executor
    )


@dataclass(slots=True)
class _Spent:
    """What a seed's tries have cost; their texts are not kept."""

    n_tries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, context: GeneratedContext) -> None:
        self.n_tries += 1
        self.prompt_tokens += context.prompt_tokens
        self.completion_tokens += context.completion_tokens


@dataclass(slots=True, kw_only=True)
class ChoosingWriter:
    """Lets a writer write, and keeps all contexts of a seed or the best one.

    Attributes:
        writer: Writes.
        contexts_per_seed: Contexts of a seed; with `choose` ``best``, most tries.
        choose: ``all`` keeps each; ``best`` stops at the first good one, and keeps the best of
            the tries where none is good.
        styles: Weight of each style.
        seed: Of the draw of styles.
        reader: With `choose` ``best``: a try is good only if it finds the answer in it; None: that
            is not asked.
        usage: What the writer has used, and the number of tries.
    """

    writer: AskedWriter
    contexts_per_seed: int
    choose: Choice
    styles: Mapping[str, float]
    seed: int
    reader: AskedReader | None = None
    usage: Usage = field(default_factory=Usage)

    def contexts(self, seeds: Iterable[QAExample]) -> Iterator[GeneratedContext]:
        """Yield the contexts, failures among them, in the order of the seeds."""
        if self.choose == "all":
            numbers = range(1, self.contexts_per_seed + 1)
            yield from self.writer.write(Anew(lambda: self._asks(seeds, numbers)))
            self.usage = self.writer.usage
        else:
            yield from self._best(list(seeds))

    def _best(self, seeds: list[QAExample]) -> Iterator[GeneratedContext]:
        best: dict[str, tuple[Verdict, GeneratedContext]] = {}
        failed: dict[str, GeneratedContext] = {}
        spent = {seed.id: _Spent() for seed in seeds}
        used: Counter[str] = Counter()
        open_seeds = seeds
        for number in range(1, self.contexts_per_seed + 1):
            if not open_seeds:
                break
            asks = list(self._asks(open_seeds, range(number, number + 1)))
            usable = []
            for ask, context in zip(asks, self.writer.write(asks), strict=True):
                spent[ask.seed.id].add(context)
                if context.failure is None:
                    usable.append((ask, context))
                else:
                    failed.setdefault(ask.seed.id, context)
            for (ask, context), judged in zip(usable, self._verdicts(usable), strict=True):
                former = best.get(ask.seed.id)
                if former is None or judged > former[0]:
                    best[ask.seed.id] = (judged, context)
            open_seeds = [s for s in open_seeds if s.id not in best or not best[s.id][0].good]
            for name, value in self.writer.usage.metrics.items():
                if isinstance(value, int | float):
                    used[name] += value  # type: ignore[assignment]
        n_good = sum(found.good for found, _ in best.values())
        metrics: dict[str, Any] = {
            **used,
            "n_tries": sum(each.n_tries for each in spent.values()),
            "n_chosen_good": n_good,
        }
        self.usage = replace(self.writer.usage, metrics=metrics)
        for seed in seeds:
            chosen = best[seed.id][1] if seed.id in best else failed[seed.id]
            yield replace(
                chosen,
                n_tries=spent[seed.id].n_tries,
                prompt_tokens=spent[seed.id].prompt_tokens,
                completion_tokens=spent[seed.id].completion_tokens,
            )

    def _verdicts(self, written: Sequence[tuple[ContextAsk, GeneratedContext]]) -> list[Verdict]:
        """Judge contexts; the reader is asked about those that are good without it."""
        found = [
            verdict(context.text, question=ask.seed.question, answer=ask.seed.answers[0].text)
            for ask, context in written
        ]
        if self.reader is None:
            return found
        good = [pair for pair, judged in zip(written, found, strict=True) if judged.good]
        answered = iter(
            self.reader.answers(
                [ask.seed for ask, _ in good], [context.text for _, context in good]
            )
        )
        return [replace(judged, answered=judged.good and next(answered)) for judged in found]

    def _asks(self, seeds: Iterable[QAExample], numbers: range) -> Iterator[ContextAsk]:
        for seed in seeds:
            style = draw_style(seed.id, self.styles, seed=self.seed)
            for number in numbers:
                yield ContextAsk(seed=seed, number=number, style=style)
