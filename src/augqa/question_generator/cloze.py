"""Questions by rules: a statement with its answer blanked out, turned into a wh-question.

Source: cloze translation, Lewis et al. 2019 (arXiv:1906.04980); the rules here are our own and
simpler. They know English and no grammar, so many a question is clumsy. No model is needed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from augqa.candidates import Candidate, Chooser, answer_candidates, by_rules
from augqa.metrics import Usage
from augqa.question_generator.entries import Given
from augqa.question_generator.names import is_people, is_person, is_thing
from augqa.question_generator.proposals import Draft, Passage, Proposal, Refusal
from augqa.question_generator.verbs import BASES, base_of, is_participle
from augqa.sentences import FUNCTION_WORDS, Span, sentence_spans

_AUXILIARY_VERBS = """
    is are was were has have had can could will would should must may might does do did
"""
_AUXILIARIES = frozenset(_AUXILIARY_VERBS.split())
# Where one of these stands between, subject and auxiliary may belong to different clauses.
_LISTED_PARTS_CLAUSES = (
    "but that because which who whom whose when where if while although though as than"
)
_PARTS_CLAUSES = frozenset(_LISTED_PARTS_CLAUSES.split())
_FINITE = _AUXILIARIES - {"do"}
_COPULAS = frozenset(["is", "are", "was", "were"])
_HAVE = {"has": "does", "have": "do", "had": "did"}
# Verbs that are hardly ever anything else, participle or noun.
_SURE_VERBS = frozenset(
    ["began", "became", "came", "gave", "grew", "knew", "took", "went", "wrote"]
)
_LISTED_POINTING = """
    he she it they we i you this these those such there his her hers their its our my your him
    them us me one another other others former latter both same who that here then
    however therefore thus
"""
_POINTING = frozenset(_LISTED_POINTING.split())
_DETERMINERS = frozenset(["a", "an", "the", "all", "most", "many", "some", "several", "every"])
_LISTED_PREPOSITIONS = """
    about above across after against along among and around as at before behind below between by
    despite during except for from in into like near of off on or over since through throughout
    to toward under unlike until upon via with within without according prior due following
    based including because once upon given unless
"""
_PREPOSITIONS = frozenset(_LISTED_PREPOSITIONS.split())
_BEFORE_NO_VERB = _PREPOSITIONS | {
    *(
        "a",
        "an",
        "the",
        "his",
        "her",
        "its",
        "their",
        "be",
        "been",
        "being",
        "most",
        "more",
        "very",
    ),
    *("newly", "highly", "also-called", "so-called", "to", "recently", "well", "all", "its", "two"),
}
_MAX_SUBJECT_WORDS = 9
_LEAST_TELLING_WORDS = 3  # of a phrase that is a subject, its article among them
_MAX_QUESTION_WORDS = 18  # nine of ten human questions of SQuAD are no longer
# The answer shares its place with what goes on behind it, or is but a part of a longer name.
_SHARES_PLACE = re.compile(
    r"^(?:,\s(?:the\s)?[A-Z][^,]*,|,?\s?(?:and|or)\b|,\s[^,]+,?\s(?:and|or)\b|['’]s\b|of\b|[-–/(]|to\s[\d$€£])",
    re.I,
)
_PART = re.compile(r"(?:\b(?:and|or|between|not|von|van|de|di)|[-–/(])$", re.I)
_RELATIVE_TAIL = re.compile(
    r"(?:,\s.*|(?:^|\s)(?:which|who|whom|whose|that|where|while|but|although|because|and|when)\s.*)$"
)
# Red, green and blue: cut at a comma, or before its last part, the rest would be untrue.
_LIST_TAIL = re.compile(r",\s(?:[^,]+,\s)*[^,]{1,40},?\s(?:and|or)\s|^[^,]*\sand\s")
_ADVERBIAL = re.compile(
    r"^(?P<adverbial>(?:in|on|at|by|during|after|before|since|until|from|under|throughout|for)\s"
    r"[^,]{2,40}),\s",
    re.I,
)
_ASIDE = re.compile(r"(?:,\s[^,]+,|\s\([^()]*\))(?:\s|$)")
# Quotes without their other half, empty brackets, notes, two sentences, an article at the end.
_BROKEN = re.compile(
    r"^[^\"]*\"[^\"]*$|^[^“]*”|“[^”]*$|\(\W*\w*\s\)|[\[\]]|[a-z]\.\s?[A-Z]|\b(?:an?|the|and|or)$"
)
_ADVERBS = frozenset(
    ["also", "often", "still", "then", "just", "only", "about", "around", "nearly"]
)
_CLAUSE_END = re.compile(r"[;:—]\s|,\s(?=(?:and|but|while|so|although|because|until|where)\b)")
_RELATIVE = re.compile(r"^(?:which|who|whom|whose|that|where|when|until|because|while|so)\b", re.I)
_LEADING = re.compile(r"^(?:and|but|so|then|while|although|because|however,?)\s+", re.I)
_TIME_WORD = re.compile(r"(?:^|\s)(?:in|on|at|by|of|during|since|around|about|the)$", re.I)
_TIME_BOUND = re.compile(r"(?:^|\s)(?:until|before|after|from|to|by|throughout)(?:\sthe)?$", re.I)
_WITHIN = re.compile(r"\b(?:in|along|throughout|within|on|at)$")
_PLACE_WORD = re.compile(r"(?:^|\s)(?:in|at)$", re.I)
_BARE_ARTICLE = re.compile(r"(?:^|\s)(?:the|an?)$", re.I)
_PERSON_AFTER = re.compile(
    r"^(?:,\s)?(?:who|was\sborn|wrote|said|married|died|became|painted|invented|composed)\b"
)
_PERSON_BEFORE = re.compile(
    r"(?:[a-z]+ed|written|composed|led|built|made)\sby$"
    r"|\b(?:Mr|Mrs|Ms|Dr|Sir|King|Queen|engineer|painter|writer|author|composer|poet|architect)\.?$"
)
_LISTED_NEEDS_NO_OBJECT = """
    appeared arrived began closed collapsed continued died emerged ended fell failed graduated
    grew happened landed lived married moved occurred opened peaked retired returned rose
    settled started stopped surrendered worked resigned resumed debuted came went lies lives
    begins ends stands
