"""Contexts by any writer, handed on as they come and counted."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from augqa.context_writer.face import ContextWriter
from augqa.records import GeneratedContext, QAExample
from augqa.sentences import n_words


@dataclass(slots=True, kw_only=True)
class Counts:
    """What has been written."""

    n_requests: int = 0
    n_good: int = 0
    n_words: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    by_finish_reason: Counter[str] = field(default_factory=Counter)

    def add(self, row: GeneratedContext) -> None:
        """Count a context, or its failure."""
        self.n_requests += row.n_tries
        self.prompt_tokens += row.prompt_tokens
        self.completion_tokens += row.completion_tokens
        if row.model is not None:
            self.by_model[row.model] += 1
        if row.finish_reason is not None:
            self.by_finish_reason[row.finish_reason] += 1
        if row.failure is None:
            self.n_good += 1
            self.n_words += n_words(row.text)
        else:
            self.reasons[row.failure] += 1

    def metrics(self) -> dict[str, Any]:
        """Return the numbers for a metrics file."""
        return {
            "n_requests": self.n_requests,
            "n_contexts": self.n_good,
            "n_failed": dict(self.reasons),
            "n_by_model": dict(self.by_model),
            "n_by_finish_reason": dict(self.by_finish_reason),
            "mean_words": self.n_words / self.n_good if self.n_good else 0.0,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }

    def line(self) -> str:
        """Return one line for the log."""
        n_failed = self.reasons.total()
        return f"{self.n_good} contexts from {self.n_requests} requests, {n_failed} failed"


def write_contexts(
    writer: ContextWriter, seeds: Iterable[QAExample], *, keep: Callable[[GeneratedContext], None]
) -> Counts:
    """Let a writer write; hand each context on as it comes.

    Args:
        writer: Writes.
        seeds: The seed questions; may be gone through more than once.
        keep: Called with each context, failures among them.
    """
    counts = Counts()
    for row in writer.contexts(seeds):
        keep(row)
        counts.add(row)
    return counts
