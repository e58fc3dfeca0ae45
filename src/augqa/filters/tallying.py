"""What a run of the filters comes to: its counts, and whether it is enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.filters.deciding import Decision, JudgedAlone, advice, counts, n_seed_questions_needed
from augqa.sentences import not_english


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of kept and dropped pairs.

    Attributes:
        n_pairs: All pairs.
        n_kept: Those that stay.
        n_rejected: Dropped ones by reason, in the order of the checks.
        n_not_english: Pairs on a context that does not read as English.
        n_seed_questions: Seed questions that the pairs were made for.
        n_pool: As many as there could be.
        target_kept: How many pairs are asked for; None: no number.
    """

    n_pairs: int
    n_kept: int
    n_rejected: Mapping[str, int]
    n_not_english: int
    n_seed_questions: int
    n_pool: int
    target_kept: int | None

    @property
    def n_seed_questions_needed(self) -> int | None:
        """Return how many seed questions should reach the target; None where no more would."""
        if self.target_kept is None:
            return None
        return n_seed_questions_needed(
            n_kept=self.n_kept,
            target_kept=self.target_kept,
            n_seed_questions=self.n_seed_questions,
            n_pool=self.n_pool,
        )

    def as_metrics(self) -> dict[str, Any]:
        """Return the counts for a metrics file."""
        counted: dict[str, Any] = {
            "n_kept": self.n_kept,
            "n_rejected": self.n_rejected,
            "n_not_english": self.n_not_english,
        }
        if self.target_kept is not None:
            counted["target_kept"] = self.target_kept
        if self.n_seed_questions_needed is not None:
            counted["n_seed_questions_needed"] = self.n_seed_questions_needed
        return counted

    def refuse_too_few(self, *, pairs: Path, rejected: Path) -> None:
        """Stop where nothing is left, or less than was asked for and more seeds would help.

        Args:
            pairs: Where the pairs are from, for the message.
            rejected: Where each dropped one has a row.

        Raises:
            DataError: In either case.
        """
        if not self.n_kept:
            raise DataError(
                f"{pairs}: none of the {self.n_pairs} pairs is left. {rejected} has a row for"
                f" each:\n{advice(self.n_rejected)}"
            )
        if (needed := self.n_seed_questions_needed) is not None:
            raise DataError(
                f"{pairs}: {self.n_kept} pairs are kept,"
                f" {self.n_kept / self.n_seed_questions:.2f} a seed, but filter_pairs.target_kept"
                f" asks for {self.target_kept}: that takes about {needed} seed questions instead"
                f" of {self.n_seed_questions}. `make grow` raises prepare.n_seed_questions in"
                " params.yaml until there are enough; or do so yourself, or set target_kept to"
                " null. No response that is in the cache is paid for again."
            )

    def closing(self) -> str:
        """Return the counts in one line."""
        reasons = ", ".join(f"{n} {reason}" for reason, n in self.n_rejected.items()) or "none"
        short = (self.target_kept or 0) - self.n_kept
        ran_out = f"; the seed questions ran out {short} short of target_kept" if short > 0 else ""
        foreign = not_english(
            self.n_not_english, self.n_pairs, "pairs", "F1 and exact match of an answer"
        )
        return f"kept {self.n_kept} of {self.n_pairs} pairs; rejected: {reasons}{ran_out}{foreign}"


def tally(
    decision: Decision,
    judged: JudgedAlone,
    *,
    n_seed_questions: int,
    n_pool: int,
    target_kept: int | None,
) -> Tally:
    """Count what the filters decided of the pairs that they judged."""
    return Tally(
        n_pairs=decision.n_pairs,
        n_kept=decision.n_kept,
        n_rejected=counts(decision.rejected.values()),
        n_not_english=judged.n_not_english,
        n_seed_questions=n_seed_questions,
        n_pool=n_pool,
        target_kept=target_kept,
    )
