"""Where sentences end, what asks, and how long a text is, in every script: one truth for all.

Sentence ends are the terminators of Unicode's sentence segmentation (UAX #29: STerm and ATerm, some
hundred marks of some sixty scripts), and the few that stand outside it. Abbreviations, and the
words that make a question of a text in Latin letters, are known for some languages alone, English
best.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import regex

Span = tuple[int, int]  # first character, and one past the last

# Scripts that put no space between words: there a word may begin at any character.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々"
_LETTER = rf"(?=\p{{L}})[{UNSPACED}]"
_UNSPACED_LETTER = regex.compile(_LETTER)
# What makes one character with the letter before it, as it is seen: no word begins there.
_JOINED = r"[\p{M}\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]"
# A letter of such a script, or what stands between them with a letter or digit in it.
_COUNTED = regex.compile(
    rf"{_LETTER}{_JOINED}*|(?:(?!{_LETTER})\S)*?(?!{_LETTER})[\p{{L}}\p{{N}}](?:(?!{_LETTER})\S)*"
)
_CHUNK = regex.compile(r"\S+")

# Marks that ask: those at the end of a question. The Armenian one stands inside the word asked for.
QUESTION_MARKS = "?？﹖︖؟⸮⁇⁈⁉‽፧᥅꘏꛷⳺⳻"
_CLOSING = r"""["'”’»›)\]」』）】]*"""
_ENDS_AS_QUESTION = regex.compile(
    rf"""(?:[{QUESTION_MARKS}]
    |(?<=\p{{Greek}}\p{{M}}*{_CLOSING}\s?)[;\u037e]
    |՞[^։]*(?:։|(?<=\p{{Armenian}}):)?
    |か[。．｡]  # a written question in Japanese may do without a mark
    |(?:လဲ|လား)။  # as in Burmese
    |¿[^?？.!¡]*[.…]?  # the mark that opens it, where a writer forgot the one that closes it
    )[\s"'”’»›)\]」』）】]*$""",
    regex.VERBOSE,
)
_ENGLISH_QUESTION_WORDS = "who whom whose what which when where why how"
_CLAUSE_BEGINNINGS = """
    is are was were am do does did has have had can could will would shall should may might must
    name
"""
# Question words of other languages in Latin letters: German, French, Spanish, Portuguese, Italian,
# Dutch, the Scandinavian ones, Polish, Czech, Finnish, Hungarian, Romanian, Turkish, Vietnamese and
# Indonesian. Without those that are English words or
# names too (was, come, hoe, care, kim, chi).
_FOREIGN_QUESTION_WORDS = """
    wer wen wem wessen welche welcher welches welchen welchem wann wo woher wohin warum weshalb
    wieso wie wieviel wieviele womit wodurch
    qui que quoi quel quelle quels quelles où quand comment combien pourquoi lequel laquelle qu
    quién quiénes qué cuál cuáles cuándo dónde cómo cuánto cuánta cuántos cuántas
    quem qual quais quando onde como quanto quantos quantas
    quale quali dove perché quanti quante
    welk wanneer waar waarom hoeveel waarmee
    vem vad vilken vilket vilka när varför hur hvem hvad hva hvilken hvilket hvilke hvor hvorfor
    hvordan hvornår
    kto którą który która które kiedy gdzie dlaczego czy ile czego kdo který která které kdy kde
    proč kolik
    kuka mikä mitä missä milloin miksi miten kuinka ketkä
    melyik mikor miért hogyan hány mennyi kicsoda
    cine când unde câți câte cât
    nedir hangi nerede neden nasıl kaç mı mu mü
    nào đâu gì sao
    siapa kapan mengapa bagaimana berapa dimana
"""
ASKING_WORDS = frozenset(
    (_ENGLISH_QUESTION_WORDS + _CLAUSE_BEGINNINGS + _FOREIGN_QUESTION_WORDS).split()
)


def _any_of(listed: str) -> str:
    return rf"(?:{'|'.join(listed.split())})\b"


_QUESTION_WORD = regex.compile(rf"\b{_any_of(_ENGLISH_QUESTION_WORDS)}", regex.IGNORECASE)
_CLAUSE_START = regex.compile(
    rf"(?:^|[,;:—]\s)\W*(?:{_any_of(_CLAUSE_BEGINNINGS)}|in\swhich\b)", regex.IGNORECASE
)
_FOREIGN_QUESTION_WORD = regex.compile(rf"\b{_any_of(_FOREIGN_QUESTION_WORDS)}", regex.IGNORECASE)
_LATIN = regex.compile(r"\p{Latin}")
_OTHER_LETTER = regex.compile(r"[\p{L}--\p{Latin}]", regex.V1)

# English words that say nothing about what a text is about.
_FUNCTION_WORDS = """
    a about after all also an and any are as at be been before being but by can could did do does
    for from had has have he her his how i if in into is it its many may more most much no not of
    on or other our she so some such than that the their them then there these they this those
    to under up was we were what when where which while who whom whose why will with would you
    your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
_WORD = regex.compile(
    r"[\p{L}\p{N}][\p{L}\p{M}\p{N}\u00ad\u200c\u200d\u2060]*"
    r"(?:['’][\p{L}][\p{L}\p{M}]*)*"
)

# The same of a text in ASCII and lower case, by a faster way: most texts are.
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")
_APART = {code: " " for code in range(128) if not chr(code).isalnum()}

# Of contexts of SQuAD and its shifts, about 2 in 1000 do not read as English: lists of names.
_NOTABLE_FRACTION = 0.05

# Words before a full stop that does not end its sentence.
_ABBREVIATED = """
    mr mrs ms dr prof st sr jr vs no vol fig inc ltd co corp gen col lt capt sgt rev hon gov sen
    rep mt ft e.g i.e ca approx dept est jan feb mar apr jun jul aug sep sept oct nov dec
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
# These may well end one: they do where a new sentence begins, but not where a text breaks off.
_OFTEN_LAST = frozenset(["etc", "u.s", "u.k", "a.d", "b.c", "a.m", "p.m"])
_BEFORE_INITIAL = ("", " ", "\t", "\n", "(", "[", '"', "'", "“", "‘")
_WORD_BEFORE_STOP = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}.]*$")

