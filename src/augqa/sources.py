"""Where raw data comes from: the sample shipped here, a user's files, or the hub."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import datasets

from augqa.errors import DataError
from augqa.records import TEST_SETS, Answer, QAExample, context_id
from augqa.squad import read_squad, to_squad

SETS = ("train", *TEST_SETS)

# Without these two there is nothing to learn from or to measure on; a shift may be missing.
REQUIRED_SETS = ("train", "squad")

# Names under which each set is known, ours first, then those of the publishers.
KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train.json", "train-v1.1.json", "squad-train-v1.1.json"),
    "squad": ("squad.json", "dev.json", "dev-v1.1.json", "squad-dev-v1.1.json"),
    "new_wiki": ("new_wiki.json", "new_wiki_v1.0.json"),
    "nyt": ("nyt.json", "nyt_v1.0.json"),
    "amazon": ("amazon.json", "amazon_reviews_v1.0.json"),
    "reddit": ("reddit.json", "reddit_v1.0.json"),
}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_set(folder: Path, set_name: str) -> Path | None:
    """Return the file of a set in a folder, under any of its known names; None if absent.

    Raises:
        DataError: If two files claim to be the set and differ.
    """
    found = [folder / name for name in KNOWN_NAMES[set_name] if (folder / name).is_file()]
    if len({sha256(path) for path in found}) > 1:
        names = " and ".join(str(path) for path in found)
        raise DataError(f"{names} both look like set {set_name}, and differ: keep one of them")
    return found[0] if found else None


def copy_set(origin: Path, copy: Path, *, expected_sha256: str | None) -> None:
    """Copy a raw file byte for byte, after its checksum has been compared.

    Raises:
        DataError: If the checksum differs from the one expected.
    """
    found = sha256(origin)
    if expected_sha256 is not None and found != expected_sha256:
        raise DataError(
            f"{origin}: SHA-256 is {found}, params.yaml expects {expected_sha256}: the file is not"
            " the one these params were made for. Put that one there, or change data.files."
        )
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, copy)


def import_files(folder: Path, external: Path) -> dict[str, str]:
    """Bring a user's SQuAD-format files to where the profiles look for them.

    Every file is read and checked before the first one is copied.

    Args:
        folder: Where the user has them, under any of `KNOWN_NAMES`.
        external: Where they go, as ``<set>.json``.

    Returns:
        The SHA-256 of each set that was found.

    Raises:
        DataError: If a required set is missing, or a file is not sound SQuAD v1.1.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Say `make data FROM=DIR`.")
    found = {name: path for name in SETS if (path := find_set(folder, name)) is not None}
    for name in REQUIRED_SETS:
        if name not in found:
            wanted = " or ".join(KNOWN_NAMES[name])
            raise DataError(f"{folder}: no file for set {name}: expected {wanted}")
    for path in found.values():
        read_squad(path)
    external.mkdir(parents=True, exist_ok=True)
    for name, path in found.items():
        partial = external / f"{name}.json.partial"
        shutil.copyfile(path, partial)
        partial.replace(external / f"{name}.json")
    return {name: sha256(external / f"{name}.json") for name in found}


def fetch_hub(path: str, config: str | None, split: str, revision: str, copy: Path) -> None:
    """Write one split of a SQuAD-like hub dataset as a SQuAD v1.1 file.

    Args:
        path: Name on the hub, or a local folder.

    Raises:
        DataError: If the hub cannot be reached or the split has another schema.
    """
    try:
        rows = datasets.load_dataset(path, config, split=split, revision=revision)
    except (OSError, ValueError) as error:
        raise DataError(
            f"hub dataset {path!r}, config {config!r}, split {split!r}, revision {revision!r}:"
            f" {error}. Check the network and data.hub, or set data.source to files."
        ) from error
    missing = {"id", "context", "question", "answers"} - set(rows.column_names)
    if missing:
        raise DataError(
            f"hub dataset {path!r}: no column {sorted(missing)}; it has {rows.column_names}"
        )
    examples = (
        QAExample(
            id=row["id"],
            context_id=context_id(row["context"]),
            context=row["context"],
            question=row["question"],
            answers=tuple(
                Answer(text=text, start=start)
                for text, start in zip(
                    row["answers"]["text"], row["answers"]["answer_start"], strict=True
                )
            ),
            origin="real",
            context_origin="real",
        )
        for row in rows
    )
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(json.dumps(to_squad(examples), ensure_ascii=False), encoding="utf-8")
