"""Questions that lean on a passage which nobody sees, and answers that begin by naming it.

``According to the passage, who wrote it?`` makes sense beside its context alone: to a reader of
other contexts it teaches a phrase. The rules know English well, and of German, French, Spanish,
Italian, Portuguese, Russian, Chinese and Japanese what such questions most often begin with.
"""

import regex

_TEXT = r"(?:passage|text|paragraph|article|excerpt|extract|context|document|story|reading)"
_TELLER = r"(?:author|writer|narrator|speaker|reviewer)"
_TELLS = (
    r"(?:say|mention|state|describe|argue|claim|suggest|imply|mean|refer|discuss|explain|conclude"
    r"|note|talk|write|give|compare|tell|think|believe|use|list|provide|contain|indicate|call"
    r"|emphasi[sz]e|point)(?:s|d|ed|es)?"
)
_POINTS = regex.compile(
    rf"""
    # According to the passage, based on this text; not: according to the text of the treaty.
      \b(?:according\ to|based\ (?:up)?on|judging\ (?:from|by)|as\ \w+\ (?:in|by)|as\ per|per)
        \ (?:the|this|that)\ (?:(?:above|given|following|provided|short|whole)\ )*
        (?:{_TEXT}|{_TELLER})s?\b(?!\ of\b)
    # This passage, the above text; not: this article of the law.
    | \b(?:this|these|the\ (?:above|given|following|preceding|previous|provided))
        \ (?:short\ |whole\ )?{_TEXT}s?\b(?!\ of\b)
    # In the text; what does the article say; the passage states. Not: in the text of the treaty.
    | \b(?:in|from|by|does|did|do|is|was|of|throughout)\ the\ {_TEXT}
        (?=\ (?:{_TELLS}|about|mainly|mostly|primarily|above|below|is|was)\b|\s*[,;:?.!]|\s*$)
    | \bthe\ {_TEXT}\ {_TELLS}\b
    # What does the say; according to the author; not: who is the author.
    | \b(?:does|did|do|would|has|according\ to)\ the\ {_TELLER}s?\b(?!\ (?:of|from|for|who)\b)
    | \bthe\ {_TELLER}s?\ {_TELLS}\b(?!\ by\b)
    # The author's view, the narrator of nothing else, the second paragraph, in 3.
    | \bthe\ {_TELLER}(?:['’]s|s['’])\ (?:main\ |own\ |overall\ )?
        (?:opinion|view|point|attitude|tone|purpose|argument|claim|feeling|perspective|position
        |intention|message|conclusion)s?\b
    | \bwho\ (?:is|was)\ the\ (?:narrator|speaker)(?=\s*[,;:?.!]|\s*$)
    | \b(?:which|the\ (?:first|second|third|last|final|opening|next))\ (?:paragraph|sentence)
        (?=\ (?:{_TELLS}|is|was|of\ the\ {_TEXT})\b|\s*[,;:?.!]|\s*$)
    | \bin\ (?:line|lines|paragraph|sentence)\ \d{{1,3}}\b
    # Mentioned above, in the above.
    | \b(?:mentioned|described|stated|discussed|given|listed|quoted|shown)
        \ (?:above|below|earlier\b(?!\ than))
    | \babove[-\ ]mentioned\b | \bin\ the\ above\b
    """,
    regex.VERBOSE | regex.IGNORECASE,
)
# The same elsewhere; not: in the text of the law, im Text der Verfassung.
_POINTS_ELSEWHERE = regex.compile(
    r"""
      \b(?:laut|gemäß|nach)\ (?:dem|diesem|des|dieses)?\ ?
        (?:text|artikel|absatz|abschnitt)(?:e?s)?\b(?!\ (?:der|des|von|vom|\d))
    | \b(?:im|in\ diesem|aus\ dem|der|dieser|dieses)\ (?:text|artikel|absatz|abschnitt)s?
        \ (?:erwähnt|genannt|beschrieben|gesagt|sagt|beschreibt|nennt|über)\b
    | \b(?:selon|d['’]après|dans)\ (?:le\ |ce\ |l['’]|cet\ )
        (?:texte|passage|paragraphe|article|extrait)\b(?!\ (?:de|du|des|d['’]|\d))
    | \b(?:según|de\ acuerdo\ con|en)\ (?:el|este)
        \ (?:texto|pasaje|párrafo|artículo|fragmento)\b(?!\ (?:de|del|\d))
    | \b(?:secondo|nel|in\ questo)\ (?:il\ |questo\ )?
        (?:testo|brano|paragrafo)\b(?!\ (?:di|del|della|\d))
    | \b(?:segundo|de\ acordo\ com|conforme)\ (?:o|este)
        \ (?:texto|trecho|parágrafo|artigo)\b(?!\ (?:de|do|da|\d))
    | \b(?:согласно|в)\ (?:этом\ |этому\ )?
        (?:тексте|тексту|отрывке|отрывку|абзаце)\b(?!\ (?:закона|договора|конституции))
    | (?:根据|根據|依据|按照)(?:本|该|該|这|這|上|以上|上述)?(?:篇|段)?
        (?:文章|文本|短文|段落|文字|内容|文|段|篇)
    | (?:文中|上文|本文|这篇文章|這篇文章|这段(?:话|文字)|這段文字)
    | (?:この|上の|以下の|本)(?:文章|文|段落|記事)(?:によ|では|で|の中)
    | (?:文章|本文)によ(?:ると|れば)
    """,
    regex.VERBOSE | regex.IGNORECASE,
)
# Of a text in ASCII and lower case: without one of these in it, neither finds anything.
_NEEDED = """
    passage text paragra arti excerpt extra document story reading author writer narrator speaker
    reviewer sentence line above below earlier absatz abschnitt pasaje fragmento testo brano trecho
""".split()  # noqa: SIM905
_LEAD_IN = regex.compile(
    rf"""^[\s"'“‘(]*(?:according\ to|based\ (?:up)?on|as\ \w+\ (?:in|by)|as\ per|per)
    \ (?:the|this|that)
    \ (?:(?:above|given|following|provided)\ )*(?:{_TEXT}|{_TELLER})\b\s*[,:;]?\s*""",
    regex.VERBOSE | regex.IGNORECASE,
)


def points_at_passage(question: str) -> bool:
    """Return whether a question speaks of the passage that it was asked on.

    ``Who found the Northwest Passage?`` does not, nor does ``What is the text of the law?``.
    """
    if question.isascii():
        lowered = question.lower()
        if not any(stem in lowered for stem in _NEEDED):
            return False
    return any(points.search(question) for points in (_POINTS, _POINTS_ELSEWHERE))


def lead_in(answer: str) -> int:
    """Return how many characters of an answer only name its passage: 0 for most.

    Example: 26 of ``According to the passage, Ada Lovelace``.
    """
    match = _LEAD_IN.match(answer)
    return match.end() if match else 0
