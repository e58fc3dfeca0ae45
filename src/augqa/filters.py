"""Which generated pairs to keep, and the named reason for each that is dropped."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from augqa.overlap import NearDuplicates, NgramIndex
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.scoring import exact_match, normalize_answer


class Reason(StrEnum):
    """Why a pair is dropped, in the order of the checks: the first that applies is given."""

    QUESTION_TOO_SHORT = "question_too_short"
    QUESTION_TOO_LONG = "question_too_long"
    NOT_A_QUESTION = "not_a_question"
    ANSWER_TOO_LONG = "answer_too_long"
    ANSWER_IN_QUESTION = "answer_in_question"
    CONTEXT_IN_TEST_SET = "context_in_test_set"
    QUESTION_IN_TEST_SET = "question_in_test_set"
    NOT_ROUND_TRIP_CONSISTENT = "not_round_trip_consistent"
    LOW_READER_SCORE = "low_reader_score"
    DUPLICATE_QUESTION = "duplicate_question"
    NEAR_DUPLICATE_QUESTION = "near_duplicate_question"
    OVER_MAX_PAIRS_PER_CONTEXT = "over_max_pairs_per_context"
    OVER_TARGET_KEPT = "over_target_kept"


# The key of params.yaml, section filter_pairs, that loosens a check; None where none does.
PARAM_OF: Mapping[Reason, str | None] = {
    Reason.QUESTION_TOO_SHORT: "min_question_words",
    Reason.QUESTION_TOO_LONG: "max_question_words",
    Reason.NOT_A_QUESTION: None,
    Reason.ANSWER_TOO_LONG: "max_answer_words",
    Reason.ANSWER_IN_QUESTION: None,
    Reason.CONTEXT_IN_TEST_SET: "max_test_overlap_fraction",
    Reason.QUESTION_IN_TEST_SET: "max_test_overlap_fraction",
    Reason.NOT_ROUND_TRIP_CONSISTENT: "min_round_trip_f1",
    Reason.LOW_READER_SCORE: "min_reader_score",
    Reason.DUPLICATE_QUESTION: None,
    Reason.NEAR_DUPLICATE_QUESTION: "min_duplicate_similarity",
    Reason.OVER_MAX_PAIRS_PER_CONTEXT: "max_pairs_per_context",
    Reason.OVER_TARGET_KEPT: "target_kept",
}

_QUESTION_MARK = re.compile(r"[?？؟][\s\"'”’»)\]]*$")
_QUESTION_WORD = re.compile(r"\b(?:who|whom|whose|what|which|when|where|why|how)\b", re.IGNORECASE)
_CLAUSE_START = re.compile(
    r"(?:^|[,;:—]\s)\W*(?:is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall"
    r"|should|may|might|must|name|in\swhich)\b",
    re.IGNORECASE,
)
_LATIN = re.compile(r"[a-z]", re.IGNORECASE)


def is_question(text: str) -> bool:
    """Return whether a text reads as a question.

    It must end with a question mark, closing quotes and brackets aside. One in Latin letters must
    also hold an English question word anywhere (``The bridge opened when?`` counts) or an
    auxiliary at the beginning of a clause (``In 1901, was it sold?``).
    """
    if not _QUESTION_MARK.search(text):
        return False
    if not _LATIN.search(text):
        return True
    return bool(_QUESTION_WORD.search(text) or _CLAUSE_START.search(text))


def decide(
    pairs: Sequence[QAExample],
    round_trip: Mapping[str, RoundTripAnswer],
    *,
    min_duplicate_similarity: float | None,
    max_pairs_per_context: int | None,
    **limits: Any,
) -> tuple[list[QAExample], list[Rejection]]:
    """Return the pairs to keep, and a rejection for each other one, both in the given order.

    First each pair is judged by itself, then those left among each other: a pair that is dropped
    for a fault of its own hides no other as its duplicate.

    Args:
        pairs: Pairs with one answer each.
        round_trip: The reader's answer to each id.
        min_duplicate_similarity: See `repetitions`.
        max_pairs_per_context: See `over_limit`.
        limits: The keywords of `rejection`.
    """
    drop: dict[str, Rejection] = {}

    def left() -> list[QAExample]:
        return [pair for pair in pairs if pair.id not in drop]

    for pair in pairs:
        dropped = rejection(pair, round_trip[pair.id], **limits)
        if dropped is not None:
            drop[pair.id] = dropped
    repeated = repetitions(left(), min_duplicate_similarity=min_duplicate_similarity)
    drop.update((dropped.id, dropped) for dropped in repeated)
    scores = {id_: answer.score for id_, answer in round_trip.items()}
    beyond = over_limit(left(), scores, max_pairs_per_context=max_pairs_per_context)
    drop.update((dropped.id, dropped) for dropped in beyond)
    return left(), [drop[pair.id] for pair in pairs if pair.id in drop]


def rejection(
    pair: QAExample,
    round_trip: RoundTripAnswer,
    *,
    test_contexts: NgramIndex,
    test_questions: NgramIndex,
    max_test_overlap_fraction: float,
    min_round_trip_f1: float,
    round_trip_exact_match: bool,
    min_reader_score: float | None,
    max_answer_words: int,
    min_question_words: int,
    max_question_words: int,
) -> Rejection | None:
    """Return the first reason that a pair gives by itself to drop it, or None.

    Words are what white space parts. An answer is in its question where its words are, in a row,
    after SQuAD's normalization; so are a pair's answer and the reader's where they have to match
    exactly. The test sets' n-grams are of contexts and of questions.

    Source: round-trip consistency, Alberti et al. 2019 (arXiv:1906.05416).
    """
    answer = pair.answers[0].text
    n_question_words, n_answer_words = len(pair.question.split()), len(answer.split())
    reason: Reason | None = None
    detail = ""
    if n_question_words < min_question_words:
        reason, detail = Reason.QUESTION_TOO_SHORT, f"{n_question_words} words"
    elif n_question_words > max_question_words:
        reason, detail = Reason.QUESTION_TOO_LONG, f"{n_question_words} words"
    elif not is_question(pair.question):
        reason, detail = Reason.NOT_A_QUESTION, pair.question
    elif n_answer_words > max_answer_words:
        reason, detail = Reason.ANSWER_TOO_LONG, f"{n_answer_words} words"
    elif holds_answer(pair.question, answer):
        reason, detail = Reason.ANSWER_IN_QUESTION, answer
    elif (shared := test_contexts.shared_fraction(pair.context)) > max_test_overlap_fraction:
        reason, detail = Reason.CONTEXT_IN_TEST_SET, f"{shared:.3f} of its n-grams"
    elif (shared := test_questions.shared_fraction(pair.question)) > max_test_overlap_fraction:
        reason, detail = Reason.QUESTION_IN_TEST_SET, f"{shared:.3f} of its n-grams"
    elif round_trip.f1 < min_round_trip_f1:
        reason = Reason.NOT_ROUND_TRIP_CONSISTENT
        detail = f"F1 {round_trip.f1:.1f}, the reader answers {round_trip.text!r}"
    elif round_trip_exact_match and not exact_match(answer, round_trip.text):
        reason = Reason.NOT_ROUND_TRIP_CONSISTENT
        detail = f"no exact match, the reader answers {round_trip.text!r}"
    elif min_reader_score is not None and round_trip.score < min_reader_score:
        reason, detail = Reason.LOW_READER_SCORE, f"{round_trip.score:.2f}"
    return None if reason is None else Rejection(id=pair.id, reason=reason, detail=detail)


def repetitions(
    pairs: Sequence[QAExample], *, min_duplicate_similarity: float | None
) -> list[Rejection]:
    """Return a rejection for each pair that repeats an earlier one that stays.

    A question is compared with those on the same context, and with those of the same answer on
    any: ``When was he born?`` may well be asked of two people.

    Args:
        pairs: Pairs, the ones to prefer first.
        min_duplicate_similarity: From which similarity on a question is nearly equal to another
            (see `NearDuplicates`); None: only equal ones are dropped.
    """
    rejections = []
    seen: dict[tuple[str, str], str] = {}
    kept: dict[str, QAExample] = {}
    near = None if min_duplicate_similarity is None else NearDuplicates(min_duplicate_similarity)
    for pair in pairs:
        question = normalize_answer(pair.question)
        keys = [(question, f"context {pair.context_id}"), (question, f"answer {_answer(pair)}")]
        earlier = next((seen[key] for key in keys if key in seen), None)
        if earlier is not None:
            rejections.append(
                Rejection(id=pair.id, reason=Reason.DUPLICATE_QUESTION, detail=f"of {earlier}")
            )
            continue
        if near is not None:
            alike = [
                (other, similarity)
                for other, similarity in near.similar(pair.question)
                if kept[other].context_id == pair.context_id
                or _answer(kept[other]) == _answer(pair)
            ]
            if alike:
                other, similarity = max(alike, key=lambda found: found[1])
                detail = f"of {other}, similarity {similarity:.2f}"
                rejections.append(
                    Rejection(id=pair.id, reason=Reason.NEAR_DUPLICATE_QUESTION, detail=detail)
                )
                continue
            near.add(pair.id, pair.question)
        kept[pair.id] = pair
        seen.update(dict.fromkeys(keys, pair.id))
    return rejections


def over_limit(
    pairs: Sequence[QAExample],
    scores: Mapping[str, float],
    *,
    max_pairs_per_context: int | None,
) -> list[Rejection]:
    """Return a rejection for each pair beyond the best-scored ones of its context.

    Args:
        pairs: Pairs; of equal scores the earlier is better.
        scores: The reader's score of each id.
        max_pairs_per_context: Most pairs to keep; None for all.
    """
    by_context: dict[str, list[QAExample]] = defaultdict(list)
    for pair in pairs:
        by_context[pair.context_id].append(pair)
    return [
        Rejection(
            id=pair.id,
            reason=Reason.OVER_MAX_PAIRS_PER_CONTEXT,
            detail=f"number {number} of {len(of_context)} by reader score",
        )
        for of_context in by_context.values()
        for number, pair in enumerate(sorted(of_context, key=lambda p: -scores[p.id]), start=1)
        if max_pairs_per_context is not None and number > max_pairs_per_context
    ]


def over_target(
    pairs: Sequence[QAExample], seed_ids: Sequence[str], *, target_kept: int | None
) -> list[Rejection]:
    """Return a rejection for each pair beyond the first `target_kept` ones, by their seeds.

    The seeds are in seeded order, and more of them only follow those there are. So the pairs of a
    smaller target lie inside those of a larger one, and stay as they are when seeds are added.

    Args:
        pairs: Pairs that every other filter keeps; of one seed the earlier goes first.
        seed_ids: Ids of the seed questions, in their order; the id of a pair begins with one.
        target_kept: Pairs to keep; None for all.
    """
    if target_kept is None:
        return []
    place = {id_: number for number, id_ in enumerate(seed_ids)}

    def of_seed(pair: QAExample) -> int:
        cuts = (n for n, character in enumerate(pair.id) if character == "/")
        return next((place[pair.id[:n]] for n in cuts if pair.id[:n] in place), len(place))

    beyond = {pair.id for pair in sorted(pairs, key=of_seed)[target_kept:]}
    detail = f"more than {target_kept}"
    return [
        Rejection(id=pair.id, reason=Reason.OVER_TARGET_KEPT, detail=detail)
        for pair in pairs
        if pair.id in beyond
    ]


def n_seeds_needed(*, n_kept: int, target_kept: int, n_seeds: int, n_pool: int) -> int | None:
    """Return how many seeds should give `target_kept` pairs, going by what there is.

    A twentieth more than the yield so far asks for, since each round costs a reading of all
    pairs, and at most the pool.

    Returns:
        The number; None where the target is reached, no seed is left, or there is no yield to go
        by.
    """
    if n_kept >= target_kept or n_seeds >= n_pool or n_kept == 0:
        return None
    estimate = math.ceil(1.05 * target_kept * n_seeds / n_kept)
    return min(n_pool, max(n_seeds + 1, estimate))


def counts(rejections: Sequence[Rejection]) -> dict[str, int]:
    """Return how many pairs were dropped for each reason, in the order of the checks."""
    found = Counter(rejection.reason for rejection in rejections)
    return {reason.value: found[reason] for reason in Reason if found[reason]}


def advice(n_by_reason: Mapping[str, int]) -> str:
    """Return, for a message, each reason with its count and the param that loosens it."""
    lines = []
    for reason, n in sorted(n_by_reason.items(), key=lambda item: -item[1]):
        param = PARAM_OF[Reason(reason)]
        change = "no param loosens it" if param is None else f"change filter_pairs.{param}"
        lines.append(f"  {n} {reason}: {change}")
    return "\n".join(lines)


def holds_answer(question: str, answer: str) -> bool:
    """Return whether a question gives its answer away: its words in a row, as SQuAD compares."""
    wanted = normalize_answer(answer)
    return bool(wanted) and f" {wanted} " in f" {normalize_answer(question)} "


def _answer(pair: QAExample) -> str:
    return normalize_answer(pair.answers[0].text)
