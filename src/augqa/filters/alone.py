"""Filters that judge a pair by itself."""

from functools import lru_cache

from augqa.filters.entry import (
    FILTERS,
    Alone,
    Bounds,
    Dropped,
    Filter,
    Promise,
    Settings,
    Surroundings,
)
from augqa.looping import repeated_fraction
from augqa.records import QAExample, RoundTripAnswer
from augqa.schema import Fraction, Percent, PositiveInt, Section
from augqa.scoring import exact_match, normalize_answer
from augqa.sentences import n_words

Words = tuple[str, ...]
BLEND_AND_TRAIN: Words = ("blend", "train")


class AnswerLength(Section):
    max_answer_words: PositiveInt


def answer_length(settings: Settings, _: Surroundings) -> Alone:
    """Drop an answer of too many words."""
    most = settings["max_answer_words"]

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        n = n_words(pair.answers[0].text)
        return ("answer_too_long", f"{n} words") if n > most else None

    return judge


FILTERS.register(
    Filter(
        name="answer_length",
        reasons={"answer_too_long": "max_answer_words"},
        params=AnswerLength,
        alone=answer_length,
        promises=(
            Promise(
                name="answer_words_within_filter",
                text="An answer has at most filter_pairs.max_answer_words words: the reader gives"
                " short spans.",
                relied_on_by=("train",),
                column="n_answer_words",
                bounds=lambda s: Bounds(maximum=s["max_answer_words"]),
            ),
        ),
    )
)


def holds_answer(question: str, answer: str) -> bool:
    """Return whether a question gives its answer away: its words in a row, as SQuAD compares."""
    wanted = normalize_answer(answer)
    return bool(wanted) and f" {wanted} " in f" {normalize_answer(question)} "


def answer_in_question(_: Settings, __: Surroundings) -> Alone:
    """Drop a question that gives its answer away."""

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        answer = pair.answers[0].text
        return ("answer_in_question", answer) if holds_answer(pair.question, answer) else None

    return judge


FILTERS.register(
    Filter(
        name="answer_in_question",
        reasons={"answer_in_question": None},
        alone=answer_in_question,
        promises=(
            Promise(
                name="answer_not_in_question",
                text="No question gives its answer away: the reader would learn to copy it from"
                " there.",
                relied_on_by=("train",),
                column="holds_answer",
                bounds=lambda _: Bounds(equals=False),
            ),
        ),
    )
)


class Looping(Section):
    max_repeated_fraction: Fraction | None


def looping(settings: Settings, _: Surroundings) -> Alone | None:
    """Drop a pair whose context or question goes round in circles."""
    most = settings["max_repeated_fraction"]
    of_context = lru_cache(maxsize=1)(repeated_fraction)  # pairs on one context come in a row

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        for what, fraction in (
            ("context", of_context(pair.context)),
            ("question", repeated_fraction(pair.question)),
        ):
            if fraction > most:
                return "looping", f"{fraction:.3f} of the {what}"
        return None

    return None if most is None else judge


FILTERS.register(
    Filter(
        name="looping",
        reasons={"looping": "max_repeated_fraction"},
        params=Looping,
        alone=looping,
        promises=(
            Promise(
                name="does_not_loop",
                text="At most filter_pairs.max_repeated_fraction of a context's or question's words"
                " repeat a run of six that came before, if that is set: a text that goes round in"
                " circles is none that a reader will be asked about.",
                relied_on_by=("train",),
                column="repeated_fraction",
                bounds=lambda s: (
                    None
                    if s["max_repeated_fraction"] is None
                    else Bounds(maximum=s["max_repeated_fraction"])
                ),
            ),
        ),
    )
)


class InTestSets(Section):
    test_overlap_words: PositiveInt
    max_test_overlap_fraction: Fraction


def context_in_test_set(settings: Settings, surroundings: Surroundings) -> Alone:
    """Drop what was written from a context of a test set, or came out like one."""
    most = settings["max_test_overlap_fraction"]
    shared = lru_cache(maxsize=1)(surroundings.held_out.contexts.shared_fraction)

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        found = shared(pair.context)
        return ("context_in_test_set", f"{found:.3f} of its n-grams") if found > most else None

    return judge


