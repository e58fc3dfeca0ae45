"""Make the training sets of the regimes. Pure: examples in, examples out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from augqa import ids
from augqa.errors import BlendError
from augqa.records import GeneratedContext, QAExample, Rejection, context_id
from augqa.sampling import shuffled
from augqa.spans import whole_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """A training set and what did not go into it.

    Attributes:
        examples: The training set, in an order that depends on the seed and the ids alone.
        dropped: One row for each candidate that is not in it, with the reason.
    """

    examples: tuple[QAExample, ...]
    dropped: tuple[Rejection, ...]


def context_only(
    contexts: Iterable[GeneratedContext], seeds: Iterable[QAExample]
) -> tuple[list[QAExample], list[Rejection]]:
    """Put each seed's own question and answer on the context generated for it.

    Only where the answer occurs in the context as whole words, character for character or but for
    case; of several places the first is taken, since nothing tells which the question means.

    Returns:
        The examples, and a rejection for each context that failed or lacks the answer.
    """
    by_id = {seed.id: seed for seed in seeds}
    examples, rejections = [], []
    for context in contexts:
        seed = by_id[context.source_id]
        if context.failure is not None:
            rejections.append(Rejection(id=context.id, reason=context.failure))
            continue
        answer = seed.answers[0]
        start = _occurrence(context.text, answer.text)
        if start is None:
            rejections.append(
                Rejection(id=context.id, reason="answer_not_in_context", detail=answer.text)
            )
            continue
        found = context.text[start : start + len(answer.text)]
        examples.append(
            QAExample(
                id=ids.seed_on_context(context.id),
                context_id=context_id(context.text),
                context=context.text,
                question=seed.question,
                answers=(type(answer)(text=found, start=start),),
                origin="real",
                context_origin="generated",
                model=context.model,
                prompt_sha256=context.prompt_sha256,
            )
        )
    return examples, rejections


def sized(
    candidates: Sequence[QAExample], *, regime: str, kind: str, n_examples: int | None, seed: int
) -> Blend:
    """Choose `n_examples` of the candidates (all for None), by seeded order.

    Args:
        kind: What the candidates are, for the message.

    Raises:
        BlendError: If there is none, or fewer than asked for.
    """
    if not candidates:
        raise BlendError(
            f"regime {regime}: there is no {kind} example. See metrics/filter_pairs.json for what"
            " the filters dropped; regime question_only needs generate_pairs.real_contexts: true."
        )
    if n_examples is not None and n_examples > len(candidates):
        raise BlendError(
            f"regime {regime}: {n_examples} {kind} examples asked for, but there are only"
            f" {len(candidates)}. Lower blend.{regime} in params.yaml, raise prepare.n_seeds or"
            " prepare.n_pool, or loosen filter_pairs."
        )
    ordered = shuffled(candidates, seed=seed)
    return Blend(
        examples=tuple(ordered[:n_examples]),
        dropped=tuple(
            Rejection(id=example.id, reason="not_chosen", detail=f"blend of {n_examples}")
            for example in (ordered[n_examples:] if n_examples is not None else [])
        ),
    )


def mix(
    real: Sequence[QAExample],
    generated: Sequence[QAExample],
    *,
    n_examples: int,
    generated_fraction: float,
    seed: int,
    regime: str = "mix",
) -> Blend:
    """Choose `n_examples`, ``round(n_examples * generated_fraction)`` of them generated.

    The size does not change with the ratio, so that size does not confound it.

    Raises:
        BlendError: If there are fewer real or generated examples than that.
    """
    n_generated = round(n_examples * generated_fraction)
    parts = []
    for kind, candidates, n in (
        ("generated", generated, n_generated),
        ("real", real, n_examples - n_generated),
    ):
        if n > 0:
            parts.append(sized(candidates, regime=regime, kind=kind, n_examples=n, seed=seed))
        else:
            parts.append(
                Blend(
                    examples=(),
                    dropped=tuple(
                        Rejection(
                            id=c.id, reason="not_chosen", detail=f"no {kind} example asked for"
                        )
                        for c in shuffled(candidates, seed=seed)
                    ),
                )
            )
    return _joined(parts, seed=seed)


def augment(
    real: Sequence[QAExample],
    generated: Sequence[QAExample],
    *,
    regime: str,
    generated_per_real: float | None,
    seed: int,
) -> Blend:
    """Take all real examples and ``round(generated_per_real * n_real)`` generated ones.

    For None, regime `augment` takes every generated example, `augment_half` every other one:
    half of what `augment` takes, and a subset of it.

    Raises:
        BlendError: If there are fewer generated examples than that.
    """
    everything = sized(real, regime=regime, kind="real", n_examples=None, seed=seed)
    if generated_per_real is not None:
        n_generated = round(generated_per_real * len(real))
    elif regime == "augment_half":
        n_generated = max(1, len(generated) // 2)
    else:
        n_generated = len(generated)
    chosen = sized(generated, regime=regime, kind="generated", n_examples=n_generated, seed=seed)
    return _joined([everything, chosen], seed=seed)


def _joined(parts: Sequence[Blend], *, seed: int) -> Blend:
    examples = shuffled((e for part in parts for e in part.examples), seed=seed)
    return Blend(examples=tuple(examples), dropped=tuple(d for part in parts for d in part.dropped))


def _occurrence(context: str, answer: str) -> int | None:
    found = whole_words(context, answer) or whole_words(context, answer, ignore_case=True)
    return found[0][0] if found else None
