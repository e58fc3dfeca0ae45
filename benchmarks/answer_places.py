"""Where the answers stand in training sets and test sets, and how much a question gives away.

A reader learns where answers stand, too (Ko et al. 2020, arXiv:2004.14602), so a writer that always
begins with the answer teaches it to look there. For each table: the share of answers that begin in
the first fifth of their context's characters, the median place (0: at the start), mean words of
contexts and answers, and which share of a question's words stands in the sentence of the answer.
The last line is one JSON object.

    python benchmarks/answer_places.py --tables data/blends/*/1.parquet data/prepared/test/*.parquet
"""

import argparse
import json
import statistics
from pathlib import Path

from command import run_command

from augqa.records import QAExample
from augqa.sentences import n_words, sentence_spans, words
from augqa.tables import read_table

FIRST = 0.2


def told(example: QAExample) -> float:
    """Return the share of the question's words that stand in the sentence of the first answer."""
    start = example.answers[0].start
    around = [span for span in sentence_spans(example.context) if span[0] <= start < span[1]]
    begin, end = around[0] if around else (0, len(example.context))
    sentence = set(words(example.context[begin:end]))
    asked = words(example.question)
    return sum(word in sentence for word in asked) / max(1, len(asked))


def measured(examples: list[QAExample]) -> dict[str, float]:
    """Return the numbers of one table; examples without an answer do not count."""
    answered = [example for example in examples if example.answers]
    places = [e.answers[0].start / max(1, len(e.context)) for e in answered]
    return {
        "n": len(answered),
        "first_fifth": statistics.mean(place < FIRST for place in places),
        "median_place": statistics.median(places),
        "context_words": statistics.mean(n_words(e.context) for e in answered),
        "answer_words": statistics.mean(n_words(e.answers[0].text) for e in answered),
        "question_words_in_sentence": statistics.mean(told(e) for e in answered),
    }


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    found = {str(path): measured(read_table(path, QAExample)) for path in options.tables}
    width = max(len(name) for name in found)
    print(f"{'':{width}}      n  first fifth  place  context  answer  told")
    for name, row in found.items():
        print(
            f"{name:{width}} {row['n']:6} {row['first_fifth']:11.0%} {row['median_place']:6.2f}"
            f" {row['context_words']:8.0f} {row['answer_words']:7.1f}"
            f" {row['question_words_in_sentence']:5.0%}"
        )
    print(json.dumps(found))


if __name__ == "__main__":
    run_command(main)