"""
_NEEDS_NO_OBJECT = frozenset(_LISTED_NEEDS_NO_OBJECT.split())
_COUNTED = re.compile(r"^((?:[a-z-]+\s)?[a-z-]{2,}s)\b(?!')")
_NO_NOUNS = frozenset(["this", "which", "is", "was", "has", "does", "of", "as", "its", "his"])
_UNIT_OF = re.compile(
    r"^[\d,.]+[\s-]?(?:(?:hundred|thousand|million|billion|trillion)\s)?([a-z].*)$|^\w+\s(?!hundred|thousand|million|billion)([a-z].*)$"
)
_MONEY = re.compile(r"[$€£¥]|\b(?:dollars?|euros?|bucks|cents?)\b", re.I)
_DURATION = re.compile(r"\b(?:second|minute|hour|day|week|month|year|decade|centurie)s?\b", re.I)
_MIN_CLAUSE_WORDS = 4


def load(_: None, given: Given) -> "ClozeGenerator":
    """Return the generator; it has no settings of its own."""
    return ClozeGenerator(n_pairs=given.n_pairs, choose=given.choose)


class ClozeGenerator:
    """Drafts pairs without a language model: questions by cloze translation."""

    def __init__(self, *, n_pairs: int, choose: Chooser = by_rules) -> None:
        """Draft at most `n_pairs` pairs a passage, of the answers that are chosen."""
        self._n_pairs = n_pairs
        self._choose = choose
        self.usage = Usage()

    def propose(self, passages: Iterable[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order."""
        for passage in passages:
            chosen = self._choose(passage.text, n=self._n_pairs)
            drafts, refusals = [], []
            for candidate in chosen:
                question = cloze_question(passage.text, candidate)
                if question is None:
                    refusals.append(Refusal(reason="no_cloze", detail=candidate.text))
                else:
                    drafts.append(
                        Draft(question=question, answer=candidate.text, start=candidate.start)
                    )
            if not chosen:
                refusals.append(Refusal(reason="no_answer_candidate", detail=passage.text[:80]))
            yield Proposal(passage=passage, drafts=tuple(drafts), refusals=tuple(refusals))


