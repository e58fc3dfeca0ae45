"""How many human answers are among the candidates that a learnt ranker chooses.

The ranker of generate_pairs.candidates learns from real examples of other contexts than those of
benchmarks/candidates.py, and is measured on those: the share whose answer is one of the first 5,
10, 15 and so on, as SQuAD compares answers. The last line is one JSON object.

    python benchmarks/candidate_ranker.py --data DIR --n-train 1500
    python benchmarks/candidate_ranker.py --data DIR --n-train 5000 --whole-contexts
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from command import run_command

from augqa.candidate_ranker import learn
from augqa.formats import read_examples
from augqa.sampling import shuffled
from augqa.scoring import normalize_answer

SEED = 13
SIZES = (5, 10, 15, 30, 50, 100)


def main() -> None:
    """Learn and measure; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--file", default="squad-train-v1.1.json")
    parser.add_argument("--n-train", type=int, default=1500, help="examples to learn from")
    parser.add_argument("--n", type=int, default=2000, help="examples to measure on")
    parser.add_argument(
        "--whole-contexts", action="store_true", help="learn from all questions of a context"
    )
    options = parser.parse_args()
    examples = shuffled(read_examples(options.data / options.file).examples, seed=SEED)
    asked = examples[: options.n]
    measured = {example.context for example in asked}
    others = [example for example in examples[options.n :] if example.context not in measured]
    if options.whole_contexts:
        turn = {context: n for n, context in enumerate(dict.fromkeys(e.context for e in others))}
        others.sort(key=lambda example: turn[example.context])
    begin = time.process_time()
    ranker = learn(others[: options.n_train])
    learnt = time.process_time()
    hits: Counter[int] = Counter()
    for example in asked:
        golds = {normalize_answer(answer.text) for answer in example.answers}
        found = ranker.ranked(example.context, n=max(SIZES))
        right = [normalize_answer(candidate.text) in golds for candidate in found]
        for size in SIZES:
            hits[size] += any(right[:size])
    numbers = {
        "n_train": min(options.n_train, len(others)),
        "n_examples": len(asked),
        "among": {str(size): hits[size] / len(asked) for size in SIZES},
        "cpu_s_learning": learnt - begin,
        "cpu_ms_a_context": 1000 * (time.process_time() - learnt) / len(asked),
    }
    print(json.dumps(numbers, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
