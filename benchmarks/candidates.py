"""How many human answers are among the candidates that the rules choose.

For a seeded choice of real examples: the share whose answer is one of the first 5, 10, 15 and 30
candidates of its context, and of all, to the character and as SQuAD compares answers; and what the
missed ones are like. The last line is one JSON object.

    python benchmarks/candidates.py --data DIR --n 2000
    python benchmarks/candidates.py --data DIR --show 40      # answers that are missed
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from command import run_command

from augqa.candidates import Candidate, answer_candidates, choose_candidates
from augqa.formats import read_examples
from augqa.records import QAExample
from augqa.sampling import shuffled
from augqa.scoring import normalize_answer

SEED = 13
SIZES = (5, 10, 15, 30)
LONG_WORDS = 6


def kind_of_miss(answer: str, start: int, found: list[Candidate]) -> str:
    """Return why an answer is not among candidates: what they have in its place, or what it is."""
    end = start + len(answer)
    over = [c for c in found if c.start < end and start < c.end]
    if any(c.start <= start and end <= c.end for c in over):
        return "part of a candidate"
    if len(answer.split()) >= LONG_WORDS:
        return f"{LONG_WORDS} words or more"
    if len(over) > 1:
        return "several candidates"
    if over:
        return "more than a candidate" if start <= over[0].start else "crosses a candidate"
    if any(char.isdigit() for char in answer):
        return "nothing found there, a number"
    if any(char.isupper() for char in answer[:1]):
        return "nothing found there, a name"
    return "nothing found there, plain words"


def main() -> None:
    """Measure; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--file", default="squad-train-v1.1.json")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--show", type=int, default=0, help="print so many that are missed")
    options = parser.parse_args()
    every = read_examples(options.data / options.file).examples
    examples: list[QAExample] = shuffled(every, seed=SEED)[: options.n]
    hits: Counter[str] = Counter()
    misses: Counter[str] = Counter()
    n_candidates = 0
    missed: list[str] = []
    begin = time.process_time()
    for example in examples:
        found = answer_candidates(example.context)
        n_candidates += len(found)
        exact = {answer.text for answer in example.answers}
        normal = {normalize_answer(text) for text in exact}
        for size in (*SIZES, None):
            chosen = found
            if size is not None:
                chosen = choose_candidates(found, example.context, n=size)
            texts = {candidate.text for candidate in chosen}
            name = "all" if size is None else str(size)
            hits[f"exact_{name}"] += not exact.isdisjoint(texts)
            in_chosen = not normal.isdisjoint(map(normalize_answer, texts))
            hits[f"normalised_{name}"] += in_chosen
        if not in_chosen:
            first = example.answers[0]
            kind = kind_of_miss(first.text, first.start, found)
            misses[kind] += 1
            around = example.context[max(0, first.start - 40) : first.start + len(first.text) + 40]
            missed.append(f"{kind}: {first.text!r} in {around!r}")
    for line in missed[: options.show]:
        print(line)
    n = len(examples)
    numbers = {
        "n_examples": n,
        "candidates_a_context": n_candidates / n,
        "cpu_ms_a_context": 1000 * (time.process_time() - begin) / n,
        "among": {name: count / n for name, count in hits.items()},
        "missed": {kind: count / n for kind, count in misses.most_common()},
    }
    print(json.dumps(numbers, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
