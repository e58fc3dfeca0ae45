"""Where a checkpoint is: a packaged model, a folder, a GGUF file, or a name on the hub."""

import re
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import CheckpointError
from augqa.model_paths import find_path
from augqa.packaged_models import PACKAGED_MODELS, packaged_path

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*")  # branch, tag, commit, or refs/pr/4


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a checkpoint's files are.

    Attributes:
        name: A folder, or a hub name.
        revision: Of the hub name.
        gguf_file: File of the folder that holds config, tokenizer and weights in one.
        served_name: What to call it in a record: where a folder lies is this machine's business.
        label: What to call it in a message: the param and its value.
    """

    name: str
    revision: str | None = None
    gguf_file: str | None = None
    served_name: str
    label: str

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one."""
        path = Path(self.name)
        return path if path.is_dir() else None


def find_checkpoint(checkpoint: str | Path, *, param: str) -> Source:
    """Return where `checkpoint` is, without asking the hub.

    Args:
        checkpoint: A packaged model's name, a folder, a GGUF file, or a hub name, which may end in
            ``@revision``: a branch, a tag, a commit, or a pull request such as ``refs/pr/4``.
        param: The param it stands in, for messages.

    Raises:
        CheckpointError: If it is none of them, or its package is not installed.
    """
    named = str(checkpoint)
    label = f"{param} {named!r}"
    packaged = named in PACKAGED_MODELS
    path = packaged_path(named, param=param) if packaged else find_path(checkpoint, param=param)
    if path is not None and path.is_dir():
        served = named if packaged else path.resolve().name
        return Source(name=str(path), served_name=served, label=label)
    if path is not None and path.suffix == ".gguf":
        return Source(
            name=str(path.parent),
            gguf_file=path.name,
            served_name=named if packaged else path.stem,
            label=label,
        )
    if path is not None:
        raise CheckpointError(
            f"{label}: a file, and not one in GGUF. Name the folder that holds the weights, the"
            " config and the tokenizer."
        )
    name, at, revision = named.partition("@")
    if not _HUB_NAME.fullmatch(name) or (at and not _REVISION.fullmatch(revision)):
        raise CheckpointError(
            f"{label}: no such folder, and not a hub name such as org/model or org/model@revision."
            f" Packaged models: {', '.join(PACKAGED_MODELS)}."
        )
    return Source(name=name, revision=revision or None, served_name=named, label=label)
