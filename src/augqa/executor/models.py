"""What a work says of the model that it holds: a hash of it, and a copy that can travel."""

import copy
import functools
import hashlib
from pathlib import Path
from typing import Any

import torch

from augqa import processor


def model_key(model: Any, *others: object) -> str:
    """Return a hash of a model's weights and of all else that its results depend on.

    This package as it stands, the version of torch and the switches of `augqa.processor` are
    counted in: a result from before a change is not taken for one from after it.

    Args:
        model: A model of torch.
        others: What else there is; each must show all that counts in its `repr`.
    """
    digest = hashlib.sha256(_code().encode())
    config = getattr(model, "config", None)
    shown = config.to_json_string(use_diff=False) if config is not None else ""
    for part in (processor.is_pinned(), torch.__version__, type(model).__name__, shown, *others):
        digest.update(f"{part!r}\0".encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def tokenizer_key(tokenizer: Any) -> str:
    """Return what tells a tokenizer of transformers from others."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    # One without a fast form, such as of SentencePiece, is its words.
    return (
        str(backend.to_str())
        if backend is not None
        else repr(sorted(tokenizer.get_vocab().items()))
    )


def movable(model: Any) -> Any:
    """Return the model, or a copy on the CPU of one that lies on a GPU: a worker may have none."""
    if next(model.parameters()).device.type == "cpu":
        return model
    return copy.deepcopy(model).to("cpu")


def _bytes(tensor: Any) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy())


@functools.cache
def _code() -> str:
    """Return a hash of this package's modules."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
