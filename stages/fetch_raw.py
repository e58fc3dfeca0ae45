"""Bring the raw files, untouched and checksummed."""

from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.sources import bring, not_pinned
from augqa.stage import Input, Output, project_root, run


def fetch_raw(sample: Input, raw: Output) -> str:
    """Copy or download every set that is to be had; name those that are not."""
    own = load_params().data
    external = project_root() / "data" / "external"
    found: dict[str, dict[str, Any]] = {}
    missing: dict[str, Path] = {}
    for name, source in own.sources().items():
        brought = bring(source, name, raw=raw, sample=sample, external=external)
        if isinstance(brought, Path):
            missing[name] = brought
        else:
            found[name] = brought
    if "train" in missing or set(found) == {"train"}:
        what = "the training set" if "train" in missing else "any test set"
        names = "".join(f"\n  {name}: {path} is not there" for name, path in missing.items())
        raise DataError(
            f"no file for {what}:{names}\n`make data FROM=DIR` brings files of yours to {external};"
            " or change the sources under data in params.yaml."
        )
    write_metrics(
        raw / "manifest.json",
        # What says nothing about the content, such as a title, must not stand here: it would make
        # all that follows be made anew.
        {
            "sets": found,
            "test_sets": list(own.test_sets),
            "not_available": [name for name in own.test_sets if name in missing],
        },
    )
    names = "; ".join(f"{name} ({path})" for name, path in missing.items())
    return (
        f"{len(found)} sets"
        + (f"; not available: {names}" if names else "")
        + not_pinned(own.sources(), found)
    )


if __name__ == "__main__":
    run(fetch_raw)
