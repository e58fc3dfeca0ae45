"""What a model says about the text that it was asked for: introductions, headings, counts, offers.

Every function takes time in proportion to its text, whatever stands in it: the text comes from
outside. Patterns never hold two neighbouring parts that could share characters.
"""

import re

_OPENERS = (
    r"(?:sure thing|sure|certainly|of course|absolutely|definitely|okay|ok|great|happy to help"
    r"|no problem|got it|alright|gladly)"
)
_SURE = rf"(?:{_OPENERS}(?:[!,.:]|\s?[—–-](?=\s))\s)?"
_HERE_IS = r"here(?:['’]s| is| are)|below (?:is|are)"
_HERE = rf"(?:{_HERE_IS}|this is|the following (?:is|are))"
_THING = (
    r"(?:paragraph|passage|text|context|article|review|post|entry|answer|response|summary|version"
    r"|questions?|pairs?|excerpt|piece|report|story|comment|reply|rewrite|draft)"
)
_INTRODUCTION = re.compile(
    rf"{_SURE}(?:{_HERE}\s[^.:!?\n]{{0,80}}\b{_THING}\b[^.:!?\n]{{0,160}}:)[*_]*\s*",
    re.IGNORECASE,
)
# A line of its own may quote the question it introduces: 'Here is a passage that answers "Who?":'
_INTRODUCING_LINE = re.compile(
    rf"{_SURE}{_HERE}\s[^\n]{{0,80}}\b{_THING}\b[^\n]{{0,300}}:[*_]*", re.IGNORECASE
)
# 'Here is the rewritten passage.' with an empty line behind it: a text may begin in that way, too.
_INTRODUCING_SENTENCE = re.compile(
    rf"{_SURE}(?:{_HERE_IS})"
    rf"\s(?:a|an|the|your|my|one)\s[^.:!?\n]{{0,60}}\b{_THING}\b[^.:!?\n]{{0,80}}[.!]",
    re.IGNORECASE,
)
_HERE_YOU_GO = re.compile(rf"{_SURE}here (?:you go|you are|it is)\s?[:!.]\s*", re.IGNORECASE)
_EXCLAMATION = re.compile(rf"{_OPENERS}(?:!|[,.](?=\s+{_HERE}))\s+", re.IGNORECASE)
_TALK = (_INTRODUCTION, _HERE_YOU_GO, _EXCLAMATION)
_OPENER = re.compile(rf"{_OPENERS}[!.]?", re.IGNORECASE)
# The same in other languages, as a line of its own that ends with a colon.
_FOREIGN = re.compile(
    r"¡?(?:(?:natürlich|gerne?|klar|sicher|bien sûr|d['’]accord|avec plaisir|claro|por supuesto"
    r"|certo|certamente|com certeza|конечно|当然|好的|當然|はい|もちろん|물론입니다|물론이죠|네)"
    r"[!,.:。，！、]?\s?)?"
    r"(?:hier (?:ist|sind|kommt)|voici|voilà|aquí (?:está|tienes|tiene|va)|ecco|aqui está|segue"
    r"|вот|以下是|这是|這是|下面是|以下は|以下が|다음은)[^\n]{0,60}?"
    r"(?:absatz|text|abschnitt|passage|artikel|beitrag|bewertung|rezension|fassung|paragraphe|texte"
    r"|article|avis|critique|párrafo|texto|pasaje|artículo|reseña|paragrafo|testo|brano|articolo"
    r"|recensione|parágrafo|trecho|artigo|resenha|段落|文章|文本|短文|一段|абзац|текст|отрывок|стать"
    r"|단락|글|문단)[^\n]{0,100}[:：]",
    re.IGNORECASE,
)
# What a whole answer may be put into.
_FENCED = re.compile(r"(`{3,}|~{3,})[\w-]{0,20}\n(?P<text>.*)\n\1", re.DOTALL)
_TAGGED = re.compile(
    r"<(passage|context|paragraph|text|article|review|post|answer|output|response|rewrite)>"
    r"(?P<text>.*)</\1>",
    re.DOTALL | re.IGNORECASE,
)
_QUOTES = ('""', "“”", "«»", "„“", "「」", "『』")
_MOST_WRAPPINGS = 4
_COUNT = re.compile(
    r"[(\[*_]{0,3}(?:total )?(?:word|character)s? ?count:? ?(?:approx(?:imately|\.)? )?~?\d{1,6}"
    r"(?: words?)?[)\]*_.]{0,4}|[(\[](?:note: ?)?~?\d{1,6} words[)\]]\.?",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"(?:(?:please )?let me know if you|i hope this (?:helps|is what|paragraph|passage|text)"
    r"|(?:please )?feel free to (?:ask|let me|reach out)|would you like me to"
    r"|if you(?:['’]d| would) like (?:me to|any|more|another|further))\b[^\n]{0,200}",
    re.IGNORECASE,
)
# The last paragraph, about the text itself: "Note: This passage is fictional."
_NOTE = re.compile(
    r"[(\[*_]{0,3}(?:please note|note|disclaimer|n\.?b\.?)[*_]{0,3}(?:[:,]| that\b)[*_]{0,3}"
    r"(?=[^\n]{0,200}?\b(?:this|the|above|i|my|your)\b)"
    r"[^\n]{0,200}?\b(?:passage|paragraph|context|fiction(?:al)?|fictitious|word count|words"
    r"|request|prompt|generated|ai)\b[^\n]{0,300}",
    re.IGNORECASE,
)
_HEADING = re.compile(r"#{1,6} \S[^\n]*|(?P<mark>\*\*|__)[^*_\n]{1,120}(?P=mark):?")
_TITLE = re.compile(r"(?:\*\*)?(?:title|headline):[^\n]{1,120}", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:#{1,6} |\*\*)?(?:(?:rewritten |revised |new )?(?:passage|context|paragraph|article|review)"
    r"|assistant|output|response):(?:\*\*)? ?",
    re.IGNORECASE,
)
_STARS = re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]{1,400})(?<=[^\s*])\1(?![\w*])")
_UNDERSCORES = re.compile(r"(?<!\w)(_{1,2})(?=[^\s_])([^_\n]{1,400})(?<=[^\s_])\1(?!\w)")


