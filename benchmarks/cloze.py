"""Cloze questions on real contexts, to be read one by one.

Of a seeded choice of contexts of SQuAD train: how many questions the rules make of 15 candidates,
and a seeded sample of those that filter `garbled` keeps, numbered as in
docs/question_generation.md.
The last line is one JSON object.

    python benchmarks/cloze.py --data DIR --seed 37 --show 50
"""

import argparse
import json
import random
from pathlib import Path

from command import run_command

from augqa.candidates import answer_candidates, choose_candidates
from augqa.formats import read_examples
from augqa.garbling import garbled
from augqa.question_generator.cloze import cloze_question
from augqa.sampling import shuffled

SAMPLE_SEED = 13


def main() -> None:
    """Print the sample, then one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--file", default="squad-train-v1.1.json")
    parser.add_argument("--n-examples", type=int, default=250, help="whose contexts are taken")
    parser.add_argument("--n-candidates", type=int, default=15)
    parser.add_argument("--seed", type=int, default=37, help="of the choice of contexts")
    parser.add_argument("--show", type=int, default=50)
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
                pairs.append((question, candidate.text))
    random.Random(SAMPLE_SEED).shuffle(pairs)
    for number, (question, answer) in enumerate(pairs[: options.show]):
        print(f"{number:3} {question} | {answer}")
    numbers = {
        "n_contexts": len(contexts),
        "n_candidates": n_candidates,
        "n_questions": len(pairs) + n_garbled,
        "n_garbled": n_garbled,
    }
    print(json.dumps(numbers, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
