"""Which questions of a test set a reader is asked: whole articles, of every size."""

from collections import Counter
from collections.abc import Mapping

from augqa.sampling import rank


def whole_articles(articles: Mapping[str, str], n: int | None, *, seed: int) -> list[str]:
    """Return the questions of as few articles as hold `n`, in the order they are given in.

    Articles are what is drawn in a comparison, so that half of an article would be a smaller
    article than there is. Taken at even steps through the articles ordered by size, small and
    large ones stand in the choice as they do in the set. A smaller choice nests in a larger one.

    Args:
        articles: The article of each question, by id.
        n: Questions wanted; the last article may bring more. None for all.
        seed: Chooses where to begin, and orders articles of the same size.
    """
    if n is None:
        return list(articles)
    sizes = Counter(articles.values())
    by_size = sorted(sizes, key=lambda article: (sizes[article], rank(article, seed=seed)))
    first = int(rank("first article", seed=seed), 16)
    taken: set[str] = set()
    n_taken = 0
    for step in _spread_out(len(by_size)):
        if n_taken >= n:
            break
        article = by_size[(first + step) % len(by_size)]
        taken.add(article)
        n_taken += sizes[article]
    return [id_ for id_, article in articles.items() if article in taken]


def _spread_out(n: int) -> list[int]:
    """Return 0 to n - 1 so that the first of them, however many, lie far apart.

    Bits of a counter in reverse: van der Corput 1935, Verteilungsfunktionen, Proc. Kon. Ned. Akad.
    v. Wetensch. 38.
    """
    n_bits = max(n - 1, 0).bit_length()
    reverse = (int(f"{place:0{n_bits}b}"[::-1], 2) if n_bits else 0 for place in range(1 << n_bits))
    return [place for place in reverse if place < n]
