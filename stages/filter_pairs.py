"""Keep the pairs that pass every filter; name the reason for each other one."""

from augqa.errors import DataError
from augqa.filters import advice, counts, decide
from augqa.metrics import write_metrics
from augqa.overlap import NgramIndex
from augqa.params import load_params
from augqa.records import QAExample, Rejection, RoundTripAnswer
from augqa.stage import Input, Output, run
from augqa.tables import read_table, write_table


def filter_pairs(
    pairs: Input,
    round_trip_answers: Input,
    test: Input,
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
        **own.model_dump(exclude={"test_overlap_words"}),
    )
    n_rejected = counts(rejections)
    write_table(rejected, rejections, Rejection)
    write_metrics(metrics, {"n_kept": len(keep), "n_rejected": n_rejected})
    if not keep:
        raise DataError(
            f"{pairs}: none of the {len(made)} pairs is left. {rejected} has a row for each:\n"
            f"{advice(n_rejected)}"
        )
    write_table(kept, keep, QAExample)
    reasons = ", ".join(f"{n} {reason}" for reason, n in n_rejected.items()) or "none"
    return f"kept {len(keep)} of {len(made)} pairs; rejected: {reasons}"


if __name__ == "__main__":
    run(filter_pairs)
