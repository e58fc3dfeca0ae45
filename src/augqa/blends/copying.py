"""Copies of real examples: the same again, or with an edited question."""

import dataclasses
import re
from collections.abc import Sequence

from augqa import ids
from augqa.records import QAExample
from augqa.sampling import rank, shuffled

_WORD = re.compile(r"\w+")


def copies(examples: Sequence[QAExample], *, n: int, seed: int) -> list[QAExample]:
    """Repeat examples in turn, in seeded order, until there are `n` copies.

    A copy has an id of its own, ``<id>/copy1``, and is the example in all else.
    """
    ordered = shuffled(examples, seed=seed)
    return [
        dataclasses.replace(
            ordered[number % len(ordered)],
            id=ids.copy(ordered[number % len(ordered)].id, number // len(ordered) + 1),
        )
        for number in range(n if ordered else 0)
    ]


def original_id(id_: str) -> str:
    """Return the id of what an example is a copy of; its own where it is none."""
    return ids.original(id_)


def edited(example: QAExample, *, seed: int) -> QAExample:
    """Edit the question by rule, as a writer in a hurry would: nothing new is said.

    By a seeded choice it loses its question mark and capital letter, a short word, or has two
    neighbouring letters of its longest word changed over. The id chooses, so that two copies of
    one example are edited differently.
    """
    question = example.question
    way = int(rank(example.id, seed=seed)[:8], 16) % 3
    if way == 0:
        text = question.rstrip(" ?")
        text = text[:1].lower() + text[1:]
    elif way == 1:
        # The first word is most often the question word: it stays.
        short = [m for m in _WORD.finditer(question) if len(m.group()) <= 3 and m.start() > 0]
        chosen = short[len(short) // 2] if short else None
        text = question
        if chosen is not None:
            text = (question[: chosen.start()] + question[chosen.end() :]).replace("  ", " ")
    else:
        longest = max(_WORD.finditer(question), key=lambda m: len(m.group()), default=None)
        text = question
        if longest is not None and len(longest.group()) > 3:
            at = longest.start() + len(longest.group()) // 2
            text = question[: at - 1] + question[at] + question[at - 1] + question[at + 1 :]
    return dataclasses.replace(example, question=text if text.strip() else question)
