"""Where raw data comes from: a file of the sample or of the user's, or the Hugging Face hub."""

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import httpx2
from datasets.exceptions import DatasetsError
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from augqa.errors import DataError
from augqa.files import whole_file, writing
from augqa.formats import Reading, Unanswerable, read_examples
from augqa.test_sets import (
    PUBLISHED,
    FileSource,
    HubSource,
    SampleSource,
    file_content,
    hub_content,
)

# The branch on which the hub keeps every data set as Parquet, one folder a configuration: also
# those that are made by a script, which `datasets` runs no longer.
PARQUET_BRANCH = "refs/convert/parquet"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_KEPT = ("id", "title", "context", "question", "answers", "is_impossible")
_NEEDED = ("context", "question", "answers")

# What loading from the hub raises for a wrong name, a wrong schema, or a hub out of reach.
_HUB_FAULTS = (OSError, ValueError, RuntimeError, DatasetsError, httpx2.HTTPError)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bring(
    source: SampleSource | FileSource | HubSource,
    name: str,
    *,
    raw: Path,
    sample: Path,
    external: Path,
) -> dict[str, Any] | Path:
    """Copy or download one set.

    Args:
        source: Where it is.
        name: Its name; that of the copy, too.
        raw: Folder of the copies.
        sample: Folder of the sample.
        external: Folder of the user's own files.

    Returns:
        What the manifest says of it, or, where it is not to be had, where it was looked for.

    Raises:
        DataError: If it cannot be had from the hub, or is not the one expected.
    """
    if isinstance(source, HubSource):
        copy = raw / f"{name}.jsonl"
        commit = fetch_hub(source.path, source.config, source.split, source.revision, copy)
        content = hub_content(source.path, source.config, source.split)
    else:
        folder = sample if isinstance(source, SampleSource) else external
        origin = folder / source.name
        if not origin.exists():
            return origin
        # The end of the name is for people: the format is told by the content.
        ending = origin.suffixes[-2:] if origin.suffix == ".gz" else origin.suffixes[-1:]
        copy = raw / f"{name}{''.join(ending)}"
        expected = source.sha256 if isinstance(source, FileSource) else None
        copy_file(origin, copy, expected_sha256=expected)
        content = file_content(sha256(copy))
    found = {
        "file": copy.name,
        "sha256": sha256(copy),
        "n_bytes": copy.stat().st_size,
        "content": content,
    }
    # Where a revision may move, what was loaded is known by its commit alone.
    return found | ({"commit": commit} if isinstance(source, HubSource) else {})


