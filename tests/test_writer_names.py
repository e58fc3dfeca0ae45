"""benchmarks/context_writers.py: which params the name of a writer stands for."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import AugQAError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def knobs(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return runpy.run_path(str(ROOT / "benchmarks" / "context_writers.py"))["knobs"]


def test_a_name_stands_for_condition_penalty_style_and_tries(knobs: Any) -> None:
    asked = {"writer": "llm", "condition": "question", "repetition_penalty": None}
    assert knobs("question") == asked
    assert knobs("question+1.1@news*3") == {
        **{**asked, "repetition_penalty": 1.1, "styles": {"news": 1.0}},
        **{"choose": "best", "contexts_per_seed": 3},
    }
    tries = {"choose": "best", "contexts_per_seed": 2}
    assert knobs("trained*2") == {"writer": "trained", **tries}
    assert knobs("trained*2r", Path("r")) == {"writer": "trained", **tries, "reader": "r"}


def test_a_name_that_asks_a_reader_wants_one(knobs: Any) -> None:
    with pytest.raises(AugQAError, match="'trained\\*2r' asks a reader: name one by --reader"):
        knobs("trained*2r")


@pytest.mark.parametrize("name", ["questions", "trained+1.1", "question+1.1.1", "question*0", ""])
def test_a_name_of_no_writer_is_refused_in_one_line(knobs: Any, name: str) -> None:
    with pytest.raises(AugQAError, match=r"^--writers: .* is neither trained nor a condition"):
        knobs(name)
