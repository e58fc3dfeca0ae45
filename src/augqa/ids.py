"""The grammar of ids: how each is made from the one it goes back to, and read back.

    question   any text that is not blank, as its source gave it; it may hold slashes
    context    <question>/c<n>     the n-th context written for a seed question
               <question>/r        the real context of a seed question
    pair       <context>/p<n>      the n-th draft on a context, whether it became a pair or not
    refusal    <context>/x<n>      the n-th thing that a question generator itself refused
    request    <context>/w<n>      for pairs on the n-th window of a context
               <context>/a<n>      for the question to the n-th answer of a context
    example    <context>/seed      a seed question on a context written for it
               <example>/copy<n>   the n-th copy of an example

An id nests by its end, so that it is read from there: whatever a question's id looks like, what was
added to it is found. Ids are for records and requests; none ever becomes a path.
"""

import re
from typing import Literal

_CONTEXT = re.compile(r"(?P<question>.+)/(?:c(?P<number>[0-9]+)|r)", re.DOTALL)
_ON_CONTEXT = re.compile(r"(?P<context>.+)/(?:(?P<kind>[pxwa])[0-9]+|seed)", re.DOTALL)
_COPY = re.compile(r"/copy[0-9]+\Z")

Ask = Literal["window", "answer"]


def generated_context(question_id: str, number: int) -> str:
    """Return the id of the context written for a seed question as its `number`-th, from 1."""
    return f"{question_id}/c{number}"


def real_context(question_id: str) -> str:
    """Return the id of the real context of a seed question."""
    return f"{question_id}/r"


def pair(context_id: str, number: int) -> str:
    """Return the id of the `number`-th draft on a context, from 0."""
    return f"{context_id}/p{number}"


def refusal(context_id: str, number: int) -> str:
    """Return the id of the `number`-th refusal on a context, from 0."""
    return f"{context_id}/x{number}"


def ask(context_id: str, number: int, *, kind: Ask) -> str:
    """Return the id of a request on the `number`-th window or answer of a context, from 0."""
    return f"{context_id}/{'w' if kind == 'window' else 'a'}{number}"


def seed_on_context(context_id: str) -> str:
    """Return the id of a seed question on a context that was written for it."""
    return f"{context_id}/seed"


def copy(example_id: str, number: int) -> str:
    """Return the id of the `number`-th copy of an example, from 1."""
    return f"{example_id}/copy{number}"


def original(id_: str) -> str:
    """Return the id of what an example is a copy of; its own where it is none."""
    return _COPY.sub("", id_)


def context_of(id_: str) -> str | None:
    """Return the id of the context that a pair, refusal, request or example is on.

    Example: ``a/b/c1`` for ``a/b/c1/p0``. None where it is no such id.
    """
    match = _ON_CONTEXT.fullmatch(id_)
    return match["context"] if match and _CONTEXT.fullmatch(match["context"]) else None


def seed_of(id_: str) -> str | None:
    """Return the id of the seed question that a context, or what is on one, goes back to.

    Example: ``a/b`` for ``a/b/c1/p0`` and for ``a/b/r``. None where it is no such id.
    """
    match = _CONTEXT.fullmatch(context_of(id_) or id_)
    return match["question"] if match else None


def is_generated_context_of(id_: str, question_id: str) -> bool:
    """Return whether an id is that of a context written for a seed question."""
    match = _CONTEXT.fullmatch(id_)
    return match is not None and match["number"] is not None and match["question"] == question_id
