"""What a filter is: its params, its reasons to drop a pair, and what the gate may then count on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import create_model

from augqa.errors import ParamsError
from augqa.overlap import HeldOutTexts
from augqa.records import QAExample, RoundTripAnswer
from augqa.registry import Registry
from augqa.schema import Section

# Section filter_pairs of params.yaml, by key.
Settings = Mapping[str, Any]
# A reason, in snake_case, and the value that decided, for a person to read.
Dropped = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What pairs are held against, beside the round-trip answers.

    Attributes:
        held_out: The texts of the test sets.
        seed_ids: Ids of the seed questions, in their order.
    """

    held_out: HeldOutTexts
    seed_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is remembered of a pair while it is judged among others: there may be millions.

    Attributes:
        id: Its id.
        context_id: That of its context.
        question: Its question after SQuAD's normalization.
        answer: Its answer after SQuAD's normalization.
        score: The round-trip reader's score.
    """

    id: str
    context_id: str
    question: str
    answer: str
    score: float


# Judges a pair by itself: why to drop it, or None.
Alone = Callable[[QAExample, RoundTripAnswer], Dropped | None]
# Judges pairs among each other, in the order of their table: the places of those to drop, and why.
Among = Callable[[Sequence[Candidate]], Mapping[int, Dropped]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where the values of a column lie: all that is given holds.

    Attributes:
        minimum: Smallest value.
        maximum: Largest value.
        below: What every value is smaller than.
        equals: The one value of a column of truths.
    """

    minimum: float | None = None
    maximum: float | None = None
    below: float | None = None
    equals: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What holds of every kept pair because of a filter; the gate measures and holds it.

    Attributes:
        name: Of the expectation.
        text: What it says and why, for a person.
        relied_on_by: Stages that break, or mislead, without it.
        column: The measured column. Those that the gate knows are `EXAMPLE_COLUMNS` of
            `augqa.expectations.example_columns`.
        bounds: What the column keeps to under these settings; None where nothing is promised.
        measure: Value of the column for a row of the table, where the gate does not know it. It
            must not call what decides: two wrongs would agree.
    """

    name: str
    text: str
    relied_on_by: tuple[str, ...]
    column: str
    bounds: Callable[[Settings], Bounds | None]
    measure: Callable[[Mapping[str, Any]], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One filter; filters are asked in the order in which they were registered.

    Those that judge a pair alone come first, so that a pair which is dropped for a fault of its own
    hides no other as its duplicate.

    Attributes:
        name: Its name in the registry.
        reasons: Each reason it gives, with the key of section filter_pairs that loosens it; None
            where none does.
        params: Its keys of section filter_pairs.
        alone: Makes what judges a pair by itself; None where these settings turn it off.
        among: Makes what judges pairs among each other; None as above.
        promises: What the gate on kept pairs holds.
    """

    name: str
    reasons: Mapping[str, str | None]
    params: type[Section] = Section
    alone: Callable[[Settings, Surroundings], Alone | None] | None = None
    among: Callable[[Settings, Surroundings], Among | None] | None = None
    promises: tuple[Promise, ...] = field(default=())


FILTERS: Registry[Filter] = Registry("filter")


def reasons() -> dict[str, str | None]:
    """Return every reason, in the order of the checks, with the param that loosens it."""
    ordered = [f for f in FILTERS if f.alone is not None] + [f for f in FILTERS if f.alone is None]
    return {reason: param for f in ordered for reason, param in f.reasons.items()}


def promises_in_force(settings: Settings) -> dict[Promise, Bounds]:
    """Return what all filters promise under these settings, in the order of the checks."""
    return {
        promise: bounds
        for filter_ in FILTERS
        for promise in filter_.promises
        if (bounds := promise.bounds(settings)) is not None
    }


def schema() -> type[Section]:
    """Return the schema of section filter_pairs: the keys of all filters.

    Raises:
        ParamsError: If two filters have a key of the same name that is not the same key.
    """
    parts = _distinct(f.params for f in FILTERS)
    owner: dict[str, type[Section]] = {}
    for part in parts:
        for key in part.model_fields:
            if key in owner:
                raise ParamsError(
                    f"filter_pairs.{key} is a key of {owner[key].__name__} and of {part.__name__}:"
                    " two filters that share a key share the class that has it"
                )
            owner[key] = part
    return create_model("FilterPairs", __base__=tuple(reversed(parts)))


def _distinct(parts: Iterable[type[Section]]) -> list[type[Section]]:
    return [part for part in dict.fromkeys(parts) if part is not Section] or [Section]
