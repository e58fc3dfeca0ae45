"""Choose examples of each origin for a training set. Pure: examples in, examples out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from augqa import ids
from augqa.errors import BlendError
from augqa.records import GeneratedContext, QAExample, Rejection, context_id
from augqa.sampling import shuffled
from augqa.spans import locate_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """A training set and what did not go into it.

    Attributes:
        examples: The training set, in an order that depends on the seed and the ids alone.
        dropped: One row for each candidate that is not in it, with the reason.
    """

    examples: tuple[QAExample, ...]
    dropped: tuple[Rejection, ...] = ()

    @property
    def counts(self) -> dict[str, Any]:
        """How many examples there are, how many of them real, and what was dropped by reason."""
        n_real = sum(row.origin == "real" and row.context_origin == "real" for row in self.examples)
        return {
            "n_examples": len(self.examples),
            "n_real": n_real,
            "n_generated": len(self.examples) - n_real,
            "n_dropped": dict(Counter(row.reason for row in self.dropped)),
        }


def sized(
    candidates: Sequence[QAExample],
    *,
    recipe: str,
    what: str,
    n_examples: int | None,
    seed: int,
    remedy: str = "",
) -> Blend:
    """Choose `n_examples` of the candidates (all for None), by seeded order.

    Args:
        candidates: What to choose from.
        recipe: Name of the recipe, for the message.
        what: What the candidates are, for the message: ``generated``.
        n_examples: How many; 0 chooses none.
        seed: Seed of the order.
        remedy: What to change where there are too few, for the message.

    Raises:
        BlendError: If there is none, or fewer than asked for.
    """
    if n_examples == 0:
        return Blend(examples=(), dropped=_not_chosen(shuffled(candidates, seed=seed), "none"))
    if not candidates:
        raise BlendError(
            f"recipe {recipe}: there is no {what} example.{remedy} See metrics/filter_pairs.json"
            " for what the filters dropped."
        )
    if n_examples is not None and n_examples > len(candidates):
        raise BlendError(
            f"recipe {recipe}: {n_examples} {what} examples asked for, but there are only"
            f" {len(candidates)}. Lower blend.{recipe} in params.yaml, raise"
            f" prepare.n_seed_questions or prepare.n_pool, or loosen filter_pairs.{remedy}"
        )
    ordered = shuffled(candidates, seed=seed)
    if n_examples is None:
        return Blend(examples=tuple(ordered))
    return Blend(
        examples=tuple(ordered[:n_examples]),
        dropped=_not_chosen(ordered[n_examples:], f"blend of {n_examples}"),
    )


def joined(parts: Iterable[Blend], *, seed: int) -> Blend:
    """Put parts together, in seeded order."""
    parts = list(parts)
    examples = shuffled((e for part in parts for e in part.examples), seed=seed)
    return Blend(examples=tuple(examples), dropped=tuple(d for part in parts for d in part.dropped))


def context_only(
    contexts: Iterable[GeneratedContext], seed_questions: Iterable[QAExample]
) -> tuple[list[QAExample], list[Rejection]]:
    """Put each seed question and its answer on the context generated for it.

    Only where the answer stands in the context as whole words; of several occurrences the one
    most related to the question is taken.

    Returns:
        The examples, and a rejection for each context that failed or lacks the answer.
    """
    by_id = {question.id: question for question in seed_questions}
    examples, rejections = [], []
    for context in contexts:
        if context.failure is not None:
            rejections.append(Rejection(id=context.id, reason=context.failure))
            continue
        if context.origin == "real":
            rejections.append(Rejection(id=context.id, reason="written_for_no_seed_question"))
            continue
        seed_question = by_id[context.source_id]
        answer = seed_question.answers[0].text
        found = locate_answer(context.text, answer, question=seed_question.question)
        if found is None:
            rejections.append(
                Rejection(id=context.id, reason="answer_not_in_context", detail=answer)
            )
            continue
        examples.append(
            QAExample(
                id=ids.seed_on_context(context.id),
                context_id=context_id(context.text),
                context=context.text,
                question=seed_question.question,
                answers=(found,),
                origin="real",
                context_origin="generated",
                model=context.model,
                prompt_sha256=context.prompt_sha256,
            )
        )
    return examples, rejections


def _not_chosen(examples: Iterable[QAExample], detail: str) -> tuple[Rejection, ...]:
    return tuple(Rejection(id=e.id, reason="not_chosen", detail=detail) for e in examples)
