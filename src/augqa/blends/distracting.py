"""Distractor passages: other contexts before and after an example's own.

A context that was written for one question is short and about nothing else, so that a reader need
not compare question and text to find the answer. Beside other passages it must, as in the
distractor setting of HotpotQA (Yang et al. 2018, arXiv:1809.09600).
"""

import dataclasses
import random
from collections.abc import Sequence

from augqa import ids
from augqa.records import QAExample, Rejection, context_id
from augqa.sampling import rank

Distracted = tuple[list[QAExample], list[Rejection]]

_BETWEEN = "\n"
_N_DRAWS = 200  # after which an example is given up, whose answer stands nearly everywhere


def with_distractors(examples: Sequence[QAExample], *, n: int, seed: int) -> Distracted:
    """Put each context among `n` others, at a place that is drawn.

    The others are contexts of other examples, not written for the same seed question, that do not
    hold the answer. An example keeps its id, and its draw is its own: what other examples there
    are says which contexts there are to draw from, and nothing else.

    Args:
        examples: The examples, each with one answer.
        n: Distractors of each; 0 leaves the examples as they are.
        seed: That of the blend.

    Returns:
        The examples, and a rejection for each that has too few others to stand among.
    """
    if n == 0:
        return list(examples), []
    # By their hash, so that the order of a table does not matter.
    others = [example for _, example in sorted({e.context_id: e for e in examples}.items())]
    made, rejections = [], []
    for example in examples:
        draw = random.Random(rank(f"distractors:{example.id}", seed=seed))
        chosen = _chosen(example, others, n, draw)
        if len(chosen) < n:
            detail = f"{len(chosen)} of {n} contexts without {example.answers[0].text!r}"
            rejections.append(Rejection(id=example.id, reason="too_few_distractors", detail=detail))
        else:
            made.append(_among(example, chosen, at=draw.randrange(n + 1)))
    return made, rejections


def _chosen(
    example: QAExample, others: Sequence[QAExample], n: int, draw: random.Random
) -> list[str]:
    """Return up to `n` contexts that an example may stand among."""
    answer, own = example.answers[0].text.casefold(), ids.seed_of(example.id)
    chosen: list[str] = []
    for place in draw.sample(range(len(others)), min(len(others), _N_DRAWS)):
        other = others[place]
        is_own = other.context_id == example.context_id or (
            own is not None and ids.seed_of(other.id) == own
        )
        if not is_own and answer not in other.context.casefold():
            chosen.append(other.context)
            if len(chosen) == n:
                break
    return chosen


def _among(example: QAExample, others: Sequence[str], *, at: int) -> QAExample:
    before = "".join(text + _BETWEEN for text in others[:at])
    text = before + _BETWEEN.join([example.context, *others[at:]])
    return dataclasses.replace(
        example,
        context=text,
        context_id=context_id(text),
        answers=tuple(
            dataclasses.replace(answer, start=answer.start + len(before))
            for answer in example.answers
        ),
        method=None if example.method is None else f"{example.method}+distractors",
    )
