"""How filter, gates and blend grow with the number of pairs: CPU seconds, memory, exponents.

    python benchmarks/scale.py [--million] [--folder DIR]

It makes pairs that look like those of SQuAD in what costs time (five a context of 120 words, words
and answers of Zipf's frequencies, some repeated, some out of a test set), runs the stages on them
as `dvc repro` does, each in a process of its own, and prints one JSON line last. The exponent of a
stage is that of its CPU seconds, without those of a run on a few rows, between the sizes.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

import yaml

from augqa import ids
from augqa.drift import profile
from augqa.metrics import write_metrics
from augqa.records import Answer, QAExample, RoundTripAnswer, context_id
from augqa.tables import TableWriter, write_table

ROOT = Path(__file__).parents[1]
FEW = 200  # rows of the run whose cost is taken for that of starting
PAIRS_PER_CONTEXT = 5
CONTEXT_WORDS = 120
N_TEST_CONTEXTS = 10_000  # about as many as SQuAD dev and its four shifts have
N_WORDS = 60_000

OPENINGS = (
    "What was the name of", "Who was the first to see", "When did they build", "Where was",
    "Why did the people leave", "How many people lived in", "Which of them came to", "What is",
)  # fmt: skip
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in ("a", "e", "i", "o", "u", "an", "er", "in")]
FUNCTION_WORDS = "the of and in to a was is for on as by with that it from at his an were".split()  # noqa: SIM905


class Writer:
    """Writes contexts and questions, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        spelled = Random(0)
        self._words = list(FUNCTION_WORDS)
        self._words += [
            "".join(spelled.choices(SYLLABLES, k=2 + n % 3)).capitalize()
            if n % 7 == 0
            else "".join(spelled.choices(SYLLABLES, k=1 + n % 4))
            for n in range(N_WORDS)
        ]
        # Zipf: the n-th word is n times as rare as the first.
        self._weights = list(accumulate(1 / (n + 3) for n in range(len(self._words))))

    def words(self, n: int) -> list[str]:
        return self._random.choices(self._words, cum_weights=self._weights, k=n)

    def context(self) -> str:
        sentences = []
        left = CONTEXT_WORDS
        while left > 0:
            n = min(left, self._random.randint(12, 28))
            sentence = self.words(n)
            sentence[self._random.randrange(n)] = str(self._random.randint(1700, 2020))
            sentences.append(" ".join(sentence).capitalize() + ".")
            left -= n
        return " ".join(sentences)

    def examples(
        self, context: str, id_: str, origin: Any, *, n: int = PAIRS_PER_CONTEXT
    ) -> Iterator[QAExample]:
        words = context.split()
        last = ""
        for number in range(n):
            first = self._random.randrange(len(words) - 14)
            length = self._random.choice((1, 1, 2, 3))
            text = " ".join(words[first : first + length]).rstrip(".")
            start = len(" ".join([*words[:first], ""]))
            about = words[first + length : first + length + self._random.randint(4, 9)]
            question = f"{self._random.choice(OPENINGS)} {' '.join(about)}".rstrip(".") + "?"
            if number == 4 and self._random.random() < 0.2:
                question = last.replace("What", "Which")
            last = question
            yield QAExample(
                id=ids.pair(id_, number) if origin == "generated" else f"{id_}-{number}",
                context_id=context_id(context),
                context=context,
                question=question,
                answers=(Answer(text=text, start=start),),
                origin=origin,
                context_origin=origin,
                method="llm" if origin == "generated" else None,
            )


