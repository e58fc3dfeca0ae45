"""Read the raw files into tables; choose the pool, the seed questions and the reserve."""

from augqa.drift import profile as profile_of
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.preparing import part, read_raw, write_test_sets
from augqa.records import QAExample, Rejection
from augqa.stage import Input, Output, run
from augqa.tables import write_table


def prepare(
    raw: Input,
    pool: Output,
    seed_questions: Output,
    reserve: Output,
    test: Output,
    clusters: Output,
    dropped: Output,
    profile: Output,
    metrics: Output,
) -> str:
    """Write pool, profile, seed questions, reserve, test sets and what was dropped."""
    params = load_params()
    sets = read_raw(raw, repair=params.data.repair, unanswerable=params.data.unanswerable)
    write_test_sets(sets, test=test, clusters=clusters)
    parts = part(sets.train, sets.test, train_file=sets.train_file, **dict(params.prepare))
    write_table(pool, parts.pool, QAExample)
    write_metrics(profile, profile_of(parts.pool))
    write_table(seed_questions, parts.seed_questions, QAExample)
    write_table(reserve, parts.reserve, QAExample)
    write_table(dropped, parts.dropped, Rejection)
    write_metrics(metrics, parts.as_metrics(sets))
    return parts.closing(sets)


if __name__ == "__main__":
    run(prepare)
