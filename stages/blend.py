"""Make the training set of one regime."""

from collections import Counter
from pathlib import Path

from augqa.blending import Blend, augment, context_only, mix, sized
from augqa.errors import BlendError
from augqa.grading import consistent, shuffled_answers, truncated_contexts
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import GeneratedContext, QAExample, Rejection, RoundTripAnswer
from augqa.stage import Input, Name, OptionalInput, Output, run
from augqa.tables import read_table, write_table


def blend(
    regime: Name,
    pool: Input,
    blend: Output,
    dropped: Output,
    metrics: Output,
    kept: OptionalInput = None,
    seeds: OptionalInput = None,
    contexts: OptionalInput = None,
    round_trip_answers: OptionalInput = None,
) -> str:
    """Choose the regime's examples; write them, what was left out, and the counts."""
    params = load_params().blend
    section = getattr(params, regime)
    real = read_table(pool, QAExample)

    def pairs(*, context_origin: str) -> list[QAExample]:
        rows = read_table(_needed(kept, "kept", regime), QAExample)
        return [row for row in rows if row.context_origin == context_origin]

    failed: list[Rejection] = []
    made: Blend
    match regime:
        case "real":
            made = sized(real, regime=regime, kind="real", seed=params.seed, **dict(section))
        case "generated":
            candidates = pairs(context_origin="generated")
            made = sized(
                candidates, regime=regime, kind="generated", seed=params.seed, **dict(section)
            )
        case "question_only":
            candidates = pairs(context_origin="real")
            made = sized(
                candidates, regime=regime, kind="question-only", seed=params.seed, **dict(section)
            )
        case "context_only":
            candidates, failed = context_only(
                read_table(_needed(contexts, "contexts", regime), GeneratedContext),
                read_table(_needed(seeds, "seeds", regime), QAExample),
            )
            made = sized(
                candidates, regime=regime, kind="context-only", seed=params.seed, **dict(section)
            )
        case "mix":
            made = mix(real, pairs(context_origin="generated"), seed=params.seed, **dict(section))
        case "mix_consistent" | "mix_shuffled" | "mix_truncated":
            dial = dict(section)
            size = {key: dial.pop(key) for key in ("n_examples", "generated_fraction")}
            candidates = pairs(context_origin="generated")
            if regime == "mix_consistent":
                table = _needed(round_trip_answers, "round-trip-answers", regime)
                answers = {row.id: row for row in read_table(table, RoundTripAnswer)}
                candidates, failed = consistent(candidates, answers, **dial)
            elif regime == "mix_shuffled":
                candidates, failed = shuffled_answers(candidates, seed=params.seed, **dial)
            else:
                candidates = truncated_contexts(candidates, **dial)
            made = mix(real, candidates, regime=regime, seed=params.seed, **size)
        case "augment" | "augment_half":
            made = augment(
                real,
                pairs(context_origin="generated"),
                regime=regime,
                seed=params.seed,
                **dict(section),
            )
        case _:
            raise BlendError(f"{regime!r} is not a regime")

    drop = [*failed, *made.dropped]
    write_table(blend, made.examples, QAExample)
    write_table(dropped, drop, Rejection)
    n_real = sum(row.origin == "real" and row.context_origin == "real" for row in made.examples)
    write_metrics(
        metrics,
        {
            "regime": regime,
            "n_examples": len(made.examples),
            "n_real": n_real,
            "n_generated": len(made.examples) - n_real,
            "n_dropped": Counter(row.reason for row in drop),
        },
    )
    return f"{regime}: {len(made.examples)} examples, {len(made.examples) - n_real} generated"


def _needed(path: Path | None, option: str, regime: str) -> Path:
    if path is None:
        raise BlendError(f"regime {regime} needs --{option}")
    return path


if __name__ == "__main__":
    run(blend)
