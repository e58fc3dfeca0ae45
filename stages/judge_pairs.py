"""Let a language model grade question, answer and grounding of pairs."""

from collections import Counter
from functools import partial

from augqa.judging import Judge
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import Judgement, QAExample
from augqa.stage import Input, Output, run
from augqa.tables import TableWriter, iterate_table


def judge_pairs(pairs: Input, prompts: Input, judgements: Output, metrics: Output) -> str:
    """Write a row for each pair, with its grades or the reason why it has none."""
    params = load_params()
    judge = Judge.of(params.llm, prompts=prompts, **params.judge_pairs.model_dump())
    grades: Counter[int | None] = Counter()
    with TableWriter(judgements / "judgements.parquet", Judgement) as table:
        for row in judge.grade(partial(iterate_table, pairs, QAExample)):
            grades[row.grade] += 1
            table.write(row)
    n_by_grade = {str(grade): n for grade, n in sorted(grades.items(), key=str) if grade}
    write_metrics(
        metrics, {"n_pairs": grades.total(), "n_by_grade": n_by_grade, **judge.usage.metrics}
    )
    shown = ", ".join(f"{n} of grade {grade}" for grade, n in n_by_grade.items())
    said = f"{grades.total()} pairs judged: {shown or 'none'}; {grades[None]} without grades"
    return "; ".join(part for part in (said, judge.usage.line) if part)


if __name__ == "__main__":
    run(judge_pairs)
