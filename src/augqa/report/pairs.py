"""The page of single cases: generated pairs with what became of them, and disputed questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augqa.records import QAExample, SampledPair
from augqa.report.template import render

# Longest text of one field, in characters; the rest is counted. A context is cut around its answer.
LONGEST = 2_000
KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputedQuestion:
    """A test question that one recipe's readers answer and another's do not.

    Attributes:
        id: Of the question.
        test_set: Name of its set.
        question: Its text.
        context: Its context.
        golds: Its answers.
        winner: Recipe with the higher F1.
        loser: The other one.
        f1: Mean F1 over training seeds of winner and loser, in percent.
        said: An answer of winner and loser; empty where none was found.
    """

    id: str
    test_set: str
    question: str
    context: str
    golds: tuple[str, ...]
    winner: str
    loser: str
    f1: tuple[float, float]
    said: tuple[str, str]

    @property
    def gap(self) -> float:
        """By how much they differ, in points."""
        return self.f1[0] - self.f1[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text in three parts, the middle one marked; may be cut at both ends.

    Attributes:
        before: In front of the mark.
        marked: The answer; empty where it is not in the text.
        after: Behind it.
        cut: Characters that are not shown.
    """

    before: str
    marked: str
    after: str
    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A pair to look at, ready for the template."""

    pair: SampledPair
    group: int
    context: Text
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CardGroup:
    """Pairs with one fate: kept, or dropped for one reason."""

    name: str
    title: str
    n: int


def marked(text: str, answer: str, start: int) -> Text:
    """Return a text with an answer marked, of `LONGEST` characters around it at most.

    Args:
        text: The text.
        answer: The answer; it is not marked where it does not stand at `start`.
        start: Its offset in characters.
    """
    if not answer or start < 0 or text[start : start + len(answer)] != answer:
        return Text(before=text[:LONGEST], marked="", after="", cut=max(0, len(text) - LONGEST))
    end = start + len(answer)
    first = max(0, min(start - (LONGEST - len(answer)) // 2, len(text) - LONGEST))
    first = min(first, start)
    last = min(len(text), max(first + LONGEST, start))
    return Text(
        before=text[first:start],
        marked=text[start : min(end, last)],
        after=text[end:last],
        cut=first + len(text) - last,
    )


def short(text: str) -> str:
    """Return a text of `LONGEST` characters at most, the rest counted."""
    more = len(text) - LONGEST
    return f"{text[:LONGEST]} … and {more:,} more characters" if more > 0 else text


def disputed_questions(
    questions: Mapping[str, Sequence[QAExample]],
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    answers: Mapping[str, Mapping[str, Sequence[str]]],
    *,
    recipes: tuple[str, str],
    n: int,
) -> list[DisputedQuestion]:
    """Return the test questions on which two recipes differ most, half of them won by each.

    Args:
        questions: Of each test set.
        scores: F1 of each recipe and set, one number a question, averaged over training seeds.
        answers: Answers of one reader of each recipe and set, one a question.
        recipes: The two recipes.
        n: How many at most.
    """
    found = []
    for name, examples in questions.items():
        for k, example in enumerate(examples):
            f1 = {recipe: scores[recipe][name][k] for recipe in recipes}
            winner, loser = sorted(recipes, key=lambda recipe: -f1[recipe])
            if f1[winner] > f1[loser]:
                found.append(
                    DisputedQuestion(
                        id=example.id,
                        test_set=name,
                        question=example.question,
                        context=example.context,
                        golds=tuple(dict.fromkeys(answer.text for answer in example.answers)),
                        winner=winner,
                        loser=loser,
                        f1=(f1[winner], f1[loser]),
                        said=(answers[winner][name][k], answers[loser][name][k]),
                    )
                )
    found.sort(key=lambda one: (-one.gap, one.test_set, one.id))
    sides = [[one for one in found if one.winner == recipe] for recipe in recipes]
    # Where one side has fewer than its half, the other fills up.
    most = max(n // 2, n - len(sides[1]))
    first = sides[0][:most]
    return [*first, *sides[1][: n - len(first)]]


def pairs_page(
    pairs: Sequence[SampledPair], disputed: Sequence[DisputedQuestion] = (), *, example: str = ""
) -> str:
    """Return the page; equal arguments give equal bytes. Nothing in it runs or is fetched.

    Args:
        pairs: Generated pairs, kept and dropped ones.
        disputed: Test questions on which two recipes differ.
        example: Where the data is made up to show the page: says so on top.
    """
    reasons = dict.fromkeys(pair.reason or KEPT for pair in pairs)
    # Kept ones first, then reasons by how often they occur.
    counts = {reason: sum((pair.reason or KEPT) == reason for pair in pairs) for reason in reasons}
    ordered = sorted(counts, key=lambda reason: (reason != KEPT, -counts[reason], reason))
    groups = [
        CardGroup(name=reason, title=reason.replace("_", " "), n=counts[reason])
        for reason in ordered
    ]
    cards = [
        Card(
            pair=pair,
            group=ordered.index(pair.reason or KEPT),
            context=marked(pair.context, pair.answer, pair.answer_start),
            # Pairs without an answer of the round trip come last.
            order=101 if pair.round_trip_f1 is None else round(pair.round_trip_f1),
        )
        for pair in sorted(pairs, key=lambda pair: ordered.index(pair.reason or KEPT))
    ]
    duels = list(dict.fromkeys((one.winner, one.loser) for one in disputed))
    return render(
        "pairs.html",
        groups=groups,
        cards=cards,
        short=short,
        duels=duels,
        disputed=[(one, duels.index((one.winner, one.loser)), _gold(one)) for one in disputed],
        example=example,
    )


def _gold(one: DisputedQuestion) -> Text:
    gold = one.golds[0] if one.golds else ""
    return marked(one.context, gold, one.context.find(gold) if gold else -1)
