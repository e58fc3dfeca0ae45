"""Text that goes round in circles: how much of it has been said before in the same words."""

from collections.abc import Sequence

from augqa.sentences import sentence_spans, words

# Words in a row, as in the repetition filters of Rae et al. 2021 (arXiv:2112.11446, table A1). Of
# a script without spaces twice as many characters: a word there has about two.
_N_WORDS = 6
_N_CHARACTERS = 12


def repeated_fraction(text: str) -> float:
    """Return the fraction of a text's words that stand in a run of six that came before, 0 to 1.

    Punctuation and case do not count. Where most words are characters of a script without spaces,
    it goes by runs of twelve. A text of fewer words repeats nothing.

    Example: of ``He ran. He ran. He ran. He ran.`` the last six of eight words are a run that came
    before: 0.75.
    """
    found = words(text)
    n = run_length(found)
    runs = list(zip(*(found[start:] for start in range(n)), strict=False))
    if len(set(runs)) == len(runs):  # of most texts
        return 0.0
    last_start: set[tuple[str, ...]] = set()
    n_repeated, counted_to = 0, 0
    for start, run in enumerate(runs):
        if run in last_start:
            n_repeated += start + n - max(start, counted_to)
            counted_to = start + n
        last_start.add(run)
    return n_repeated / len(found)


def without_loop(text: str, *, above: float) -> str:
    """Return a text up to where it begins to go in a loop, at the end of a sentence.

    That is before the first sentence in which six words in a row end that came before.

    Args:
        text: The text.
        above: Repeated fraction, 0 to 1; a text of which no more is said again stays as it is, and
            one that has no sentence before its loop, too.
    """
    if repeated_fraction(text) <= above:
        return text
    n = run_length(words(text))
    found: list[str] = []
    seen: set[tuple[str, ...]] = set()
    n_looked_at, kept_to = 0, 0
    for start, end in sentence_spans(text):
        found += words(text[start:end])
        for at in range(n_looked_at, len(found) - n + 1):
            run = tuple(found[at : at + n])
            if run in seen:
                return text[:kept_to] or text
            seen.add(run)
            n_looked_at = at + 1
        kept_to = end
    return text


def run_length(found: Sequence[str]) -> int:
    """Return how many words in a row count as said before, for a text of these words."""
    if "".join(found).isascii():
        return _N_WORDS
    n_characters = sum(len(word) == 1 and not word.isascii() for word in found)
    return _N_CHARACTERS if 2 * n_characters > len(found) else _N_WORDS
