"""Cloze questions on real contexts, to be read one by one.

Of a seeded choice of contexts of SQuAD train: how many questions the rules make of 15 candidates,
and a seeded sample of those that filter `garbled` keeps, numbered as in
docs/question_generation.md.
The last line is one JSON object.

    python benchmarks/cloze.py --data DIR --seed 37 --show 50
    python benchmarks/cloze.py --data DIR --seed 37 --write FILE.parquet   # for judge.py
"""

import argparse
import json
import random
from pathlib import Path

from command import run_command

from augqa.candidates import Candidate, answer_candidates, choose_candidates
from augqa.formats import read_examples
from augqa.garbling import garbled
from augqa.question_generator.cloze import cloze_question
from augqa.records import Answer, QAExample, context_id
from augqa.sampling import shuffled
from augqa.tables import write_table

SAMPLE_SEED = 13


def as_example(context: str, question: str, answer: Candidate) -> QAExample:
    """Return a pair as a record."""
    name = context_id(context)
    return QAExample(
        id=f"{name}/{answer.start}",
        context_id=name,
        context=context,
        question=question,
        answers=(Answer(text=answer.text, start=answer.start),),
        origin="generated",
        context_origin="real",
        method="cloze",
    )


def main() -> None:
    """Print the sample, then one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--file", default="squad-train-v1.1.json")
    parser.add_argument("--n-examples", type=int, default=250, help="whose contexts are taken")
    parser.add_argument("--n-candidates", type=int, default=15)
    parser.add_argument("--seed", type=int, default=37, help="of the choice of contexts")
    parser.add_argument("--show", type=int, default=50)
    parser.add_argument("--write", type=Path, help="Parquet table for what is shown")
    options = parser.parse_args()
    examples = shuffled(read_examples(options.data / options.file).examples, seed=options.seed)
    contexts = list(dict.fromkeys(e.context for e in examples[: options.n_examples]))
    pairs = []
    n_candidates = n_garbled = 0
    for context in contexts:
        chosen = choose_candidates(answer_candidates(context), context, n=options.n_candidates)
        n_candidates += len(chosen)
        for candidate in chosen:
            question = cloze_question(context, candidate)
            if question is not None and garbled(question):
                n_garbled += 1
            elif question is not None:
                pairs.append(as_example(context, question, candidate))
    random.Random(SAMPLE_SEED).shuffle(pairs)
    sample = pairs[: options.show]
    for number, pair in enumerate(sample):
        print(f"{number:3} {pair.question} | {pair.answers[0].text}")
    if options.write is not None:
        write_table(options.write, sample, QAExample)
    numbers = {
        "n_contexts": len(contexts),
        "n_candidates": n_candidates,
        "n_questions": len(pairs) + n_garbled,
        "n_garbled": n_garbled,
    }
    print(json.dumps(numbers, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
