"""Checkpoints of readers, encoders and language models, loaded safely by transformers.

Safetensors or GGUF alone, and no code of the checkpoint's own: neither can run anything.
"""

import contextlib
import importlib.util
import logging
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx2
import huggingface_hub
import torch
from huggingface_hub import errors as hub
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GgufConfig,
)
from transformers.utils import logging as transformers_logging

from augqa.checkpoint_source import Source, find_checkpoint
from augqa.errors import CheckpointError, first_line
from augqa.finetuning.head import draw_head
from augqa.packaged_models import PACKAGED_MODELS

log = logging.getLogger("augqa")

Kind = Literal["causal", "seq2seq"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")
_KINDS = {
    "causal": ("a causal language model", "SmolLM2 or Llama", AutoModelForCausalLM),
    "seq2seq": ("a sequence-to-sequence model", "T5 or BART", AutoModelForSeq2SeqLM),
}
# What transformers raises on files that are missing, cut off, or of another kind.
_UNUSABLE = (
    *(OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, AttributeError),
    *(SafetensorError, EOFError, IndexError, ArithmeticError, struct.error),
    hub.StrictDataclassError,  # text for a number in config.json
)


# ---- readers and encoders


def load_reader(source: Source, *, head_seed: int | None) -> Any:
    """Load a question-answering model in float32.

    Args:
        source: Where its files are.
        head_seed: Draws the weights of a head that the checkpoint lacks. None: the checkpoint
            must have one.

    Raises:
        CheckpointError: If the weights are not safetensors, need code of their own, are
            incomplete, or lack a head where `head_seed` is None.
    """
    if source.gguf_file is not None:
        raise CheckpointError(
            f"{source.label}: a GGUF file holds a language model, which marks no answers. Name an"
            " encoder such as all-MiniLM-L6-v2."
        )
    _refuse_pickles(source)
    location, files = _files(source)
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(location, **files)
            model, report = AutoModelForQuestionAnswering.from_pretrained(
                location,
                config=config,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                **files,
            )
    except _UNUSABLE as error:
        raise CheckpointError(
            f"{source.label}: no question-answering model: {first_line(error)}"
        ) from error
    missing = sorted(report["missing_keys"])
    encoder = model.base_model_prefix + "."
    lost = [name for name in missing if name.startswith(encoder)]
    if lost:
        raise CheckpointError(
            f"{source.label}: {len(lost)} weights of the encoder are missing, the first one is"
            f" {lost[0]}"
        )
    if missing and head_seed is None:
        raise CheckpointError(
            f"{source.label}: has no question-answering head ({', '.join(missing)}), its answers"
            " would be random. Train it first."
        )
    if missing:
        draw_head(model, missing, head_seed or 0)
    return model


def load_reader_tokenizer(source: Source) -> Any:
    """Load a fast tokenizer that neither pads nor truncates on its own.

    Raises:
        CheckpointError: If there is none, or only a slow one: a slow one gives no offsets.
    """
    tokenizer = _load_tokenizer(source, *_files(source))
    # Settings that some checkpoints bring along: the windows are cut and padded here instead.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


# ---- language models


def load_language_model(checkpoint: str, kind: Kind, *, param: str) -> tuple[Any, Any, Source]:
    """Return tokenizer, model and where they were: in float32, each weight the checkpoint's own.

    Raises:
        CheckpointError: If it is not there, is not of the kind, needs code of its own, has no fast
            tokenizer, or its weights are pickled or incomplete.
    """
    source = find_checkpoint(checkpoint, param=param)
    location, files = _files(source)
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(location, **files)
    except _UNUSABLE as error:
        raise CheckpointError(f"{source.label}: no usable config: {first_line(error)}") from error
    described, such_as, model_class = _KINDS[kind]
    # An encoder such as BERT can be loaded as a causal model too; what it was trained as tells.
    names = " ".join(getattr(config, "architectures", None) or ())
    is_causal = not config.is_encoder_decoder and (
        source.gguf_file is not None or "CausalLM" in names or "LMHead" in names
    )
    if not (config.is_encoder_decoder if kind == "seq2seq" else is_causal):
        raise CheckpointError(
            f"{source.label}: a {config.model_type} is no{described.removeprefix('a')}. Name one,"
            f" such as {such_as}."
        )
    tokenizer = _load_tokenizer(source, location, files)
    if tokenizer.eos_token_id is None:
        raise CheckpointError(
            f"{source.label}: its tokenizer has no end-of-sequence token, so a question would have"
            " no end. Name it in its tokenizer_config.json (eos_token)."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    try:
        with quiet_transformers():
            weights: dict[str, Any] = {"use_safetensors": True}
            if source.gguf_file is not None:
                weights = {"quantization_config": GgufConfig(dequantize=True)}
            model, report = model_class.from_pretrained(
                location,
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                **weights,
                **files,
            )
    except _UNUSABLE as error:
        raise CheckpointError(
            f"{source.label}: no usable weights: {first_line(error)}. They must be safetensors: a"
            " pickled pytorch_model.bin is not opened."
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointError(
            f"{source.label}: {len(missing)} weights are missing, the first one is {missing[0]}:"
            " its questions would be random"
        )
    n_rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > n_rows:
        raise CheckpointError(
            f"{source.label}: its tokenizer has {len(tokenizer)} tokens, but its weights only"
            f" {n_rows}: they are not of one model"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return tokenizer, model.to(device).eval(), source


# ---- parts of both


def _files(source: Source) -> tuple[str, dict[str, Any]]:
    """Return where `from_pretrained` is to look, and what else it is to be told.

    The hub is asked once, for a small file: transformers would ask it ten times, and then say that
    the name may be wrong or the network may be down.

    Raises:
        CheckpointError: If the hub does not have it, or cannot be reached and its cache has not.
    """
    keep_out: dict[str, Any] = {"trust_remote_code": False}
    if source.gguf_file is not None:
        keep_out["gguf_file"] = source.gguf_file
    if source.folder is not None:
        return source.name, keep_out
    name, revision = source.name, source.revision
    cached = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=revision)
    snapshot = str(Path(cached).parent) if isinstance(cached, str) else None
    if snapshot is not None and not any(Path(snapshot).glob("*.safetensors")):
        snapshot = None  # a download that was stopped
    pinned = _COMMIT.fullmatch(revision or "") is not None
    if snapshot is not None and (pinned or huggingface_hub.constants.HF_HUB_OFFLINE):
        return snapshot, keep_out
    try:
        huggingface_hub.get_hf_file_metadata(
            huggingface_hub.hf_hub_url(name, "config.json", revision=revision)
        )
    except (httpx2.HTTPError, hub.EntryNotFoundError, OSError) as error:
        fault = _hub_fault(source, error)
        if fault is not None:
            raise CheckpointError(f"{source.label}: {fault}") from error
        if snapshot is None:
            raise CheckpointError(
                f"{source.label}: no such folder here, and the hub cannot be reached:"
                f" {first_line(error)}"
            ) from error
        log.warning("%s: the hub cannot be reached; its cached copy is used", source.label)
        return snapshot, keep_out
    return name, {**keep_out, "revision": revision}


def _hub_fault(source: Source, error: Exception) -> str | None:
    """Return what the hub says against a checkpoint; None where it says nothing."""
    match error:
        case hub.GatedRepoError():
            return "its owner must grant access first: ask on its page, and set HF_TOKEN"
        case hub.RevisionNotFoundError():
            return f"{source.name} is on the hub, but has no revision {source.revision}"
        case hub.RepositoryNotFoundError():
            return (
                "no such folder here, and no such model on the hub (if it is a private one, set"
                f" HF_TOKEN). Packaged models: {', '.join(PACKAGED_MODELS)}."
            )
        case hub.EntryNotFoundError():
            return "is on the hub, but has no config.json: not a model of transformers"
    return None


def _load_tokenizer(source: Source, location: str, files: dict[str, Any]) -> Any:
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(location, use_fast=True, **files)
    except Exception as error:
        fault = first_line(error)
        wants_more = "sentencepiece" in str(error) or "tiktoken" in str(error)
        if wants_more and importlib.util.find_spec("sentencepiece") is None:
            # Without sentencepiece, transformers takes its files for those of tiktoken.
            fault = (
                "it has a SentencePiece vocabulary and no tokenizer.json. Install what reads that:"
                ' pip install "augqa[sentencepiece]"'
            )
        raise CheckpointError(f"{source.label}: no tokenizer: {fault}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise CheckpointError(
            f"{source.label}: its tokenizer {type(tokenizer).__name__} is a slow one, which gives"
            " no character offsets. Choose a checkpoint with a tokenizer.json."
        )
    # Without its files, transformers makes up a tokenizer that knows no word.
    words = "generate question and answer: the"
    known = tokenizer.decode(tokenizer(words)["input_ids"], skip_special_tokens=True)
    if not known.strip():
        raise CheckpointError(
            f"{source.label}: no tokenizer beside the weights, or one without English words. Put"
            " its tokenizer.json there."
        )
    return tokenizer


def _refuse_pickles(source: Source) -> None:
    folder = source.folder
    if folder is None or any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    found = f"found {', '.join(pickles)}" if pickles else "found no weights at all"
    raise CheckpointError(
        f"{source.label}: no *.safetensors, {found}. Weights in pickle can run code when they are"
        " read, so they are refused: convert them to safetensors."
    )


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' reports and bars: the checks on what it loads say more."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
