"""Measure a trained reader on every test set that there is."""

import dataclasses

from augqa import tracking
from augqa.asking import whole_articles
from augqa.errors import DataError
from augqa.metrics import read_metrics, write_metrics
from augqa.params import load_params
from augqa.reader import Reader
from augqa.records import Cluster, GoldTexts, Prediction, QAExample, QuestionScore
from augqa.scoring import mean_score, score_each
from augqa.stage import Input, Name, Output, Seed, project_root, run
from augqa.tables import read_table, write_table


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
    settings = dict(params.evaluate)
    subset = {"n": settings.pop("n_questions"), "seed": settings.pop("seed")}
    reader = Reader.load(
        model,
        engine=settings.pop("engine"),
        **params.reader.model_dump(exclude={"checkpoint"}),
    )

    sets = {}
    for table in sorted(test.glob("*.parquet")):
        name = table.stem
        by_id = {example.id: example for example in read_table(table, QAExample)}
        articles = {c.id: c.article for c in read_table(clusters / f"{name}.parquet", Cluster)}
        chosen = [by_id[id_] for id_ in whole_articles(articles, **subset)]
        answers = reader.answer_all(
            chosen, cache=project_root() / ".cache" / "features", **settings
        )
        # A question that cannot be read has no prediction: it scores 0 and counts.
        predicted = {
            e.id: answer.text for e, answer in zip(chosen, answers, strict=True) if answer.is_answer
        }
        write_table(
            predictions / f"{name}.parquet",
            [Prediction(id=id_, text=text) for id_, text in predicted.items()],
            Prediction,
        )
        further = test / "golds" / f"{name}.parquet"
        texts = (
            {row.id: row.texts for row in read_table(further, GoldTexts)}
            if further.is_file()
            else {}
        )
        golds = {e.id: [*(a.text for a in e.answers), *texts.get(e.id, ())] for e in chosen}
        scores = score_each(golds, predicted)
        write_table(
            predictions / "scores" / f"{name}.parquet",
            [QuestionScore(id=id_, exact_match=em, f1=f1) for id_, (em, f1) in scores.items()],
            QuestionScore,
        )
        n_articles = len({articles[id_] for id_ in scores})
        sets[name] = {**dataclasses.asdict(mean_score(scores)), "n_articles": n_articles}
    if not sets:
        raise DataError(f"{test}: holds no test set. Run `dvc repro prepare`.")

    run_key = read_metrics(model / "training.json")["run_key"]
    write_metrics(
        metrics,
        {
            "regime": regime,
            "seed": seed,
            "run_key": run_key,
            "sets": sets,
            "not_available": read_metrics(test / "sets.json")["not_available"],
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
    return f"{regime}, seed {seed}: F1 {shown}"


if __name__ == "__main__":
    run(evaluate)
