"""Which generated pairs to keep, and the named reason for each that is dropped."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from augqa.errors import DataError
from augqa.filters.entry import FILTERS, Candidate, Settings, Surroundings, reasons
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.scoring import normalize_answer
from augqa.sentences import reads_as_english


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a table of pairs.

    Attributes:
        n_pairs: Its rows.
        rejected: A rejection for each row that is dropped, by its number, in their order.
    """

    n_pairs: int
    rejected: Mapping[int, Rejection]

    @property
    def n_kept(self) -> int:
        """Return how many pairs stay."""
        return self.n_pairs - len(self.rejected)

    def keeps(self, row: int) -> bool:
        """Return whether a row stays."""
        return row not in self.rejected


@dataclass(slots=True, kw_only=True)
class JudgedAlone:
    """What the filters that judge a pair by itself say of the rows of a table.

    Attributes:
        n_pairs: The rows.
        n_not_english: How many of them stand on a context that does not read as English.
        without: Ids of those without a round-trip answer: they are not judged.
        rejected: A rejection for each row that is dropped, by its number, in their order.
        rows: Numbers of those left, in their order.
        left: What is remembered of them: a short note each.
    """

    n_pairs: int = 0
    n_not_english: int = 0
    without: list[str] = field(default_factory=list)
    rejected: dict[int, Rejection] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    left: list[Candidate] = field(default_factory=list)

    def append(self, later: "JudgedAlone") -> None:
        """Add the rows that come next."""
        self.rejected.update((self.n_pairs + row, found) for row, found in later.rejected.items())
        self.rows += [self.n_pairs + row for row in later.rows]
        self.left += later.left
        self.without += later.without
        self.n_not_english += later.n_not_english
        self.n_pairs += later.n_pairs

    def refuse_unanswered(self, pairs: Path, *, answers: Path) -> None:
        """Stop if a pair was never answered.

        Raises:
            DataError: If so, with the first one.
        """
        if self.without:
            raise DataError(
                f"{answers}: no answer to {len(self.without)} of {self.n_pairs} pairs of {pairs},"
                f" the first one {self.without[0]}. Run `augqa run answer_round_trip`."
            )


def judge_alone(
    answered: Iterable[tuple[QAExample, RoundTripAnswer | None]],
    *,
    settings: Settings,
    surroundings: Surroundings,
) -> JudgedAlone:
    """Judge each pair by itself. They are read one at a time.

    Args:
        answered: Pairs, and what the reader answers to each; None where it never did.
        settings: Section filter_pairs of the params.
        surroundings: What they are held against.
    """
    checks = [check for f in FILTERS if f.alone and (check := f.alone(settings, surroundings))]
    judged = JudgedAlone()
    context, english = None, True
    for row, (pair, read) in enumerate(answered):
        judged.n_pairs += 1
        if pair.context_id != context:
            context, english = pair.context_id, reads_as_english(pair.context)
        judged.n_not_english += not english
        if read is None:
            judged.without.append(pair.id)
            continue
        for check in checks:
            found = check(pair, read)
            if found is not None:
                judged.rejected[row] = Rejection(id=pair.id, reason=found[0], detail=found[1])
                break
        else:
            judged.rows.append(row)
            judged.left.append(_candidate(pair, read))
    return judged


def decide(judged: JudgedAlone, *, settings: Settings, surroundings: Surroundings) -> Decision:
    """Judge pairs that none dropped for itself among each other.

    Args:
        judged: What is said of each by itself.
        settings: Section filter_pairs of the params.
        surroundings: What they are held against.
    """
    rejected, rows, left = dict(judged.rejected), judged.rows, judged.left
    for filter_ in FILTERS:
        among = filter_.among(settings, surroundings) if filter_.among else None
        if among is None:
            continue
        dropped = among(left)
        for place, (reason, detail) in dropped.items():
            rejected[rows[place]] = Rejection(id=left[place].id, reason=reason, detail=detail)
        if dropped:
            rows = [number for place, number in enumerate(rows) if place not in dropped]
            left = [candidate for place, candidate in enumerate(left) if place not in dropped]
    return Decision(n_pairs=judged.n_pairs, rejected=dict(sorted(rejected.items())))


def in_step(
    pairs: Iterable[QAExample], answers: Iterable[RoundTripAnswer]
) -> Iterator[tuple[QAExample, RoundTripAnswer | None]]:
    """Yield each pair with the round-trip answer to it, None where there is none.

    Both are read one at a time: answers in the order of the pairs take no memory, those of another
    order are remembered until their pair comes.
    """
    rest = iter(answers)
    waiting: dict[str, RoundTripAnswer] = {}
    for pair in pairs:
        found = waiting.pop(pair.id, None)
        while found is None and (answer := next(rest, None)) is not None:
            if answer.id == pair.id:
                found = answer
            else:
                waiting[answer.id] = answer
        yield pair, found


def n_seed_questions_needed(
    *, n_kept: int, target_kept: int, n_seed_questions: int, n_pool: int
) -> int | None:
    """Return how many seeds should give `target_kept` pairs, going by what there is.

    A twentieth more than the yield so far asks for, since each round costs a reading of all
    pairs, and at most the pool.

    Returns:
        The number; None where the target is reached, no seed is left, or there is no yield to go
        by.
    """
    if n_kept >= target_kept or n_seed_questions >= n_pool or n_kept == 0:
        return None
    estimate = math.ceil(1.05 * target_kept * n_seed_questions / n_kept)
    return min(n_pool, max(n_seed_questions + 1, estimate))


def counts(rejections: Iterable[Rejection]) -> dict[str, int]:
    """Return how many pairs were dropped for each reason, in the order of the checks."""
    found = Counter(rejection.reason for rejection in rejections)
    return {reason: found[reason] for reason in reasons() if found[reason]}


def advice(n_by_reason: Mapping[str, int]) -> str:
    """Return, for a message, each reason with its count and the param that loosens it."""
    lines = []
    loosened_by = reasons()
    for reason, n in sorted(n_by_reason.items(), key=lambda item: -item[1]):
        param = loosened_by[reason]
        change = "no param loosens it" if param is None else f"change filter_pairs.{param}"
        lines.append(f"  {n} {reason}: {change}")
    return "\n".join(lines)


def _candidate(pair: QAExample, read: RoundTripAnswer) -> Candidate:
    return Candidate(
        id=pair.id,
        context_id=pair.context_id,
        question=normalize_answer(pair.question),
        answer=normalize_answer(pair.answers[0].text),
        score=read.score,
    )
