"""Python in a process of its own, free of the switches that hold this one to one arithmetic."""

import os
import subprocess
import sys
from pathlib import Path

from augqa import processor

ROOT = Path(__file__).parents[1]


def child(code: str, folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code where `folder` has the params.yaml; augqa and tests can be imported.

    Args:
        code: What to run.
        folder: The working directory.
        *arguments: Of the code.
        **env: Further variables.
    """
    inherited = {name: v for name, v in os.environ.items() if name not in processor.SWITCHES}
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": paths, **env},
        capture_output=True,
        text=True,
        check=False,
    )