# Marks after which the next sentence may begin at once.
_AT_ONCE = "。．｡︒！？﹖﹗।॥။។"
# From the first mark of a run: a start at each of them would read the run again and again.
_STOP = rf"""(?<![\p{{SB=STerm}}\p{{SB=ATerm}}…])
        (?P<stop>(?:(?![{_AT_ONCE}])[\p{{SB=STerm}}\p{{SB=ATerm}}…]
        |(?<=\p{{Greek}}\p{{M}}*)[;\u037e]|(?<=\p{{Armenian}}):)++)(?P<closing>{_CLOSING}+)"""
# A full-width full stop between digits is part of a number.
_STOP_AT_ONCE = rf"(?!(?<=\p{{N}})．\p{{N}})[{_AT_ONCE}]+{_CLOSING}"
_BEGINNING = r"""\s+["'“‘«‹(\[¿¡「『（]*[\p{Lu}\p{Lt}\p{Lo}\p{N}\p{So}\p{Georgian}]"""
_SENTENCE_END = regex.compile(
    rf"{_STOP}(?={_BEGINNING})|{_STOP_AT_ONCE}|(?=\r?\n[^\S\n]*\r?\n)", regex.VERBOSE
)
_LAST_END = regex.compile(rf"{_STOP}(?=\s|$)|{_STOP_AT_ONCE}", regex.VERBOSE)


def sentence_spans(text: str) -> list[Span]:
    """Return the sentences of `text`, in order, without the white space around them.

    A sentence ends at a terminator of any script where a new one seems to begin, not after an
    abbreviation or an initial, and at a blank line.
    """
    ends = []
    for match in _SENTENCE_END.finditer(text):
        plain = match["stop"] == "." and not match["closing"]
        if plain and _is_abbreviation(text, match.start()):
            continue
        ends.append(match.end())
    spans = []
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        chunk = text[start:end]
        if chunk.strip():
            leading = len(chunk) - len(chunk.lstrip())
            spans.append((start + leading, start + len(chunk.rstrip())))
    return spans


def last_sentence_end(text: str) -> int:
    """Return the offset behind the last whole sentence of a text that breaks off; 0 without one.

    Here an abbreviation that may as well end its sentence (``etc.``, ``p.m.``) does not.
    """
    last = 0
    for match in _LAST_END.finditer(text):
        plain = match["stop"] == "." and not match["closing"]
        if not (plain and _is_abbreviation(text, match.start(), often_last=True)):
            last = match.end()
    return last


def ends_as_question(text: str) -> bool:
    """Return whether a text ends as a question does in its script, quotes and brackets aside.

    That is a question mark; after Greek letters a semicolon, which is theirs; in Armenian the mark
    inside the word that is asked for; in Japanese also the particle ``か`` before the full
    stop, and its like in Burmese; in Spanish the opening mark alone.
    """
    return _ENDS_AS_QUESTION.search(text) is not None