def copy_file(origin: Path, copy: Path, *, expected_sha256: str | None) -> None:
    """Copy a raw file byte for byte, after its checksum has been compared.

    Raises:
        DataError: If the checksum differs from the one expected.
    """
    found = sha256(origin)
    if expected_sha256 is not None and found != expected_sha256:
        raise DataError(
            f"{origin}: SHA-256 is {found}, params.yaml expects {expected_sha256}: the file is not"
            " the one these params were made for. Put that one there, or change the source of the"
            " set under data."
        )
    _copy_whole(origin, copy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A file that `import_files` brought.

    Attributes:
        origin: Where it was.
        name: What it is called now.
        sha256: Its checksum.
        reading: What it holds.
    """

    origin: Path
    name: str
    sha256: str
    reading: Reading


def import_files(
    folder: Path,
    external: Path,
    *,
    wanted: Collection[str],
    training: Collection[str],
    repair: bool,
    unanswerable: Unanswerable,
) -> tuple[list[Imported], dict[str, str]]:
    """Bring a user's files to where the profiles look for them, each one read first.

    A file under a name that the publisher of a known set uses gets our name for it; any other one
    keeps its own.

    Args:
        folder: Where the user has them; folders in it are left alone.
        external: Where they go.
        wanted: Names that params ask for: what has one of them must be sound.
        training: Those of them that are trained on: their answers must be at their very place.
        repair: As in `read_examples`.
        unanswerable: As in `read_examples`.

    Returns:
        What was brought, by name, and for each other file why it was not.

    Raises:
        DataError: If the folder is missing, a file under a wanted or known name cannot be read or
            has faults, two files claim one name, or no file can be used. Nothing is copied then.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Say `make data FROM=DIR`.")
    found: dict[str, Imported] = {}
    left: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.is_dir():
            continue
        name = _our_name(path.name)
        known = name in wanted or name != path.name
        try:
            reading = read_examples(
                path,
                repair=repair,
                unanswerable=unanswerable,
                starts_matter=name in training,
            )
        except DataError as error:
            if known:
                raise
            left[path.name] = str(error).removeprefix(f"{path}: ")
            continue
        digest = sha256(path)
        if name in found and found[name].sha256 != digest:
            raise DataError(
                f"{found[name].origin} and {path} both look like {name}, and differ: keep one of"
                " them"
            )
        found[name] = Imported(origin=path, name=name, sha256=digest, reading=reading)
    if not found:
        why = "".join(f"\n  {name}: {reason}" for name, reason in left.items()) or " it is empty"
        raise DataError(f"{folder}: no file in it can be used:{why}")
    for one in found.values():
        _copy_whole(one.origin, external / one.name)
    return sorted(found.values(), key=lambda one: one.name), left


def _copy_whole(origin: Path, copy: Path) -> None:
    with whole_file(copy) as partial, writing(copy):
        shutil.copyfile(origin, partial)


def _our_name(name: str) -> str:
    for known in PUBLISHED.values():
        if name in known.file_names:
            return known.file_names[0]
    return name


def not_pinned(sources: Mapping[str, Any], sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Return an addition to a closing line for sets whose revision on the hub may move.

    Args:
        sources: Source of each set.
        sets: What the manifest says of those that were brought.
    """
    pins = [
        f"{name} ({source.revision.split('@')[0]}@{sets[name]['commit'] or 'unknown commit'})"
        for name, source in sources.items()
        if isinstance(source, HubSource) and name in sets and not is_pinned(source.revision)
    ]
    if not pins:
        return ""
    return f"; by a revision that may move, write the commit behind it to pin it: {', '.join(pins)}"


def is_pinned(revision: str) -> bool:
    """Whether a revision names a commit: whole, or behind a branch and ``@``."""
    return _COMMIT.fullmatch(revision.rpartition("@")[2]) is not None


def resolved_commit(path: str, revision: str) -> str | None:
    """Return the commit that a revision of a hub data set stands for now.

    None for a local folder, and where the hub does not say; what is loaded then is not known by
    its commit.
    """
    if _COMMIT.fullmatch(revision):
        return revision
    if Path(path).is_dir():
        return None
    try:
        commit: str | None = HfApi().dataset_info(path, revision=revision, timeout=30).sha
    except (*_HUB_FAULTS, HfHubHTTPError):
        return None
    return commit


def fetch_hub(path: str, config: str | None, split: str, revision: str, copy: Path) -> str | None:
    """Write one split of a hub data set as JSON lines, its rows as they stand.

    What is loaded is the commit that the revision stands for when it is asked.

    Args:
        path: Name on the hub, or a local folder.
        config: Its configuration; None where it has one alone.
        split: Name of the split.
        revision: A commit, tag or branch, slashes included; or a branch, ``@`` and a commit of it.
            On `PARQUET_BRANCH` the configuration is a folder.
        copy: The file to write.

    Returns:
        The commit; None where nobody says it.

    Raises:
        DataError: If the hub cannot be reached, there is no such data set, configuration, split or
            revision, it is made by a script, or its rows have another schema.
    """
    where = f"hub data set {path!r}, config {config!r}, split {split!r}, revision {revision!r}"
    branch, _, pinned = revision.partition("@")
    chosen: dict[str, Any] = {"name": config}
    if branch == PARQUET_BRANCH:
        chosen = {"data_dir": config}
    commit = resolved_commit(path, pinned or revision)
    asked = commit or pinned or revision
    try:
        rows = datasets.load_dataset(path, split=split, revision=asked, **chosen)
        missing = [name for name in _NEEDED if name not in rows.column_names]
        if missing:
            raise DataError(
                f"{where}: no column {missing[0]!r}; it has {', '.join(rows.column_names)}"
            )
        with whole_file(copy) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                kept = {name: row[name] for name in _KEPT if name in row}
                file.write(json.dumps(kept, ensure_ascii=False, default=str) + "\n")
    except _HUB_FAULTS as error:
        raise DataError(f"{where}: {_cause(error)}") from error
    return commit


def _cause(error: BaseException) -> str:
    """Return what went wrong on the way to the hub, on one line, and what to do about it."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    if "scripts are no longer supported" in text:
        return (
            "it is made by a script, which `datasets` runs no longer: set its revision to"
            f" {PARQUET_BRANCH}, where the hub keeps it as Parquet"
        )
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ConnectionError | TimeoutError | httpx2.TransportError):
            return (
                f"the hub cannot be reached ({text}). Check the network, or take the set from a"
                " file: source: {kind: file, name: ..., sha256: null}"
            )
        link = link.__cause__
    return f"{text}. Check its path, config, split and revision under data in params.yaml"
