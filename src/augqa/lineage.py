"""Names of trainings and of what they were made from."""

import hashlib
import json
from pathlib import Path


def run_key(**parts: object) -> str:
    """Return the name of a training wherever it runs: equal inputs, equal key.

    Args:
        parts: All that its result depends on: hashes of tables, settings, seeds.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def md5(path: Path) -> str:
    """Return the md5 of a file, which is what dvc.lock says of it."""
    return hashlib.md5(path.read_bytes()).hexdigest()
