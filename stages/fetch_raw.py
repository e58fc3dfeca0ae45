"""Bring the raw files, untouched and checksummed."""

from pathlib import Path
from typing import Any

from augqa.errors import DataError
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.sources import copy_file, fetch_hub, sha256
from augqa.stage import Input, Output, project_root, run
from augqa.test_sets import FileSource, HubSource, SampleSource, file_content, hub_content


def fetch_raw(sample: Input, raw: Output) -> str:
    """Copy or download every set that is to be had; name those that are not."""
    own = load_params().data
    external = project_root() / "data" / "external"
    found: dict[str, dict[str, Any]] = {}
    missing: dict[str, Path] = {}
    for name, source in own.sources().items():
        match source:
            case HubSource():
                copy = raw / f"{name}.jsonl"
                fetch_hub(source.path, source.config, source.split, source.revision, copy)
                content = hub_content(source.path, source.config, source.split)
            case SampleSource() | FileSource():
                folder = sample if isinstance(source, SampleSource) else external
                origin = folder / source.name
                if not origin.exists():
                    missing[name] = origin
                    continue
                expected = source.sha256 if isinstance(source, FileSource) else None
                # The end of the name is for people: the format is told by the content.
                copy = raw / f"{name}{_ending(origin)}"
                copy_file(origin, copy, expected_sha256=expected)
                content = file_content(sha256(copy))
        found[name] = {
            "file": copy.name,
            "sha256": sha256(copy),
            "n_bytes": copy.stat().st_size,
            "content": content,
        }
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
    return f"{len(found)} sets" + (f"; not available: {names}" if names else "")


def _ending(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])


if __name__ == "__main__":
    run(fetch_raw)
