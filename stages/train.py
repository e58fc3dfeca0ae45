"""Fine-tune the reader on one regime's training set with one seed."""

import shutil
from typing import Any

from augqa import tracking
from augqa.files import write_whole
from augqa.lineage import md5, run_key
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.reader import leads, model_card, train_reader
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

    numbers = {"regime": regime, "seed": seed, **report.numbers}
    lineage = {
        "run_key": key,
        "blend": f"{regime}/{blend.name}",
        "blend_md5": blend_md5,
        "cut_off": list(report.cut_off),
        "held_out": list(report.held_out),
    }
    reader.save(model)
    write_metrics(model / "training.json", {**numbers, **lineage})
    card = model_card(
        examples,
        regime=regime,
        seed=seed,
        blend_md5=blend_md5,
        run_key=key,
        report=report,
        settings=settings,
    )
    write_whole(model / "README.md", card)
    write_metrics(metrics, numbers)
    shutil.rmtree(folders["resume"], ignore_errors=True)
    return (
        f"{regime}, seed {seed}: {report.n_examples} examples, {len(report.cut_off)} cut off,"
        f" loss {report.loss_per_epoch[0]:.2f} to {report.loss_per_epoch[-1]:.2f}"
    )


if __name__ == "__main__":
    run(train)
