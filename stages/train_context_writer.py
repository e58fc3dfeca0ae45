"""Fine-tune a context writer on the pool of real examples."""

import logging
import shutil

from augqa.context_writer.training import train_context_writer as train
from augqa.finetuning.language_model import FineTuning
from augqa.lineage import md5, run_key
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import QAExample
from augqa.stage import Input, Output, project_root, run
from augqa.tables import read_table

log = logging.getLogger("augqa")


def train_context_writer(pool: Input, model: Output, metrics: Output) -> str:
    """Write the context writer, training.json, which tells its origin, and the losses."""
    settings = load_params().train_context_writer.model_dump()
    pool_md5 = md5(pool)
    key = run_key(pool=pool_md5, context_writer=settings)
    resume = project_root() / ".cache" / "train" / key
    how, others = FineTuning.parted(settings)
    made, report = train(
        read_table(pool, QAExample),
        how=how,
        on_part=lambda part, loss: log.info("train_context_writer: %d0 %%, %.3f", part, loss),
        resume=resume,
        **others,
    )

    lineage = {"run_key": key, "pool_md5": pool_md5, "left_out": report.reasons}
    made.save(model)
    write_metrics(model / "training.json", {**report.numbers, **lineage})
    write_metrics(metrics, report.numbers)
    shutil.rmtree(resume, ignore_errors=True)
    return report.closing


if __name__ == "__main__":
    run(train_context_writer)
