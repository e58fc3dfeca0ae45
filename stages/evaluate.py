"""Measure a trained reader on every test set that there is."""

from augqa import tracking
from augqa.executor.opening import open_executor
from augqa.measuring import closing, measure_sets
from augqa.metrics import read_metrics, write_metrics
from augqa.params import load_params
from augqa.reader import Reader
from augqa.reader.int8 import use_own_instructions
from augqa.records import Prediction, QuestionScore
from augqa.stage import Input, Name, Output, Seed, project_root, run
from augqa.tables import write_table


def evaluate(
    regime: Name,
    seed: Seed,
    model: Input,
    test: Input,
    clusters: Input,
    predictions: Output,
    metrics: Output,
) -> str:
    """Write the reader's predictions, the scores of each question, and their means by set."""
    params = load_params()
    own = params.evaluate
    if own.engine == "int8":
        use_own_instructions()
    reader = Reader.load(
        model, engine=own.engine, **params.reader.model_dump(exclude={"checkpoint"})
    )
    cache = project_root() / ".cache" / "features"
    how = {"cache": cache, **own.model_dump(exclude={"engine"})}
    with open_executor(params.executor) as executor:
        found = measure_sets(reader, test, clusters=clusters, executor=executor, **how)
    for name, one in found.items():
        write_table(predictions / f"{name}.parquet", one.predictions, Prediction)
        write_table(predictions / "scores" / f"{name}.parquet", one.scores, QuestionScore)
    known = read_metrics(test / "sets.json")
    run_key = read_metrics(model / "training.json")["run_key"]
    sets = {name: one.means for name, one in found.items()}
    numbers = {
        "regime": regime,
        "seed": seed,
        "run_key": run_key,
        "sets": sets,
        "not_available": known["not_available"],
        "n_unanswerable": known["n_unanswerable"],
        "n_not_english": {n: one.n_not_english for n, one in found.items() if one.n_not_english},
    }
    write_metrics(metrics, numbers)
    tracking.log_evaluation(
        run_key=run_key, regime=regime, seed=seed, scores=sets, model=model, test=test
    )
    return f"{regime}, seed {seed}: {closing(found)}"


if __name__ == "__main__":
    run(evaluate)
