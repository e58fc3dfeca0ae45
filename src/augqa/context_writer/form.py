"""The text form that a context writer is trained on and asked in, with its hash.

Example::

    Style: encyclopedic
    Question: When was the bridge built?
    Answer: 1650
    Passage: The bridge was built in 1650. It stands on 23 arches.
"""

import hashlib

_ASK = "Style: {style}\nQuestion: {question}\nAnswer: {answer}\nPassage:"


def ask(*, question: str, answer: str, style: str) -> str:
    """Return what asks for a context in which `question` is answered by `answer`."""
    values = {"style": style, "question": question, "answer": answer}
    return _ASK.format(**{name: " ".join(text.split()) for name, text in values.items()})


def target(context: str) -> str:
    """Return what the model is to write behind it: the context as one paragraph."""
    return " " + " ".join(context.split())


def form_sha256() -> str:
    """Return the hash of the form."""
    return hashlib.sha256(_ASK.encode("utf-8")).hexdigest()
