"""How much of one text stands in others: shared word n-grams, and near-duplicates."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from datasketch import MinHash, MinHashLSH

from augqa.scoring import normalize_answer
from augqa.sentences import words

_SHINGLE_CHARS = 4
_N_PERMUTATIONS = 128
_CANDIDATE_FACTOR = 0.75  # MinHash proposes pairs from here on, as a part of the threshold
# The seed of the hash functions: any will do, but always the same. To draw them takes longer than
# to use them.
_EMPTY = MinHash(num_perm=_N_PERMUTATIONS, seed=1)


def word_ngrams(text: str, n: int) -> set[str]:
    """Return the runs of `n` words of a text; all of it as one where it is shorter.

    Example: of ``"A b, c!"`` and 2: ``a b`` and ``b c``.
    """
    found = words(text)
    if not found:
        return set()
    return {" ".join(found[i : i + n]) for i in range(max(1, len(found) - n + 1))}


class NgramIndex:
    """The word n-grams of a set of texts."""

    def __init__(self, texts: Iterable[str], *, n_words: int) -> None:
        """Index `texts` by their runs of `n_words` words."""
        self._n_words = n_words
        self._ngrams: set[str] = set()
        for text in texts:
            self._ngrams |= word_ngrams(text, n_words)

    def shared_fraction(self, text: str) -> float:
        """Return the fraction of the n-grams of `text` that stand in one of the texts, 0 to 1.

        A text shorter than the n-grams counts only where it is one of the texts, word for word.
        """
        ngrams = word_ngrams(text, self._n_words)
        return len(ngrams & self._ngrams) / len(ngrams) if ngrams else 0.0


@dataclass(slots=True)
class NearDuplicates:
    """Texts seen so far, to be asked which of them one is nearly equal to.

    Two texts are as similar as the Jaccard index of their sets of four characters, after SQuAD's
    normalization. MinHash finds who may be similar enough; then the index itself is computed, so
    that no estimate decides. It overlooks hardly any.

    Attributes:
        min_similarity: Jaccard index from which two texts are nearly equal, above 0 to 1.
    """

    min_similarity: float
    _lsh: MinHashLSH = field(init=False)
    _shingles: dict[str, frozenset[str]] = field(init=False, default_factory=dict)
    _number: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # To overlook a pair is worse than to compute one index more.
        self._lsh = MinHashLSH(
            threshold=_CANDIDATE_FACTOR * self.min_similarity, num_perm=_N_PERMUTATIONS
        )

    def similar(self, text: str) -> list[tuple[str, float]]:
        """Return key and similarity of each text added that is nearly equal, in added order."""
        shingles, minhash = _signature(text)
        near = sorted(self._lsh.query(minhash), key=self._number.__getitem__)
        similarities = ((key, _jaccard(shingles, self._shingles[key])) for key in near)
        return [(key, value) for key, value in similarities if value >= self.min_similarity]

    def add(self, key: str, text: str) -> None:
        """Remember a text under a key of its own."""
        self._number[key] = len(self._number)
        self._shingles[key], minhash = _signature(text)
        self._lsh.insert(key, minhash)


@lru_cache(maxsize=1)  # who asks for a text's likes mostly adds it next
def _signature(text: str) -> tuple[frozenset[str], MinHash]:
    padded = f" {normalize_answer(text)} "
    count = max(1, len(padded) - _SHINGLE_CHARS + 1)
    shingles = frozenset(padded[i : i + _SHINGLE_CHARS] for i in range(count))
    minhash = _EMPTY.copy()
    minhash.update_batch([shingle.encode("utf-8") for shingle in sorted(shingles)])
    return shingles, minhash


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)
