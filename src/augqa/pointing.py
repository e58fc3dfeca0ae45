"""Questions that lean on a passage which nobody sees, and answers that begin by naming it.

``According to the passage, who wrote it?`` makes sense beside its context alone: to a reader of
other contexts it teaches a phrase. The rules know English.
"""

import regex

_TEXT = r"(?:passage|text|paragraph|article|excerpt|extract|context|document|story|reading)"
_TELLER = r"(?:author|writer|narrator|speaker)"
_TELLS = (
    r"(?:say|mention|state|describe|argue|claim|suggest|imply|mean|refer|discuss|explain|conclude"
    r"|note|talk|write|give|compare|tell|think|believe|use|list|provide|contain|indicate|call"
    r"|emphasi[sz]e|point)(?:s|d|ed|es)?"
)
_POINTS = regex.compile(
    rf"""
    # According to the passage, based on this text; not: according to the text of the treaty.
      \b(?:according\ to|based\ (?:up)?on|judging\ (?:from|by)|as\ \w+\ (?:in|by))
        \ (?:the|this|that)\ (?:(?:above|given|following|provided|short|whole)\ )*
        (?:{_TEXT}|{_TELLER})s?\b(?!\ of\b)
    # This passage, the above text; not: this article of the law.
    | \b(?:this|these|the\ (?:above|given|following|preceding|previous|provided))
        \ (?:short\ |whole\ )?{_TEXT}s?\b(?!\ of\b)
    # In the text; what does the article say; the passage states. Not: in the text of the treaty.
    | \b(?:in|from|by|does|did|do|is|was|of|throughout)\ the\ {_TEXT}
        (?=\ (?:{_TELLS}|about|mainly|mostly|primarily|above|below|is|was)\b|\s*[,;:?.!]|\s*$)
    | \bthe\ {_TEXT}\ {_TELLS}\b
    # What does the author say; according to the author; not: who is the author.
    | \b(?:does|did|do|would|has|according\ to)\ the\ {_TELLER}s?\b(?!\ (?:of|from|for|who)\b)
    | \bthe\ {_TELLER}s?\ {_TELLS}\b(?!\ by\b)
    # Mentioned above, in the above.
    | \b(?:mentioned|described|stated|discussed|given|listed|quoted|shown)
        \ (?:above|below|earlier\b(?!\ than))
    | \babove[-\ ]mentioned\b | \bin\ the\ above\b
    """,
    regex.VERBOSE | regex.IGNORECASE,
)
_LEAD_IN = regex.compile(
    rf"""^[\s"'“‘(]*(?:according\ to|based\ (?:up)?on|as\ \w+\ (?:in|by))\ (?:the|this|that)
    \ (?:(?:above|given|following|provided)\ )*(?:{_TEXT}|{_TELLER})\b\s*[,:;]?\s*""",
    regex.VERBOSE | regex.IGNORECASE,
)


def points_at_passage(question: str) -> bool:
    """Return whether a question speaks of the passage that it was asked on.

    ``Who found the Northwest Passage?`` does not, nor does ``What is the text of the law?``.
    """
    return _POINTS.search(question) is not None


def lead_in(answer: str) -> int:
    """Return how many characters of an answer only name its passage: 0 for most.

    Example: 26 of ``According to the passage, Ada Lovelace``.
    """
    match = _LEAD_IN.match(answer)
    return match.end() if match else 0
