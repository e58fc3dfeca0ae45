"""The records that every part of augqa speaks. A broken one cannot exist."""

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

from augqa.errors import RecordError

Origin = Literal["real", "generated"]


def context_id(context: str) -> str:
    """Return the id of a context: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(context.encode("utf-8")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A span of a context.

    Attributes:
        text: The exact characters of the span.
        start: Offset of the first one in the context, in characters (code points).
    """

    text: str
    start: int

    def __post_init__(self) -> None:
        if not self.text:
            raise RecordError(f"an answer at {self.start} is empty")
        if self.start < 0:
            raise RecordError(f"answer {self.text!r} has the negative start {self.start}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QAExample:
    """One extractive QA example, real or generated.

    Attributes:
        id: Unique across both origins; a generated id begins with its source question's id.
        context_id: Id of the context: shared by all examples on the same context.
        context: Text that holds every answer.
        question: Text of the question.
        answers: One for training data, several for dev and the shifted test sets.
        origin: Where question and answer come from.
        context_origin: Where the context comes from.
        method: How the pair was generated, such as ``llm``; None for a real one.
        model: Served name of the model that generated it; None where no model did.
        prompt_sha256: Hash of the prompt template it was generated with; None without one.
    """

    id: str
    context_id: str
    context: str
    question: str
    answers: tuple[Answer, ...]
    origin: Origin
    context_origin: Origin
    method: str | None = None
    model: str | None = None
    prompt_sha256: str | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise RecordError(f"an example has no id; its question is {self.question!r}")
        # Not by `strip`, which copies a long context for each of its questions.
        if not self.context or self.context.isspace():
            raise RecordError(f"{self.id}: the context is empty")
        if not self.question.strip():
            raise RecordError(f"{self.id}: the question is empty")
        if not self.answers:
            raise RecordError(f"{self.id}: no answer")
        for name, origin in (("origin", self.origin), ("context_origin", self.context_origin)):
            if origin not in get_args(Origin):
                raise RecordError(f"{self.id}: {name} is {origin!r}, not one of {get_args(Origin)}")
        for answer in self.answers:
            found = self.context[answer.start : answer.start + len(answer.text)]
            if found != answer.text:
                raise RecordError(
                    f"{self.id}: answer {answer.text!r} is not at {answer.start}, found {found!r}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldTexts:
    """Further right answers to a question of a test set, that need not be spans of its context.

    Attributes:
        id: Id of the question.
        texts: The answers, beside those of the example.
    """

    id: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What a question of a test set belongs to: scores of questions on one article go together.

    Attributes:
        id: Id of the question.
        context_id: Id of its context.
        article: Title of the article that the context is of; the context's id where it has none.
    """

    id: str
    context_id: str
    article: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedContext:
    """A context for pairs: written for one seed question, or its failure, or real text.

    Attributes:
        id: Id of the seed question, ``/c`` and the number of the context for that seed.
        source_id: Id of the seed question.
        text: The context; empty where the request failed.
        failure: Why there is no usable text, in snake_case; None for a good one.
        model: Model name as the server gave it.
        finish_reason: As the server gave it: ``stop``, ``length``, ...
        prompt_tokens: Tokens the prompt took, as the server counted them.
        completion_tokens: Tokens written, as the server counted them.
        prompt_sha256: Hash of the prompt template.
        style: Manner the context was asked for, such as ``encyclopedic``.
        origin: ``generated``, or ``real`` for a passage of a document, whose source is itself.
        n_tries: Requests that this context took; their tokens are added up.
    """

    id: str
    source_id: str
    text: str
    failure: str | None
    model: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    prompt_sha256: str
    style: str
    origin: Origin = "generated"
    n_tries: int = 1

    def __post_init__(self) -> None:
        if self.failure is None and not self.text.strip():
            raise RecordError(f"{self.id}: a context without a failure has no text")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTripAnswer:
    """What a reader trained on real data answers to a generated question.

    Attributes:
        id: Id of the pair.
        text: The reader's answer; empty where it found none.
        score: Its score: start logit plus end logit of the best span.
        f1: Token F1 of the answer against the pair's own, in percent.
    """

    id: str
    text: str
    score: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A record that does not go on, and why.

    Attributes:
        id: Id of the record that was dropped.
        reason: Named reason, in snake_case.
        detail: The value that decided, for a person to read; may be empty.
    """

    id: str
    reason: str
    detail: str = ""

    def __post_init__(self) -> None:
        if not self.reason:
            raise RecordError(f"{self.id}: rejected without a reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a language model thinks of a pair, from 1 to 5 each; or why there is none.

    Attributes:
        id: Id of the pair.
        question: Whether it is a proper question, understood without its context.
        answer: Whether the answer is right and whole.
        grounding: Whether the context says it.
        failure: Why there are no grades, in snake_case; None for good ones.
        model: Model name as the server gave it.
        prompt_sha256: Hash of the prompt template.
    """

    id: str
    question: int | None
    answer: int | None
    grounding: int | None
    failure: str | None
    model: str | None
    prompt_sha256: str

    def __post_init__(self) -> None:
        grades = (self.question, self.answer, self.grounding)
        if (self.failure is None) != all(g is not None and 1 <= g <= 5 for g in grades):
            raise RecordError(f"{self.id}: grades {grades} with the failure {self.failure!r}")

    @property
    def grade(self) -> int | None:
        """The lowest of the three grades; None where there are none."""
        grades = [g for g in (self.question, self.answer, self.grounding) if g is not None]
        return min(grades, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledPair:
    """A generated pair for a person to look at, with what became of it.

    Attributes:
        id: Id of the pair.
        kept: Whether it passed the filters.
        reason: Why it did not, in snake_case; None for a kept one.
        detail: The value that decided.
        seed_question: The real question its context was written for, or stands on; empty where it
            is not known.
        question: Its question.
        answer: Its answer.
        answer_start: Offset of the answer in the context, in characters.
        context: Its context.
        round_trip_answer: What the round-trip reader answered; None where it was not asked.
        round_trip_f1: F1 of that answer against the pair's own, in percent.
    """

    id: str
    kept: bool
    reason: str | None
    detail: str
    seed_question: str
    question: str
    answer: str
    answer_start: int
    context: str
    round_trip_answer: str | None
    round_trip_f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A reader's answer to one question of a test set.

    Attributes:
        id: Id of the question.
        text: The answer; empty where the reader found none.
    """

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionScore:
    """What a reader's answer to one question of a test set scores, in percent.

    Attributes:
        id: Id of the question.
        exact_match: 100 or 0.
        f1: Token F1, from 0 to 100.
    """

    id: str
    exact_match: float
    f1: float

    def __post_init__(self) -> None:
        for name, value in (("exact_match", self.exact_match), ("f1", self.f1)):
            if not 0 <= value <= 100.001:
                raise RecordError(f"{self.id}: {name} is {value}, not from 0 to 100")
