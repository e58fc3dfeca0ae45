"""A reader's answers by Ray on two machines: one is lost, then the head is killed.

    make setup EXTRAS='ray test' && .venv/bin/python -m tests.nodes [--questions 400] [--pause 0.2]

The machines are namespaces of this one (tests/nodes/hosts.py); the reader is the packaged encoder
with a head of random weights. What must hold is asserted; one JSON line last.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tests.nodes.hosts import why_not
from tests.nodes.story import tell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds more a batch")
    parser.add_argument("--folder", type=Path, help="where files stay, also after a failure")
    own = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    asked = {
        "reader": "all-MiniLM-L6-v2",
        "settings": {"head_seed": 0},
        "batch_size": 2,
        "n_workers": 2,
        "pause_s": own.pause,
        **sample(own.questions),
    }
    with tempfile.TemporaryDirectory() as temporary:
        story = tell(own.folder or Path(temporary), asked)
    assert story.there == story.here
    assert set(story.by) == {"head", "node"}
    assert set(story.lost.values()) <= {"head", "node"}
    assert story.n_again == 0
    told = ("n_batches", "by", "n_before", "n_again", "seconds")
    lost = {"n_lost_with_the_machine": len(story.lost)}
    print(json.dumps({**{name: getattr(story, name) for name in told}, **lost}))


def sample(n: int) -> dict[str, list[str]]:
    """Return so many questions of the sample, none twice on the same context."""
    found = [
        (qa["question"], paragraph["context"])
        for name in ("dev", "train")
        for article in json.loads(Path(f"data/sample/{name}.json").read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    found = sorted(set(found))[:n]
    assert len(found) == n, f"the sample has {len(found)} questions"
    return {"questions": [q for q, _ in found], "contexts": [c for _, c in found]}


if __name__ == "__main__":
    main()