def question_in_test_set(settings: Settings, surroundings: Surroundings) -> Alone:
    """Drop a question that is asked in a test set."""
    most, shared = settings["max_test_overlap_fraction"], surroundings.held_out.questions

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        found = shared.shared_fraction(pair.question)
        return ("question_in_test_set", f"{found:.3f} of its n-grams") if found > most else None

    return judge


def _not_in_test(kind: str) -> Promise:
    return Promise(
        name=f"{kind}_not_in_test",
        text=f"At most filter_pairs.max_test_overlap_fraction of a {kind}'s n-grams stand in a test"
        " set: a score on what the reader was trained on says nothing.",
        relied_on_by=("train", "evaluate"),
        column=f"{kind}_test_overlap",
        bounds=lambda s: Bounds(maximum=s["max_test_overlap_fraction"]),
    )


for _kind, _alone in (("context", context_in_test_set), ("question", question_in_test_set)):
    FILTERS.register(
        Filter(
            name=f"{_kind}_in_test_set",
            reasons={f"{_kind}_in_test_set": "max_test_overlap_fraction"},
            params=InTestSets,
            alone=_alone,
            promises=(_not_in_test(_kind),),
        )
    )


class RoundTrip(Section):
    min_round_trip_f1: Percent
    round_trip_exact_match: bool


def round_trip(settings: Settings, _: Surroundings) -> Alone:
    """Drop a pair to which the round-trip reader gives another answer.

    Source: round-trip consistency, Alberti et al. 2019 (arXiv:1906.05416).
    """
    least, exact = settings["min_round_trip_f1"], settings["round_trip_exact_match"]

    def judge(pair: QAExample, read: RoundTripAnswer) -> Dropped | None:
        detail = f"the reader answers {read.text!r}"
        if read.f1 < least:
            return "not_round_trip_consistent", f"F1 {read.f1:.1f}, {detail}"
        if exact and not exact_match(pair.answers[0].text, read.text):
            return "not_round_trip_consistent", f"no exact match, {detail}"
        return None

    return judge


FILTERS.register(
    Filter(
        name="round_trip",
        reasons={"not_round_trip_consistent": "min_round_trip_f1"},
        params=RoundTrip,
        alone=round_trip,
        promises=(
            Promise(
                name="round_trip_agrees",
                text="The F1 of the round-trip answer is at least filter_pairs.min_round_trip_f1: a"
                " wrong pair teaches the reader a wrong answer.",
                relied_on_by=BLEND_AND_TRAIN,
                column="round_trip_f1",
                bounds=lambda s: Bounds(minimum=s["min_round_trip_f1"]),
            ),
            Promise(
                name="round_trip_exact",
                text="The round-trip answer equals the pair's own, if"
                " filter_pairs.round_trip_exact_match is set: a wrong pair teaches the reader a"
                " wrong answer.",
                relied_on_by=BLEND_AND_TRAIN,
                column="round_trip_exact",
                bounds=lambda s: Bounds(equals=True) if s["round_trip_exact_match"] else None,
            ),
        ),
    )
)


class ReaderScore(Section):
    min_reader_score: float | None


def reader_score(settings: Settings, _: Surroundings) -> Alone | None:
    """Drop a pair that the round-trip reader is not sure of."""
    least = settings["min_reader_score"]

    def judge(_: QAExample, read: RoundTripAnswer) -> Dropped | None:
        return ("low_reader_score", f"{read.score:.2f}") if read.score < least else None

    return None if least is None else judge


FILTERS.register(
    Filter(
        name="reader_score",
        reasons={"low_reader_score": "min_reader_score"},
        params=ReaderScore,
        alone=reader_score,
        promises=(
            Promise(
                name="reader_score_within_filter",
                text="The reader's score of its round-trip answer is at least"
                " filter_pairs.min_reader_score, if that is set: below it, the reader guessed.",
                relied_on_by=BLEND_AND_TRAIN,
                column="reader_score",
                bounds=lambda s: (
                    None if s["min_reader_score"] is None else Bounds(minimum=s["min_reader_score"])
                ),
            ),
        ),
    )
)
