"""The near-duplicates that datatrove's MinHash finds, held against those of our filter.

    python benchmarks/near_duplicates.py write FOLDER      # texts from data/sample
    ... benchmarks/minhash.py FOLDER                       # in an environment of its own
    python benchmarks/near_duplicates.py compare FOLDER    # one JSON line last

The texts are the questions of the sample, and copies of each with one to three words changed.
Exact are the pairs of `augqa.overlap.similar_texts` over all texts, with the similarity from which
the default filter calls questions near-duplicates.
"""

import argparse
import json
import random
import time
from pathlib import Path

from command import need_folder, run_command

from augqa.errors import AugQAError
from augqa.overlap import similar_texts
from augqa.params import load_params
from augqa.scoring import normalize_answer

ROOT = Path(__file__).parents[1]
SEED = 13
CHANGED_WORDS = (1, 2, 3)
N_FILES = 2


def questions() -> list[str]:
    """Return the distinct questions of the sample."""
    found: dict[str, None] = {}
    for path in sorted((ROOT / "data" / "sample").glob("*.json")):
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                found.update((qa["question"], None) for qa in paragraph["qas"])
    return list(found)


def texts() -> dict[str, str]:
    """Return the questions and their changed copies, by an id."""
    draw = random.Random(SEED)
    asked = questions()
    words = sorted({word for question in asked for word in question.split()})
    made: dict[str, str] = {}
    for number, question in enumerate(asked):
        made[f"{number}-0"] = question
        for n_changed in CHANGED_WORDS:
            copy = question.split()
            for place in draw.sample(range(len(copy)), min(n_changed, len(copy))):
                copy[place] = draw.choice(words)
            made[f"{number}-{n_changed}"] = " ".join(copy)
    return made


def write(folder: Path) -> None:
    """Write the texts, normalized and padded as the filter does it, as JSONL files."""
    (folder / "texts").mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"id": name, "text": f" {normalize_answer(text)} "})
        for name, text in texts().items()
    ]
    for number in range(N_FILES):
        path = folder / "texts" / f"{number:05d}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines[number::N_FILES]), encoding="utf-8")
    print(f"{len(lines)} texts are in {folder / 'texts'}")


def compare(folder: Path) -> None:
    """Print how many of the exact pairs were proposed, and how many proposals are exact pairs."""
    proposals = (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    found = texts()
    names = list(found)
    least = load_params(ROOT / "profiles" / "embedded.yaml").filter_pairs.min_duplicate_similarity
    began = time.perf_counter()
    alike = similar_texts(list(found.values()), [range(len(found))], least)
    seconds = time.perf_counter() - began
    exact = {
        frozenset((names[place], names[other]))
        for place, others in alike.items()
        for other, _ in others
    }
    proposed = {frozenset(json.loads(line)) for line in proposals}
    # A bucket of three texts has two pairs: who is linked by others counts as found.
    group = _groups(names, proposed)
    n_linked = sum(len({group[name] for name in pair}) == 1 for pair in exact)
    print(
        json.dumps(
            {
                "n_texts": len(names),
                "min_similarity": least,
                "exact_pairs": len(exact),
                "exact_s": round(seconds, 2),
                "proposed_pairs": len(proposed),
                "exact_among_proposed": len(exact & proposed),
                "exact_linked": n_linked,
            },
            sort_keys=True,
        )
    )


def _groups(names: list[str], pairs: set[frozenset[str]]) -> dict[str, str]:
    """Return for each name one that stands for all that pairs link it with."""
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for pair in pairs:
        first, *others = sorted(pair)
        for other in others:
            parent[root(other)] = root(first)
    return {name: root(name) for name in names}


def main() -> None:
    """Write the texts, or compare what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("write", "compare"))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.part == "write":
        write(options.folder)
        return
    need_folder("FOLDER", options.folder)
    if not (options.folder / "pairs.jsonl").is_file():
        raise AugQAError(
            f"{options.folder}: no pairs.jsonl in it; benchmarks/minhash.py writes that"
        )
    compare(options.folder)


if __name__ == "__main__":
    run_command(main)
