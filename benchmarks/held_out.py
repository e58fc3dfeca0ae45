"""Recipes side by side on real training examples that no stage has seen, to choose by.

For each recipe and seed: the F1 of a reader that learned from it, on questions of the training file
whose contexts are neither in the pool nor in the reserve. No test set is touched. A recipe is one
of params.yaml, with knobs changed behind it where wished; tables, reader and training are those of
the workspace, so run it where the stages up to filter_pairs have run. What is measured is kept in
--out. The last line is one JSON object.

    python benchmarks/held_out.py --recipes generated 'generated distractors=2' --seeds 1
"""

import argparse
import hashlib
import json
import statistics
from pathlib import Path
from typing import Any

import yaml
from command import run_command
from keeping import once

from augqa.blends import KINDS, Materials, Recipe
from augqa.errors import AugQAError
from augqa.formats import read_examples
from augqa.lineage import md5
from augqa.params import Params, load_params
from augqa.reader import Reader, train_reader
from augqa.records import QAExample
from augqa.sampling import shuffled
from augqa.scoring import score
from augqa.sentences import n_words
from augqa.tables import read_table

SEED = 77  # of the choice of questions
TABLES = {
    "pool": "data/prepared/pool.parquet",
    "reserve": "data/prepared/reserve.parquet",
    "seed_questions": "data/prepared/seed_questions.parquet",
    "contexts": "data/generated/contexts.parquet",
    "pairs": "data/generated/pairs.parquet",
    "round_trip_answers": "data/generated/round_trip_answers.parquet",
    "kept": "data/filtered/kept.parquet",
    "rejected": "data/filtered/rejected.parquet",
}


def recipe(params: Params, text: str) -> tuple[str, Recipe]:
    """Return the name and the knobs that ``NAME knob=value ...`` means."""
    name, *changes = text.split()
    if name not in params.blend:
        raise AugQAError(f"--recipes: no recipe {name!r}; there are {', '.join(params.blend)}")
    knobs = params.blend[name]
    if wrong := [change for change in changes if "=" not in change]:
        raise AugQAError(f"--recipes {text!r}: {wrong[0]!r} is not of the form knob=value")
    try:
        parts = dict(change.split("=", 1) for change in changes)
        values = {knob: yaml.safe_load(value) for knob, value in parts.items()}
        return name, type(knobs).model_validate({**knobs.model_dump(), **values})
    except (ValueError, yaml.YAMLError) as error:
        raise AugQAError(f"--recipes {text!r}: {' '.join(str(error).split())}") from error


def held_out(file: Path, n: int) -> list[QAExample]:
    """Return `n` examples of a training file on contexts that no stage has seen."""
    seen = {
        example.context_id
        for name in ("pool", "reserve")
        if Path(TABLES[name]).is_file()
        for example in read_table(Path(TABLES[name]), QAExample)
    }
    fresh = [e for e in read_examples(file).examples if e.context_id not in seen]
    return shuffled(fresh, seed=SEED)[:n]


def measured(
    params: Params, name: str, knobs: Recipe, seed: int, asked: list[QAExample], out: Path
) -> dict[str, Any]:
    """Train a reader on a recipe's training set of a seed; return its F1 and the set's size."""
    tables = {table: Path(path) for table, path in TABLES.items() if Path(path).is_file()}
    made = KINDS.get(knobs.kind).make(Materials.of(name, tables), knobs, seed)
    settings = {**dict(params.reader), **dict(params.train), "held_out_fraction": 0.0}
    trained, _ = train_reader(made.examples, seed=seed, **settings)
    folder = out / "reader"
    trained.save(folder)
    own = params.reader.model_dump(exclude={"checkpoint"})
    reader = Reader.load(folder, engine=params.evaluate.engine, **own)
    answers = reader.answer_all(asked)
    golds = {example.id: [gold.text for gold in example.answers] for example in asked}
    found = {example.id: answer.text for example, answer in zip(asked, answers, strict=True)}
    return {
        "f1": score(golds, found).f1,
        "n_examples": len(made.examples),
        "context_words": statistics.fmean(n_words(e.context) for e in made.examples),
    }


def main() -> None:
    """Measure each recipe with each seed; print a table, and one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", required=True, help="NAME or 'NAME knob=value'")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--n", type=int, default=1500, help="questions")
    parser.add_argument("--train", type=Path, default=Path("data/external/train.json"))
    parser.add_argument("--out", type=Path, default=Path(".cache/benchmarks/held_out"))
    options = parser.parse_args()
    params = load_params()
    chosen = {text: recipe(params, text) for text in options.recipes}
    asked = held_out(options.train, options.n)
    made_from = {table: md5(Path(p)) for table, p in TABLES.items() if Path(p).is_file()}
    found: dict[str, dict[int, Any]] = {}
    for seed in options.seeds:
        for text, (name, knobs) in chosen.items():
            settings = (knobs.model_dump(), params.reader.model_dump(), params.train.model_dump())
            own = (text, seed, options.n, settings, made_from)
            key = hashlib.sha256(repr(own).encode()).hexdigest()[:16]
            one = once(
                options.out / f"{key}.json",
                lambda name=name, knobs=knobs, seed=seed: measured(
                    params, name, knobs, seed, asked, options.out
                ),
            )
            found.setdefault(text, {})[seed] = one
            print(
                f"{text:40} seed {seed}: F1 {one['f1']:5.1f}, {one['n_examples']} examples of"
                f" {one['context_words']:.0f} words",
                flush=True,
            )
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