def cloze_question(context: str, candidate: Candidate) -> str | None:
    """Return a question that the clause around `candidate` answers, or None.

    Two forms. The answer is the subject: ``Who wrote Frankenstein?`` Or the question word goes to
    the front and the verb before its subject, with a form of ``do`` where it has no auxiliary:
    ``When was the bridge built?``, ``What did the company sell in 1901?``. A clause whose subject
    and verb the rules do not find, or whose subject points at another sentence (``it``, ``this
    town``), gives none.
    """
    start, end = _clause(context, candidate)
    before = " ".join(context[start : candidate.start].split())
    after = " ".join(context[candidate.end : end].split()).rstrip(" .!?,;:\"'”’)")
    before = _LEADING.sub("", before)
    if before.endswith(('"', "“", "«")):
        before, after = before[:-1].rstrip(), after.lstrip('"”» ')
    if not (before + after).strip(" ,") or _SHARES_PLACE.match(after) or _PART.search(before):
        return None
    is_gloss = candidate.kind == "title" and candidate.text[:1].islower()
    if is_gloss or _points_away(candidate.text.split()[:1]):
        return None

    word = _question_word(candidate, before, after)
    if word is None:
        return None
    asked, before, after = word
    if before and not _BARE_ARTICLE.fullmatch(before) and not before.endswith(","):
        body = _asked_behind(asked, _lowered(before, context, start), after)
    elif asked in ("when", "where"):
        # What stood before the comma was the answer with its preposition.
        body = _asked_behind(asked, _lowered(after.lstrip(", "), context, start), "")
    else:
        # The effort, the state: nobody could tell which.
        is_bare = candidate.kind == "phrase" and len(candidate.text.split()) < _LEAST_TELLING_WORDS
        is_subject = not before.strip(" ,") and not is_bare
        body = _asked_as_subject(asked, after) if is_subject else None
    if body is None:
        return None
    question = re.sub(r"\s+([,;:.])", r"\1", " ".join(body.split())).strip(" ,;:.(")
    if len(question.split()) > _MAX_QUESTION_WORDS or _BROKEN.search(question):
        return None
    if question.count("(") != question.count(")"):
        return None
    return question[:1].upper() + question[1:] + "?"


def _asked_as_subject(asked: str, after: str) -> str | None:
    """Return a question whose subject is asked for: the verb must follow it at once."""
    if _LIST_TAIL.search(after):
        return None
    after = _RELATIVE_TAIL.sub("", after)
    verb, _, rest = after.partition(" ")
    # Four towns lie on it: a plain form, of which the base forms of known verbs are a few.
    is_verb = verb in _FINITE or base_of(verb) or (asked.startswith("how many") and verb in BASES)
    n_telling = sum(word[:1].isalpha() for word in rest.split(" "))
    if n_telling < _LEAST_TELLING_WORDS - 1 or not is_verb or _points_away(rest.split(" ")):
        return None
    # Who and what ask for one, whatever the answer is.
    singular = {"were": "was", "are": "is", "have": "has"}.get(verb, verb)
    return f"{asked} {verb if asked.startswith('how many') else singular} {rest}"


def _asked_behind(asked: str, before: str, after: str) -> str | None:
    """Return a question with its verb in front of the subject; None where no one verb fits.

    Args:
        asked: The question word.
        before: Subject, verb and what stands between them and the answer.
        after: What goes on behind the answer.
    """
    if _LIST_TAIL.search(after):
        return None
    after = _RELATIVE_TAIL.sub("", after)
    following = after.split(" ")[0]
    if following and following not in _PREPOSITIONS and not following.endswith("ly"):
        return None  # the answer is but the beginning of what stands in its place
    begins = _ADVERBIAL.match(before)
    adverbial = ""
    if begins is not None:
        # In 1901 the town bought ...: what did the town buy in 1901?
        adverbial, before = begins["adverbial"], before[begins.end() :]
    before = _ASIDE.sub(" ", before)
    words = before.split(" ")
    found = _verb_of(words)
    if found is None:
        return None
    place, auxiliary, verb = found
    subject, rest = words[:place], words[place + 1 :]
    if not _is_subject(subject) or _parts_clauses(rest) or _points_away([*rest[:3]]):
        return None
    if any(word in _FINITE or word in _SURE_VERBS or word == "be" for word in rest[1:]):
        return None
    # What X is in the world: a definition is asked for whole, or not at all.
    if auxiliary in _COPULAS and not rest and after:
        return None
    # The law adopted in 1901 adopted nothing.
    if asked in ("when", "where") and verb and not rest and words[place] not in _NEEDS_NO_OBJECT:
        return None
    while rest and rest[-1] in _ADVERBS:
        rest.pop()
    parts = (asked, auxiliary, *subject, verb, *rest, after, adverbial)
    return " ".join(part for part in parts if part)


def _verb_of(words: Sequence[str]) -> tuple[int, str, str] | None:
    """Return the place of the first finite verb, what goes to the front, and what stays there."""
    for place, word in enumerate(words):
        if place == 0:
            continue
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in _AUXILIARIES:
            has_verb = is_participle(following) or following in ("not", "also", "been")
            if word in _HAVE and not has_verb:
                return place, _HAVE[word], "have"  # a verb of its own: the bridge has 23 arches
            if word in ("do", "does", "did") and not following:
                return None
            # Each can will light: the first is a noun.
            return None if following in _FINITE else (place, word, "")
        found = base_of(word)
        if found is not None and words[place - 1].casefold() not in _BEFORE_NO_VERB:
            return place, *found
    return None


