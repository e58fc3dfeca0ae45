"""How long a training took, kept beside DVC's outs: another machine needs another time.

An out with seconds in it would have other bytes each time, and all that comes after it would run
again. So they lie under ``.cache/``, by the key of the training.
"""

import json
from pathlib import Path

from augqa.files import write_whole
from augqa.stage import project_root


def _path(run_key: str) -> Path:
    return project_root() / ".cache" / "seconds" / f"{run_key}.json"


def keep_seconds(run_key: str, seconds: float) -> None:
    """Keep how long the training of this key took."""
    path = _path(run_key)
    write_whole(path, json.dumps({"seconds": round(seconds, 1)}))


def seconds_of(run_key: str) -> float | None:
    """Return how long the training of this key took; None where it was not made here."""
    try:
        return float(json.loads(_path(run_key).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        # Lost or torn: a time is worth no error.
        return None
