"""The stage scripts, as functions."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

SCRIPTS = {path.stem: path for path in Path("stages").glob("*.py")}


@cache
def function(script: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"stages_{script}", SCRIPTS[script])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, script)
