"""Filters of how a question is worded: its length, its form, and what it points at."""

import re
import sys
from collections.abc import Mapping
from typing import Any

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
from augqa.garbling import garbled
from augqa.pointing import lead_in, points_at_passage
from augqa.records import QAExample, RoundTripAnswer
from augqa.schema import PositiveInt, Section
from augqa.sentences import (
    ASKING_WORDS,
    FUNCTION_WORDS,
    is_question,
    n_words,
    reads_as_english,
)
from augqa.spans import content_words


class QuestionLength(Section):
    min_question_words: PositiveInt
    max_question_words: PositiveInt


def question_length(settings: Settings, _: Surroundings) -> Alone:
    """Drop a question of too few or too many words (see `augqa.sentences.n_words`)."""
    fewest, most = settings["min_question_words"], settings["max_question_words"]

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        n = n_words(pair.question)
        if n < fewest:
            return "question_too_short", f"{n} words"
        return ("question_too_long", f"{n} words") if n > most else None

    return judge


FILTERS.register(
    Filter(
        name="question_length",
        reasons={
            "question_too_short": "min_question_words",
            "question_too_long": "max_question_words",
        },
        params=QuestionLength,
        alone=question_length,
        promises=(
            Promise(
                name="question_words_within_filter",
                text="A question has filter_pairs.min_question_words to max_question_words words: a"
                " longer one leaves too little of the reader's window to its context.",
                relied_on_by=("train",),
                column="n_question_words",
                bounds=lambda s: Bounds(
                    minimum=s["min_question_words"], maximum=s["max_question_words"]
                ),
            ),
        ),
    )
)


def question_form(_: Settings, __: Surroundings) -> Alone:
    """Drop what does not read as a question (see `augqa.sentences.is_question`)."""

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        return None if is_question(pair.question) else ("not_a_question", pair.question)

    return judge


FILTERS.register(
    Filter(
        name="question_form",
        reasons={"not_a_question": None},
        alone=question_form,
        promises=(
            Promise(
                name="is_a_question",
                text="A question ends with a question mark and asks: the reader is measured on"
                " questions, not on fragments of text.",
                relied_on_by=("train",),
                column="asks",
                bounds=lambda _: Bounds(equals=True),
            ),
        ),
    )
)


class Garbled(Section):
    drop_garbled: bool


_ENGLISH_ASKING = "who whom whose what which when where why how is are was were did"
_IN_ENGLISH = frozenset(_ENGLISH_ASKING.split())


def _well_formed(row: Mapping[str, Any]) -> bool:
    """Return what the gate holds: less than the filter asks, in another way."""
    question = str(row["question"])
    words = [word.strip("\"'“”‘’?,.:;!()[]") for word in question.casefold().split()]
    if not (_IN_ENGLISH.intersection(words) and reads_as_english(question)):
        return True
    behind_comma = [
        following
        for word, following in zip(question.split(), words[1:], strict=False)
        if word.endswith(",")
    ]
    leading = {re.split("['’]", word)[0] for word in (*words[:2], *behind_comma)}
    asks = any(word in ASKING_WORDS or word.removesuffix("n") in ASKING_WORDS for word in leading)
    # With nothing but a space between: `a the. The 1940 fair` goes on with another sentence.
    folded = question.casefold().rstrip()
    twice = any(f" {word} {word} " in folded for word in ("the", "a", "an"))
    return asks and not twice and not folded.endswith((" the?", " an?"))


def garbled_question(settings: Settings, _: Surroundings) -> Alone | None:
    """Drop a question whose form is no proper English (see `augqa.garbling.garbled`)."""

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        fault = garbled(pair.question)
        return None if fault is None else ("garbled", f"{fault}: {pair.question}")

    return judge if settings["drop_garbled"] else None


FILTERS.register(
    Filter(
        name="garbled",
        reasons={"garbled": "drop_garbled"},
        params=Garbled,
        alone=garbled_question,
        promises=(
            Promise(
                name="is_well_formed",
                text="A question begins with its question word, its verb follows, and its brackets"
                " and quotes are whole, if filter_pairs.drop_garbled is set: the reader is asked by"
                " people.",
                relied_on_by=("train",),
                column="well_formed",
                bounds=lambda s: Bounds(equals=True) if s["drop_garbled"] else None,
                measure=_well_formed,
            ),
        ),
    )
)


class Vague(Section):
    min_content_words: PositiveInt | None


def _n_words_that_tell(row: Mapping[str, Any]) -> int:
    """Return what the gate counts: in another way, and never fewer than the filter.

    Of another language no number is too small: the filter lets it through.
    """
    question = str(row["question"])
    if not reads_as_english(question):
        return sys.maxsize
    return len(set(re.findall(r"\w+", question.casefold())) - FUNCTION_WORDS)


def vague_question(settings: Settings, _: Surroundings) -> Alone | None:
    """Drop an English question that tells too little of what it is about."""
    fewest = settings["min_content_words"]

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        told = content_words(pair.question)
        if len(told) >= fewest or not reads_as_english(pair.question):
            return None
        return "vague_question", f"{len(told)} content words: {pair.question}"

    return judge if fewest is not None else None


FILTERS.register(
    Filter(
        name="vague",
        reasons={"vague_question": "min_content_words"},
        params=Vague,
        alone=vague_question,
        promises=(
            Promise(
                name="tells_what_it_is_about",
                text="A question has filter_pairs.min_content_words different words that tell what"
                " it is about, if that is set: the reader is asked by people, who say which treaty"
                " they mean.",
                relied_on_by=("train",),
                column="n_content_words",
                bounds=lambda s: (
                    Bounds(minimum=s["min_content_words"])
                    if s["min_content_words"] is not None
                    else None
                ),
                measure=_n_words_that_tell,
            ),
        ),
    )
)


class PassageDependent(Section):
    drop_passage_dependent: bool


def passage_dependent(settings: Settings, _: Surroundings) -> Alone | None:
    """Drop a question, or an answer, that leans on a passage nobody sees."""

    def judge(pair: QAExample, _: RoundTripAnswer) -> Dropped | None:
        answer = pair.answers[0].text
        if points_at_passage(pair.question):
            return "passage_dependent", pair.question
        return ("passage_dependent", f"answer: {answer}") if lead_in(answer) else None

    return judge if settings["drop_passage_dependent"] else None


FILTERS.register(
    Filter(
        name="passage_dependent",
        reasons={"passage_dependent": "drop_passage_dependent"},
        params=PassageDependent,
        alone=passage_dependent,
        promises=(
            Promise(
                name="stands_alone",
                text="No question or answer speaks of its passage, its text or its author, if"
                " filter_pairs.drop_passage_dependent is set: the reader is asked about contexts it"
                " sees, not about one that a question was written from.",
                relied_on_by=("train",),
                column="names_its_passage",
                bounds=lambda s: Bounds(equals=False) if s["drop_passage_dependent"] else None,
            ),
        ),
    )
)
