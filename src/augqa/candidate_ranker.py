"""Answer candidates by what people asked about: a ranker of spans, learnt from real examples.

Every span of up to nine tokens inside a sentence that begins and ends as an answer may is scored by
a logistic regression over the words and shapes in it and beside it. It knows which answers people
chose in the examples that it was given, and nothing of the language: features are closed-class
words, word ends and the look of tokens (capitals, digits, marks).
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from augqa.candidates import Candidate, Kind, answer_candidates
from augqa.errors import QuestionGeneratorError
from augqa.records import QAExample
from augqa.scoring import normalize_answer
from augqa.sentences import FUNCTION_WORDS, Span, sentence_spans
from augqa.spans import cut_points

LEAST_ANSWERS = 50
_SEED = 13  # of the sample of spans that are no answer
_MAX_TOKENS = 9
# Of two spans that are chosen, what they share, as a part of both together.
_MAX_OVERLAP = 0.45
# Of spans that touch an answer, and of all others, the part that is taught as no answer.
_NEAR, _FAR = 0.4, 0.12
_TOKEN = re.compile(r"[^\W_]+(?:[.,'’-][^\W_]+)*|[^\w\s]")
_OPENS, _CLOSES = frozenset('"“$€£('), frozenset('"”%)')
_LISTED_NOT_FIRST = """
    is are was were be been being am has have had do does did can could will would shall should may
    might must and or but nor so that which who whom whose where when while because if as than then
    also it its he she they we i you him them us me there of on into onto upon within not only such
