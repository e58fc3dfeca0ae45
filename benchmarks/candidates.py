"""How many human answers are among the candidates that the rules choose.

For a seeded choice of real examples: the share whose answer is, as SQuAD compares answers, one of
the candidates of its context; all of them, and the first 15 that would be chosen. The last line is
one JSON object.

    python benchmarks/candidates.py --data DIR
    python benchmarks/candidates.py --data DIR --show 40      # answers that are missed
"""

import argparse
import json
import time
from pathlib import Path

from command import run_command

from augqa.candidates import answer_candidates, choose_candidates
from augqa.formats import read_examples
from augqa.sampling import shuffled
from augqa.scoring import exact_match

SEED = 13


def main() -> None:
    """Measure; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--file", default="squad-train-v1.1.json")
    parser.add_argument("--n-examples", type=int, default=2000)
    parser.add_argument("--n-candidates", type=int, default=15)
    parser.add_argument("--show", type=int, default=0, help="print so many that are missed")
    options = parser.parse_args()
    examples = shuffled(read_examples(options.data / options.file).examples, seed=SEED)
    examples = examples[: options.n_examples]
    n_all = n_chosen = n_candidates = 0
    missed: list[str] = []
    begin = time.process_time()
    for example in examples:
        golds = {answer.text for answer in example.answers}
        found = answer_candidates(example.context)
        chosen = choose_candidates(found, example.context, n=options.n_candidates)
        n_candidates += len(found)

        def among(texts: set[str], golds: set[str] = golds) -> bool:
            return any(exact_match(text, gold) == 100 for text in texts for gold in golds)

        in_all = among({candidate.text for candidate in found})
        n_all += in_all
        n_chosen += among({candidate.text for candidate in chosen})
        if not in_all:
            first = example.answers[0]
            around = example.context[max(0, first.start - 40) : first.start + len(first.text) + 40]
            missed.append(f"{first.text!r} in {around!r}")
    for line in missed[: options.show]:
        print(line)
    n = len(examples)
    print(
        json.dumps(
            {
                "n_examples": n,
                "candidates_a_context": n_candidates / n,
                "among_all_fraction": n_all / n,
                f"among_{options.n_candidates}_fraction": n_chosen / n,
                "cpu_ms_a_context": 1000 * (time.process_time() - begin) / n,
            },
            sort_keys=True,
        )
    )


if __name__ == "__main__":
    run_command(main)