def _is_subject(words: Sequence[str]) -> bool:
    """Return whether words may be a subject that is understood without its sentence."""
    if not words or len(words) > _MAX_SUBJECT_WORDS or _points_away(words) or _parts_clauses(words):
        return False
    if any(word in _FINITE or word in ("–", "—", "-") for word in words):
        return False
    first, last = words[0], words[-1]
    if first.casefold() in _PREPOSITIONS or last.casefold() in _PREPOSITIONS | _DETERMINERS:
        return False
    is_noun_phrase = first in _DETERMINERS or not first.islower() or last.endswith("s")
    return is_noun_phrase and not any(is_participle(word) for word in words[-1:])


def _points_away(words: Sequence[str]) -> bool:
    """Return whether words point at something that a question cannot show: it, this town."""
    return any(_stem(word) in _POINTING for word in words)


def _parts_clauses(words: Sequence[str]) -> bool:
    return any(word in _PARTS_CLAUSES or word.endswith((",", ":")) for word in words)


def _stem(word: str) -> str:
    return re.split("['’]", word, maxsplit=1)[0].casefold().strip(",.")


def _clause(context: str, candidate: Candidate) -> Span:
    """Return the clause of the candidate's sentence that holds it."""
    start, end = next(
        ((s, e) for s, e in sentence_spans(context) if s <= candidate.start and candidate.end <= e),
        (0, len(context)),
    )
    cuts = [
        match.span()
        for match in _CLAUSE_END.finditer(context, start, end)
        if not match.start() < candidate.end <= match.end()
    ]
    later = min((first for first, _ in cuts if first >= candidate.end), default=end)
    earlier = max((past for _, past in cuts if past <= candidate.start), default=start)
    clause = context[earlier:later]
    # A clause without its own subject, or hardly one, needs what stands before it.
    if _RELATIVE.match(_LEADING.sub("", clause)) or len(clause.split()) < _MIN_CLAUSE_WORDS:
        earlier = start
    return earlier, later


def _question_word(candidate: Candidate, before: str, after: str) -> tuple[str, str, str] | None:
    """Return what to ask with, and the clause's two parts without what it stands for; or None."""
    if candidate.kind == "date":
        if _TIME_BOUND.search(before):
            return None  # neither when nor until when asks for it in plain words
        while _TIME_WORD.search(before):
            before = _TIME_WORD.sub("", before)
        return "when", before, after
    if candidate.kind == "number":
        counted = _COUNTED.match(after)
        if _MONEY.search(candidate.text):
            return "how much money", before, after
        if _DURATION.search(candidate.text):
            return "how long", re.sub(r"\s?\bfor$", "", before), after
        if candidate.text.rstrip()[-1] == "%" or candidate.text.endswith(("percent", "per cent")):
            return "what percentage", before, after
        unit = _UNIT_OF.match(candidate.text)
        if unit is not None:
            return f"how many {unit[1] or unit[2]}", before, after
        if counted is not None and _NO_NOUNS.isdisjoint(counted[1].split()):
            return f"how many {counted[1]}", before, after[counted.end() :].strip()
        return "which number", before, after
    before = _BARE_ARTICLE.sub("", before) if candidate.kind == "name" else before
    if candidate.kind == "name":
        if before == "" and is_people(candidate.text):
            return "who", before, after
        names_thing = is_thing(candidate.text)
        shown = _PERSON_BEFORE.search(before) or _PERSON_AFTER.match(after)
        if is_person(candidate.text) or (shown and not names_thing):
            return "who", before, after
        if _PLACE_WORD.search(before):
            return "where", _PLACE_WORD.sub("", before), after
        may_be_person = not before or before.endswith(("by", "with", "and", "for"))
        if may_be_person and not names_thing:
            return None  # who or what: nothing tells
    is_phrase = candidate.kind == "phrase"
    if is_phrase and (after.startswith(("that ", "to ")) or _WITHIN.search(before)):
        return None  # the fact that ...; in the world, which nobody asks for by what
    return "what", before, after


def _lowered(before: str, context: str, start: int) -> str:
    """Lower the first letter where it is large only because a sentence begins there."""
    first = before.split(" ", 1)[0]
    small = first[:1].lower() + first[1:]
    is_name = any(c.start <= start < c.end and c.kind == "name" for c in answer_candidates(context))
    if is_name or first[1:] != first[1:].lower():
        return before
    # A word that is nowhere else, such as Forbes, may be a name.
    is_plain = _stem(first) in FUNCTION_WORDS or f" {small} " in context
    return small + before[len(first) :] if is_plain else before
