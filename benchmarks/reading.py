"""A seeded sample of generated pairs, with their contexts, to be read one by one.

What makes a pair a proper one stands in docs/question_generation.md; what was read is kept in
docs/results/readings, by the digest that is printed (benchmarks/judge.py has the form).

    python benchmarks/reading.py --pairs data/filtered/kept.parquet --seed 37 --n 50
"""

import argparse
import hashlib
from pathlib import Path

from command import run_command

from augqa.records import QAExample
from augqa.sampling import shuffled
from augqa.tables import read_table


def digest(pair: QAExample) -> str:
    """Return what names a pair by its text: one that is written otherwise has another."""
    answer = pair.answers[0]
    text = "\n".join((pair.context, pair.question, str(answer.start), answer.text))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def main() -> None:
    """Print the sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True, help="Parquet table of the pairs")
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--seed", type=int, default=37)
    parser.add_argument(
        "--contexts", choices=("real", "generated"), help="pairs on these alone; else on any"
    )
    options = parser.parse_args()
    pairs = [
        pair
        for pair in shuffled(read_table(options.pairs, QAExample), seed=options.seed)
        if options.contexts in (None, pair.context_origin)
    ][: options.n]
    for number, pair in enumerate(pairs):
        print(f"\n{number:3} {digest(pair)} {pair.id}\n    {' '.join(pair.context.split())}")
        print(f"    {pair.question} | {pair.answers[0].text}")


if __name__ == "__main__":
    run_command(main)
