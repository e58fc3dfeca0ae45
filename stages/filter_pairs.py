"""Keep the pairs that pass every filter; name the reason for each other one.

A number of pairs, `target_kept`, is asked for here and not in one stage that generates, reads and
filters until it has enough: the gates between the steps stay, a threshold re-runs no model, and
`python -m augqa grow`, which adds seed questions, pays for the new ones alone.
"""

from augqa.filters import Surroundings, decide, judge_rows, tally
from augqa.metrics import read_metrics, write_metrics
from augqa.overlap import HeldOutTexts
from augqa.params import load_params
from augqa.records import QAExample, Rejection
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
    around = Surroundings(held_out=held_out, seed_ids=seed_ids)
    judged = judge_rows(pairs, answers=round_trip_answers, settings=settings, surroundings=around)
    judged.refuse_unanswered(pairs, answers=round_trip_answers)
    decision = decide(judged, settings=settings, surroundings=around)
    counted = tally(
        decision,
        judged,
        n_seed_questions=len(seed_ids),
        n_pool=read_metrics(prepare)["n_pool"],
        target_kept=settings["target_kept"],
    )
    write_table(rejected, decision.rejected.values(), Rejection)
    write_metrics(metrics, counted.as_metrics())
    counted.refuse_too_few(pairs=pairs, rejected=rejected)
    copy_rows(pairs, kept, QAExample, keep=decision.keeps)
    return counted.closing()


if __name__ == "__main__":
    run(filter_pairs)
