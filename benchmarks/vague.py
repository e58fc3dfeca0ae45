"""What `filter_pairs.min_content_words` drops: of pairs that a person has read, and of human ones.

For each bound: how many of the pairs that were read as proper it drops, how many of the others, and
which share of the human questions of a table of examples and of all pairs. The last line is one
JSON object.

    python benchmarks/vague.py --readings docs/results/readings/study_37.csv \
      --pairs data/filtered/kept.parquet --human data/prepared/pool.parquet
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from command import run_command
from judge import pairs_that_were_read, readings

from augqa.filters import Surroundings
from augqa.filters.wording import vague_question
from augqa.overlap import HeldOutTexts, NgramIndex
from augqa.records import QAExample, RoundTripAnswer
from augqa.tables import read_table


def n_dropped(pairs: Sequence[QAExample], fewest: int) -> int:
    """Return how many pairs the filter drops, whatever a reader answers to them."""
    nothing = NgramIndex([], n_words=8)
    around = Surroundings(held_out=HeldOutTexts(contexts=nothing, questions=nothing))
    judge = vague_question({"min_content_words": fewest}, around)
    unread = RoundTripAnswer(id="", text="", score=0.0, f1=0.0)
    return sum(judge is not None and judge(pair, unread) is not None for pair in pairs)


def main() -> None:
    """Print a line a bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readings", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True, help="table that has those read")
    parser.add_argument("--human", type=Path, required=True, help="table of human questions")
    parser.add_argument("--bounds", type=int, nargs="+", default=[2, 3, 4])
    options = parser.parse_args()
    said = readings(options.readings)
    read = pairs_that_were_read(options.pairs, said)
    groups = {
        "proper": [pair for key, pair in read.items() if said[key]["proper"]],
        "others": [pair for key, pair in read.items() if not said[key]["proper"]],
        "pairs": read_table(options.pairs, QAExample),
        "human": read_table(options.human, QAExample),
    }
    found = {
        bound: {name: [n_dropped(pairs, bound), len(pairs)] for name, pairs in groups.items()}
        for bound in options.bounds
    }
    for bound, counts in found.items():
        shown = ", ".join(f"{n} of {total} {name}" for name, (n, total) in counts.items())
        print(f"min_content_words {bound} drops {shown}")
    print(json.dumps({"readings": options.readings.name, "dropped": found}))


if __name__ == "__main__":
    run_command(main)
