"""Keep the pairs that pass every filter; name the reason for each other one.

`target_kept` asks for a number of pairs. Too few stop the stage with the number of seeds needed,
and `python -m augqa grow` then raises `prepare.n_seeds` and runs the stages again. The alternative,
one stage that generates, reads and filters until it has enough, would undo what the split is for:
the gates between the steps, a threshold that re-runs no model, and a change of one step that leaves
the steps before it alone. What seeds there are stands in params.yaml this way, so that the same
params give the same pairs. Seeds nest and responses are cached: a round pays for new seeds alone.
"""

from augqa.errors import DataError
from augqa.filters import advice, counts, decide, n_seeds_needed, over_target
from augqa.metrics import read_metrics, write_metrics
from augqa.overlap import NgramIndex
from augqa.params import load_params
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.stage import Input, Output, run
from augqa.tables import read_table, write_table


def filter_pairs(
    pairs: Input,
    round_trip_answers: Input,
    test: Input,
    seeds: Input,
    prepare: Input,
    kept: Output,
    rejected: Output,
    metrics: Output,
) -> str:
    """Write what is kept and what is not; no model is called."""
    own = load_params().filter_pairs
    made = read_table(pairs, QAExample)
    answers = {row.id: row for row in read_table(round_trip_answers, RoundTripAnswer)}
    unread = [pair.id for pair in made if pair.id not in answers]
    if unread:
        raise DataError(
            f"{round_trip_answers}: no answer to {len(unread)} of {len(made)} pairs of {pairs},"
            f" the first one {unread[0]}. Run `dvc repro answer_round_trip`."
        )
    sets = [read_table(path, QAExample) for path in sorted(test.glob("*.parquet"))]
    if not sets:
        raise DataError(f"{test}: no test set to hold the pairs against. Run `dvc repro prepare`.")
    n_words = own.test_overlap_words
    keep, rejections = decide(
        made,
        answers,
        test_contexts=NgramIndex({e.context for rows in sets for e in rows}, n_words=n_words),
        test_questions=NgramIndex((e.question for rows in sets for e in rows), n_words=n_words),
        **own.model_dump(exclude={"test_overlap_words", "target_kept"}),
    )
    seed_ids = [seed.id for seed in read_table(seeds, QAExample)]
    beyond = over_target(keep, seed_ids, target_kept=own.target_kept)
    rejections += beyond
    cut = {row.id for row in beyond}
    keep = [pair for pair in keep if pair.id not in cut]
    n_rejected = counts(rejections)
    write_table(rejected, rejections, Rejection)
    counted = {"n_kept": len(keep), "n_rejected": n_rejected}
    needed = None
    if own.target_kept is not None:
        needed = n_seeds_needed(
            n_kept=len(keep),
            target_kept=own.target_kept,
            n_seeds=len(seed_ids),
            n_pool=read_metrics(prepare)["n_pool"],
        )
        counted["target_kept"] = own.target_kept
        if needed is not None:
            counted["n_seeds_needed"] = needed
    write_metrics(metrics, counted)
    if not keep:
        raise DataError(
            f"{pairs}: none of the {len(made)} pairs is left. {rejected} has a row for each:\n"
            f"{advice(n_rejected)}"
        )
    if needed is not None:
        raise DataError(
            f"{pairs}: {len(keep)} pairs are kept, {len(keep) / len(seed_ids):.2f} a seed, but"
            f" filter_pairs.target_kept asks for {own.target_kept}: that takes about {needed} seeds"
            f" instead of {len(seed_ids)}. `make grow` raises prepare.n_seeds in params.yaml until"
            " there are enough; or do so yourself, or set target_kept to null. No response that"
            " is in the cache is paid for again."
        )
    write_table(kept, keep, QAExample)
    reasons = ", ".join(f"{n} {reason}" for reason, n in n_rejected.items()) or "none"
    short = (own.target_kept or 0) - len(keep)
    ran_out = f"; the seeds ran out {short} short of target_kept" if short > 0 else ""
    return f"kept {len(keep)} of {len(made)} pairs; rejected: {reasons}{ran_out}"


if __name__ == "__main__":
    run(filter_pairs)
