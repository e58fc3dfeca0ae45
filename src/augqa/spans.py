"""Where in a context an answer stands, and where a context may be cut.

Offsets are code points, as in SQuAD. No answer begins or ends inside a user-perceived character
(a letter with its marks, an emoji sequence, CR LF), a word or a number.
"""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import regex

from augqa.records import Answer
from augqa.sentences import FUNCTION_WORDS, UNSPACED, Span, sentence_spans, word_spans

_GRAPHEME = regex.compile(r"\X")
# There a word may begin at any character.
_UNSPACED = regex.compile(rf"[{UNSPACED}]")
# Marks and invisible formats belong to the letters around them, but these two part words.
_PARTING = "\u200b\ufeff"
_VARIATION_SELECTORS = "".join(map(chr, range(0xFE00, 0xFE10)))
_ONE_SHAPE = str.maketrans(
    dict.fromkeys("‘’‚‛′`´", "'") | dict.fromkeys("“”„‟″«»", '"') | dict.fromkeys("‐‑‒–—―−", "-")
)
_ARTICLES = ("a", "an", "the")
_PUNCTUATION = r"\p{P}$+<=>^|~"  # what SQuAD deletes, and its kin beyond ASCII; no emoji


def locate_answer(context: str, answer: str, *, question: str) -> Answer | None:
    """Return the span of `context` that `answer` means, or None where there is none.

    The first of these ways that finds an occurrence decides: character for character; without
    regard to case, white space, Unicode composition, shapes of quotes and dashes, and invisible
    characters; without punctuation at the edges; word by word as SQuAD compares answers (no
    punctuation, no articles), but with the point inside a number. The text of the result is
    always the context's own.

    Of several occurrences it is the one whose sentence shares most content words with `question`
    (the answer's own words and function words do not count), the first of those that share as
    many.
    """
    may_cut = cut_points(context)
    spans = whole_words(context, answer.strip())
    if not spans:
        view = _View.of(context)
        loose = _View.of(answer).text.strip()
        spans = (
            _in_view(view, may_cut, loose)
            or _in_view(view, may_cut, _without_edge_punctuation(loose))
            or _word_by_word(view, may_cut, loose)
        )
    if not spans:
        return None
    start, end = _most_related(context, spans, question)
    return Answer(text=context[start:end], start=start)


def whole_words(text: str, wanted: str) -> list[Span]:
    """Return the places where `wanted` stands in `text` as whole words, character for character.

    ``10`` does not stand in ``1066``, nor ``art`` in ``party`` (see `cut_points`).

    Blanks at the edges of `wanted` count.
    """
    may_cut = cut_points(text)
    return [
        (start, start + len(wanted))
        for start in _occurrences(text, wanted)
        if may_cut[start] and may_cut[start + len(wanted)]
    ]


@lru_cache(maxsize=16)  # the answers of one context are looked for one after the other
def cut_points(text: str) -> tuple[bool, ...]:
    """Return for each offset from 0 to ``len(text)`` whether a span may begin or end there.

    It may not inside a user-perceived character, between two letters or two digits of a word or
    number, or beside the point in ``3.5`` and ``1,000``.
    """
    may_cut = [False] * (len(text) + 1)
    may_cut[0] = may_cut[-1] = True
    for match in _GRAPHEME.finditer(text):
        may_cut[match.start()] = True

    # Neighbours of each offset, marks and invisible characters left out.
    before, last = [" "], " "
    for char in text:
        last = last if _joins(char) else char
        before.append(last)
    after, following = [" "], " "
    for char in reversed(text):
        following = following if _joins(char) else char
        after.append(following)
    after.reverse()

    for index in range(1, len(text)):
        left, right = before[index], after[index]
        parts_word = (left.isalpha() and right.isalpha()) or (left.isdigit() and right.isdigit())
        if parts_word and not (_UNSPACED.match(left) or _UNSPACED.match(right)):
            may_cut[index] = False
    for match in regex.finditer(r"(?<=\d)[.,](?=\d)", text):
        may_cut[match.start()] = may_cut[match.end()] = False
    return tuple(may_cut)


def windows(text: str, unit_starts: Sequence[int], *, max_units: int) -> list[Span]:
    """Cut `text` into windows of whole sentences, each as many as fit in `max_units` units.

    A sentence longer than that is cut between words, so that no word is; in a script without
    spaces between characters.

    Args:
        text: The text.
        unit_starts: Offset of each unit (a token or a word), ascending.
        max_units: Most units a window holds.

    Returns:
        The windows in order, without the white space between them; none for a blank text.
    """
    pieces: list[Span] = []
    for span in sentence_spans(text):
        pieces.extend(_fitting_pieces(text, span, unit_starts, max_units))
    joined: list[Span] = []
    for start, end in pieces:
        if joined and _n_units(unit_starts, joined[-1][0], end) <= max_units:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def window_around(text: str, span: Span, unit_starts: Sequence[int], *, max_units: int) -> Span:
    """Return the window of at most `max_units` units that holds `span` whole, and most about it.

    It grows by whole sentences, forward and backward in turn; where the own sentence of `span` is
    too long already, by words.

    Returns:
        The window; `span` itself where that alone is longer than `max_units`.
    """
    sentences = sentence_spans(text)
    if not sentences:
        return span
    first = max((i for i, (start, _) in enumerate(sentences) if start <= span[0]), default=0)
    last = next((i for i, (_, end) in enumerate(sentences) if end >= span[1]), first)
    own = (min(sentences[first][0], span[0]), max(sentences[last][1], span[1]))
    if _n_units(unit_starts, *own) > max_units:
        return _grown(span, _words(text, own, unit_starts, max_units), unit_starts, max_units)
    return _grown(own, sentences, unit_starts, max_units)


