"""Models of transformers, written in equal bytes on any machine and read without its chatter."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig
from transformers.utils import logging as transformers_logging

# Of the machine it was loaded on, or of one call; no part of the tokenizer.
_NOT_KEPT = (
    *("name_or_path", "tokenizer_file", "is_local", "local_files_only"),
    *("max_length", "stride", "truncation_strategy", "pad_to_multiple_of"),
    "gguf_file",
)


def save_checkpoint(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write what `from_pretrained` reads; equal weights give equal bytes on any machine.

    Neither file names a path or a time. Weights that are tied are written once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        key: value for key, value in model.config.to_diff_dict().items() if key != "_name_or_path"
    }
    config["architectures"] = [type(model).__name__]
    config.pop("dtype", None)
    config.pop("quantization_config", None)  # read from packed weights, written as plain ones
    _write_json(folder / "config.json", config)
    weights, seen = {}, set()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        weights[name] = tensor.detach().to("cpu", torch.float32).contiguous().clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    kept = json.loads(settings.read_text(encoding="utf-8"))
    for key in _NOT_KEPT:
        kept.pop(key, None)
    _write_json(settings, kept)


def save_language_model(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write a checkpoint and how its texts end; its own sampling defaults stay behind."""
    save_checkpoint(folder, model, tokenizer)
    own = model.generation_config
    GenerationConfig(
        decoder_start_token_id=own.decoder_start_token_id,
        bos_token_id=own.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    ).save_pretrained(folder)


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


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message; the others are general advice."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
