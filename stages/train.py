"""Fine-tune the reader on one regime's training set with one seed."""

import shutil

from augqa import tracking
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.reader import MadeFrom, leads, save_trained, train_reader
from augqa.records import QAExample
from augqa.stage import Input, Name, Output, Seed, project_root, run
from augqa.tables import read_table


def train(
    regime: Name, seed: Seed, blend: Input, pool: Input, model: Output, metrics: Output
) -> str:
    """Write the reader with training.json, which tells what it was made from, and the losses."""
    params = load_params()
    settings = {**dict(params.reader), **dict(params.train)}
    examples = read_table(blend, QAExample)
    made_from = MadeFrom(regime=regime, seed=seed, blend=blend, settings=settings)
    cache = project_root() / ".cache"
    resume = cache / "train" / made_from.run_key
    # Of the pool: held out of the training set, generated text would tell when to stop.
    real = read_table(pool, QAExample) if params.train.held_out_fraction else None
    how = {**settings, "seed": seed, "pool": real, "cache": cache / "features", "resume": resume}

    if not leads():
        train_reader(examples, **how)
        return f"{regime}, seed {seed}: helped to train; the first process writes"
    with tracking.training_run(
        run_key=made_from.run_key,
        regime=regime,
        seed=seed,
        params=settings,
        blend=blend,
        n_examples=len(examples),
        n_generated=sum((e.origin, e.context_origin) != ("real", "real") for e in examples),
    ) as tracked:
        reader, report = train_reader(examples, on_epoch=tracked.log_epoch, **how)

    numbers = save_trained(reader, report, model, examples=examples, made_from=made_from)
    write_metrics(metrics, numbers)
    shutil.rmtree(resume, ignore_errors=True)
    return f"{regime}, seed {seed}: {report.closing}"


if __name__ == "__main__":
    run(train)
