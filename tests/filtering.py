"""Pairs to filter, and settings that most of them pass."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from augqa.filters import Decision, Surroundings, decide, judge_alone
from augqa.overlap import HeldOutTexts, NgramIndex
from augqa.records import QAExample, RoundTripAnswer
from tests.examples import example

SETTINGS: Mapping[str, Any] = {
    "min_question_words": 3,
    "max_question_words": 8,
    "drop_passage_dependent": True,
    "drop_garbled": True,
    "min_content_words": None,
    "max_answer_words": 3,
    "max_repeated_fraction": 0.5,
    "test_overlap_words": 3,
    "max_test_overlap_fraction": 0.5,
    "min_round_trip_f1": 50.0,
    "round_trip_exact_match": False,
    "min_reader_score": 0.0,
    "min_duplicate_similarity": None,
    "max_pairs_per_context": None,
    "target_kept": None,
}


def pair(id_: str = "q1", **changes: str) -> QAExample:
    """Return a pair that passes, but for the changes."""
    return example(id_, origin="generated", context_origin="generated", **changes)  # type: ignore[arg-type]


def read(
    id_: str = "q1", *, text: str = "Percy", f1: float = 100.0, score: float = 5.0
) -> RoundTripAnswer:
    """Return what the round-trip reader answers to a pair."""
    return RoundTripAnswer(id=id_, text=text, score=score, f1=f1)


def held_out(
    contexts: Iterable[str] = (), questions: Iterable[str] = (), *, n_words: int = 3
) -> HeldOutTexts:
    """Return the n-grams of test sets."""
    return HeldOutTexts(
        contexts=NgramIndex(contexts, n_words=n_words),
        questions=NgramIndex(questions, n_words=n_words),
    )


def decided(
    pairs: Sequence[QAExample],
    answers: Sequence[RoundTripAnswer] | None = None,
    *,
    test: HeldOutTexts | None = None,
    seed_ids: Sequence[str] = (),
    **settings: Any,
) -> Decision:
    """Judge pairs under `SETTINGS`, but for those given; without answers each is good."""
    around: Any = {
        "settings": {**SETTINGS, **settings},
        "surroundings": Surroundings(held_out=test or held_out(), seed_ids=seed_ids),
    }
    both = zip(pairs, answers or [read(p.id) for p in pairs], strict=True)
    return decide(judge_alone(both, **around), **around)


def kept(pairs: Sequence[QAExample], decision: Decision) -> list[str]:
    """Return the ids of the pairs that stay."""
    return [p.id for row, p in enumerate(pairs) if decision.keeps(row)]


def reason(judged: QAExample, answer: RoundTripAnswer | None = None, **changes: Any) -> str | None:
    """Return why a pair alone is dropped, or None."""
    decision = decided([judged], [answer or read(judged.id)], **changes)
    return decision.rejected[0].reason if decision.rejected else None
