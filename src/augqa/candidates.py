"""Answer candidates by rules: the dates, numbers, names, titles and noun phrases of a context.

The rules know English. A text of another language gives its numbers and quoted titles alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from augqa.sentences import Span, sentence_spans, word_spans
from augqa.spans import cut_points

Kind = Literal["name", "date", "number", "title", "phrase"]
KINDS: tuple[Kind, ...] = ("name", "date", "number", "title", "phrase")  # the surest first

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?:1\d{3}|20\d{2})"
_DATE = re.compile(
    rf"\b(?:{_DAY}\s(?:of\s)?{_MONTH}(?:,?\s{_YEAR})?"
    rf"|{_MONTH}\s{_DAY}(?:,?\s{_YEAR})?(?!\d)"
    rf"|{_MONTH},?\s{_YEAR}"
    # May and March are words too, so a month alone needs a word of time before it.
    rf"|(?<=\b[Ii]n\s){_MONTH}|(?<=since\s){_MONTH}|(?<=until\s){_MONTH}|(?<=last\s){_MONTH}"
    r"|\d{1,2}(?:st|nd|rd|th)\scentury(?:\s(?:BCE?|CE|AD))?"
    rf"|(?:the\s)?{_YEAR}s"
    r"|\d{1,4}\s(?:BCE?|AD)"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
    # A bare number of four digits is a year after a word of time only.
    rf"|(?<=\b[Ii]n\s){_YEAR}|(?<=\b[Bb]y\s){_YEAR}|(?<=\b[Oo]f\s){_YEAR}|(?<=\b[Tt]o\s){_YEAR}"
    rf"|(?<=since\s){_YEAR}|(?<=Since\s){_YEAR}|(?<=until\s){_YEAR}|(?<=[Ff]rom\s){_YEAR}"
    rf"|(?<=around\s){_YEAR}|(?<=about\s){_YEAR}|(?<=before\s){_YEAR}|(?<=after\s){_YEAR}"
    r")\b"
)
_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_COUNT = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    r"|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
)
_UNIT = (
    r"(?:percent|per\scent|(?:square\s|cubic\s)?(?:kilomet(?:re|er)s?|met(?:re|er)s?"
    r"|centimet(?:re|er)s?|millimet(?:re|er)s?|miles?|feet|foot|inch(?:es)?|yards?)"
    r"|km|cm|mm|kg|mph|tons?|tonnes?|kilograms?|grams?|pounds?|ounces?|lit(?:re|er)s?|gallons?"
    r"|acres?|hectares?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?|centuries"
    r"|degrees?|dollars?|euros?|bucks|cents?|people|times)"
)
_NUMBER = re.compile(
    rf"(?<![\w.,-])(?:[$€£¥]\s?(?:{_DIGITS})(?:\s(?:thousand|million|billion|trillion))?"
    rf"|(?:{_DIGITS})(?:\s?%|(?:\s(?:thousand|million|billion|trillion))?(?:[\s-]{_UNIT})?)"
    rf"|\b{_COUNT}(?:\s(?:hundred|thousand|million|billion))?(?:\s{_UNIT})?)(?![\w'’-])",
    re.IGNORECASE,
)
_TITLE = re.compile(r"“([^“”\n]+)”|(?<!\w)\"([^\"\n]+)\"(?!\w)|«\s?([^«»\n]+?)\s?»")

# Small words that stand inside a name, but neither begin nor end it.
_CONNECTORS = frozenset(["of", "the", "de", "la", "du", "da", "di", "van", "von", "der", "den"])
_NO_NAMES = """
    a after all although also an and another any as at because before both but by did do does each
    every few finally first for four from had has have he her here his how however i if in into is
    it its last later least less like many maybe more most much my never next no not now of on once
    one only or other our out over she since so some soon still such that the their then there
    these they this those three though through to today two under until was we were what when
    where whether which while who why will with yet you your
