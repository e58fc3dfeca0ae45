"""Fine-tune a question generator of one kind on the pool of real examples."""

import shutil

from augqa import tracking
from augqa.errors import ParamsError
from augqa.finetuning.language_model import FineTuning
from augqa.lineage import md5, run_key
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.question_generator.training import train_question_generator as train
from augqa.records import QAExample
from augqa.stage import Input, Name, Output, project_root, run
from augqa.tables import read_table


def train_question_generator(kind: Name, pool: Input, model: Output, metrics: Output) -> str:
    """Write the question generator, training.json, which tells its origin, and the losses."""
    params = load_params().train_question_generator
    if kind not in ("causal", "seq2seq"):
        raise ParamsError(f"question_generators: {kind!r} is neither causal nor seq2seq")
    settings = params.model_dump(exclude={"causal", "seq2seq"})
    settings |= {"share_contexts": False, **getattr(params, kind).model_dump(), "kind": kind}
    pool_md5 = md5(pool)
    key = run_key(pool=pool_md5, question_generator=settings)
    resume = project_root() / ".cache" / "train" / key
    examples = read_table(pool, QAExample)

    how, others = FineTuning.parted(settings)
    with tracking.training_run(
        run_key=key,
        regime=f"question_generator_{kind}",
        seed=params.seed,
        params=settings,
        blend=pool,
        n_examples=len(examples),
    ) as tracked:
        made, report = train(examples, how=how, on_part=tracked.log_epoch, resume=resume, **others)

    numbers = {"kind": kind, **report.numbers}
    lineage = {"run_key": key, "pool_md5": pool_md5, "left_out": report.reasons}
    made.save(model)
    write_metrics(model / "training.json", {**numbers, **lineage})
    write_metrics(metrics, numbers)
    shutil.rmtree(resume, ignore_errors=True)
    return f"{kind}: {report.closing}"


if __name__ == "__main__":
    run(train_question_generator)
