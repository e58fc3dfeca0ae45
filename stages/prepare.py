"""Read the raw files into tables; choose the pool, the seed questions and the reserve."""

from collections import Counter
from functools import partial

from augqa.drift import profile as profile_of
from augqa.formats import read_examples
from augqa.metrics import read_metrics, write_metrics
from augqa.params import load_params
from augqa.preparing import clusters_of, n_unanswerable, part
from augqa.records import Cluster, GoldTexts, QAExample, Rejection
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
    manifest = read_metrics(raw / "manifest.json")
    files = {name: raw / str(entry["file"]) for name, entry in manifest["sets"].items()}
    missing = manifest["not_available"]
    read_as_asked = partial(
        read_examples, repair=params.data.repair, unanswerable=params.data.unanswerable
    )

    sets = {
        name: read_as_asked(files[name], starts_matter=False)
        for name in manifest["test_sets"]
        if name not in missing
    }
    for name, read in sets.items():
        write_table(test / f"{name}.parquet", read.examples, QAExample)
        write_table(clusters / f"{name}.parquet", clusters_of(read), Cluster)
        if read.texts:
            texts = [GoldTexts(id=id_, texts=found) for id_, found in read.texts.items()]
            write_table(test / "golds" / f"{name}.parquet", texts, GoldTexts)
    # What whoever goes over the sets cannot see in them.
    about = {"not_available": missing, "n_unanswerable": n_unanswerable(sets)}
    write_metrics(test / "sets.json", about)

    train = read_as_asked(files["train"])
    parts = part(train, sets, train_file=files["train"], **dict(params.prepare))
    write_table(pool, parts.pool, QAExample)
    write_metrics(profile, profile_of(parts.pool))
    write_table(seed_questions, parts.seed_questions, QAExample)
    write_table(reserve, parts.reserve, QAExample)
    write_table(dropped, parts.dropped, Rejection)
    everything = {"train": train, **sets}
    repaired = {name: read.repaired for name, read in everything.items() if read.repaired}
    n_questions = {name: len(read.examples) for name, read in sets.items()}
    write_metrics(
        metrics,
        {
            "content": {name: manifest["sets"][name]["content"] for name in everything},
            "commits": {
                name: manifest["sets"][name]["commit"]
                for name in everything
                if "commit" in manifest["sets"][name]
            },
            "n_train": train.n_rows,
            "n_pool": len(parts.pool),
            "n_seed_questions": len(parts.seed_questions),
            "n_reserve": len(parts.reserve),
            "n_dropped": Counter(row.reason for row in parts.dropped),
            "n_unanswerable": n_unanswerable(everything),
            "n_repaired": repaired,
            "test": n_questions,
            "not_available": missing,
        },
    )
    n_repaired = sum(sum(counts.values()) for counts in repaired.values())
    return (
        f"{len(parts.pool)} of {train.n_rows} training examples,"
        f" {len(parts.seed_questions)} seed questions,"
        + (f" {len(parts.reserve)} in reserve," if parts.reserve else "")
        + f" {sum(n_questions.values())} test questions in {len(sets)} sets"
        + (f"; {n_repaired} answers repaired" if n_repaired else "")
    )


if __name__ == "__main__":
    run(prepare)
