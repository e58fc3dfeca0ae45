"""The typed schema of params.yaml and of every profile: strict, every fault named at once.

A stage loads its own sections alone, so that DVC can track them key by key.
"""

from augqa.params.generating import GenerateContexts, Llm, ModelPrice
from augqa.params.whole import Params, load_kept_params, load_params

__all__ = ["GenerateContexts", "Llm", "ModelPrice", "Params", "load_kept_params", "load_params"]
