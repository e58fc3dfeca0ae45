"""Texts in which a model declines to write what it was asked for, in the languages of many users.

Every function takes time in proportion to its text: the text comes from outside.
"""

import re

_APOLOGY = r"(?:i['’]?m|i am|we['’]?re|we are)\s(?:very\s|so\s|really\s)?sorry|sorry|i apologi[sz]e"
_UNABLE = (
    r"(?:i|we)\s(?:can['’]?t|cannot|can not|could not|couldn['’]t|won['’]t|will not"
    r"|am unable to|['’]?m unable to|am not able to|must decline to)(?:\sbe able to)?"
    r"|i['’]m\s(?:unable|not able)\sto|unable to"
)
_HELP = (
    r"(?:help|assist|comply|continue)\b(?:\syou)?(?:\swith\s(?:that|this|your|the)\b)?"
    r"|(?:fulfil|fulfill|complete|answer|process|do)\s(?:that|this|your|the)\b"
    r"|(?:provide|write|create|generate|produce|engage|discuss|answer)\b"
)
# "that", "your request": what was asked for, and not a thing that a text may be about.
_ASKED = r"(?:that|this|your|such|content|information|instructions|the requested)\b"
_ENGLISH = (
    # "I'm sorry, but I can't help with that." "Unfortunately, I am unable to provide that."
    rf"(?:{_APOLOGY})[,.!]?\s(?:but\s)?(?:{_UNABLE})\s(?:{_HELP})",
    rf"(?:unfortunately|regrettably),?\s(?:{_UNABLE})\s(?:{_HELP})",
    # "I cannot assist with that request." "I won't be able to write that."
    rf"(?:{_UNABLE})\s(?:(?:help|assist)(?:\syou)?\swith|fulfil|fulfill|comply\swith|complete"
    rf"|process)\s{_ASKED}",
    rf"(?:{_UNABLE})\s(?:provide|write|create|generate|produce|share)\s{_ASKED}",
    # "I must decline." "I do not feel comfortable writing that."
    r"i\s(?:must|have to|will have to)\s(?:respectfully\s|politely\s)?"
    r"decline(?=[.!,]|\s(?:to|this|that|your)\b)",
    r"i(?:['’]m| am| do| don['’]t|['’]d)?\s(?:not\s)?(?:feel\s)?(?:un)?comfortable\s(?:with\s)?"
    r"(?:writing|creating|generating|providing|producing|answering|discussing|helping)\b",
    # "This request violates our content policy."
    r"(?:this|your|that|the)\s(?:request|prompt|content|question)\s"
    r"(?:violates|goes against|conflicts with|is against|may violate)\s[^.\n]{0,60}"
    r"\b(?:polic(?:y|ies)|guidelines?|terms)\b",
    r"as an? (?:responsible |helpful |safe )?"
    r"(?:ai|artificial intelligence|(?:large )?language model)\b[^.\n]{0,60},?\si\s"
    r"(?:can['’]?t|cannot|am unable|am not able|do not|don['’]t|won['’]t)",
)
# The same in other languages: an apology and "cannot", or "cannot" and what was asked for.
_OTHERS = (
    # German
    r"(?:es )?tut mir (?:sehr )?leid\b[^.!?\n]{0,80}\bnicht\b",
    r"leider (?:kann|darf) ich\b[^.!?\n]{0,80}\bnicht (?:helfen|weiterhelfen|schreiben|erstellen"
    r"|beantworten|erfüllen|nachkommen|bereitstellen)\b",
    r"ich kann (?:ihnen |dir )?(?:dabei|damit|das|diese[nrs]?)\b[^.!?\n]{0,60}\bnicht (?:helfen"
    r"|weiterhelfen|schreiben|erstellen|beantworten|erfüllen|nachkommen|bereitstellen)\b",
    r"als (?:ki|künstliche intelligenz|sprachmodell)\b[^.!?\n]{0,60}\bkann ich\b",
    # French
    r"(?:je suis |je )?(?:vraiment )?désolée?\b[^.!?\n]{0,40}\bje ne (?:peux|pourrai|suis) pas\b",
    r"je (?:regrette|m['’]excuse)\b[^.!?\n]{0,40}\bje ne (?:peux|pourrai|suis) pas\b",
    r"je ne (?:peux|pourrai) pas (?:vous |t['’])?(?:aider|répondre à cette|fournir ce|écrire ce"
    r"|générer ce|créer ce)",
    r"en tant qu(?:e |['’])(?:modèle de langage|ia|intelligence artificielle|assistant)\b",
    # Spanish
    r"(?:lo siento|lo lamento|disculpa|disculpe|perdón)\b[^.!?\n]{0,40}\bno (?:puedo|podemos"
    r"|podré|me es posible|soy capaz)\b",
    r"no puedo (?:ayudarte|ayudarle|ayudar con (?:eso|esa|esto|esta)|cumplir con (?:esa|esta|tu|su)"
    r"|proporcionar (?:esa|ese|esta|este)|escribir (?:eso|ese|esto)|crear (?:ese|este))",
    r"como (?:modelo de lenguaje|inteligencia artificial|ia)\b[^.!?\n]{0,40}\bno\b",
    # Italian, Portuguese
    r"(?:mi dispiace|spiacente|scusa|scusi)\b[^.!?\n]{0,40}\bnon (?:posso|sono in grado)\b",
    r"(?:desculpe|desculpa|sinto muito|lamento)\b[^.!?\n]{0,40}\bnão (?:posso|consigo|sou capaz)\b",
    # Dutch, Polish
    r"(?:het spijt me|sorry)\b[^.!?\n]{0,40}\b(?:kan ik|ik kan)\b[^.!?\n]{0,60}\bniet\b",
    r"(?:przepraszam|przykro mi)\b[^.!?\n]{0,40}\bnie (?:mogę|jestem w stanie)\b",
    # Russian, Ukrainian
    r"(?:извините|простите|к сожалению|мне жаль)\b[^.!?\n]{0,40}\bя не (?:могу|в состоянии)\b",
    r"(?:вибачте|на жаль|перепрошую)\b[^.!?\n]{0,40}\bя не можу\b",
    # Turkish
    r"(?:üzgünüm|maalesef|özür dilerim)\b[^.!?\n]{0,80}"
    r"(?:edemem|yapamam|olamam|yazamam|sağlayamam)",
    # Arabic, Hebrew, Hindi
    r"(?:آسف|أعتذر|عذر(?:ا|ًا)|للأسف)[^.!؟\n]{0,40}(?:لا أستطيع|لا يمكنني|لست قادر)",
    r"(?:אני מצטער(?:ת)?|מצטער(?:ת)?)[^.!?\n]{0,40}(?:לא יכול|לא אוכל)",
    r"(?:क्षमा करें|माफ़ करें|माफ कीजिए|मुझे खेद है)[^।!?\n]{0,80}(?:नहीं कर सकत|नहीं दे सकत|असमर्थ)",
    # Chinese, Japanese, Korean, Vietnamese
    r"(?:很|非常|实在|真的)?(?:抱歉|对不起|對不起|遗憾|遺憾)[，,。！!]?(?:但是?|可是|不过)?我?(?:们)?"
    r"(?:无法|不能|没办法|沒辦法|無法|不便)",
    r"(?:作为|身為|作為)(?:一个|一個|一名)?(?:人工智能|ai|大?语言模型|語言模型)[^。！？\n]{0,20}"
    r"(?:无法|不能|無法)",
    r"我(?:无法|無法|不能)(?:提供|满足|滿足|完成|帮助|幫助|协助|協助|回答|生成)(?:这|這|该|該|您|你|此)",
    r"(?:大変)?(?:申し訳(?:ありません|ございません|ない)|すみません|ごめんなさい|恐れ入りますが)"
    r"[^。！？\n]{0,60}(?:できません|できかねます|いたしかねます|お手伝いできない)",
    r"죄송(?:합니다|하지만|해요)[^.!?\n]{0,60}(?:수 없|드릴 수|어렵습니다)",
    r"(?:xin lỗi|rất tiếc)\b[^.!?\n]{0,40}\b(?:không thể)\b",
)
_REFUSALS = tuple(
    re.compile(rf"(?:{pattern})(?P<rest>[^\n]*)", re.IGNORECASE)
    for pattern in (*_ENGLISH, *_OTHERS)
)
# '..., said the clerk': told, not said.
_TOLD = re.compile(
    r"[^.!?\"“”«»„]{0,80}[,.!?。，！]?[\"”»“]"
    r"|[^.!?]{0,80},\s(?:she|he|they|said|wrote"
    r"|sagte|schrieb|dit|dit-il|dit-elle|dijo|escribió|disse|сказал|сказала)\b",
    re.IGNORECASE,
)
_REFUSAL_WORDS = 80
_REFUSAL_CHARS = 800  # where no spaces part the words
_OPENING_CHARS = 400


def is_refusal(text: str) -> bool:
    """Whether a model declines in `text` instead of writing what it was asked for.

    A refusal opens the text and is short. A text that tells or quotes an apology is none.
    """
    opening = " ".join(text[:_OPENING_CHARS].split()).lstrip("*_ ¡")
    found = next((match for p in _REFUSALS if (match := p.match(opening))), None)
    if found is None or len(text.strip()) > _REFUSAL_CHARS:
        return False
    if len(text.split()) > _REFUSAL_WORDS:
        return False
    return not _TOLD.match(found["rest"])
