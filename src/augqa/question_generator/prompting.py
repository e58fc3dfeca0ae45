"""What to ask a language model for pairs on passages, and how to read its replies.

Two ways: the model chooses question and answer (`pairs_asks`), or rules choose the answer, which
then is a span for sure, and the model writes the question to it (`question_asks`). The requests
themselves are the stage's: asks go out, and a reply to each comes back in order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from augqa import ids, prompts
from augqa.candidates import Candidate, Chooser, by_rules
from augqa.prompts.templates import Messages, Template
from augqa.question_generator.proposals import Draft, Passage, Proposal, Refusal, in_turn
from augqa.refusals import is_refusal
from augqa.sentences import Span, ends_as_question, sentence_spans, word_starts
from augqa.spans import window_around, windows

Drafts = tuple[tuple[Draft, ...], tuple[Refusal, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to make.

    Attributes:
        id: That of the request (see `augqa.ids`).
        passage_id: Id of the passage.
        messages: The chat.
        window: The part of the passage that is shown.
        candidate: The answer that a question is asked for; None where the model chooses.
    """

    id: str
    passage_id: str
    messages: Messages
    window: Span
    candidate: Candidate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back.

    Attributes:
        text: The text.
        failure: Why there is none, in snake_case; None for a good one.
        model: Served name of the model; None where nothing came back.
        cut_off: Whether the limit on tokens ended the text.
    """

    text: str
    failure: str | None = None
    model: str | None = None
    cut_off: bool = False


def pairs_asks(
    passages: Iterable[Passage],
    *,
    n_pairs: int,
    max_context_words: int | None,
    structured: bool,
    template: Template | None = None,
) -> Iterator[Ask]:
    """Yield an ask for `n_pairs` pairs on each window of each passage, in their order.

    Args:
        passages: The passages.
        n_pairs: Pairs to ask for, of each window.
        max_context_words: Most words to show at once, cut at sentence ends; None for all.
        structured: Ask for JSON.
        template: One of the user's own; None: ours.
    """
    for passage in passages:
        spans = [(0, len(passage.text))]
        if max_context_words is not None:
            starts = word_starts(passage.text)
            spans = windows(passage.text, starts, max_units=max_context_words)
        for number, window in enumerate(spans):
            yield Ask(
                id=ids.ask(passage.id, number, kind="window"),
                passage_id=passage.id,
                messages=prompts.pairs_messages(
                    context=passage.text[slice(*window)],
                    n_pairs=n_pairs,
                    structured=structured,
                    template=template,
                ),
                window=window,
            )


def question_asks(
    passages: Iterable[Passage],
    *,
    n_pairs: int,
    max_context_words: int | None,
    template: Template | None = None,
    choose: Chooser = by_rules,
) -> Iterator[Ask]:
    """Yield an ask for the question to each of up to `n_pairs` answers of each passage.

    Args:
        passages: The passages; one without an answer candidate gives no ask.
        n_pairs: Answers to choose in each.
        max_context_words: Most words to show around the answer, in whole sentences; None for all.
        template: One of the user's own; None: ours.
        choose: Chooses the answers to ask for.
    """
    for passage in passages:
        text = passage.text
        for number, candidate in enumerate(choose(text, n=n_pairs)):
            yield question_ask(
                passage,
                candidate,
                number,
                max_context_words=max_context_words,
                template=template,
            )


def question_ask(
    passage: Passage,
    answer: Candidate,
    number: int,
    *,
    max_context_words: int | None,
    template: Template | None = None,
) -> Ask:
    """Return the ask for the question to an answer, the passage's `number`-th."""
    text, span = passage.text, (answer.start, answer.end)
    window = (0, len(text))
    if max_context_words is not None:
        window = window_around(text, span, word_starts(text), max_units=max_context_words)
    sentences = sentence_spans(text)
    sentence = next((s for s in sentences if s[0] <= span[0] and span[1] <= s[1]), window)
    return Ask(
        id=ids.ask(passage.id, number, kind="answer"),
        passage_id=passage.id,
        messages=prompts.question_messages(
            context=text[slice(*window)],
            sentence=text[slice(*sentence)],
            answer=answer.text,
            template=template,
        ),
        window=window,
        candidate=answer,
    )


def read(ask: Ask, reply: Reply) -> Drafts:
    """Read the drafts out of the reply to an ask.

    Of a text that was cut off the last pair is refused: its answer may lack its end.
    """
    if reply.failure is not None:
        return (), (Refusal(reason=reply.failure, detail=reply.text[:200]),)
    if is_refusal(reply.text):
        return (), (Refusal(reason="refusal", detail=reply.text[:200]),)
    if ask.candidate is not None:
        question = prompts.parse_question(reply.text)
        if reply.cut_off and not ends_as_question(question):
            return (), (Refusal(reason="output_cut_off", detail=question),)
        answer = ask.candidate
        return (Draft(question=question, answer=answer.text, start=answer.start),), ()
    parsed = prompts.parse_pairs(reply.text)
    refusals = [Refusal(reason=part.reason, detail=part.detail) for part in parsed.refusals]
    pairs = list(parsed.pairs)
    if reply.cut_off and pairs:
        last = pairs.pop()
        detail = f"{last.question} | {last.answer}"
        refusals.append(Refusal(reason="output_cut_off", detail=detail))
    drafts = [Draft(question=p.question, answer=p.answer, window=ask.window) for p in pairs]
    return tuple(drafts), tuple(refusals)


def proposals(
    passages: Iterable[Passage],
    asks: Iterable[Ask],
    replies: Iterable[Reply],
    *,
    prompt_sha256: str,
) -> Iterator[Proposal]:
    """Yield one proposal for each passage, in their order, once the replies on it are there.

    Args:
        passages: The passages; read one at a time.
        asks: Those of `pairs_asks` or `question_asks` on them, in the same order.
        replies: One for each ask, in their order.
        prompt_sha256: Hash of the prompt template.

    Raises:
        ValueError: If asks and passages, or replies and asks, do not match.
    """
    replied = zip(asks, replies, strict=True)
    following = next(replied, None)
    for passage in passages:
        drafts: list[tuple[Draft, ...]] = []
        refusals: list[Refusal] = []
        model: str | None = None
        n_replies = 0
        while following is not None and following[0].passage_id == passage.id:
            ask, reply = following
            drafted, refused = read(ask, reply)
            drafts.append(drafted)
            refusals.extend(refused)
            model = reply.model if model is None else model
            n_replies += 1
            following = next(replied, None)
        if not n_replies:
            refusals.append(Refusal(reason="no_answer_candidate", detail=passage.text[:80]))
        yield Proposal(
            passage=passage,
            drafts=in_turn(drafts),
            refusals=tuple(refusals),
            model=model,
            prompt_sha256=prompt_sha256,
        )
    if following is not None:
        raise ValueError(f"{following[0].id}: an ask on a passage that is not among the others")