"""
_NOT_A_NAME = frozenset(_NO_NAMES.split())
_DETERMINERS = frozenset(["a", "an", "the", "its", "their", "his", "her", "our", "my"])
# What goes on behind a span and belongs to it.
_BELONGS = re.compile(r"(?:['’]s|\sof)\s")
_LONGEST_BELONGING = 80  # characters that are looked at
_BARE_ENDS = (" the", " a", " an", " its", " their", " his", " her", " our", " my")
# What ends a noun phrase: prepositions, conjunctions, pronouns, auxiliaries, common verbs.
_PHRASE_ENDERS = """
    a about above across after against all along although among an and any are around as at be
    because been before behind being below between beyond both but by can could did do does down
    during each every for from had has have he her his how i if in inside into is it its just may
    might more most much must near not now of off on only onto or our out outside over she should
    since so some than that the their them then there these they this those though through to
    toward towards under until up upon was we were what when where which while who whom whose why
    will with within without would yet you your
    became began came comes fell found gave get gets gives goes got keeps kept know knows led left
    made makes me means met once paid ran rose said saw say says took twice went won wrote
"""
_ENDS_PHRASE = frozenset(_PHRASE_ENDERS.split())
_MAX_PHRASE_WORDS = 3  # beside the determiner


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A span of a context that could be an answer.

    Attributes:
        text: Its characters.
        start: Offset of the first one, in code points.
        kind: What the rules take it for.
    """

    text: str
    start: int
    kind: Kind

    @property
    def end(self) -> int:
        """Return the offset one past the last character."""
        return self.start + len(self.text)


class Chooser(Protocol):
    """What chooses the answers of a context that are to be asked for."""

    def __call__(self, context: str, *, n: int) -> list[Candidate]:
        """Return up to `n` candidates, in the order of the context."""


def answer_candidates(context: str) -> list[Candidate]:
    """Return the candidates of a context, in its order, none overlapping another.

    Where two rules claim the same characters, dates go before titles, titles before names, names
    before numbers, and those before phrases; of one rule the earlier span wins.

    Example: ``"Ada Lovelace wrote 3 notes in 1843."`` gives Ada Lovelace, 3 and 1843.
    """
    may_cut = cut_points(context)
    taken = bytearray(len(context))
    candidates = []

    def claim(kind: Kind, spans: Iterable[Span]) -> None:
        for start, end in spans:
            # "one" is more often a pronoun than a number.
            is_one = context[start:end].casefold() == "one"
            if is_one or any(taken[start:end]) or not (may_cut[start] and may_cut[end]):
                continue
            taken[start:end] = b"\x01" * (end - start)
            candidates.append(Candidate(text=context[start:end], start=start, kind=kind))

    def whole(spans: Iterable[Span]) -> Iterator[Span]:
        for span in spans:
            longer = _with_what_belongs(span, context)
            if longer is not None:
                yield longer

    claim("date", (match.span() for match in _DATE.finditer(context)))
    claim("title", (match.span(match.lastindex or 0) for match in _TITLE.finditer(context)))
    claim("name", whole(_names(context, taken)))
    claim("number", (match.span() for match in _NUMBER.finditer(context)))
    claim("phrase", whole(_phrases(context)))
    return sorted(candidates, key=lambda candidate: candidate.start)


def choose_candidates(candidates: Sequence[Candidate], context: str, *, n: int) -> list[Candidate]:
    """Choose up to `n` candidates that differ most, in the order of the context.

    One after the other, the next is of the sentence, then of the kind, that has been taken from
    least, then the surest kind, then the earliest. No text is taken twice.
    """
    starts = [start for start, _ in sentence_spans(context)]
    sentence_of = {c.start: sum(start <= c.start for start in starts) for c in candidates}
    left = list(candidates)
    chosen: list[Candidate] = []
    from_sentence: Counter[int] = Counter()
    of_kind: Counter[Kind] = Counter()
    while left and len(chosen) < n:
        best = min(
            left,
            key=lambda c: (
                from_sentence[sentence_of[c.start]],
                of_kind[c.kind],
                KINDS.index(c.kind),
                c.start,
            ),
        )
        chosen.append(best)
        from_sentence[sentence_of[best.start]] += 1
        of_kind[best.kind] += 1
        left = [c for c in left if c.text.casefold() != best.text.casefold()]
    return sorted(chosen, key=lambda candidate: candidate.start)


def by_rules(context: str, *, n: int) -> list[Candidate]:
    """Return up to `n` candidates of a context, found and chosen by rules alone."""
    return choose_candidates(answer_candidates(context), context, n=n)


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() or word[0].istitle()


def _without_possessive(span: Span, text: str) -> Span:
    start, end = span
    return (start, end - 2) if text[start:end].endswith(("'s", "’s")) else span


def _stem(word: str) -> str:
    """Return a word in lower case, without what is contracted to it: I for I've."""
    return re.split("['’]", word, maxsplit=1)[0].casefold()


