"""The quality dial: pairs chosen by how good they are, or made worse on purpose.

A pair that is made worse keeps its id, so that a blend chooses the same pairs, in the same order,
as from sound ones: what differs between two such blends is the quality alone.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from augqa.candidates import answer_candidates
from augqa.records import Answer, QAExample, Rejection, RoundTripAnswer, context_id
from augqa.sampling import rank, shuffled
from augqa.schema import Fraction, Percent, PositiveInt, Section
from augqa.scoring import f1
from augqa.sentences import word_starts
from augqa.spans import window_around


class Consistent(Section):
    """Only pairs whose round-trip answer agrees with their own to so many percent F1."""

    kind: Literal["consistent"]
    min_round_trip_f1: Percent


class ShuffledAnswers(Section):
    """A fraction of the pairs get a wrong answer."""

    kind: Literal["shuffled"]
    shuffled_fraction: Fraction


class TruncatedContexts(Section):
    """Contexts are cut to so many words around the answer."""

    kind: Literal["truncated"]
    max_context_words: PositiveInt


Grade = Annotated[Consistent | ShuffledAnswers | TruncatedContexts, Field(discriminator="kind")]
Graded = tuple[list[QAExample], list[Rejection]]


def consistent(
    pairs: Iterable[QAExample],
    round_trip: Mapping[str, RoundTripAnswer],
    *,
    min_round_trip_f1: float,
) -> Graded:
    """Return the pairs whose round-trip F1 is at least `min_round_trip_f1`, and the others."""
    good, rejections = [], []
    for pair in pairs:
        found = round_trip[pair.id].f1
        if found >= min_round_trip_f1:
            good.append(pair)
        else:
            detail = f"F1 {found:.1f}"
            rejections.append(Rejection(id=pair.id, reason="not_consistent_enough", detail=detail))
    return good, rejections


def shuffled_answers(pairs: Sequence[QAExample], *, shuffled_fraction: float, seed: int) -> Graded:
    """Give a fraction of the pairs a wrong answer of their own context.

    It is the answer of another pair on that context or, where none fits, another answer candidate;
    none that shares a word with the right one. A pair without any is rejected, whatever the
    fraction. Of the first n pairs in seeded order ``floor(n * shuffled_fraction)`` get a wrong one,
    for any n: so a blend of them has its fraction too.

    Args:
        pairs: Pairs with one answer each.
        shuffled_fraction: Fraction of wrong answers, 0 to 1.
        seed: That of the blend; it also chooses the answers.
    """
    of_context: dict[str, list[Answer]] = defaultdict(list)
    for pair in pairs:
        of_context[pair.context_id].append(pair.answers[0])
    wrong, rejections = {}, []
    for pair in pairs:
        rules = [Answer(text=c.text, start=c.start) for c in answer_candidates(pair.context)]
        options = _foreign(pair, of_context[pair.context_id]) or _foreign(pair, rules)
        if options:
            wrong[pair.id] = min(options, key=lambda a: rank(f"{pair.id}:{a.start}", seed=seed))
        else:
            rejections.append(Rejection(id=pair.id, reason="no_other_answer"))
    graded = []
    for number, pair in enumerate(shuffled((p for p in pairs if p.id in wrong), seed=seed)):
        if int((number + 1) * shuffled_fraction) > int(number * shuffled_fraction):
            pair = dataclasses.replace(
                pair, answers=(wrong[pair.id],), method=f"{pair.method}+shuffled"
            )
        graded.append(pair)
    return graded, rejections


def truncated_contexts(pairs: Iterable[QAExample], *, max_context_words: int) -> list[QAExample]:
    """Cut each context to at most so many words around the answer, by sentences where they fit.

    The answer stays whole, and the pair as it is where its context is no longer than that.
    """
    graded = []
    for pair in pairs:
        (answer,) = pair.answers
        span = (answer.start, answer.start + len(answer.text))
        words = word_starts(pair.context)
        if len(words) > max_context_words:
            start, end = window_around(pair.context, span, words, max_units=max_context_words)
            text = pair.context[start:end]
            pair = dataclasses.replace(
                pair,
                context=text,
                context_id=context_id(text),
                answers=(Answer(text=answer.text, start=answer.start - start),),
                method=f"{pair.method}+truncated",
            )
        graded.append(pair)
    return graded


def _foreign(pair: QAExample, answers: Iterable[Answer]) -> list[Answer]:
    return [answer for answer in answers if f1(pair.answers[0].text, answer.text) == 0]