"""
_NOT_FIRST = frozenset(_LISTED_NOT_FIRST.split())
_hasher = FeatureHasher(2**18, input_type="string", alternate_sign=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """The tokens of a context, with two marks for each of its ends.

    Attributes:
        spots: Offsets of each token.
        sentence: Number of the sentence of each token.
        low: Tokens in lower case; this and the two below have two marks more at each end.
        look: One letter for what each looks like.
        known: The token itself where it is of a closed class or a mark, else its end or its look.
    """

    spots: list[Span]
    sentence: list[int]
    low: list[str]
    look: list[str]
    known: list[str]

    @classmethod
    def of(cls, context: str) -> "_Text":
        found = [(match.group(), match.span()) for match in _TOKEN.finditer(context)]
        begins = [start for start, _ in sentence_spans(context)]
        spots = [span for _, span in found]
        low = ["^", "^", *(word.lower() for word, _ in found), "$", "$"]
        look = ["^", "^", *(_look(word) for word, _ in found), "$", "$"]
        known = [
            look_ + word[-3:] if look_ == "l" else word if look_ in "fp^$" else look_
            for word, look_ in zip(low, look, strict=True)
        ]
        sentence = np.searchsorted(begins, [start for start, _ in spots], side="right").tolist()
        return cls(spots=spots, sentence=sentence, low=low, look=look, known=known)


class CandidateRanker:
    """Chooses of a context the spans that people would most likely ask about."""

    def __init__(self, weights: NDArray[np.float64], bias: float) -> None:
        """Take what `learn` found.

        Args:
            weights: One for each hashed feature.
            bias: What is added to their sum.
        """
        self._weights, self._bias = weights, bias

    def __call__(self, context: str, *, n: int) -> list[Candidate]:
        """Return the first `n` of `ranked`, in the order of the context."""
        return sorted(self.ranked(context, n=n), key=lambda candidate: candidate.start)

    def ranked(self, context: str, *, n: int) -> list[Candidate]:
        """Return up to `n` candidates, the likeliest first.

        A text that stands there several times counts as often and is taken once, where it fits
        best. No two share more than about half of what they hold.
        """
        spans = list(_proposed(context))
        if not spans:
            return []
        features = _hasher.transform(features for _, features in spans)
        chances = 1 / (1 + np.exp(-(features @ self._weights + self._bias)))
        none_of: dict[str, float] = defaultdict(lambda: 1.0)
        best: dict[str, tuple[float, Span]] = {}
        for (span, _), chance in zip(spans, chances.tolist(), strict=True):
            text = normalize_answer(context[slice(*span)])
            if not text:
                continue  # an article alone
            none_of[text] *= 1 - chance
            best[text] = max(best.get(text, (0.0, span)), (chance, span))
        chosen: list[Span] = []
        for text in sorted(best, key=lambda text: (none_of[text], best[text][1])):
            if len(chosen) == n:
                break
            span = best[text][1]
            if all(_shared(span, other) <= _MAX_OVERLAP for other in chosen):
                chosen.append(span)
        ruled = answer_candidates(context)
        return [
            Candidate(
                text=context[start:end], start=start, kind=_kind(context, (start, end), ruled)
            )
            for start, end in chosen
        ]


def learn(examples: Iterable[QAExample]) -> CandidateRanker:
    """Return a ranker that has seen what people asked about.

    The same examples in the same order give the same ranker. What was not asked about in a context
    counts as no answer, so that all questions of a context, where there are several, teach more.

    Args:
        examples: Real ones; the first answer of each is taken.

    Raises:
        QuestionGeneratorError: If fewer than `LEAST_ANSWERS` of the answers are spans that are
            proposed.
    """
    answers: dict[str, set[Span]] = defaultdict(set)
    for example in examples:
        answer = example.answers[0]
        answers[example.context].add((answer.start, answer.start + len(answer.text)))
    draw = random.Random(_SEED)
    taught: list[list[str]] = []
    labels: list[bool] = []
    for context, asked in answers.items():
        for span, features in _proposed(context):
            near = any(span[0] < end and start < span[1] for start, end in asked)
            if span in asked or draw.random() < (_NEAR if near else _FAR):
                taught.append(features)
                labels.append(span in asked)
    if sum(labels) < LEAST_ANSWERS:
        raise QuestionGeneratorError(
            f"generate_pairs.candidates: learnt needs {LEAST_ANSWERS} real answers to learn from,"
            f" the seed questions have {sum(labels)}; take more of them, or candidates: rules"
        )
    model = LogisticRegression(C=0.3, solver="liblinear", max_iter=60)
    model.fit(_hasher.transform(taught), labels)
    return CandidateRanker(model.coef_[0], float(model.intercept_[0] + np.log(_FAR)))


def _proposed(context: str) -> Iterator[tuple[Span, list[str]]]:
    """Yield the spans that may be answers, with their features."""
    text = _Text.of(context)
    may_cut = cut_points(context)
    kinds = {(c.start, c.end): c.kind for c in answer_candidates(context)}
    times = Counter(text.low)
    first_of: dict[int, int] = {}
    for number, sentence in enumerate(text.sentence):
        first_of.setdefault(sentence, number)
    for first, (start, _) in enumerate(text.spots):
        word, look, sentence = text.low[first + 2], text.look[first + 2], text.sentence[first]
        if word in _NOT_FIRST or (look == "p" and word not in _OPENS) or not may_cut[start]:
            continue
        for last in range(first, min(len(text.spots), first + _MAX_TOKENS)):
            if text.sentence[last] != sentence:
                break
            word, look, end = text.low[last + 2], text.look[last + 2], text.spots[last][1]
            if look == "f" or (look == "p" and word not in _CLOSES) or not may_cut[end]:
                continue
            features = _inside(text, first + 2, last + 2, times)
            features += _beside(text, first, last, first_of[sentence])
            kind = kinds.get((start, end))
            features += [f"kind={kind}", f"kind look={kind},{_looks(text, first + 2, last + 2)}"]
            yield (start, end), features


def _inside(text: _Text, i: int, j: int, times: Counter[str]) -> list[str]:
    """Return what tokens `i` to `j`, counted with the marks, are."""
    words, looks = text.low[i : j + 1], text.look[i : j + 1]
    small = " ".join(w for w, look in zip(words, looks, strict=True) if look in "fp")[:24]
    content = [w for w, look in zip(words, looks, strict=True) if look not in "fp"]
    rarest = min((times[word] for word in content), default=0)
    return [
        f"first={text.known[i]}",
        f"last={text.known[j]}",
        f"ends={text.known[i]},{text.known[j]}",
        f"look={_looks(text, i, j)}",
        f"length={j - i + 1}",
        f"small={small}",
        f"times={min(rarest, 4)},{looks[0]}{looks[-1]}",
    ]


def _beside(text: _Text, first: int, last: int, begin: int) -> list[str]:
    """Return what stands beside a span, and how far from token `begin`, its sentence's first."""
    i, j = first + 2, last + 2
    sentence = text.sentence[first]
    ends = last + 1 == len(text.spots) or text.sentence[last + 1] != sentence
    before = "^" if first == begin else text.known[i - 1]
    after = "$" if ends else text.known[j + 1]
    look, looks = _looks(text, i, j), text.look
    two_before = text.low[i - 2] if looks[i - 2] == "f" else looks[i - 2]
    two_after = text.known[j + 2] if looks[j + 2] in "fp" else looks[j + 2]
    return [
        f"before={before}",
        f"after={after}",
        f"sides={before},{after}",
        f"before first={before},{looks[i]}",
        f"look first={looks[i - 1]},{text.known[i]}",
        f"last after={looks[j]},{after}",
        f"last look={looks[j + 1]},{text.known[j]}",
        f"before look={before},{look}",
        f"look after={look},{after}",
        f"looks={looks[i - 1]}{look}{looks[j + 1]}",
        f"two before={two_before},{before},{looks[i]}",
        f"two after={after},{two_after},{looks[j]}",
        f"sentence={min(sentence, 6)}",
        f"place={min((first - begin) // 4, 7)}",
    ]


def _looks(text: _Text, i: int, j: int) -> str:
    return "".join(text.look[i : j + 1])[:7]


def _look(word: str) -> str:
    """Return one letter for what a token looks like."""
    if not word[0].isalnum():
        return "p"
    if any(char.isdigit() for char in word):
        return "D" if not word.isdigit() else "4" if len(word) == 4 else "d"
    if word.islower():
        return "f" if word in FUNCTION_WORDS else "l"
    return "T" if word[0].isupper() and word[1:].islower() else "U"


def _shared(one: Span, other: Span) -> float:
    both = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, both) / (max(one[1], other[1]) - min(one[0], other[0]))


def _kind(context: str, span: Span, ruled: list[Candidate]) -> Kind:
    """Return what the rules take a span for, or what stands in it behind small words alone."""
    for candidate in ruled:
        if candidate.end == span[1] and candidate.start >= span[0]:
            before = context[span[0] : candidate.start].lower().split()
            if FUNCTION_WORDS.issuperset(before):
                return candidate.kind
    return "phrase"
