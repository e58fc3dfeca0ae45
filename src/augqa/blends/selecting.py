"""Which generated pairs help: by how hard they are, how they differ, and what they ask for.

Each chooser is a knob of a recipe. It leaves pairs out, each with a reason, before the seeded
choice of as many as the recipe has.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from augqa.drift import QUESTION_WORDS, question_word, question_word_fractions
from augqa.errors import BlendError
from augqa.records import Judgement, QAExample, Rejection, RoundTripAnswer
from augqa.registry import resolve
from augqa.sampling import shuffled
from augqa.schema import PositiveInt, Section

Selected = tuple[list[QAExample], list[Rejection]]
# Gives an array of embeddings, one a text, each of length 1: shape (n_texts, size).
Embed = Callable[[Sequence[str]], Any]

_TEXT_ENCODER = "augqa.embedding:TextEncoder"  # imported where a recipe asks for it: it takes torch
_BATCH_SIZE = 32


class Hardness(Section):
    """The pairs that the round-trip reader was least sure of, or most."""

    kind: Literal["hardness"]
    keep: Literal["hardest", "easiest"]
    kept_fraction: Annotated[float, Field(gt=0, le=1)]


class Diversity(Section):
    """At most `max_alike` questions that are about the same."""

    kind: Literal["diversity"]
    max_alike: PositiveInt
    min_similarity: Annotated[float, Field(gt=0, le=1)]  # cosine, from which two are alike
    checkpoint: str = "all-MiniLM-L6-v2"


class Balance(Section):
    """As many pairs of each question word as the pool has, or as `weights` say."""

    kind: Literal["balance"]
    weights: dict[str, Annotated[float, Field(ge=0)]] | None  # null: the pool's


class Judged(Section):
    """The pairs whose every grade by `judge_pairs` is at least `min_grade`, of 5."""

    kind: Literal["judged"]
    min_grade: Annotated[int, Field(ge=1, le=5)]


Chooser = Annotated[Hardness | Diversity | Balance | Judged, Field(discriminator="kind")]


def selected(
    pairs: Sequence[QAExample],
    choosers: Sequence[Hardness | Diversity | Balance | Judged],
    *,
    recipe: str,
    pool: Callable[[], Sequence[QAExample]],
    round_trip: Callable[[], Mapping[str, RoundTripAnswer]],
    judgements: Callable[[], Mapping[str, Judgement]],
    seed: int,
) -> Selected:
    """Return the pairs that all choosers leave, each asked in turn, and a rejection for the others.

    Args:
        pairs: Generated pairs.
        choosers: The knob `choose` of the recipe.
        recipe: Name of the recipe, for messages.
        pool: Reads the real examples; called where they are needed.
        round_trip: Reads the round-trip answers; likewise.
        judgements: Reads what a language model thinks of the pairs; likewise.
        seed: Seed of every choice.
    """
    left, rejections = list(pairs), list[Rejection]()
    for chooser in choosers:
        match chooser:
            case Hardness():
                fraction = chooser.kept_fraction
                kept, out = by_hardness(left, round_trip(), keep=chooser.keep, fraction=fraction)
            case Judged():
                kept, out = by_grade(left, judgements(), min_grade=chooser.min_grade)
            case Diversity():
                encoder = resolve(_TEXT_ENCODER).load(
                    chooser.checkpoint, param=f"blend.{recipe}.choose.checkpoint"
                )
                kept, out = by_diversity(
                    left,
                    partial(encoder.encode, batch_size=_BATCH_SIZE),
                    max_alike=chooser.max_alike,
                    min_similarity=chooser.min_similarity,
                )
            case _:
                weights = chooser.weights
                if weights is None:
                    weights = question_word_fractions(e.question for e in pool())
                kept, out = by_question_word(left, weights, recipe=recipe, seed=seed)
        left, rejections = kept, [*rejections, *out]
    return left, rejections


def by_hardness(
    pairs: Sequence[QAExample],
    round_trip: Mapping[str, RoundTripAnswer],
    *,
    keep: Literal["hardest", "easiest"],
    fraction: float,
) -> Selected:
    """Keep a fraction of the pairs, rounded up, by the round-trip reader's score.

    The score is its start and end logit: low where it is not sure. Of equal ones the first id goes
    first.
    """
    sign = 1 if keep == "hardest" else -1
    ordered = sorted(pairs, key=lambda pair: (sign * round_trip[pair.id].score, pair.id))
    kept = {pair.id for pair in ordered[: math.ceil(fraction * len(ordered))]}
    reason = "not_hard_enough" if keep == "hardest" else "too_hard"
    return _parted(
        pairs,
        {p.id: (reason, f"score {round_trip[p.id].score:.2f}") for p in pairs if p.id not in kept},
    )


def by_grade(
    pairs: Sequence[QAExample], judgements: Mapping[str, Judgement], *, min_grade: int
) -> Selected:
    """Keep the pairs whose lowest grade is at least `min_grade`; one without grades is left out."""
    out: dict[str, tuple[str, str]] = {}
    for pair in pairs:
        found = judgements.get(pair.id)
        if found is None or found.grade is None:
            out[pair.id] = ("not_judged", "" if found is None else str(found.failure))
        elif found.grade < min_grade:
            grades = f"question {found.question}, answer {found.answer}, grounding"
            out[pair.id] = ("graded_low", f"{grades} {found.grounding}")
    return _parted(pairs, out)


def by_diversity(
    pairs: Sequence[QAExample],
    embed: Embed,
    *,
    max_alike: int,
    min_similarity: float,
) -> Selected:
    """Keep at most `max_alike` pairs whose questions are alike, the first ones in the table.

    A pair is left out if so many that are kept have a cosine of at least `min_similarity` to it.
    The order is that of the table and not a seed's, so that each training seed gets as many.
    """
    vectors = embed([pair.question for pair in pairs])
    kept: list[int] = []
    out: dict[str, tuple[str, str]] = {}
    for place, pair in enumerate(pairs):
        cosines = vectors[kept] @ vectors[place] if kept else ()
        alike = [at for at, cosine in zip(kept, cosines, strict=True) if cosine >= min_similarity]
        if len(alike) >= max_alike:
            out[pair.id] = ("too_alike", f"{len(alike)} kept, such as {pairs[alike[0]].id}")
        else:
            kept.append(place)
    return _parted(pairs, out)


def by_question_word(
    pairs: Sequence[QAExample], weights: Mapping[str, float], *, recipe: str, seed: int
) -> Selected:
    """Keep as many pairs as can be had with each question word in its share.

    The word that is scarcest for its share sets the size. One that no pair has is left out of the
    shares: nothing could make up for it.

    Raises:
        BlendError: If a weight names no question word, or no pair has one that is asked for.
    """
    if unknown := sorted(set(weights) - set(QUESTION_WORDS)):
        raise BlendError(
            f"recipe {recipe}: choose.weights names {unknown[0]!r}, which is none of"
            f" {', '.join(QUESTION_WORDS)}"
        )
    of_word: dict[str, list[QAExample]] = defaultdict(list)
    for pair in pairs:
        of_word[question_word(pair.question)].append(pair)
    wanted = {word: weight for word, weight in weights.items() if weight > 0 and of_word[word]}
    if pairs and not wanted:
        found = Counter(question_word(pair.question) for pair in pairs)
        raise BlendError(
            f"recipe {recipe}: no pair has a question word that choose.weights asks for; there are"
            f" {dict(found)}"
        )
    size = min((len(of_word[word]) / weight for word, weight in wanted.items()), default=0.0)
    out: dict[str, tuple[str, str]] = {}
    for word, group in of_word.items():
        n = round(size * wanted.get(word, 0.0))
        for pair in shuffled(group, seed=seed)[n:]:
            out[pair.id] = ("over_question_word_share", f"{word}: {n} of {len(group)}")
    return _parted(pairs, out)


def _parted(pairs: Sequence[QAExample], out: Mapping[str, tuple[str, str]]) -> Selected:
    kept = [pair for pair in pairs if pair.id not in out]
    rejections = [
        Rejection(id=pair.id, reason=out[pair.id][0], detail=out[pair.id][1])
        for pair in pairs
        if pair.id in out
    ]
    return kept, rejections
