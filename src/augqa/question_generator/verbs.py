"""English verbs, as far as questions by rules need them: which word is one, and its base form."""

import re

_IRREGULAR = """
    began:begin became:become bought:buy brought:bring broke:break built:build burned:burn
    burnt:burn came:come caught:catch chose:choose drew:draw drove:drive ate:eat fell:fall
    fed:feed felt:feel fought:fight found:find flew:fly forgot:forget froze:freeze gave:give
    went:go grew:grow held:hold heard:hear hid:hide kept:keep knew:know laid:lay led:lead
    left:leave lent:lend lost:lose made:make meant:mean met:meet paid:pay ran:run rang:ring
    rode:ride rose:rise said:say sang:sing sank:sink sat:sit saw:see sold:sell sent:send
    shot:shoot shook:shake showed:show shrank:shrink slept:sleep spent:spend spoke:speak
    spun:spin stole:steal stood:stand struck:strike swam:swim swept:sweep swore:swear
    taught:teach took:take threw:throw told:tell thought:think understood:understand
    withdrew:withdraw won:win wore:wear wove:weave wrote:write died:die tied:tie lied:lie
    used:use owed:owe overcame:overcome overthrew:overthrow underwent:undergo bore:bear
    blew:blow bred:breed dealt:deal dug:dig fled:flee forbade:forbid hung:hang sought:seek
    arose:arise awoke:awake bound:bind clung:cling crept:creep mistook:mistake
    undertook:undertake
"""
_PAST = dict(pair.split(":") for pair in _IRREGULAR.split())
# Present forms that are no nouns in most texts; a form in -s is often a plural.
_THIRD_PERSON = """
    allows appears applies becomes begins believes belongs comprises consists contains continues
    costs covers creates defines depends derives describes differs employs enables encourages
    ends exists expects extends faces features follows forms gives goes grows happens helps
    holds hosts includes indicates involves keeps knows lacks lasts leads lies lives maintains
    makes means occupies occurs offers operates owns plays possesses prefers prevents produces
    promotes provides publishes reaches receives refers regulates remains represents requires
    resides results runs says seeks sells serves shows stands stays suggests supports takes
    teaches tends uses varies wants weighs
"""
_PRESENT = frozenset(_THIRD_PERSON.split())
_LISTED_NO_PAST = """
    hundred kindred naked red sacred seed speed indeed need breed feed bed hatred weed united
    limited so-called unlimited aged
"""
_NO_PAST = frozenset(_LISTED_NO_PAST.split())
_LISTED_PARTICIPLES = """
    been become begun born borne broken brought built bought caught chosen come done drawn
    driven eaten fallen fed felt fought found flown forgotten frozen given gone grown held heard
    hidden hit kept known laid led left lent lost made meant met paid put ridden risen run said
    sung sunk seen sold sent set shot shown shut spent spoken spread stolen stood struck swept
    sworn taught taken thrown told thought understood withdrawn won worn written
"""
_PARTICIPLES = frozenset(_LISTED_PARTICIPLES.split())
# Where dropping -ed needs an e.
_NEEDS_E = re.compile(
    r"(?:[vcuz]|[^s]s|[dr]g|[aeiou]g|(?:ch|r|str|exch)ang|leng|ing|[^aeiourlwn]l|[^o]at|[iu]d|[^eo]ad|[^o]ot|ut|plet|pet"
    r"|[^aeo]ir|[^o]ur|[^e]ar|(?:expl|st|ign|sc)or|[^aeo]ak|ik|[^o]ok|um|[^e]am|ap|yp|(?:h|c)op"
    r"|[^ae]il|[^oe]ul|[^e]al|(?:b|f|l|m|g|tr)in|cit|vit|igh?nit|writ|scrib)$"
)
_NEEDS_NO_E = re.compile(
    r"(?:debut|focus|bias|visit|profit|(?<!c)treat|heat|defeat|repeat|beat|seat)$"
)
_DOUBLED = re.compile(r"([bdgkmnprt])\1$|(?:ntr|p|mp|xc|b)ol{2}$|(?:[pm]|v)el{2}$")


BASES = frozenset(_PAST.values())


def is_participle(word: str) -> bool:
    """Return whether a word may be a past participle: ``built``, ``moved``."""
    return word in _PARTICIPLES or (word.endswith("ed") and word not in _NO_PAST)


def base_of(word: str) -> tuple[str, str] | None:
    """Return the auxiliary that a question needs for a finite verb, and the verb's base form.

    ``sold`` gives did and sell, ``contains`` does and contain; None for what is no such verb, as
    far as the rules know.
    """
    if word in _PAST:
        return "did", _PAST[word]
    if word.endswith("ed") and len(word) > 4 and word.islower() and word not in _NO_PAST:
        return "did", _regular(word)
    if word in _PRESENT:
        if word.endswith("ies") and len(word) > 4:
            return "does", f"{word[:-3]}y"
        return "does", word[: -2 if word.endswith(("ches", "shes", "sses", "goes")) else -1]
    return None


def _regular(past: str) -> str:
    stem = past[:-2]
    if stem.endswith("i"):
        return f"{stem[:-1]}y"
    if stem.endswith("e"):
        return stem if stem.endswith("ee") else f"{stem}e"
    if _DOUBLED.search(stem) and stem not in ("add", "err"):
        return stem[:-1]
    if _NEEDS_E.search(stem) and not _NEEDS_NO_E.search(stem):
        return f"{stem}e"
    return stem