def without_emphasis(text: str) -> str:
    """Return `text` without Markdown's stars and underscores around words; "2 * 3" stays."""
    if "*" in text:
        text = _STARS.sub(r"\2", text)
    if "_" in text:
        text = _UNDERSCORES.sub(r"\2", text)
    return text


def without_chatter(text: str) -> str:
    """Return `text` without what a model says about it: introduction, heading, word count, offer.

    Only whole lines, or the opening of the first one, are taken for talk, and fences, tags and
    quotes around the whole; "Sure-footed goats climb" and "Here is the church" stay.
    """
    lines = _unwrapped(text).splitlines()
    # Behind the last line with a text: that one is the text, whatever it looks like.
    last = max((n + 1 for n, line in enumerate(lines) if line.strip()), default=0)
    first, lead = _beginning(lines, last)
    last = _end(lines, first, last)
    if first == last:
        return ""
    body = [lead, *lines[first + 1 : last]]
    body = [line for line in body if not _is_heading(line)] if len(body) > 1 else body
    return without_emphasis(_without_count(_unwrapped("\n".join(body))))


def _beginning(lines: list[str], last: int) -> tuple[int, str]:
    """Return the number of the line that the text begins in, and what of it is text."""
    for n in range(last):
        line = lines[n].strip()
        rest = _without_introduction(line)
        followed = n + 1 < last
        if followed and _FOREIGN.fullmatch(rest):
            continue
        if followed and not lines[n + 1].strip() and _INTRODUCING_SENTENCE.fullmatch(rest):
            continue
        if rest and not (followed and (_HEADING.fullmatch(rest) or _TITLE.fullmatch(rest))):
            return n, rest
    return last, ""


def _end(lines: list[str], first: int, last: int) -> int:
    """Return the number behind the last line of the text."""
    while last > first + 1:
        line = lines[last - 1].strip()
        apart = not lines[last - 2].strip()
        talk = _COUNT.fullmatch(line) or _OFFERS.fullmatch(line) or line == "---"
        if line and not talk and not (apart and _NOTE.fullmatch(line)):
            break
        last -= 1
    return last


def _unwrapped(text: str) -> str:
    """Return `text` without fences, tags and quotes that stand around the whole of it."""
    for _ in range(_MOST_WRAPPINGS):
        plain = text.strip()
        if match := _FENCED.fullmatch(plain) or _TAGGED.fullmatch(plain):
            text = match["text"]
        elif len(plain) > 2 and plain[0] + plain[-1] in _QUOTES and not _is_quoted(plain[1:-1]):
            text = plain[1:-1]
        else:
            break
    return text


def _is_quoted(inside: str) -> bool:
    """Whether there are quotes inside: the outer two may then belong to different ones."""
    return any(mark in inside for pair in _QUOTES for mark in pair)


def _is_heading(line: str) -> bool:
    return bool(_HEADING.fullmatch(line.strip()))


def _without_introduction(line: str) -> str:
    # "Sure! Of course! Here is a text: ..."; without a bound each cut would copy the whole line.
    for _ in range(3):
        if match := next((m for p in _TALK if (m := p.match(line))), None):
            line = line[match.end() :]
    if _INTRODUCING_LINE.fullmatch(line) or _OPENER.fullmatch(line):
        return ""
    if match := _LABEL.match(line):
        return line[match.end() :]
    return line


def _without_count(text: str) -> str:
    """Cut a word count off the end of the last line."""
    stripped = text.rstrip()
    start = max(0, len(stripped) - 60)
    for match in _COUNT.finditer(stripped, start):
        if match.end() == len(stripped) and match[0][0] in "([*_":
            return stripped[: match.start()].rstrip()
    return text
