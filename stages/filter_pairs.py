"""Keep the pairs that pass every filter; name the reason for each other one.

`target_kept` asks for a number of pairs. Too few stop the stage with the number of seed questions
needed, and `python -m augqa grow` then raises `prepare.n_seed_questions` and runs the stages again.
The alternative, one stage that generates, reads and filters until it has enough, would undo what
the split is for: the gates between the steps, a threshold that re-runs no model, and a change of
one step that leaves the steps before it alone. What seed questions there are stands in params.yaml
this way, so that the same params give the same pairs. Seed questions nest and responses are cached:
a round pays for new ones alone.
"""

from augqa.errors import DataError
from augqa.filters import (
    Answered,
    Surroundings,
    advice,
    counts,
    decide,
    in_step,
    n_seed_questions_needed,
)
from augqa.metrics import read_metrics, write_metrics
from augqa.overlap import HeldOutTexts
from augqa.params import load_params
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.sentences import not_english
from augqa.stage import Input, Output, run
from augqa.tables import copy_rows, iterate_table, iterate_tables, write_table


def filter_pairs(
    pairs: Input,
    round_trip_answers: Input,
    test: Input,
    seed_questions: Input,
    prepare: Input,
    kept: Output,
    rejected: Output,
    metrics: Output,
) -> str:
    """Write what is kept and what is not; no model is called."""
    settings = load_params().filter_pairs.model_dump()
    held_out = HeldOutTexts.of(
        iterate_tables(test, QAExample), n_words=settings["test_overlap_words"]
    )
    seed_ids = [seed.id for seed in iterate_table(seed_questions, QAExample)]
    both = in_step(
        iterate_table(pairs, QAExample), iterate_table(round_trip_answers, RoundTripAnswer)
    )
    answered = Answered(both)
    decision = decide(
        answered,
        settings=settings,
        surroundings=Surroundings(held_out=held_out, seed_ids=seed_ids),
    )
    if answered.without:
        raise DataError(
            f"{round_trip_answers}: no answer to {len(answered.without)} of {answered.n_pairs}"
            f" pairs of {pairs}, the first one {answered.without[0]}."
            " Run `dvc repro answer_round_trip`."
        )
    n_kept, target_kept = decision.n_kept, settings["target_kept"]
    n_rejected = counts(decision.rejected.values())
    write_table(rejected, decision.rejected.values(), Rejection)
    counted = {"n_kept": n_kept, "n_rejected": n_rejected, "n_not_english": answered.n_not_english}
    needed = None
    if target_kept is not None:
        needed = n_seed_questions_needed(
            n_kept=n_kept,
            target_kept=target_kept,
            n_seed_questions=len(seed_ids),
            n_pool=read_metrics(prepare)["n_pool"],
        )
        counted["target_kept"] = target_kept
        if needed is not None:
            counted["n_seed_questions_needed"] = needed
    write_metrics(metrics, counted)
    if not n_kept:
        raise DataError(
            f"{pairs}: none of the {decision.n_pairs} pairs is left. {rejected} has a row for"
            f" each:\n{advice(n_rejected)}"
        )
    if needed is not None:
        raise DataError(
            f"{pairs}: {n_kept} pairs are kept, {n_kept / len(seed_ids):.2f} a seed, but"
            f" filter_pairs.target_kept asks for {target_kept}: that takes about {needed} seed"
            f" questions instead of {len(seed_ids)}. `make grow` raises prepare.n_seed_questions in"
            " params.yaml until there are enough; or do so yourself, or set target_kept to null."
            " No response that is in the cache is paid for again."
        )
    copy_rows(pairs, kept, QAExample, keep=decision.keeps)
    reasons = ", ".join(f"{n} {reason}" for reason, n in n_rejected.items()) or "none"
    short = (target_kept or 0) - n_kept
    ran_out = f"; the seed questions ran out {short} short of target_kept" if short > 0 else ""
    foreign = not_english(
        answered.n_not_english, decision.n_pairs, "pairs", "F1 and exact match of an answer"
    )
    return f"kept {n_kept} of {decision.n_pairs} pairs; rejected: {reasons}{ran_out}{foreign}"


if __name__ == "__main__":
    run(filter_pairs)
