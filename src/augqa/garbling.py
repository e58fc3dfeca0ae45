"""Questions that are no proper English: what in their form tells, without a model.

They are judged by form alone: a question may pass and still make no sense. A text of another
language passes, since the rules know English.
"""

import re

from augqa.sentences import reads_as_english

_ASKING = r"(?:who|whom|whose|what|which|when|where|why|how)"
_AUXILIARY = (
    r"(?:is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall|should|may|might"
    r"|must)(?:n['’]t)?"
)
_PREPOSITION = (
    r"(?:about|after|against|around|as|at|before|between|by|during|for|from|in|into|of|on|over"
    r"|since|through|to|toward|towards|under|until|upon|with|within|without|besides)"
)
# The question word first, a preposition before it or not; an auxiliary; or one of these behind an
# adverbial and its comma: In 1901, what ...
_FRONTED = re.compile(
    rf"^\W*(?:[^,]{{2,80}},\s)?(?:(?:{_PREPOSITION}\s)?{_ASKING}|{_AUXILIARY}|name)\b", re.I
)
_ASKS_IN_ENGLISH = re.compile(rf"\b(?:{_ASKING}|{_AUXILIARY})\b", re.I)
_ADVERB_WITHOUT_VERB = re.compile(
    rf"^\W*(?:when|where|why)(?:['’](?:s|d|re))?\s(?!(?:{_AUXILIARY}|else|exactly|in|on|and)\b)"
    rf"(?!['’]|[^,]*,\s(?:{_ASKING}|{_AUXILIARY})\b)",
    re.I,
)
_SAID_TWICE = re.compile(
    r"\b(the|an?|of|in|on|at|to|by|for|with|from|and|is|was|are|were)\s\1\b", re.I
)
_BREAKS_OFF = re.compile(r"\b(?<!&)(?:the|an?|and|or|but|its|their|very)\s*\?\s*$", re.I)


def garbled(question: str) -> str | None:
    """Return what is wrong with the form of an English question; None where nothing is.

    ``The bridge opened when?`` has its question word at the end, ``When the bridge was opened?``
    no verb behind it, ``What is the the bridge?`` a word twice, ``What is on the?`` no end, and
    ``Who (or what is it?`` an open bracket.
    """
    if not (_ASKS_IN_ENGLISH.search(question) and reads_as_english(question)):
        return None
    if not _FRONTED.search(question):
        return "the question word is not at the front"
    if _ADVERB_WITHOUT_VERB.search(question):
        return "no verb behind the question word"
    if (twice := _SAID_TWICE.search(question)) is not None:
        return f"{twice[1]!r} twice"
    if _BREAKS_OFF.search(question):
        return "it breaks off"
    if any(question.count(a) != question.count(b) for a, b in ("()", "[]", "“”")) or (
        question.count('"') % 2
    ):
        return "brackets or quotes without their other half"
    return None