def make(folder: Path, n_pairs: int) -> None:
    """Write the tables that the stages read, and params.yaml."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["filter_pairs"]["min_round_trip_f1"] = 50.0
    params["training_seeds"] = [1]
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    tests, writer, chance = Writer(1), Writer(2), Random(3)
    seen = [tests.context() for _ in range(min(N_TEST_CONTEXTS, n_pairs))]
    write_table(
        folder / "test" / "squad.parquet",
        (e for n, text in enumerate(seen) for e in tests.examples(text, f"t{n}", "real")),
        QAExample,
    )
    n_contexts = n_pairs // PAIRS_PER_CONTEXT
    pool = [
        e
        for n in range(max(50, n_contexts // 10))
        for e in writer.examples(writer.context(), f"r{n}", "real")
    ]
    write_table(folder / "pool.parquet", pool, QAExample)
    write_table(folder / "reserve.parquet", [], QAExample)
    write_metrics(folder / "profile.json", profile(pool))
    write_metrics(folder / "prepare.json", {"n_pool": len(pool)})
    with (
        TableWriter(folder / "seed_questions.parquet", QAExample) as seeds,
        TableWriter(folder / "pairs.parquet", QAExample) as pairs,
        TableWriter(folder / "answers.parquet", RoundTripAnswer) as answers,
    ):
        for n in range(n_contexts):
            context = chance.choice(seen) if chance.random() < 0.005 else writer.context()
            seeds.write(next(writer.examples(context, f"s{n}", "real", n=1)))
            context_id_ = ids.generated_context(f"s{n}-0", 1)
            for pair in writer.examples(context, context_id_, "generated"):
                good = chance.random() < 0.8
                pairs.write(pair)
                answers.write(
                    RoundTripAnswer(
                        id=pair.id,
                        text=pair.answers[0].text if good else "Percy",
                        score=chance.random() * 10,
                        f1=100.0 if good else 0.0,
                    )
                )


STAGES = {
    "validate_pairs": "validate.py --artefact pairs --table pairs.parquet"
    " --reference seed_questions.parquet --report pairs.json --page pairs.html",
    "filter_pairs": "filter_pairs.py --pairs pairs.parquet --round-trip-answers answers.parquet"
    " --test test --seed-questions seed_questions.parquet --prepare prepare.json"
    " --kept kept.parquet --rejected rejected.parquet --metrics filter_pairs.json",
    "validate_kept": "validate.py --artefact kept --table kept.parquet --reference answers.parquet"
    " --test test --profile profile.json --report kept.json --page kept.html",
    "blend": "blend.py --regime generated --pool pool.parquet --kept kept.parquet --blends blends"
    " --reserve reserve.parquet --metrics blend.json",
}


def measured(stage: str, folder: Path) -> dict[str, Any]:
    """Run a stage; return its CPU seconds, peak memory and closing line."""
    script, *options = STAGES[stage].split()
    log = (folder / f"{stage}.log").open("w+", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "stages" / script), *options],
        cwd=folder,
        stderr=log,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    _, status, usage = os.wait4(process.pid, 0)
    log.seek(0)
    said = log.read().strip()
    if status:
        raise SystemExit(f"{stage}: {said}")
    return {
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / (1 if sys.platform == "darwin" else 1024)),
        "said": said[-200:],
    }


def main() -> None:
    """Measure the stages at each size and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="also a million pairs")
    parser.add_argument("--folder", type=Path, help="keep the tables there")
    own = parser.parse_args()
    sizes = [FEW, 10_000, 100_000] + ([1_000_000] if own.million else [])
    found: dict[str, dict[int, dict[str, Any]]] = {stage: {} for stage in STAGES}
    with tempfile.TemporaryDirectory() as temporary:
        for n_pairs in sizes:
            folder = (own.folder or Path(temporary)) / str(n_pairs)
            if not (folder / "answers.parquet").is_file():
                folder.mkdir(parents=True, exist_ok=True)
                make(folder, n_pairs)
            for stage in STAGES:
                found[stage][n_pairs] = measured(stage, folder)
                print(n_pairs, stage, found[stage][n_pairs], flush=True)
    report: dict[str, Any] = {"pairs": sizes[1:], "stages": {}}
    logs = [math.log(n) for n in sizes[1:]]
    for stage, by_size in found.items():
        start = by_size[FEW]["cpu_s"]
        spent = [max(by_size[n]["cpu_s"] - start, 0.01) for n in sizes[1:]]
        report["stages"][stage] = {
            "start_cpu_s": start,
            "cpu_s": [by_size[n]["cpu_s"] for n in sizes[1:]],
            "peak_mib": [by_size[n]["peak_mib"] for n in sizes[1:]],
            "exponent": round(_slope(logs, list(map(math.log, spent))), 2),
        }
    print(json.dumps(report))


def _slope(xs: list[float], ys: list[float]) -> float:
    """Return the slope of the line through the points, by least squares."""
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((one - x) ** 2 for one in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread


if __name__ == "__main__":
    main()