def _with_what_belongs(span: Span, context: str) -> Span | None:
    """Return a span with the ``of`` or ``'s`` phrase that goes on behind it; None if it has no end.

    ``the origins`` of ``the origins of coffee`` names nothing, nor does ``Newton`` of ``Newton's
    laws``. The head before ``of`` is kept where a name or number stands before it.
    """
    start, end = span
    match = _BELONGS.match(context, end)
    if match is None:
        return span
    n_words = 0
    for first, past in word_spans(context[match.end() : match.end() + _LONGEST_BELONGING]):
        begin, stop = match.end() + first, match.end() + past
        word = context[begin:stop]
        gap = context[end if n_words else match.end() : begin]
        ends = _stem(word) in _ENDS_PHRASE and not (n_words == 0 and word in _DETERMINERS)
        joins = gap in ("", " ", "-") if n_words else not gap
        is_verb = n_words > 0 and word.endswith(("ed", "ing"))
        if not joins or ends or is_verb:
            break
        end, n_words = stop, n_words + 1
    is_bare = n_words == 0 or (n_words == 1 and context[:end].endswith(tuple(_BARE_ENDS)))
    longest = _MAX_PHRASE_WORDS + 1
    if is_bare or n_words > longest:
        return None
    # The laws of the motion of planets.
    return _with_what_belongs((start, end), context)


def _names(context: str, taken: Sequence[int]) -> list[Span]:
    """Return runs of capitalised words that are not taken, with the small words inside them."""
    words = word_spans(context)
    sentence_starts = {
        next((start for start, _ in words if start >= begin), -1)
        for begin, _ in sentence_spans(context)
    }
    # A capital at the beginning of a sentence says nothing, unless the word bears one elsewhere.
    inside = {context[s:e] for s, e in words if s not in sentence_starts}

    names: list[Span] = []
    run: list[Span] = []
    pending: list[Span] = []  # connectors that may turn out to stand inside the name

    def close() -> None:
        if run:
            start, end = run[0][0], _without_possessive(run[-1], context)[1]
            alone = sum(not context[s:e].isdigit() for s, e in run) == 1
            text = context[run[0][0] : run[0][1]]
            if not (alone and run[0][0] in sentence_starts and text not in inside):
                names.append((start, end))
        run.clear()
        pending.clear()

    previous_end = 0
    for start, end in words:
        word, gap = context[start:end], context[previous_end:start]
        continues = not gap.strip() and "\n\n" not in gap and "\r\n\r\n" not in gap
        if gap.strip() in (".", "-", "&") and run:
            last = context[run[-1][0] : run[-1][1]]
            initial = len(last) == 1 or last in ("St", "Dr", "Mr", "Mrs", "Ms", "Prof", "Jr", "Mt")
            continues = gap.strip() != "." or initial
        if not continues:
            close()
        previous_end = end
        is_name = _is_capitalised(word) and _stem(word) not in _NOT_A_NAME | _ENDS_PHRASE
        if taken[start]:
            close()
        elif is_name:
            run.extend(pending)
            pending.clear()
            run.append((start, end))
            if _without_possessive((start, end), context) != (start, end):
                close()
        elif run and word in _CONNECTORS:
            pending.append((start, end))
        elif run and word.isdigit() and not pending:
            run.append((start, end))  # Apollo 11
        else:
            close()
    close()
    return names


def _phrases(context: str) -> list[Span]:
    """Return short runs of plain words after a determiner, up to a word that ends a phrase."""
    words = word_spans(context)
    phrases = []
    for index, (start, end) in enumerate(words):
        if context[start:end].casefold() not in _DETERMINERS:
            continue
        last = None
        n_words = 0
        for following in words[index + 1 : index + 2 + _MAX_PHRASE_WORDS]:
            gap = context[words[index][1] if last is None else last[1] : following[0]]
            word = context[slice(*following)]
            is_plain = word.islower() and _stem(word) not in _ENDS_PHRASE
            # After the first word a participle is more often the verb that follows.
            is_verb = last is not None and word.endswith(("ed", "ing"))
            if gap not in (" ", "-") or not is_plain or is_verb:
                break
            last, n_words = following, n_words + 1
        # A longer run: no telling where the phrase ends.
        if last is not None and n_words <= _MAX_PHRASE_WORDS:
            phrases.append((start, last[1]))
    return phrases
