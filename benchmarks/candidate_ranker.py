"""What a learned ranker of answer candidates would reach: a trial; nothing of it is in use yet.

Every span of up to ten tokens inside a sentence is proposed; a logistic regression over the words
and shapes in and beside it, trained on real examples of other contexts, ranks them; of overlapping
ones the better goes first. The share of human answers among the first 5, 10, 15 and 30 is measured
on the examples of benchmarks/candidates.py. The last line is one JSON object.

    python benchmarks/candidate_ranker.py --data DIR --n-train 3000
"""

import argparse
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from command import run_command
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from augqa.candidates import answer_candidates
from augqa.formats import read_examples
from augqa.sampling import shuffled
from augqa.scoring import normalize_answer
from augqa.sentences import FUNCTION_WORDS, sentence_spans

SEED = 13
SIZES = (5, 10, 15, 30)
MAX_TOKENS = 10
MAX_OVERLAP = 0.6  # of two spans, as a share of both together
NEAR_FRACTION, FAR_FRACTION = 0.3, 0.06  # of spans that touch an answer, or none, that are taught
TOKEN = re.compile(r"[^\W_]+(?:[.,'’-][^\W_]+)*|[^\w\s]")

Spanned = tuple[int, int, list[str]]


def shape(word: str) -> str:
    """Return one letter for what a token looks like."""
    if not word[0].isalnum():
        return "p"
    if any(char.isdigit() for char in word):
        return ("4" if len(word) == 4 else "d") if word.isdigit() else "D"
    if word.islower():
        return "f" if word in FUNCTION_WORDS else "l"
    return "T" if word.istitle() else "U"


def spans(context: str) -> Iterator[Spanned]:
    """Yield the offsets of every proposed span, with its features."""
    found = [(m.group(), *m.span()) for m in TOKEN.finditer(context)]
    begins = [start for start, _ in sentence_spans(context)]
    of = np.searchsorted(begins, [start for _, start, _ in found], side="right")
    kinds = {(c.start, c.end): c.kind for c in answer_candidates(context)}
    low = ["^", "^", *(word.lower() for word, _, _ in found), "$", "$"]
    look = ["^", "^", *(shape(word) for word, _, _ in found), "$", "$"]
    for first in range(len(found)):
        if look[first + 2] == "p" and found[first][0] not in '"“$€£(':
            continue
        for last in range(first, min(len(found), first + MAX_TOKENS)):
            if of[last] != of[first]:
                break
            if look[last + 2] == "p" and found[last][0] not in '"”%)':
                continue
            start, end = found[first][1], found[last][2]
            features = describe(low, look, first + 2, last + 2)
            yield start, end, [*features, f"kind={kinds.get((start, end))}"]


def describe(low: list[str], look: list[str], i: int, j: int) -> list[str]:
    """Return the features of tokens `i` to `j`, which have two neighbours on each side."""
    inside, before, after = "".join(look[i : j + 1])[:8], low[i - 1], low[j + 1]
    links = sorted({word for word in low[i : j + 1] if word in (",", "of", "and", "in")})
    values = {
        "first": low[i],
        "last": low[j],
        "before": before,
        "after": after,
        "look": inside,
        "length": j - i + 1,
        "links": links,
        "before first": (before, low[i]),
        "last after": (low[j], after),
        "before look": (before, inside),
        "look after": (inside, after),
        "looks": (look[i - 1], inside, look[j + 1]),
        "sides": (look[i - 1], after),
        "first look": (low[i], inside),
        "ending after": (low[j][-3:], after),
        "ending": (low[j][-3:], look[j + 1]),
        "two before": (low[i - 2], before, look[i]),
        "two after": (after, low[j + 2], look[j]),
    }
    return [f"{name}={value}" for name, value in values.items()]


def main() -> None:
    """Train and measure; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--file", default="squad-train-v1.1.json")
    parser.add_argument("--n-train", type=int, default=3000)
    parser.add_argument("--n", type=int, default=2000)
    options = parser.parse_args()
    examples = shuffled(read_examples(options.data / options.file).examples, seed=SEED)
    asked = examples[: options.n]
    seen = {example.context for example in asked}
    answers: dict[str, set[tuple[int, int]]] = defaultdict(set)
    others = [example for example in examples[options.n :] if example.context not in seen]
    for example in others[: options.n_train]:
        spot = example.answers[0]
        answers[example.context].add((spot.start, spot.start + len(spot.text)))
    begin = time.process_time()
    hasher = FeatureHasher(2**20, input_type="string", alternate_sign=False)
    draw = random.Random(SEED)
    rows, labels = [], []
    for context, golds in answers.items():
        for start, end, features in spans(context):
            near = any(start < past and first < end for first, past in golds)
            fraction = NEAR_FRACTION if near else FAR_FRACTION
            if (start, end) in golds or draw.random() < fraction:
                rows.append(features)
                labels.append((start, end) in golds)
    model = LogisticRegression(C=0.3, max_iter=60, solver="liblinear")
    weights = model.fit(hasher.transform(rows), labels).coef_[0]
    trained = time.process_time()
    hits = dict.fromkeys((*map(str, SIZES), "proposed"), 0)
    for example in asked:
        context = example.context
        proposed = list(spans(context))
        scores = hasher.transform([features for *_, features in proposed]) @ weights
        order = sorted((-score, *span[:2]) for score, span in zip(scores, proposed, strict=True))
        golds = {normalize_answer(answer.text) for answer in example.answers}
        hits["proposed"] += any(normalize_answer(context[a:b]) in golds for _, a, b in order)
        chosen: list[tuple[int, int]] = []
        for _, a, b in order:
            if len(chosen) == max(SIZES):
                break
            shared = (max(0, min(b, d) - max(a, c)) / (max(b, d) - min(a, c)) for c, d in chosen)
            if all(share <= MAX_OVERLAP for share in shared):
                chosen.append((a, b))
        right = [normalize_answer(context[a:b]) in golds for a, b in chosen]
        for size in SIZES:
            hits[str(size)] += any(right[:size])
    numbers = {
        "n_train": options.n_train,
        "n_examples": len(asked),
        "among": {name: count / len(asked) for name, count in hits.items()},
        "cpu_s_training": trained - begin,
        "cpu_ms_a_context": 1000 * (time.process_time() - trained) / len(asked),
    }
    print(json.dumps(numbers, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
