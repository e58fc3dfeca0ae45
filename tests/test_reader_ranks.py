"""Several processes that train one reader."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.readers import lessons, train
from tests.tiny import encoder

__all__ = ["encoder"]  # the fixture


def curves(folder: Path) -> dict[str, tuple[float, ...]]:
    """Return the losses of each epoch, through the layers written out and through modules."""
    settings: Any = {"batch_size": 6, "epochs": 3, "pass_tokens": 64}
    return {
        precision: train(folder, lessons() * 2, precision=precision, **settings)[1].loss_per_epoch
        for precision in ("float32", "bfloat16")
    }


def test_two_processes_have_the_loss_curve_of_one(encoder: Path, tmp_path: Path) -> None:
    script = tmp_path / "curve.py"
    script.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from augqa.reader.ranks import leads\n"
        "from tests.test_reader_ranks import curves\n"
        "found = curves(Path(sys.argv[1]))\n"
        "if leads():\n"
        "    Path(sys.argv[2]).write_text(json.dumps(found))\n"
    )
    out = tmp_path / "curve.json"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    finished = subprocess.run(
        [*launcher, "--standalone", str(script), str(encoder), str(out)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    one, two = curves(encoder), json.loads(out.read_text())
    assert two["float32"] == pytest.approx(one["float32"], rel=1e-4)
    assert two["bfloat16"] == pytest.approx(one["bfloat16"], rel=1e-2)
