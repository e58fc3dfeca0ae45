"""Near-duplicates by datatrove's MinHash on disk, in an environment of its own.

    python3.11 -m venv .venv-datatrove
    .venv-datatrove/bin/pip install datatrove xxhash orjson spacy regex tokenizers
    python benchmarks/near_duplicates.py write FOLDER
    .venv-datatrove/bin/python benchmarks/minhash.py FOLDER
    python benchmarks/near_duplicates.py compare FOLDER

The first and the last are the project's own. Texts come as FOLDER/texts/*.jsonl, one ``{"id",
"text"}`` a line, already normalized; the pairs that share a bucket go to FOLDER/pairs.jsonl. Only
these need an exact look. A text is the set of its runs of four characters, as in `augqa.overlap`.
"""

import argparse
import json
import struct
import time
from pathlib import Path

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.hashing import create_hash_func
from datatrove.utils.typeshelper import Languages

# Two texts as similar as 0.8 share one of 25 buckets of 6 hashes with a probability of
# 1 - (1 - 0.8**6)**25 = 0.9995, and two of 0.5 with one of 0.33.
CONFIG = MinhashConfig(num_buckets=25, hashes_per_bucket=6)
SHINGLE_CHARS = 4
PAIR = struct.Struct("<4I")


class Signatures(MinhashDedupSignature):
    """Signatures of runs of characters in place of words."""

    def get_shingles(self, text: str) -> np.ndarray:
        """Return the hashes of the runs of a text, shape ``(n_runs, 1)``."""
        hashed = create_hash_func(self.config.hash_config)
        count = max(1, len(text) - SHINGLE_CHARS + 1)
        runs = {text[i : i + SHINGLE_CHARS].encode() for i in range(count)}
        return np.fromiter((hashed(run) for run in runs), np.uint64, len(runs)).reshape(-1, 1)


def find(folder: Path, n_tasks: int) -> dict[str, float]:
    """Find pairs; return the seconds of both stages and the number of pairs."""
    signatures, buckets = str(folder / "signatures"), str(folder / "buckets")
    stages = (
        (
            "signatures",
            [
                JsonlReader(str(folder / "texts")),
                Signatures(output_folder=signatures, config=CONFIG, language=Languages.english),
            ],
            n_tasks,
        ),
        (
            "buckets",
            [MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=CONFIG)],
            CONFIG.num_buckets,
        ),
    )
    found: dict[str, float] = {}
    for name, pipeline, tasks in stages:
        began = time.perf_counter()
        LocalPipelineExecutor(
            pipeline=pipeline,
            tasks=tasks,
            workers=1,
            logging_dir=str(folder / "logs" / name),
            skip_completed=False,
        ).run()
        found[f"{name}_s"] = round(time.perf_counter() - began, 2)
    pairs = {
        ((a_file, a), (b_file, b))
        for path in (folder / "buckets").rglob("*.dups")
        for a_file, a, b_file, b in PAIR.iter_unpack(path.read_bytes())
    }
    # Each task has read one file, in the order of their names.
    ids = [
        [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted((folder / "texts").glob("*.jsonl"))
    ]
    with (folder / "pairs.jsonl").open("w", encoding="utf-8") as file:
        for (a_file, a), (b_file, b) in sorted(pairs):
            file.write(json.dumps([ids[a_file][a], ids[b_file][b]]) + "\n")
    return found | {"n_pairs": len(pairs)}


def main() -> None:
    """Find the pairs of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    n_tasks = len(list((folder / "texts").glob("*.jsonl")))
    if not n_tasks:
        raise SystemExit(f"minhash.py: error: {folder / 'texts'}: there is no *.jsonl there")
    print(json.dumps(find(folder, n_tasks), sort_keys=True))


if __name__ == "__main__":
    main()