def content_words(text: str) -> set[str]:
    """Return the words of `text` that tell what it is about, case-folded."""
    words = (text[start:end].casefold() for start, end in word_spans(text))
    return {word.removesuffix("'s").removesuffix("’s") for word in words} - FUNCTION_WORDS


@dataclass(frozen=True, slots=True)
class _View:
    """A text in one canonical form, each character with the span of the original it stands for."""

    text: str
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, original: str) -> "_View":
        chars: list[str] = []
        spans: list[Span] = []
        for match in _GRAPHEME.finditer(original):
            folded = unicodedata.normalize("NFKD", match.group()).casefold()
            # Folding may compose anew, so once more.
            for char in unicodedata.normalize("NFKD", folded).translate(_ONE_SHAPE):
                if char.isspace():
                    if chars and chars[-1] == " ":
                        continue
                    chars.append(" ")
                elif unicodedata.category(char) == "Cf" or char in _VARIATION_SELECTORS:
                    continue
                else:
                    chars.append(char)
                spans.append(match.span())
        return cls("".join(chars), tuple(spans))


def _joins(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] == "M" or (category == "Cf" and char not in _PARTING)


def _occurrences(text: str, wanted: str) -> list[int]:
    found, start = [], text.find(wanted) if wanted else -1
    while start >= 0:
        found.append(start)
        start = text.find(wanted, start + 1)
    return found


def _in_view(view: _View, may_cut: Sequence[bool], wanted: str) -> list[Span]:
    spans = []
    for index in _occurrences(view.text, wanted):
        past = index + len(wanted)
        inside_start = index > 0 and view.spans[index - 1] == view.spans[index]
        inside_end = past < len(view.spans) and view.spans[past] == view.spans[past - 1]
        start, end = view.spans[index][0], view.spans[past - 1][1]
        if not inside_start and not inside_end and may_cut[start] and may_cut[end]:
            spans.append((start, end))
    return spans


def _without_edge_punctuation(text: str) -> str:
    return str(regex.sub(r"^[\p{P}\s]+|[\p{P}\s]+$", "", text))


def _squad_word(word: str) -> str:
    """Return a word of a view without punctuation, but with the point inside a number."""
    return str(regex.sub(rf"(?<=\d)\.(?=\d)(*SKIP)(*FAIL)|[{_PUNCTUATION}]", "", word))


def _word_by_word(view: _View, may_cut: Sequence[bool], loose: str) -> list[Span]:
    wanted = [w for w in map(_squad_word, loose.split()) if w and w not in _ARTICLES]
    if not wanted:
        return []
    words: list[tuple[str, Span]] = []
    for match in regex.finditer(r"[^ ]+", view.text):
        word = _squad_word(match.group())
        if word and word not in _ARTICLES:
            kept = regex.search(rf"[^{_PUNCTUATION}](?:.*[^{_PUNCTUATION}])?", match.group())
            first, past = (match.start() + offset for offset in kept.span())
            words.append((word, (view.spans[first][0], view.spans[past - 1][1])))
    spans = []
    for index in range(len(words) - len(wanted) + 1):
        run = words[index : index + len(wanted)]
        start, end = run[0][1][0], run[-1][1][1]
        if [word for word, _ in run] == wanted and may_cut[start] and may_cut[end]:
            spans.append((start, end))
    return spans


def _most_related(context: str, spans: Sequence[Span], question: str) -> Span:
    if len(spans) == 1:
        return spans[0]
    asked = content_words(question) - content_words(context[slice(*spans[0])])
    sentences = sentence_spans(context)
    starts = [start for start, _ in sentences]

    def n_shared(span: Span) -> int:
        first = max(bisect_right(starts, span[0]) - 1, 0)
        past = bisect_left(starts, span[1])
        return len(asked & content_words(context[starts[first] : sentences[past - 1][1]]))

    return max(spans, key=n_shared)  # the first of equals


def _n_units(unit_starts: Sequence[int], start: int, end: int) -> int:
    return bisect_left(unit_starts, end) - bisect_left(unit_starts, start)


def _fitting_pieces(
    text: str, span: Span, unit_starts: Sequence[int], max_units: int
) -> list[Span]:
    if _n_units(unit_starts, *span) <= max_units:
        return [span]
    pieces: list[Span] = []
    for start, end in _words(text, span, unit_starts, max_units):
        if pieces and _n_units(unit_starts, pieces[-1][0], end) <= max_units:
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((start, end))
    return pieces


def _words(text: str, span: Span, unit_starts: Sequence[int], max_units: int) -> list[Span]:
    """Return the words of a span; one that does not fit (in a script without spaces) in parts."""
    words: list[Span] = []
    for match in regex.finditer(r"\S+", text[: span[1]], pos=span[0]):
        if _n_units(unit_starts, *match.span()) <= max_units:
            words.append(match.span())
            continue
        may_cut = cut_points(match.group())
        cuts = [match.start() + index for index, may in enumerate(may_cut) if may]
        words.extend(pairwise(cuts))
    return words


def _grown(core: Span, parts: Sequence[Span], unit_starts: Sequence[int], max_units: int) -> Span:
    """Widen `core` by whole neighbouring parts, later and earlier in turn, while it fits."""
    start, end = core
    later = [part for part in parts if part[1] > end]
    earlier = [part for part in reversed(parts) if part[0] < start]
    while later or earlier:
        if later:
            wider = later.pop(0)[1]
            if _n_units(unit_starts, start, wider) <= max_units:
                end = wider
            else:
                later = []
        if earlier:
            wider = earlier.pop(0)[0]
            if _n_units(unit_starts, wider, end) <= max_units:
                start = wider
            else:
                earlier = []
    return start, end
