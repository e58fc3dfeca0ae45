"""Pairs out of passages by any question generator, each part that is no pair with its reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from augqa.errors import DataError
from augqa.question_generator.placing import placed
from augqa.question_generator.proposals import Passage, Proposal, QuestionGenerator
from augqa.records import QAExample, Rejection
from augqa.sentences import not_english, reads_as_english


@dataclass(slots=True, kw_only=True)
class Counts:
    """What has been made.

    Attributes:
        by_origin: Passages by the origin of their context.
        by_model: Pairs by the served name of the model that made them.
        reasons: Rejections by their reason.
        n_pairs: Pairs.
        n_without_pairs: Passages that gave none.
        n_not_english: Passages that do not read as English.
    """

    by_origin: Counter[str] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    n_pairs: int = 0
    n_without_pairs: int = 0
    n_not_english: int = 0

    def metrics(self) -> dict[str, Any]:
        """Return the numbers for a metrics file."""
        return {
            "n_contexts": self.by_origin["generated"],
            "n_real_contexts": self.by_origin["real"],
            "n_contexts_not_english": self.n_not_english,
            "n_contexts_without_pairs": self.n_without_pairs,
            "n_pairs": self.n_pairs,
            "n_rejected": dict(self.reasons),
            "n_by_model": dict(self.by_model),
        }

    def refuse_nothing(self, *, contexts: Path, rejected: Path) -> None:
        """Refuse to go on without a pair.

        Args:
            contexts: Table of the contexts, for the message.
            rejected: Table of the rejections, for the message.

        Raises:
            DataError: If there is no context with a text, or none gave a pair.
        """
        if not self.by_origin.total():
            raise DataError(
                f"{contexts}: none of its contexts has a text: {self._reasons()}. Look at section"
                " llm of params.yaml: no usable text came from there."
            )
        if not self.n_pairs:
            raise DataError(
                f"{contexts}: {self.by_origin.total()} contexts gave no pair: {self._reasons()}."
                f" {rejected} has a row for each. Change generate_pairs.method or its settings in"
                " params.yaml."
            )

    def line(self) -> str:
        """Return one line for the log."""
        n_passages = self.by_origin.total()
        rules = "the rules that choose answers and ask by cloze"
        foreign = not_english(self.n_not_english, n_passages, "contexts", rules)
        made = f"{self.n_pairs} pairs from {n_passages} contexts"
        return f"{made}; rejected: {self._reasons()}{foreign}"

    def _reasons(self) -> str:
        return ", ".join(f"{n} {reason}" for reason, n in self.reasons.most_common()) or "nothing"


def make_pairs(
    generator: QuestionGenerator,
    passages: Iterable[Passage],
    failed: Iterable[Rejection],
    *,
    method: str,
    n_pairs: int,
    keep: Callable[[QAExample], None],
    reject: Callable[[Rejection], None],
) -> Counts:
    """Make pairs on passages; hand each on as it comes, and a rejection for all that is none.

    Args:
        generator: Drafts the pairs.
        passages: May be gone through more than once.
        failed: Rejections that come first: contexts without a text.
        method: Name of the generator, for the record.
        n_pairs: Most pairs of a passage.
        keep: Called with each pair.
        reject: Called with each rejection.
    """
    counts = Counts()

    def refuse(row: Rejection) -> None:
        reject(row)
        counts.reasons[row.reason] += 1

    for row in failed:
        refuse(row)
    # A generator function holds its client open: it is closed however this ends.
    with closing(_closable(generator.propose(passages))) as proposing:
        for proposal in proposing:
            good, bad = placed(proposal, method=method, n_pairs=n_pairs)
            counts.by_origin[proposal.passage.origin] += 1
            counts.n_without_pairs += not good
            counts.n_not_english += not reads_as_english(proposal.passage.text)
            counts.n_pairs += len(good)
            for pair in good:
                keep(pair)
                if pair.model is not None:
                    counts.by_model[pair.model] += 1
            for row in bad:
                refuse(row)
    return counts


def _closable(proposing: Iterator[Proposal]) -> Any:
    """Return the same, with a `close` where it has none: a plug-in may return any iterator."""
    return cast(Any, proposing) if hasattr(proposing, "close") else (each for each in proposing)
