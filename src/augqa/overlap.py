"""How much of one text stands in others: shared word n-grams, and near-duplicates.

N-grams go by 64-bit hashes: of a million in the index and 30 million looked up, two different ones
are taken for the same with a probability of about one in a million. Near-duplicates are exact.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import NDArray

from augqa.processes import over_rows
from augqa.records import QAExample, Rejection
from augqa.scoring import normalize_answer
from augqa.sentences import words

Hashes = NDArray[np.uint64]

_SHINGLE_CHARS = 4
# Up to here each text is compared with each; beyond, an index proposes which. By a short search.
_SMALL_GROUP = 16
# Odd, so that each power has an inverse modulo 2**64; without a pattern: from the golden ratio.
_MULTIPLIER = 0x9E3779B97F4A7C15
_N_DISTINCT_WORDS = 2**18  # whose hashes are remembered, some 30 MB


class _WordHashes(dict[str, int]):
    """Hashes of words, computed once; begun anew when there are too many."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _N_DISTINCT_WORDS:
            self.clear()
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = found = int.from_bytes(digest)
        return found


_WORD_HASHES = _WordHashes()


def ngram_hashes(text: str, n: int) -> Hashes:
    """Return a hash of each run of `n` words of a text, in order; of all of it where it is shorter.

    Returns:
        Shape ``(n_runs,)``; empty for a text without a word.
    """
    found = words(text)
    n_words = len(found)
    if not n_words:
        return np.empty(0, np.uint64)
    powers, inverses = _powers(1 << (n_words - 1).bit_length())
    n = min(n, n_words)
    # A polynomial of the words' hashes over each run, as the difference of two prefix sums.
    hashes = np.fromiter(map(_WORD_HASHES.__getitem__, found), np.uint64, n_words)
    prefix = np.zeros(n_words + 1, np.uint64)
    np.cumsum(hashes * powers[:n_words], out=prefix[1:])
    return (prefix[n:] - prefix[:-n]) * inverses[: n_words - n + 1]


class NgramIndex:
    """The word n-grams of a set of texts, eight bytes each."""

    def __init__(self, texts: Iterable[str], *, n_words: int) -> None:
        """Index `texts` by their runs of `n_words` words."""
        self._n_words = n_words
        found = [ngram_hashes(text, n_words) for text in texts]
        hashes = np.sort(np.concatenate([np.empty(0, np.uint64), *found]))
        # Not np.unique, which takes ten times as long for so many.
        self._hashes = hashes[np.diff(hashes, prepend=~hashes[:1]) != 0]

    def shared_fraction(self, text: str) -> float:
        """Return the fraction of the n-grams of `text` that stand in one of the texts, 0 to 1.

        A text shorter than the n-grams counts only where it is one of the texts, word for word.
        """
        found = ngram_hashes(text, self._n_words)
        if not len(found) or not len(self._hashes):
            return 0.0
        if not self._holds(found).any():
            return 0.0
        distinct = np.unique(found)
        return int(np.count_nonzero(self._holds(distinct))) / len(distinct)

    def _holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        places = np.searchsorted(self._hashes, hashes)
        places[places == len(self._hashes)] = 0
        held: NDArray[np.bool_] = self._hashes[places] == hashes
        return held


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutTexts:
    """The n-grams of what a reader is measured on, and so is not to be trained on.

    Attributes:
        contexts: Those of the contexts.
        questions: Those of the questions.
    """

    contexts: NgramIndex
    questions: NgramIndex

    @classmethod
    def of(cls, examples: Iterable[QAExample], *, n_words: int) -> Self:
        """Index the examples of the test sets by their runs of `n_words` words."""
        contexts: dict[str, None] = {}
        questions: list[str] = []
        for example in examples:
            contexts[example.context] = None
            questions.append(example.question)
        return cls(
            contexts=NgramIndex(contexts, n_words=n_words),
            questions=NgramIndex(questions, n_words=n_words),
        )


class NearTest:
    """Tells which training examples are copies of test texts, nearly.

    Another case, other white space or marks, a word of a long text that was changed, a part that
    was cut out: most runs of words are still those of the test text.

    Args:
        held_out: What is measured on.
        most: Largest share of the n-grams of a context or question that may stand there, 0 to 1.
    """

    def __init__(self, held_out: HeldOutTexts, *, most: float) -> None:
        self._held_out = held_out
        self._most = most
        self._by_context: dict[str, float] = {}

    def rejection(self, example: QAExample) -> Rejection | None:
        """Return why an example is not to be trained on; None where nothing speaks against it."""
        why = self.reason(example.context_id, example.context, example.question)
        if why is None:
            return None
        return Rejection(id=example.id, reason=why[0], detail=why[1])

    def reason(self, context_id: str, context: str, question: str) -> tuple[str, str] | None:
        """Return the reason and its detail; the context of an id is looked up once."""
        if context_id not in self._by_context:
            self._by_context[context_id] = self._held_out.contexts.shared_fraction(context)
        for reason, found in (
            ("context_near_test_set", self._by_context[context_id]),
            ("question_in_test_set", self._held_out.questions.shared_fraction(question)),
        ):
            if found > self._most:
                return reason, f"{found:.2f} of its n-grams stand in the test sets"
        return None


