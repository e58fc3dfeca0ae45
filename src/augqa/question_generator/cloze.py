"""Questions by rules: a statement with its answer blanked out, turned into a wh-question.

Source: cloze translation, Lewis et al. 2019 (arXiv:1906.04980); the rules here are our own and
simpler. They know English and no grammar, so many a question is clumsy. No model is needed.
"""

import re
from collections.abc import Iterable, Iterator

from augqa.candidates import Candidate, answer_candidates, choose_candidates
from augqa.metrics import Usage
from augqa.question_generator.entries import Given
from augqa.question_generator.proposals import Draft, Passage, Proposal, Refusal
from augqa.sentences import Span, sentence_spans

_AUXILIARY_VERBS = """
    is are was were has have had can could will would should must may might does do did
"""
_AUXILIARIES = frozenset(_AUXILIARY_VERBS.split())
# Where one of these stands between, subject and auxiliary may belong to different clauses.
_PARTS_CLAUSES = frozenset(["and", "but", "or", "that", "because", "which", "who", "when", "if"])
_CLAUSE_END = re.compile(r"[;:—]\s|,\s(?=(?:and|but|while|so|although|because|until|where)\b)")
_RELATIVE = re.compile(r"^(?:which|who|whom|whose|that|where|when|until|because|while|so)\b", re.I)
_LEADING = re.compile(r"^(?:and|but|so|then|while|although|because|however,?)\s+", re.I)
_TIME_WORD = re.compile(r"(?:^|\s)(?:in|on|at|by|of|during|since|around|about|the)$", re.I)
_PLACE_WORD = re.compile(r"(?:^|\s)(?:in|at)$", re.I)
_BARE_ARTICLE = re.compile(r"(?:^|\s)(?:the|an?)$", re.I)
_PERSON_AFTER = re.compile(
    r"^(?:,\s)?(?:who|was\sborn|wrote|said|married|died|became|painted|invented|composed)\b"
)
_PERSON_BEFORE = re.compile(
    r"(?:[a-z]+ed|written|composed|led|built|made)\sby$"
    r"|\b(?:Mr|Mrs|Ms|Dr|Sir|King|Queen|engineer|painter|writer|author|composer|poet|architect)\.?$"
)
_COUNTED = re.compile(r"^((?:[a-z-]+\s)?[a-z-]{2,}s)\b(?!')")
_NO_NOUNS = frozenset(["this", "which", "is", "was", "has", "does", "of", "as", "its", "his"])
_UNIT_OF = re.compile(
    r"^[\d,.]+[\s-]?([a-z].*)$|^\w+\s(?!hundred|thousand|million|billion)([a-z].*)$"
)
_MONEY = re.compile(r"[$€£¥]|\b(?:dollars?|euros?|bucks|cents?)\b", re.I)
_DURATION = re.compile(r"\b(?:second|minute|hour|day|week|month|year|decade|centurie)s?\b", re.I)
_MIN_CLAUSE_WORDS = 4


def load(_: None, given: Given) -> "ClozeGenerator":
    """Return the generator; it has no settings of its own."""
    return ClozeGenerator(n_pairs=given.n_pairs)


class ClozeGenerator:
    """Drafts pairs without a model: answers by rules, questions by cloze translation."""

    def __init__(self, *, n_pairs: int) -> None:
        """Draft at most `n_pairs` pairs a passage."""
        self._n_pairs = n_pairs
        self.usage = Usage()

    def propose(self, passages: Iterable[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order."""
        for passage in passages:
            candidates = answer_candidates(passage.text)
            chosen = choose_candidates(candidates, passage.text, n=self._n_pairs)
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

    Three forms, the first that fits: the answer is the subject (``Who wrote Frankenstein?``); an
    auxiliary before the answer moves to the front with the question word (``When was the bridge
    built?``); else the question word stays in the answer's place (``The company sold what in
    1901?``).
    """
    start, end = _clause(context, candidate)
    before = " ".join(context[start : candidate.start].split())
    after = " ".join(context[candidate.end : end].split()).rstrip(" .!?,;:\"'”’)")
    before = _LEADING.sub("", before)
    if before.endswith(('"', "“", "«")):
        before, after = before[:-1].rstrip(), after.lstrip('"”» ')
    if not (before + after).strip(" ,"):
        return None

    asked, before, after = _question_word(candidate, before, after)
    if before and not _BARE_ARTICLE.fullmatch(before):
        before = _lowered(before, context, start)
        body = _fronted(asked, before, after) or f"{before} {asked} {after}"
    elif asked in ("when", "where"):
        rest = after.lstrip(", ")
        body = _fronted(asked, rest, "") or f"{rest} {asked}"
    else:
        body = f"{asked} {re.sub('^,[^,]*, ', '', after)}"
    question = re.sub(r"\s+([,;:.])", r"\1", " ".join(body.split())).strip(" ,;:.(")
    if question.count('"') % 2:
        question = question.replace('"', "")
    return question[:1].upper() + question[1:] + "?"


def _fronted(asked: str, before: str, after: str) -> str | None:
    """Put question word and auxiliary in front of the subject; None where no one auxiliary fits."""
    words = before.split(" ")
    place = next((i for i, word in enumerate(words) if word in _AUXILIARIES), 0)
    subject, rest = words[:place], words[place + 1 :]
    parts_clauses = any(word in _PARTS_CLAUSES or word.endswith(",") for word in subject + rest)
    if place == 0 or parts_clauses:
        return None
    return " ".join(part for part in (asked, words[place], *subject, *rest, after) if part)


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


def _question_word(candidate: Candidate, before: str, after: str) -> tuple[str, str, str]:
    """Return what to ask with, and the clause's two parts without what it stands for."""
    if candidate.kind == "date":
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
        if _PERSON_BEFORE.search(before) or _PERSON_AFTER.match(after):
            return "who", before, after
        if _PLACE_WORD.search(before):
            return "where", _PLACE_WORD.sub("", before), after
    return "what", before, after


def _lowered(before: str, context: str, start: int) -> str:
    """Lower the first letter where it is large only because a sentence begins there."""
    first = before.split(" ", 1)[0]
    is_name = any(c.start <= start < c.end and c.kind == "name" for c in answer_candidates(context))
    if is_name or first == "I" or first.startswith(("I'", "I’")) or first[1:] != first[1:].lower():
        return before
    return before[:1].lower() + before[1:]
