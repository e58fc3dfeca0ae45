"""Models that the embedded engine can write with: found, and held against what it reads.

What the engine cannot read is refused before it starts, since its own messages name lines of its
source. Which types it reads was tried on 2026.4.1, each against transformers on the same file.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm.gguf_header import read_gguf_header
from augqa.model_paths import find_path
from augqa.packaged_models import PACKAGED_MODELS, packaged_path

_PARAM = "llm.model"
_MATRIX_TYPES = ("F16", "Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K")
_VECTOR_TYPES = ("F16", "F32")
_ARCHITECTURES = ("llama", "qwen2", "qwen3")
# Of a folder that `optimum-cli export openvino` makes.
_FOLDER_FILES = (
    *("openvino_model.xml", "openvino_model.bin"),
    *("openvino_tokenizer.xml", "openvino_detokenizer.xml"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedModel:
    """What the embedded server is started with.

    Attributes:
        path: A GGUF file, or a folder of OpenVINO.
        name: What it is served as; no path of this machine.
        endpoint: What the response cache knows it by: another content is another endpoint.
    """

    path: Path
    name: str
    endpoint: str


def find_embedded(model: str) -> EmbeddedModel:
    """Return an embedded model that the engine reads.

    Args:
        model: A packaged model's name, a GGUF file, or a folder of OpenVINO.

    Raises:
        CheckpointError: If its package is missing, or there is no such file.
        GenerationError: If it is not one of them, or the engine cannot read it.
    """
    packaged = PACKAGED_MODELS.get(model)
    if packaged is not None and packaged.embeddable:
        return EmbeddedModel(
            path=packaged_path(model, param=_PARAM), name=model, endpoint=_endpoint(None)
        )
    path = find_path(model, param=_PARAM) if packaged is None else None
    if path is None:
        names = [name for name, known in PACKAGED_MODELS.items() if known.embeddable]
        raise GenerationError(
            f"{_PARAM} {model!r}: not an embedded model: expected {', '.join(names)}, a GGUF file"
            " or a folder of OpenVINO. For an endpoint, set llm.provider to openai."
        )
    if path.is_dir():
        return _folder(path)
    if path.suffix != ".gguf":
        raise GenerationError(f"{_PARAM} {model!r}: not a GGUF file, by its ending")
    return _gguf(path)


def _gguf(path: Path) -> EmbeddedModel:
    try:
        header, size = read_gguf_header(path), path.stat().st_size
    except (OSError, ValueError) as error:
        raise GenerationError(f"{_PARAM}: {path}: not a usable GGUF file: {error}") from error
    if header.n_parts > 1:
        raise GenerationError(
            f"{_PARAM}: {path}: one of {header.n_parts} parts of a split file, which the embedded"
            " engine does not read. Join them: llama-gguf-split --merge FIRST_PART OUT.gguf"
        )
    if header.architecture not in _ARCHITECTURES:
        raise GenerationError(
            f"{_PARAM}: {path}: a {header.architecture or 'nameless'} model; of GGUF files the"
            f" embedded engine reads {', '.join(_ARCHITECTURES)}. Convert it to OpenVINO's format"
            " (optimum-cli export openvino) and name that folder."
        )
    strange = sorted(
        {*header.matrix_types} - {*_MATRIX_TYPES} | {*header.vector_types} - {*_VECTOR_TYPES}
    )
    if strange:
        raise GenerationError(
            f"{_PARAM}: {path}: has weights in {', '.join(strange)}, which the embedded engine does"
            f" not read. It reads {', '.join(_MATRIX_TYPES)} (vectors also in F32). Take another"
            " quantisation of the model, such as Q8_0 or Q4_K_M."
        )
    if size < header.n_bytes:
        raise GenerationError(
            f"{_PARAM}: {path}: cut off: {size} bytes of {header.n_bytes}. Copy it here again."
        )
    return EmbeddedModel(path=path, name=path.stem, endpoint=_endpoint(path))


def _folder(path: Path) -> EmbeddedModel:
    missing = [name for name in _FOLDER_FILES if not (path / name).is_file()]
    if missing:
        raise GenerationError(
            f"{_PARAM}: {path}: not a language model in OpenVINO's format: lacks"
            f" {', '.join(missing)}. `optimum-cli export openvino` makes such a folder; for weights"
            " in GGUF name the file itself."
        )
    return EmbeddedModel(
        path=path, name=path.resolve().name, endpoint=_endpoint(path / "openvino_model.bin")
    )


def _endpoint(weights: Path | None) -> str:
    """Name what makes the texts: the engine's precision and, for a user's file, its content."""
    if weights is None:
        return "embedded, f32"
    with weights.open("rb") as file:
        return f"embedded, f32, {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