def similar_texts(
    texts: Sequence[str], groups: Iterable[Sequence[int]], min_similarity: float
) -> dict[int, list[tuple[int, float]]]:
    """Find which texts are nearly equal to others of their group.

    Two texts are as similar as the Jaccard index of their sets of four characters, after SQuAD's
    normalization. It is computed for every two texts of a group that may reach `min_similarity`:
    the others are told by their sizes, and in a large group by the rarest of their shingles, of
    which two such texts share one. None is overlooked.

    Args:
        texts: The texts.
        groups: Places in `texts`, each at most once a group.
        min_similarity: Jaccard index from which two texts are nearly equal, above 0 to 1.

    Returns:
        For each text that has any the others, with the similarity, in the order of `texts`.

    Source: prefix filtering, Chaudhuri et al. 2006; Bayardo et al. 2007 (AllPairs).
    """
    found: dict[int, dict[int, float]] = defaultdict(dict)
    listed = list(groups)
    for _, alike in over_rows(_Alike(texts, listed, min_similarity), len(listed)):
        for one, other, similarity in alike:
            found[one][other] = similarity
            found[other][one] = similarity
    return {place: sorted(others.items()) for place, others in found.items()}


@dataclass(frozen=True, slots=True)
class _Alike:
    """Finds which texts of some of the groups are nearly equal."""

    texts: Sequence[str]
    groups: Sequence[Sequence[int]]
    min_similarity: float

    def __call__(self, numbers: range) -> list[tuple[int, int, float]]:
        found = []
        for group in self.groups[numbers.start : numbers.stop]:
            sets = [shingles(self.texts[place]) for place in group]
            if len(group) <= _SMALL_GROUP:
                proposed = _all_pairs(len(sets))
            else:
                proposed = _sharing_a_rare_one(sets, self.min_similarity)
            for one, other in proposed:
                similarity = _similarity(sets[one], sets[other], self.min_similarity)
                if similarity is not None:
                    found.append((group[one], group[other], similarity))
        return found


def shingles(text: str) -> frozenset[str]:
    """Return the runs of four characters of a text, after SQuAD's normalization and padding."""
    padded = f" {normalize_answer(text)} "
    count = max(1, len(padded) - _SHINGLE_CHARS + 1)
    return frozenset([padded[i : i + _SHINGLE_CHARS] for i in range(count)])


def _similarity(one: frozenset[str], other: frozenset[str], minimum: float) -> float | None:
    """Return the Jaccard index, or None where it is below `minimum`."""
    fewer, more = len(one), len(other)
    if fewer > more:
        fewer, more = more, fewer
    if fewer / more < minimum:
        return None
    n_shared = len(one & other)
    similarity = n_shared / (fewer + more - n_shared)
    return similarity if similarity >= minimum else None


def _all_pairs(n: int) -> Iterable[tuple[int, int]]:
    return ((one, other) for other in range(n) for one in range(other))


def _sharing_a_rare_one(
    sets: Sequence[frozenset[str]], minimum: float
) -> Iterable[tuple[int, int]]:
    """Yield the pairs of sets that may be as similar as `minimum`.

    Such sets share at least ``ceil(minimum * size)`` elements, so that one of the others, whichever
    they are, is among the first ``size - ceil(minimum * size) + 1`` of both in any one order: here
    the rarest first, since they propose the fewest.
    """
    frequency = Counter(shingle for elements in sets for shingle in elements)
    having: dict[str, list[int]] = defaultdict(list)
    for other, elements in enumerate(sets):
        # 9 digits: 0.8 * 5 and the like must not round up to one more.
        n_first = len(elements) - math.ceil(round(minimum * len(elements), 9)) + 1
        first = sorted(elements, key=lambda shingle: (frequency[shingle], shingle))[:n_first]
        for one in {place for shingle in first for place in having[shingle]}:
            yield one, other
        for shingle in first:
            having[shingle].append(other)


@lru_cache(maxsize=16)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return the powers of the multiplier modulo 2**64 from the 0-th on, and their inverses."""
    inverse = pow(_MULTIPLIER, -1, 1 << 64)
    powers, inverses = np.ones(count, np.uint64), np.ones(count, np.uint64)
    powers[1:], inverses[1:] = _MULTIPLIER, inverse
    return np.multiply.accumulate(powers), np.multiply.accumulate(inverses)
