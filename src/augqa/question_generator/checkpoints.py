"""Checkpoints of language models: found by name, loaded without running anybody's code."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GgufConfig,
)

from augqa.errors import QuestionGeneratorError
from augqa.finetuning.saving import first_line, quiet_transformers
from augqa.packaged_models import LANGUAGE_MODELS, weights_file

Kind = Literal["causal", "seq2seq"]

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_KINDS = {
    "causal": ("a causal language model", "SmolLM2 or Llama", AutoModelForCausalLM),
    "seq2seq": ("a sequence-to-sequence model", "T5 or BART", AutoModelForSeq2SeqLM),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a checkpoint's files are: a folder, or a hub name with a revision.

    Attributes:
        name: The folder or the hub name.
        revision: Of the hub name.
        gguf_file: File of the folder that holds config, tokenizer and weights in one.
        served_name: What to call it in a record: where a folder lies is this machine's business.
    """

    name: str
    revision: str | None
    gguf_file: str | None
    served_name: str


def find_checkpoint(checkpoint: str, *, param: str) -> Source:
    """Return where `checkpoint` is.

    Args:
        checkpoint: A packaged model's name, a folder, a GGUF file, or a hub name, which may end
            in ``@revision``.
        param: The param it stands in, for messages.

    Raises:
        QuestionGeneratorError: If it is none of them, or its package is not installed.
    """
    path = Path(checkpoint)
    if checkpoint in LANGUAGE_MODELS:
        try:
            path = weights_file(checkpoint)
        except FileNotFoundError as error:
            raise QuestionGeneratorError(f"{param} {checkpoint!r}: {error}") from error
        return Source(str(path.parent), None, path.name, checkpoint)
    if path.is_file() and path.suffix == ".gguf":
        return Source(str(path.parent), None, path.name, path.stem)
    if path.is_dir():
        return Source(checkpoint, None, None, path.resolve().name)
    name, _, revision = checkpoint.partition("@")
    if not _HUB_NAME.fullmatch(name):
        raise QuestionGeneratorError(
            f"{param} {checkpoint!r}: no such folder, and not a hub name such as org/model or"
            f" org/model@revision. Packaged models: {', '.join(LANGUAGE_MODELS)}."
        )
    return Source(name, revision or None, None, checkpoint)


def load_checkpoint(checkpoint: str, kind: Kind, *, param: str) -> tuple[Any, Any, Source]:
    """Return tokenizer, model and where they were: in float32, each weight the checkpoint's own.

    Raises:
        QuestionGeneratorError: If it is not there, is not of the kind, needs code of its own, has
            no fast tokenizer, or its weights are pickled or incomplete.
    """
    source = find_checkpoint(checkpoint, param=param)
    files: dict[str, Any] = {"revision": source.revision, "trust_remote_code": False}
    if source.gguf_file is not None:
        files["gguf_file"] = source.gguf_file
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(source.name, **files)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise QuestionGeneratorError(
            f"{checkpoint}: no usable config: {first_line(error)}"
        ) from error
    described, such_as, model_class = _KINDS[kind]
    # An encoder such as BERT can be loaded as a causal model too; what it was trained as tells.
    names = " ".join(getattr(config, "architectures", None) or ())
    is_causal = not config.is_encoder_decoder and (
        source.gguf_file is not None or "CausalLM" in names or "LMHead" in names
    )
    if not (config.is_encoder_decoder if kind == "seq2seq" else is_causal):
        raise QuestionGeneratorError(
            f"{checkpoint}: a {config.model_type} is no{described.removeprefix('a')}. Name one,"
            f" such as {such_as}, in {param}."
        )
    tokenizer = _load_tokenizer(checkpoint, source, files)
    try:
        with quiet_transformers():
            weights = {"use_safetensors": True}
            if source.gguf_file is not None:
                weights = {"quantization_config": GgufConfig(dequantize=True)}
            model, report = model_class.from_pretrained(
                source.name,
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                **weights,
                **files,
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise QuestionGeneratorError(
            f"{checkpoint}: no usable weights: {first_line(error)}. They must be safetensors: a"
            " pickled pytorch_model.bin is not opened."
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise QuestionGeneratorError(
            f"{checkpoint}: {len(missing)} weights are missing, the first one is {missing[0]}: its"
            " questions would be random"
        )
    n_rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > n_rows:
        raise QuestionGeneratorError(
            f"{checkpoint}: its tokenizer has {len(tokenizer)} tokens, but its weights only"
            f" {n_rows}: they are not of one model"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return tokenizer, model.to(device).eval(), source


def _load_tokenizer(checkpoint: str, source: Source, files: dict[str, Any]) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.name, use_fast=True, **files)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise QuestionGeneratorError(f"{checkpoint}: no tokenizer: {first_line(error)}") from error
    if not tokenizer.is_fast:
        raise QuestionGeneratorError(
            f"{checkpoint}: its tokenizer {type(tokenizer).__name__} is a slow one, which gives no"
            " character offsets. Choose a checkpoint with a tokenizer.json."
        )
    # Without its files, transformers makes up a tokenizer that knows no word.
    words = "generate question and answer: "
    known = tokenizer.decode(tokenizer(words)["input_ids"], skip_special_tokens=True)
    if not known.strip():
        raise QuestionGeneratorError(
            f"{checkpoint}: no tokenizer beside the weights, or one without English words. Put its"
            " tokenizer.json there."
        )
    if tokenizer.eos_token_id is None:
        raise QuestionGeneratorError(
            f"{checkpoint}: its tokenizer has no end-of-sequence token, so a question would have no"
            " end. Name it in its tokenizer_config.json (eos_token)."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