def is_question(text: str) -> bool:
    """Return whether a text reads as a question.

    It must end as one (see `ends_as_question`). One in Latin letters must also hold a question word
    anywhere (``The bridge opened when?`` counts), in English or one of some twenty other languages;
    or begin a clause with an English auxiliary (``In 1901, was it sold?``); or have the opening
    mark of Spanish. Of a text in other letters nothing more is asked.
    """
    if not ends_as_question(text):
        return False
    if not _LATIN.search(text) or "¿" in text:
        return True
    if _QUESTION_WORD.search(text) or _CLAUSE_START.search(text):
        return True
    if _FOREIGN_QUESTION_WORD.search(text):
        return True
    # A name in Latin letters makes no English of a Chinese question.
    return _OTHER_LETTER.search(text) is not None and not _has_function_word(text)


def n_words(text: str) -> int:
    """Return how many words a text has: what white space parts.

    In a script that puts no space between words each letter counts as one: the Chinese reading sets
    (DRCD, CMRC) compare answers by characters, too.
    """
    if text.isascii() or not _UNSPACED_LETTER.search(text):
        return len(text.split())
    return len(word_starts(text))


def first_words(text: str, n: int) -> str:
    """Return a text up to the end of its `n`-th word, as `n_words` counts them."""
    starts = word_starts(text)
    return text if len(starts) <= n else text[: starts[n]].rstrip()


def word_starts(text: str) -> list[int]:
    """Return the offset of each word, as `n_words` counts them."""
    if not _UNSPACED_LETTER.search(text):
        return [match.start() for match in _CHUNK.finditer(text)]
    starts = []
    for chunk in _CHUNK.finditer(text):
        counted = [one.start() for one in _COUNTED.finditer(text, *chunk.span())]
        starts += [chunk.start(), *counted[1:]]  # marks before its first word go with that
    return starts


@lru_cache(maxsize=4)  # several measures of a text ask for them one after the other
def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, case-folded, without punctuation; a hyphen parts two.

    In a script that puts no space between words each character is one.
    """
    if not text.isascii():
        return tuple(_words(text))
    lowered = text.lower()
    return tuple(
        _ASCII_WORD.findall(lowered) if "'" in lowered else lowered.translate(_APART).split()
    )


def reads_as_english(text: str) -> bool:
    """Return whether a text may be English, by its letters and function words.

    Half its letters must be Latin. Of 20 words on, 15 in 100 must be English function words, which
    40 in 100 of an English text are and 8 of a Dutch or German one. A shorter text passes unless it
    has none and asks with a word of another language.
    """
    if not text.isascii() and 2 * len(_LATIN.findall(text)) < sum(map(str.isalpha, text)):
        return False
    found = words(text)
    n_function = sum(map(FUNCTION_WORDS.__contains__, found))
    if len(found) >= 20:
        return n_function >= 0.15 * len(found)
    return n_function > 0 or not ("¿" in text or _FOREIGN_QUESTION_WORD.search(text))


def not_english(n: int, n_all: int, what: str, english: str) -> str:
    """Return an addition to a closing line, where more than a chance few texts are not English.

    Args:
        n: Texts that do not read as English.
        n_all: All texts.
        what: What they are, in the plural.
        english: What knows English alone.
    """
    if n < _NOTABLE_FRACTION * n_all or not n:
        return ""
    return f"; warning: {n} of {n_all} {what} do not read as English, but {english} know it alone"


def word_spans(text: str) -> list[Span]:
    """Return the words of `text` without the punctuation around them; a hyphen parts two.

    A run of a script without spaces is one.
    """
    return [match.span() for match in _WORD.finditer(text)]


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        if word.isascii() or not _UNSPACED_LETTER.search(word):
            yield word.casefold()
        else:
            # \X: a letter of Thai or Khmer with the marks above and below it.
            for part in regex.findall(rf"[^{UNSPACED}]+|\X", word):
                yield part.casefold()


def _has_function_word(text: str) -> bool:
    return any(word in FUNCTION_WORDS for word in words(text))


def _is_abbreviation(text: str, end: int, *, often_last: bool = False) -> bool:
    """Return whether the word that ends at `end` is one whose full stop ends no sentence."""
    before = text[max(0, end - 32) : end]
    match = _WORD_BEFORE_STOP.search(before)
    if match is None:
        return False
    word = match.group().casefold()
    last_is_initial = len(word.rpartition(".")[2]) == 1 and match.group()[-1].isupper()
    if not often_last:
        return last_is_initial or word in _ABBREVIATIONS
    if len(word) == 1:  # an initial, but not that of 30 °C or of the 90s
        return before[: match.start()][-1:] in _BEFORE_INITIAL
    return last_is_initial or word in _ABBREVIATIONS or word in _OFTEN_LAST
