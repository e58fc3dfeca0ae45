"""Models and tokenizers of transformers, written in equal bytes on any machine."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from augqa.errors import DataError, first_line
from augqa.files import sync

# Of the machine it was loaded on, or of one call; no part of the tokenizer.
_NOT_KEPT = (
    *("name_or_path", "tokenizer_file", "is_local", "local_files_only"),
    *("max_length", "stride", "truncation_strategy", "pad_to_multiple_of"),
    "gguf_file",
)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a with-block a new folder to write, and put its files into `folder` at the end.

    They are on the disk before the first one is put in place. Where one cannot be written, on a
    full disk for example, `folder` stays as it was.

    Raises:
        DataError: If something cannot be written; it names the folder.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        for file in sorted(partial.iterdir()):
            sync(file)
        folder.mkdir(exist_ok=True)
        for file in sorted(partial.iterdir()):
            file.replace(folder / file.name)
        sync(folder)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{folder}: cannot be written: {first_line(error)}. Nothing is changed there."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def save_checkpoint(
    folder: Path,
    model: Any,
    tokenizer: Any,
    *,
    others: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write what `from_pretrained` reads; equal weights give equal bytes on any machine.

    No file names a path or a time. Weights that are tied are written once.

    Args:
        folder: Where to write it.
        model: A model of transformers, or `augqa.reader.parameters.QuestionAnswerer`.
        tokenizer: Its tokenizer.
        others: Contents of further JSON files, by name.

    Raises:
        DataError: If it cannot be written; the folder then stays as it was.
    """
    with whole_folder(folder) as partial:
        write_checkpoint(partial, model, tokenizer)
        for name, values in (others or {}).items():
            _write_json(partial / name, dict(values))


def write_checkpoint(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write config, weights and tokenizer into a folder that is there."""
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


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
