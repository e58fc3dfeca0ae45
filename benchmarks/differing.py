"""On which questions two recipes of a kept study differ: by kind of question, and a sample to read.

Each question has the mean F1 of its readers over the training seeds that both recipes have. For
each kind of question: how many there are, the control's F1, and the difference with its 95 %
interval over resampled articles (readers held fixed: another draw of seeds may give another
difference). Test sets of role shift alone, each question with the same weight. It is exploratory:
so many kinds are looked at that some differ by chance. The texts are not in the study: --data is
the folder of the files that its params name. The last line is one JSON object.

    python benchmarks/differing.py --data data/external --recipe augment --control real_longer
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from answer_places import told
from command import run_command

from augqa.drift import question_word
from augqa.errors import AugQAError
from augqa.formats import read_examples
from augqa.params import Params
from augqa.params.whole import load_kept_params
from augqa.records import QAExample
from augqa.sampling import rank
from augqa.sentences import n_words
from augqa.study.keeping import KeptQuestion, KeptScore
from augqa.tables import read_table

N_RESAMPLES = 2000
FAR = 50.0  # F1; a question of which the recipes differ by so much is one to read
EDGES = {
    "answer words": (1, 2, 4, 7),
    "context words": (0, 80, 150),
    "answer's place in the context, in tenths": (0, 2, 4, 6, 8),
    "question's words in the answer's sentence, in tenths": (0, 3, 5, 7),
}


def kinds_of(example: QAExample, test_set: str) -> dict[str, str]:
    """Return the kind of a question by each aspect."""
    answer = example.answers[0]
    numbers = dict(
        zip(
            EDGES,
            (
                n_words(answer.text),
                n_words(example.context),
                10 * answer.start / len(example.context),
                10 * told(example),
            ),
            strict=True,
        )
    )
    kinds = {"test set": test_set, "question word": question_word(example.question)}
    for aspect, number in numbers.items():
        edges = EDGES[aspect]
        at = max(i for i, edge in enumerate(edges) if number >= edge or i == 0)
        kinds[aspect] = f"{edges[at]:3} and more"
        if at < len(edges) - 1:
            kinds[aspect] = f"{edges[at]:3} to below {edges[at + 1]}"
    return kinds


def interval(differences: Any, articles: Any, random: Any) -> tuple[float, float]:
    """Return the 95 % interval of a mean over questions whose articles are drawn anew."""
    _, place = np.unique(articles, return_inverse=True)
    sums, counts = np.bincount(place, differences), np.bincount(place)
    draws = random.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=N_RESAMPLES)
    low, high = np.percentile(draws @ sums / (draws @ counts), [2.5, 97.5])
    return float(low), float(high)


def seeds_of(study: Path, recipes: Iterable[str]) -> list[int]:
    """Return the seeds that all recipes have scores of.

    Raises:
        AugQAError: If there is none.
    """
    found = [
        {int(path.stem.rpartition("-")[2]) for path in (study / "scores").glob(f"{recipe}-*")}
        for recipe in recipes
    ]
    if not (seeds := sorted(set.intersection(*found))):
        raise AugQAError(f"{study}: {' and '.join(recipes)} have no training seed in common")
    return seeds


def mean_f1(study: Path, recipe: str, seeds: Iterable[int]) -> Any:
    """Return the mean F1 of each question over a recipe's readers, shape ``(n_questions,)``."""
    tables = [
        read_table(study / "scores" / f"{recipe}-{seed}.parquet", KeptScore) for seed in seeds
    ]
    return np.mean([[row.f1 for row in table] for table in tables], axis=0)


def texts(params: Params, data: Path) -> dict[tuple[str, str], QAExample]:
    """Return the questions of the shifts by set and id."""
    return {
        (name, example.id): example
        for name, one in params.data.test_sets.items()
        if one.role == "shift"
        for example in read_examples(data / str(getattr(one.source, "name", ""))).examples
    }


def main() -> None:
    """Print a table for each aspect, and a sample of questions to read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=Path("docs/results/study"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--control", required=True)
    parser.add_argument("--n", type=int, default=0, help="questions to read, each way")
    parser.add_argument("--seed", type=int, default=37, help="of that sample")
    options = parser.parse_args()
    questions = read_table(options.study / "questions.parquet", KeptQuestion)
    seeds = seeds_of(options.study, (options.recipe, options.control))
    control = mean_f1(options.study, options.control, seeds)
    differences = mean_f1(options.study, options.recipe, seeds) - control
    known = texts(load_kept_params(options.study / "params.yaml"), options.data)
    rows = [i for i, q in enumerate(questions) if (q.test_set, q.id) in known]
    examples = {i: known[questions[i].test_set, questions[i].id] for i in rows}
    kinds = {i: kinds_of(examples[i], questions[i].test_set) for i in rows}
    random, found = np.random.default_rng(options.seed), []
    print(f"{options.recipe} against {options.control}, seeds {seeds}: {len(rows)} questions")
    for aspect in ("all", "test set", "question word", *EDGES):
        print(f"\n{aspect:52}      n  {options.control:>11}  difference")
        for kind in sorted({kinds[i].get(aspect, "") for i in rows}):
            of = np.array([i for i in rows if kinds[i].get(aspect, "") == kind])
            low, high = interval(differences[of], [questions[i].article for i in of], random)
            one = {
                **{"aspect": aspect, "kind": kind, "n": len(of)},
                **{"control_f1": float(control[of].mean()), "low": low, "high": high},
                "difference": float(differences[of].mean()),
            }
            found.append(one)
            print(
                f"{kind:52} {len(of):6} {one['control_f1']:12.1f}"
                f"  {one['difference']:+.1f} [{low:.1f}, {high:.1f}]"
            )
    for sign, word in ((1, "better"), (-1, "worse")):
        far = [i for i in rows if sign * differences[i] >= FAR]
        print(f"\n{word} by at least {FAR:.0f} F1: {len(far)} questions")
        order = sorted(far, key=lambda i: rank(questions[i].id, seed=options.seed))
        for i in order[: options.n]:
            example, f1 = examples[i], control[i]
            print(f"\n{questions[i].test_set} {example.id}: {f1:.0f} to {f1 + differences[i]:.0f}")
            print(f"    {' '.join(example.context.split())}")
            print(f"    {example.question} | {example.answers[0].text}")
    print(json.dumps(found))


if __name__ == "__main__":
    run_command(main)
