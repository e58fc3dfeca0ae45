"""A filter of one's own: a module in plugins/ adds it whole. And no gate believes a filter."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa import filters
from augqa.errors import ParamsError
from augqa.expectations import Filtered, example_frame, kept_suite, run_suite
from augqa.filters import FILTERS
from augqa.params import Params, load_params
from augqa.records import QAExample, RoundTripAnswer
from tests.filtering import held_out, pair, reason
from tests.gating import REAL, SETTINGS, broken_rows, frame_of, suite_of_kept, write_rows

PLUGIN = '''
"""Drop a question that shouts."""

from collections.abc import Mapping
from typing import Any

from augqa.filters import FILTERS, Bounds, Filter, Promise
from augqa.schema import Fraction, Section


class Shouting(Section):
    max_capital_fraction: Fraction


def shouting(settings, surroundings):
    most = settings["max_capital_fraction"]

    def judge(pair, read):
        share = sum(map(str.isupper, pair.question)) / len(pair.question)
        return ("shouting", f"{share:.2f}") if share > most else None

    return judge


def capitals(row: Mapping[str, Any]) -> float:
    return len([c for c in row["question"] if c != c.lower()]) / len(row["question"])


FILTERS.register(
    Filter(
        name="shouting",
        reasons={"shouting": "max_capital_fraction"},
        params=Shouting,
        alone=shouting,
        promises=(
            Promise(
                name="does_not_shout",
                text="A question has few capitals.",
                relied_on_by=("train",),
                column="capital_fraction",
                bounds=lambda s: Bounds(maximum=s["max_capital_fraction"]),
                measure=capitals,
            ),
        ),
    )
)
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a folder whose params.yaml names a plug-in that adds a filter."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["plugins"] = ["shouting_filter"]
    params["filter_pairs"] |= {"max_capital_fraction": 0.5, "min_round_trip_f1": 50.0}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "shouting_filter.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    FILTERS.unregister("shouting")
    Params.model_rebuild(force=True)
    sys.modules.pop("shouting_filter", None)


def test_a_plug_in_adds_its_key_to_the_params(plugin: Path) -> None:
    assert load_params().filter_pairs.model_dump()["max_capital_fraction"] == 0.5
    path = plugin / "params.yaml"
    path.write_text(path.read_text().replace("max_capital_fraction: 0.5", "max_capitals: 1"))
    with pytest.raises(ParamsError, match=r"filter_pairs\.max_capital_fraction: is missing"):
        load_params()


@pytest.mark.usefixtures("plugin")
def test_a_plug_in_drops_pairs_for_its_reason() -> None:
    settings = load_params().filter_pairs.model_dump()
    shouted = pair(question="WHO WROTE IT THEN?")
    assert reason(shouted, **settings) == "shouting"
    assert reason(shouted, **settings | {"max_capital_fraction": 1.0}) is None
    advised = filters.advice({"shouting": 3})
    assert advised == "  3 shouting: change filter_pairs.max_capital_fraction"
    order = list(filters.reasons())
    assert (
        order.index("low_reader_score")
        < order.index("shouting")
        < order.index("duplicate_question")
    )


def test_the_gate_holds_what_a_plug_in_promises(plugin: Path) -> None:
    settings = load_params().filter_pairs.model_dump()
    rows = [
        dataclasses.asdict(pair("s1/c1/p0", context="Ada built it in 1843.", answer="Ada")),
        dataclasses.asdict(pair("s2/c1/p0", question="WHO WROTE IT THEN?")),
    ]
    table = write_rows(plugin / "kept.parquet", rows, QAExample)
    answers = [{"id": row["id"], "text": "", "score": 0.0, "f1": 100.0} for row in rows]
    read = write_rows(plugin / "answers.parquet", answers, RoundTripAnswer)
    frame = example_frame(
        table, round_trip=read, filtered=Filtered(held_out=held_out(), settings=settings)
    )
    suite = kept_suite(
        settings=settings, real=REAL, max_question_word_drift=9.0, max_length_drift=9.0
    )
    found = {f.name: f for f in run_suite(frame, suite).findings}
    assert found["columns"].success
    assert found["does_not_shout"].rows == ("'s2/c1/p0' (row 1)",)


@pytest.mark.usefixtures("plugin")
def test_a_promise_about_a_column_that_nobody_measures_is_refused() -> None:
    settings = load_params().filter_pairs.model_dump()
    entry = FILTERS.get("shouting")
    FILTERS.unregister("shouting")
    blind = dataclasses.replace(entry.promises[0], measure=None)
    FILTERS.register(dataclasses.replace(entry, promises=(blind,)))
    with pytest.raises(ParamsError, match="'capital_fraction', which no gate knows"):
        kept_suite(settings=settings, real=REAL, max_question_word_drift=9.0, max_length_drift=9.0)


# --- Without the filters ---------------------------------------------------------------------


def refuse(*_: Any) -> None:
    raise AssertionError("the gate asked a filter")


def test_the_gate_asks_no_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        f.name: dataclasses.replace(f, alone=f.alone and refuse, among=f.among and refuse)
        for f in FILTERS
    }
    monkeypatch.setattr(FILTERS, "_entries", entries)
    rows, _ = broken_rows("kept")
    outcome = run_suite(frame_of("kept", rows, tmp_path), suite_of_kept(SETTINGS))
    promised = {p.name for f in FILTERS for p in f.promises}
    # Each promise is broken in a row of that table; the target is not passed.
    assert {f.name for f in outcome.failures} >= promised - {"within_target"}
