"""Forms of metrics files: what another hand put into one is named, and is no traceback."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from augqa import metric_forms as forms
from augqa.commands.results import _table
from augqa.errors import DataError
from augqa.report.quality import quality_of
from augqa.report.results import gate

METRICS = Path(__file__).parent.parent / "metrics"
OTHER_KINDS: tuple[object, ...] = (7, "x", None, [], {}, True, -1.5, float("nan"))


READERS: dict[str, Callable[[Path], Any]] = {
    "summary.json": lambda path: _table(path, METRICS / "evidence.json"),
    "quality.json": lambda path: quality_of(forms.read_form(path, forms.Quality)),
    "validation/kept.json": lambda path: gate(
        "kept", {"a.html": forms.read_form(path, forms.Gate)}
    ),
    "blend/augment.json": lambda path: forms.read_form(path, forms.Blend)["n_real"] + 0,
}


def nodes(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value below one, in objects and lists."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in entries:
        yield (*place, key)
        yield from nodes(inner, (*place, key))


def with_other(metrics: Any, place: tuple[Any, ...], other: object) -> Any:
    changed = copy.deepcopy(metrics)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = other
    return changed


@pytest.mark.parametrize("name", READERS)
def test_a_value_of_another_kind_is_shown_or_refused_by_file(name: str, tmp_path: Path) -> None:
    metrics = json.loads((METRICS / name).read_text(encoding="utf-8"))
    path = tmp_path / Path(name).name
    n_refused = 0
    for place in nodes(metrics):
        for other in OTHER_KINDS:
            path.write_text(json.dumps(with_other(metrics, place, other)), encoding="utf-8")
            try:
                READERS[name](path)
            except DataError:
                n_refused += 1
            except Exception as error:
                raise AssertionError(f"{place} = {other!r}: {error!r}") from error
    assert n_refused > 10


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"regimes": 7}, "summary.json: regimes is 7: input should be a valid dictionary"),
        ({"regimes": {"real": 7}}, "regimes.real is 7"),
        ({"regimes": {"real": {"squad": {"f1": "x"}}}}, 'regimes.real.squad.f1 is "x"'),
        ({"regimes": {"real": {"squad": {"f1": float("inf")}}}}, "f1 is Infinity"),
        ({"regimes": {"real": {"squad": {"n_questions": 1.5}}}}, "n_questions is 1.5"),
    ],
)
def test_the_message_has_file_place_and_value(changed: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        forms.read_form(path, forms.Summary)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_every_metrics_file_of_the_project_has_its_form() -> None:
    for name, form in (
        ("summary", forms.Summary),
        ("evidence", forms.Evidence),
        ("quality", forms.Quality),
        ("prepare", forms.Prepared),
        ("generate_contexts", forms.Contexts),
        ("generate_pairs", forms.Pairs),
        ("filter_pairs", forms.Filtered),
    ):
        assert forms.read_form(METRICS / f"{name}.json", form)
