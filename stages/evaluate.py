"""Measure a trained reader on every test set that there is."""

from augqa import tracking
from augqa.errors import DataError
from augqa.measuring import measure_set, scored_as_english
from augqa.metrics import read_metrics, write_metrics
from augqa.params import load_params
from augqa.reader import Reader
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
    reader = Reader.load(
        model, engine=own.engine, **params.reader.model_dump(exclude={"checkpoint"})
    )
    sets, foreign = {}, {}
    for table in sorted(test.glob("*.parquet")):
        found = measure_set(
            reader,
            table,
            clusters=clusters / table.name,
            golds=test / "golds" / table.name,
            cache=project_root() / ".cache" / "features",
            **own.model_dump(exclude={"engine"}),
        )
        write_table(predictions / table.name, found.predictions, Prediction)
        write_table(predictions / "scores" / table.name, found.scores, QuestionScore)
        sets[table.stem] = found.means
        foreign[table.stem] = found.n_not_english
    if not sets:
        raise DataError(f"{test}: holds no test set. Run `dvc repro prepare`.")

    known = read_metrics(test / "sets.json")
    run_key = read_metrics(model / "training.json")["run_key"]
    write_metrics(
        metrics,
        {
            "regime": regime,
            "seed": seed,
            "run_key": run_key,
            "sets": sets,
            "not_available": known["not_available"],
            "n_unanswerable": known["n_unanswerable"],
            "n_not_english": {name: n for name, n in foreign.items() if n},
        },
    )
    tracking.log_evaluation(
        run_key=run_key,
        regime=regime,
        seed=seed,
        scores=sets,
        model=model,
        test=test,
    )
    shown = ", ".join(
        f"{name} {numbers['f1']:.1f} ({numbers['n_questions']} questions on"
        f" {numbers['n_articles']} articles)"
        for name, numbers in sets.items()
    )
    asked = {name: numbers["n_questions"] for name, numbers in sets.items()}
    return f"{regime}, seed {seed}: F1 {shown}{scored_as_english(foreign, asked)}"


if __name__ == "__main__":
    run(evaluate)
