"""What a gate counts by itself is what Great Expectations counts, which it seldom imports."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from augqa.expectations.counting import count
from augqa.expectations.naming import Named, name_rows
from tests.gating import SUITES, broken_rows, frame_of, sound_rows


def _both(artefact: str, rows: Any, folder: Path) -> list[tuple[str, Any, Named]]:
    suite = SUITES[artefact]()
    data = frame_of(artefact, rows, folder).data
    named = name_rows(data, suite.name, suite.expectations, most=20)
    return [
        (one.meta["name"], count(data, one), named[one.meta["name"]]) for one in suite.expectations
    ]


@pytest.mark.parametrize("table", ["sound", "broken", "empty"])
@pytest.mark.parametrize("artefact", SUITES)
def test_every_count_is_that_of_great_expectations(
    artefact: str, table: str, tmp_path: Path
) -> None:
    rows = {"sound": sound_rows(artefact), "broken": broken_rows(artefact)[0], "empty": []}[table]
    for name, own, theirs in _both(artefact, rows, tmp_path):
        assert theirs.error is None, name
        assert (own.success, own.n_unexpected) == (theirs.success, theirs.n_unexpected), name
        if isinstance(theirs.observed, float):
            assert own.observed == pytest.approx(theirs.observed, abs=1e-9), name
        else:
            assert own.observed == theirs.observed, name


def test_a_gate_that_holds_does_not_import_great_expectations(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.gating import *\n"
        "from augqa.expectations import run_suite\n"
        f"def hold(rows): return run_suite(frame_of('pool', rows, Path({str(tmp_path)!r})),"
        " SUITES['pool']())\n"
        "assert not hold(sound_rows('pool')).failures\n"
        "assert 'great_expectations' not in sys.modules\n"
        "assert hold(broken_rows('pool')[0]).failures\n"
        "assert 'great_expectations' in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
