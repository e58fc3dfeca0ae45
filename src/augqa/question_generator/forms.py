"""The text forms that models are trained on and asked in, each with its hash.

Two are those of public sequence-to-sequence checkpoints, as defined by lm-question-generation
(Ushio et al. 2022, arXiv:2210.03992):

- ``answer_aware``: ``generate question: Ada <hl> Lovelace <hl> wrote it.`` gives a question.
- ``end_to_end``: ``generate question and answer: ...`` gives ``question: ..., answer: ... | ...``.

The third is that of the causal models trained here. What the questions on one context share comes
first, so that it is computed once for all of them::

    Passage: The bridge was built in 1650. It stands on 23 arches.

    Sentence: It stands on 23 arches.
    Answer: 23
    Question: How many arches does the bridge stand on?
"""

import hashlib
from typing import Literal

from augqa.sentences import Span

Form = Literal["answer_aware", "end_to_end"]

HIGHLIGHT = "<hl>"
PREFIXES: dict[Form, str] = {
    "answer_aware": "generate question: ",
    "end_to_end": "generate question and answer: ",
}
_HEAD = "Passage: {context}\n\n"
_CUE = "Sentence: {sentence}\nAnswer: {answer}\nQuestion:"


def marked(text: str, answer: Span, window: Span) -> str:
    """Return a window of `text` with the answer between two highlights."""
    (start, end), (first, past) = answer, window
    return f"{text[first:start]}{HIGHLIGHT} {text[start:end]} {HIGHLIGHT}{text[end:past]}"


def head(context: str) -> str:
    """Return what the questions on a context have in common."""
    return _HEAD.format(context=context)


def cue(text: str, answer: Span, sentence: Span) -> str:
    """Return what asks for one question: the answer and its sentence."""
    return _CUE.format(sentence=text[slice(*sentence)], answer=text[slice(*answer)])


def target(question: str) -> str:
    """Return what a causal model is to write behind the cue."""
    return " " + " ".join(question.split())


def causal_sha256() -> str:
    """Return the hash of the form of causal models."""
    return _sha256(_HEAD + _CUE)


def seq2seq_sha256(form: Form, prefix: str) -> str:
    """Return the hash of a form of sequence-to-sequence models, with its prefix."""
    if form == "end_to_end":
        return _sha256(f"{prefix}{{context}}")
    return _sha256(f"{prefix}{{before}}{HIGHLIGHT} {{answer}} {HIGHLIGHT}{{after}}")


def _sha256(template: str) -> str:
    return hashlib.sha256(template.encode("utf-8")).hexdigest()
