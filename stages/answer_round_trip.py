"""Let a reader trained on real data answer every generated question."""

from augqa.executor.opening import open_executor
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.reader import Reader
from augqa.reader.int8 import use_own_instructions
from augqa.records import QAExample, RoundTripAnswer
from augqa.scoring import exact_match, f1
from augqa.stage import Input, Output, project_root, run
from augqa.tables import read_table, write_table


def answer_round_trip(pairs: Input, reader: Input, answers: Output, metrics: Output) -> str:
    """Write the reader's answer to each pair's question, in the order of the pairs."""
    params = load_params()
    checkpoint = params.answer_round_trip.checkpoint
    if params.answer_round_trip.engine == "int8":
        use_own_instructions()
    model = Reader.load(
        checkpoint or reader,
        engine=params.answer_round_trip.engine,
        param="answer_round_trip.checkpoint",
        **params.reader.model_dump(exclude={"checkpoint"}),
    )
    asked = read_table(pairs, QAExample)
    cache, batch_size = project_root() / ".cache" / "features", params.evaluate.batch_size
    with open_executor(params.executor) as executor:
        found = model.answer_all(asked, batch_size=batch_size, cache=cache, executor=executor)

    rows, n_exact = [], 0
    for pair, answer in zip(asked, found, strict=True):
        own = pair.answers[0].text
        n_exact += exact_match(own, answer.text) == 100
        rows.append(
            RoundTripAnswer(
                id=pair.id, text=answer.text, score=answer.score, f1=f1(own, answer.text)
            )
        )
    mean_f1 = sum(row.f1 for row in rows) / max(1, len(rows))
    write_table(answers, rows, RoundTripAnswer)
    write_metrics(
        metrics,
        {
            "reader": checkpoint or "regime real",
            "n_pairs": len(rows),
            "n_exact": n_exact,
            "n_unanswered": sum(not answer.is_answer for answer in found),
            "mean_f1": mean_f1,
        },
    )
    return f"{len(rows)} questions answered, mean F1 {mean_f1:.1f} against the pairs' own answers"


if __name__ == "__main__":
    run(answer_round_trip)
