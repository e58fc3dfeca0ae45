"""Fine-tune the reader on one regime's training set with one seed."""

import shutil
from typing import Any

from augqa import tracking
from augqa.lineage import md5, run_key
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.reader import leads, save_trained, train_reader
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
    blend_md5 = md5(blend)
    key = run_key(blend=blend_md5, params=settings, seed=seed, regime=regime)
    cache = project_root() / ".cache"
    folders: dict[str, Any] = {"cache": cache / "features", "resume": cache / "train" / key}
    if params.train.held_out_fraction:
        # Of the pool: held out of the training set, generated text would tell when to stop.
        folders["pool"] = read_table(pool, QAExample)

    if not leads():
        train_reader(examples, seed=seed, **folders, **settings)
        return f"{regime}, seed {seed}: helped to train; the first process writes"
    with tracking.training_run(
        run_key=key,
        regime=regime,
        seed=seed,
        params=settings,
        blend=blend,
        n_examples=len(examples),
        n_generated=sum((e.origin, e.context_origin) != ("real", "real") for e in examples),
    ) as tracked:
        reader, report = train_reader(
            examples, seed=seed, on_epoch=tracked.log_epoch, **folders, **settings
        )

    made_from: dict[str, Any] = {"examples": examples, "settings": settings}
    made_from |= {"blend": blend, "blend_md5": blend_md5}
    numbers = save_trained(
        reader, report, model, regime=regime, seed=seed, run_key=key, **made_from
    )
    write_metrics(metrics, numbers)
    shutil.rmtree(folders["resume"], ignore_errors=True)
    return f"{regime}, seed {seed}: {report.closing}"


if __name__ == "__main__":
    run(train)
