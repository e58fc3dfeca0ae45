"""Measuring a reader on a test set, whatever language that is in."""

from pathlib import Path
from typing import Any

import pytest

from augqa.measuring import measure_set, scored_as_english
from augqa.records import Cluster, QAExample
from augqa.tables import write_table
from tests.examples import example


class Silent:
    """A reader that has no answer to anything."""

    def answer_all(self, examples: list[QAExample], **_: Any) -> list[Any]:
        return [type("NoAnswer", (), {"is_answer": False})() for _ in examples]


def n_not_english(folder: Path, *rows: QAExample) -> int:
    write_table(folder / "set.parquet", rows, QAExample)
    clusters = [Cluster(id=row.id, context_id=row.context_id, article=row.id) for row in rows]
    write_table(folder / "clusters.parquet", clusters, Cluster)
    return measure_set(
        Silent(),  # type: ignore[arg-type]
        folder / "set.parquet",
        clusters=folder / "clusters.parquet",
        golds=folder / "none.parquet",
        n_questions=None,
        seed=1,
        batch_size=8,
    ).n_not_english


FOREIGN = {
    "Chinese": ("玛丽·雪莱于1818年写下了这本书。", "谁写了这本书？", "玛丽·雪莱"),
    "Japanese": (
        "メアリーはこの本を書きました。",
        "誰がこの本を書きましたか。",
        "メアリー",
    ),
    "Hindi": ("मैरी शेली ने यह किताब लिखी।", "यह किताब किसने लिखी?", "मैरी शेली"),
    "Hebrew": ("מרי שלי כתבה את הספר.", "מי כתבה את הספר?", "מרי שלי"),
    "Thai": ("แมรีเขียนหนังสือเล่มนี้", "ใครเขียนหนังสือเล่มนี้", "แมรี"),
    "Greek": ("Η Μαίρη έγραψε το βιβλίο.", "Ποιος έγραψε το βιβλίο;", "Μαίρη"),
    "Arabic": ("كتبت ماري شيلي هذا الكتاب.", "من كتب هذا الكتاب؟", "ماري شيلي"),
    "German": (
        "Mary Shelley schrieb das Buch im Jahr 1818, nachdem sie mit Freunden einen Sommer an einem"
        " großen See verbracht hatte und dort von einem Ungeheuer geträumt hatte.",
        "Wer schrieb das Buch?",
        "Mary Shelley",
    ),
    "Spanish": (
        "Mary Shelley escribió el libro en 1818, después de pasar un verano con unos amigos junto a"
        " un gran lago, donde había soñado con un monstruo muy triste y muy solo.",
        "¿Quién escribió el libro?",
        "Mary Shelley",
    ),
}


@pytest.mark.parametrize("language", FOREIGN)
def test_a_set_that_is_not_english_is_told(tmp_path: Path, language: str) -> None:
    context, question, answer = FOREIGN[language]
    row = example("f1", context=context, question=question, answer=answer)
    assert n_not_english(tmp_path, row) == 1
    said = scored_as_english({"mine": 1}, {"mine": 1})
    assert "1 of 1 questions of mine do not read as English" in said
    assert "exact match and F1" in said


def test_an_english_set_with_a_few_others_is_passed_over(tmp_path: Path) -> None:
    context, question, answer = FOREIGN["Chinese"]
    rows = [example(f"q{n}") for n in range(30)]
    foreign = example("f1", context=context, question=question, answer=answer)
    assert n_not_english(tmp_path, *rows, foreign) == 1
    assert scored_as_english({"mine": 1}, {"mine": 31}) == ""
