"""How far people agree on what to ask about: what no chooser of candidates can be expected to beat.

SQuAD train has contexts that several people asked about, it seems, five questions each, one
person's after another's in the file: the answers of questions that stand five apart are often the
same, those of neighbours hardly ever. Of such a context: the share of the next person's answers
that are among the answers of the one, two or three before, as SQuAD compares answers. Then the law
of popularity of a context's spans, p(i) ~ 1 / (i + q)^s, that comes nearest to these shares where
each person asks of five different spans; and what its 5, 10 and 15 most popular spans hold: what a
chooser would reach who knew exactly how popular each span is. The last line is one JSON object.

    python benchmarks/candidate_ceiling.py --data DIR
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from command import run_command

from augqa.formats import read_examples
from augqa.scoring import normalize_answer

SEED = 13
QUESTIONS_A_PERSON = 5
BEFORE = (1, 2, 3)  # people
SIZES = (5, 10, 15)
N_SPANS = 230  # constituents a context has, by a parser
N_CONTEXTS = 400  # simulated
OFFSETS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
STEEPNESSES = (0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)


def people(contexts: list[list[str]]) -> dict[int, dict[str, float]]:
    """Return, by how many people asked before, how many of a person's answers they had.

    Args:
        contexts: The answers of each context, in the order of the file.
    """
    found = {}
    for n_before in BEFORE:
        n = n_before * QUESTIONS_A_PERSON
        asked = [(set(answers[:n]), answers[n : n + 5]) for answers in contexts if len(answers) > n]
        n_answers = sum(len(next_) for _, next_ in asked)
        hits = sum(answer in had for had, next_ in asked for answer in next_)
        found[n_before] = {
            "n_contexts": len(asked),
            "n_answers": n_answers,
            "distinct_before": sum(len(had) for had, _ in asked) / len(asked),
            "share": hits / n_answers,
        }
    return found


def same_answers(contexts: list[list[str]], *, apart: int) -> float:
    """Return how often questions so far apart, in contexts of eight or more, have one answer."""
    pairs = [
        one == other
        for answers in contexts
        if len(answers) >= 8
        for one, other in zip(answers, answers[apart:], strict=False)
    ]
    return sum(pairs) / len(pairs)


def simulated(offset: float, steepness: float) -> tuple[list[float], list[float]]:
    """Return the shares after one, two and three people, and those of the most popular spans."""
    draw = np.random.default_rng(SEED)
    logs = -steepness * np.log(np.arange(N_SPANS) + 1 + offset)
    # The five largest after Gumbel noise are five draws without replacement.
    noisy = logs + draw.gumbel(size=(len(BEFORE) + 1, N_CONTEXTS, N_SPANS))
    chosen = np.argsort(-noisy, axis=-1)[..., :QUESTIONS_A_PERSON]
    asked = np.zeros(noisy.shape, dtype=bool)
    np.put_along_axis(asked, chosen, True, axis=-1)
    *before, last = asked
    had = itertools.accumulate(before, np.logical_or)
    shares = [float((known & last).sum() / last.sum()) for known in had]
    return shares, [float(last[:, :size].sum() / last.sum()) for size in SIZES]


def main() -> None:
    """Count and fit; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--file", default="squad-train-v1.1.json")
    options = parser.parse_args()
    of_context: dict[str, list[str]] = {}
    for example in read_examples(options.data / options.file).examples:
        answers = of_context.setdefault(example.context, [])
        answers.append(normalize_answer(example.answers[0].text))
    contexts = list(of_context.values())
    same = {apart: same_answers(contexts, apart=apart) for apart in (1, 2, 5)}
    print(", ".join(f"{apart} apart: {100 * share:.1f} % same" for apart, share in same.items()))
    found = people(contexts)
    for n_before, said in found.items():
        print(
            f"{n_before} before: {100 * said['share']:.1f} % of {said['n_answers']:.0f} answers are"
            f" among their {said['distinct_before']:.1f}, in {said['n_contexts']:.0f} contexts"
        )
    seen = np.array([found[n]["share"] for n in BEFORE])
    weights = np.sqrt([found[n]["n_answers"] for n in BEFORE])
    laws = []
    for offset, steepness in itertools.product(OFFSETS, STEEPNESSES):
        shares, best = simulated(offset, steepness)
        miss = float((weights * (seen - shares) ** 2).sum() / weights.sum())
        laws.append((miss, offset, steepness, shares, best))
    nearest = sorted(laws)[:3]
    for _, offset, steepness, shares, best in nearest:
        print(
            f"q {offset:g}, s {steepness:g}: {', '.join(f'{100 * s:.1f}' for s in shares)} %; the"
            f" {SIZES} most popular hold {', '.join(f'{100 * b:.1f}' for b in best)} %"
        )
    numbers = {
        "same_answer_apart": same,
        "people": found,
        "laws": [
            {"q": q, "s": s, "shares": shares, "most_popular": dict(zip(SIZES, best, strict=True))}
            for _, q, s, shares, best in nearest
        ],
    }
    print(json.dumps(numbers, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
