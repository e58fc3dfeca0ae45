"""Measure a reader on test sets: predictions, the scores of each question, their means."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.reader import Reader
from augqa.records import Cluster, GoldTexts, Prediction, QAExample, QuestionScore
from augqa.scoring import mean_score, score_each
from augqa.sentences import not_english, reads_as_english
from augqa.tables import read_table
from augqa.whole_articles import whole_articles


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a reader answered on a test set, and how good it was.

    Attributes:
        predictions: Its answers; a question that it cannot read has none.
        scores: Exact match and F1 of each question that was asked, in percent.
        means: Their means, and how many questions and articles there were.
        n_not_english: Questions on contexts that do not read as English.
    """

    predictions: list[Prediction]
    scores: list[QuestionScore]
    means: Mapping[str, Any]
    n_not_english: int


def measure_set(
    reader: Reader,
    table: Path,
    *,
    clusters: Path,
    golds: Path,
    n_questions: int | None,
    seed: int,
    batch_size: int,
    cache: Path | None = None,
    executor: Executor = LOCAL,
) -> Measured:
    """Ask a reader the questions of a test set, by whole articles.

    Args:
        reader: The reader.
        table: The test set.
        clusters: The article of each of its questions.
        golds: Right answers that are no span of their context; the file may be absent.
        n_questions: About how many to ask; None: all.
        seed: Seed of that choice.
        batch_size: Windows that the reader takes at once.
        cache: Where tokens are kept for the next time.
        executor: Who works on the questions.

    Raises:
        DataError: If a table is missing or of another schema.
        ReaderError, ExecutorError: As `Reader.answer_all`.
    """
    by_id = {example.id: example for example in read_table(table, QAExample)}
    articles = {row.id: row.article for row in read_table(clusters, Cluster)}
    chosen = [by_id[id_] for id_ in whole_articles(articles, n=n_questions, seed=seed)]
    answers = reader.answer_all(chosen, cache=cache, batch_size=batch_size, executor=executor)
    # A question that cannot be read has no prediction: it scores 0 and counts.
    predicted = {
        e.id: answer.text for e, answer in zip(chosen, answers, strict=True) if answer.is_answer
    }
    texts = {r.id: r.texts for r in read_table(golds, GoldTexts)} if golds.is_file() else {}
    right = {e.id: [*(a.text for a in e.answers), *texts.get(e.id, ())] for e in chosen}
    scores = score_each(right, predicted)
    n_articles = len({articles[id_] for id_ in scores})
    return Measured(
        predictions=[Prediction(id=id_, text=text) for id_, text in predicted.items()],
        scores=[QuestionScore(id=id_, exact_match=em, f1=f1) for id_, (em, f1) in scores.items()],
        n_not_english=_n_not_english(chosen),
        means={**dataclasses.asdict(mean_score(scores)), "n_articles": n_articles},
    )


def measure_sets(
    reader: Reader, test: Path, *, clusters: Path, cache: Path, **asked: Any
) -> dict[str, Measured]:
    """Ask a reader the questions of every test set; return what came of each, by name.

    Args:
        reader: The reader.
        test: Folder of the test sets, with ``golds`` in it.
        clusters: Folder of the articles, a table a set.
        cache: Where tokens are kept for the next time.
        asked: `n_questions`, `seed`, `batch_size` and `executor` of `measure_set`.

    Raises:
        DataError: If there is no test set, or a table is missing or of another schema.
    """
    found = {
        table.stem: measure_set(
            reader,
            table,
            clusters=clusters / table.name,
            golds=test / "golds" / table.name,
            cache=cache,
            **asked,
        )
        for table in sorted(test.glob("*.parquet"))
    }
    if not found:
        raise DataError(f"{test}: holds no test set. Run `augqa run prepare`.")
    return found


def closing(found: Mapping[str, Measured]) -> str:
    """Return the F1 of each set in one line, and which sets the scores are not made for."""
    shown = ", ".join(
        f"{name} {one.means['f1']:.1f} ({one.means['n_questions']} questions on"
        f" {one.means['n_articles']} articles)"
        for name, one in found.items()
    )
    foreign = {name: one.n_not_english for name, one in found.items()}
    n_questions = {name: one.means["n_questions"] for name, one in found.items()}
    return f"F1 {shown}{scored_as_english(foreign, n_questions)}"


def scored_as_english(n_not_english: Mapping[str, int], n_questions: Mapping[str, int]) -> str:
    """Return an addition to a closing line for sets that SQuAD's scores are not made for.

    The scores drop English articles and no others, and part words at white space alone: an answer
    in Chinese is one word, right or wrong as a whole.

    Args:
        n_not_english: Questions of each set that are not on an English context.
        n_questions: All questions of each set.
    """
    return "".join(
        not_english(n, n_questions[name], f"questions of {name}", "exact match and F1")
        for name, n in n_not_english.items()
    )


def _n_not_english(examples: Sequence[QAExample]) -> int:
    is_english: dict[str, bool] = {}
    for example in examples:
        if example.context_id not in is_english:
            is_english[example.context_id] = reads_as_english(example.context)
    return sum(not is_english[example.context_id] for example in examples)
