"""The stage scripts, as functions."""

import importlib
from functools import cache
from pathlib import Path
from typing import Any

SCRIPTS = {path.stem: path for path in Path("stages").glob("*.py")}


@cache
def function(script: str) -> Any:
    return getattr(importlib.import_module(f"stages.{script}"), script)
