"""How far a language model's grades of generated pairs agree with a person's readings.

The model of params.yaml (llm, judge_pairs) grades each pair that was read, as stage judge_pairs
would: cached, limited, counted. A grade of at least --min-grade is a yes. For each thing that was
read: in how many pairs both agree, Cohen's kappa with its percentile interval over resampled
pairs, and who said what. Pairs without grades are counted and left out. The last line is one JSON
object.

    python benchmarks/judge.py --readings docs/results/readings/study_37.csv \
      --pairs data/generated/pairs.parquet
    python benchmarks/cloze.py --data DIR --seed 37 --write FILE   # pairs of the other readings
    python benchmarks/judge.py --readings docs/results/readings/cloze_37.csv --pairs FILE

Readings are a CSV file with a column `digest`, which names a pair by its text, and one or more of
`proper` (by all four rules of docs/question_generation.md), `question`, `answer` and `grounding`,
each yes or no. Other columns are passed over.
"""

import argparse
import csv
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command import run_command
from reading import digest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from augqa.errors import AugQAError
from augqa.judging import ASPECTS, Judge
from augqa.params import load_params
from augqa.records import Judgement, QAExample
from augqa.tables import read_table

SEED = 13
N_RESAMPLES = 2000
YES_OR_NO = {"yes": True, "no": False}
# What the model has to think well of for a reading to hold.
GRADED = {
    "proper": ("question", "answer", "grounding"),
    **{aspect: (aspect,) for aspect in ASPECTS},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two agree on the same pairs.

    Attributes:
        n: How many pairs both have judged.
        share: In how many of them they agree, 0 to 1.
        kappa: Cohen's kappa; None where one of both says the same of every pair, so that nothing
            but chance could agree.
        low: Lower end of its 95 % interval; None without one.
        high: Upper end.
        table: Pairs by what the person and then the model said: yes yes, yes no, no yes, no no.
    """

    n: int
    share: float
    kappa: float | None
    low: float | None
    high: float | None
    table: tuple[int, int, int, int]


def agreement(person: Sequence[bool], model: Sequence[bool]) -> Agreement:
    """Compare two judges of the same pairs, which stand in the same order."""
    read, graded = np.asarray(person), np.asarray(model)
    kappas = []
    draw = np.random.default_rng(SEED)
    for _ in range(N_RESAMPLES):
        chosen = draw.integers(len(read), size=len(read))
        kappa = _kappa(read[chosen], graded[chosen])
        if kappa is not None:
            kappas.append(kappa)
    point = _kappa(read, graded)
    low, high = (None, None) if point is None else np.percentile(kappas, [2.5, 97.5]).tolist()
    table = confusion_matrix(read, graded, labels=[True, False]).ravel().tolist()
    return Agreement(
        n=len(read),
        share=float((read == graded).mean()),
        kappa=point,
        low=low,
        high=high,
        table=tuple(table),
    )


def _kappa(read: np.ndarray, graded: np.ndarray) -> float | None:
    if len(np.unique(read)) < 2 or len(np.unique(graded)) < 2:
        return None
    return float(cohen_kappa_score(read, graded))


def readings(path: Path) -> dict[str, dict[str, bool]]:
    """Return what a person said of each pair, by its digest.

    Raises:
        AugQAError: If the file is not there, or not what the top of this file says.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AugQAError(f"{path}: cannot be read: {error}") from error
    found: dict[str, dict[str, bool]] = {}
    for number, row in enumerate(rows, start=2):
        key = row.get("digest")
        said = {name: row[name] for name in GRADED if row.get(name) is not None}
        if not key or not said:
            raise AugQAError(f"{path}, line {number}: needs digest, and one of {', '.join(GRADED)}")
        if key in found:
            raise AugQAError(f"{path}, line {number}: {key} stands twice")
        for name, word in said.items():
            if word not in YES_OR_NO:
                raise AugQAError(f"{path}, line {number}: {name} is {word!r}, not yes or no")
        found[key] = {name: YES_OR_NO[word] for name, word in said.items()}
    if not found:
        raise AugQAError(f"{path}: no reading")
    return found


def pairs_that_were_read(path: Path, keys: Collection[str]) -> dict[str, QAExample]:
    """Return the pairs of a table that a person has read, by digest.

    Raises:
        AugQAError: If the table cannot be read, or one of them is not in it.
    """
    found = {key: pair for pair in read_table(path, QAExample) if (key := digest(pair)) in keys}
    if missing := sorted(set(keys) - found.keys()):
        raise AugQAError(
            f"{path}: {len(missing)} of the {len(keys)} pairs that were read are not in it as they"
            f" were read, the first is {missing[0]}"
        )
    return found


def judged(pairs: list[QAExample], *, embedded: bool) -> list[Judgement]:
    """Let the model of params.yaml grade the pairs.

    Raises:
        AugQAError: If there is no endpoint, or as its client.
    """
    params = load_params()
    if params.llm.provider == "embedded" and not embedded:
        raise AugQAError(
            "params.yaml: llm.provider is embedded, and that model is no judge; name an endpoint"
            " (llm.provider: openai, llm.base_url, llm.model), or give --embedded to see it"
        )
    judge = Judge.of(params.llm, prompts=Path("prompts"), **params.judge_pairs.model_dump())
    rows = list(judge.grade(lambda: pairs))
    print(judge.usage.line)
    return rows


def show(name: str, found: Agreement) -> str:
    """Return a line for a person."""
    kappa = "no kappa: one of both says the same of every pair"
    if found.kappa is not None:
        kappa = f"kappa {found.kappa:.2f} [{found.low:.2f}, {found.high:.2f}]"
    both, person, model, neither = found.table
    return (
        f"{name}: {100 * found.share:.0f} % of {found.n} agree, {kappa}; yes by both {both},"
        f" by the person alone {person}, by the model alone {model}, by none {neither}"
    )


def main() -> None:
    """Ask and compare; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readings", type=Path, required=True, help="CSV of what a person said")
    parser.add_argument("--pairs", type=Path, required=True, help="Parquet table of the pairs")
    parser.add_argument("--min-grade", type=int, default=4, choices=range(1, 6))
    parser.add_argument("--embedded", action="store_true", help="let the embedded model judge")
    options = parser.parse_args()
    said = readings(options.readings)
    pairs = pairs_that_were_read(options.pairs, said)
    said_of = {pair.id: said[key] for key, pair in pairs.items()}
    rows = judged(list(pairs.values()), embedded=options.embedded)
    numbers: dict[str, object] = {
        "n_pairs": len(rows),
        "n_failed": dict(sorted(Counter(row.failure for row in rows if row.failure).items())),
        "models": sorted({row.model for row in rows if row.model}),
        "min_grade": options.min_grade,
    }
    for name, aspects in GRADED.items():
        both = [
            (said_of[row.id][name], all(getattr(row, a) >= options.min_grade for a in aspects))
            for row in rows
            if row.failure is None and name in said_of[row.id]
        ]
        if both:
            found = agreement(*zip(*both, strict=True))
            print(show(name, found))
            numbers[name] = {field: getattr(found, field) for field in Agreement.__slots__}
    print(json.dumps(numbers, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
