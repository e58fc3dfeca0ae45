"""A text of a test set that is planted in the training set does not get through, in any format."""

import csv
import importlib
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from augqa.errors import ValidationFailed
from augqa.formats import to_squad
from augqa.records import QAExample, Rejection
from augqa.tables import read_table, write_table
from tests.examples import example
from tests.scripts import function

PROFILE = Path("profiles/embedded.yaml").read_text(encoding="utf-8")
TEST = example(
    "t1",
    context=(
        "The lighthouse on the northern cape was built in 1889 by Anna Berg, an engineer from Riga."
        " Its lamp could be seen from twenty miles away. A keeper lived there until the spring of"
        " 1974, when a machine took over his work and the house became a small museum."
    ),
    question="Who was the engineer that built the lighthouse on the northern cape?",
    answer="Anna Berg",
)
CLEAN = [
    example(
        f"c{n}",
        context=f"Town {n} lies on a river. Its bridge of {1800 + n} was paid for by the miners.",
        question=f"Who paid for the bridge of town {n}?",
        answer="the miners",
    )
    for n in range(6)
]
OWN = {"question": "By whom was it raised?", "answer": "Anna Berg"}
# What is planted, and why it may not be trained on; contexts come with a question of their own.
PLANTS: dict[str, tuple[QAExample, str]] = {
    "as it is": (example("p", context=TEST.context, **OWN), "context_in_test_set"),
    "in another case": (
        example("p", context=TEST.context.upper(), question="WHO?", answer="ANNA BERG"),
        "context_near_test_set",
    ),
    "with other white space": (
        example("p", context=TEST.context.replace(" ", " \n "), question="Who?", answer="Riga"),
        "context_near_test_set",
    ),
    "with a word changed": (
        example("p", context=TEST.context.replace("northern", "southern"), **OWN),
        "context_near_test_set",
    ),
    "cut": (example("p", context=TEST.context[:120], **OWN), "context_near_test_set"),
    "in the middle of other text": (
        example("p", context=f"{CLEAN[0].context} {TEST.context} {CLEAN[1].context}", **OWN),
        "context_near_test_set",
    ),
    "its question": (
        example("p", context="Of another place.", question=TEST.question, answer="another"),
        "question_in_test_set",
    ),
    "its question, nearly": (
        example(
            "p",
            context="Of another place.",
            question=TEST.question.upper().replace(" ", "  ").rstrip("?"),
            answer="another",
        ),
        "question_in_test_set",
    ),
}


def rows(examples: Iterable[QAExample]) -> list[dict[str, Any]]:
    return [
        {
            "id": e.id,
            "context": e.context,
            "question": e.question,
            "answers": {"text": [e.answers[0].text], "answer_start": [e.answers[0].start]},
        }
        for e in examples
    ]


def lines(objects: Iterable[Any]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in objects).encode()


def as_parquet(examples: list[QAExample]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(examples)), buffer)
    return buffer.getvalue()


def as_mrqa(examples: list[QAExample]) -> bytes:
    contexts: list[Any] = [{"header": {"dataset": "planted", "split": "train"}}]
    for e in examples:
        (a,) = e.answers
        span = {"text": a.text, "char_spans": [[a.start, a.start + len(a.text) - 1]]}
        asked = {"qid": e.id, "question": e.question, "answers": [a.text]}
        contexts.append({"context": e.context, "qas": [{**asked, "detected_answers": [span]}]})
    return lines(contexts)


def as_csv(examples: list[QAExample]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "context", "question", "answer", "answer_start"])
    for e in examples:
        (a,) = e.answers
        writer.writerow([e.id, e.context, e.question, a.text, a.start])
    return text.getvalue().encode()


FORMATS: dict[str, Callable[[list[QAExample]], bytes]] = {
    "SQuAD": lambda examples: json.dumps(to_squad(examples)).encode(),
    "flat JSON": lambda examples: json.dumps(rows(examples)).encode(),
    "JSON lines": lambda examples: lines(rows(examples)),
    "Parquet": as_parquet,
    "MRQA": as_mrqa,
    "CSV": as_csv,
}


def planted() -> list[QAExample]:
    return [
        QAExample(
            id=f"p{n}",
            context_id=one.context_id,
            context=one.context,
            question=one.question,
            answers=one.answers,
            origin="real",
            context_origin="real",
        )
        for n, (one, _) in enumerate(PLANTS.values())
    ]


def put_params(**prepare: Any) -> None:
    params = yaml.safe_load(PROFILE)
    params["prepare"] |= {"n_seed_questions": 2, **prepare}
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Return what runs stage prepare on a training file, beside the test set."""
    monkeypatch.chdir(tmp_path)
    stage = function("prepare")

    def run(train: bytes) -> None:
        raw = Path("raw")
        raw.mkdir(exist_ok=True)
        (raw / "train").write_bytes(train)
        (raw / "squad.json").write_text(json.dumps(to_squad([TEST])), encoding="utf-8")
        sets = {name: {"file": name, "content": name} for name in ("train", "squad.json")}
        sets["squad"] = sets.pop("squad.json")
        manifest = {"sets": sets, "test_sets": ["squad"], "not_available": []}
        (raw / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        tables = ("pool", "seed_questions", "reserve", "dropped")
        stage(
            raw=raw,
            test=Path("test"),
            clusters=Path("clusters"),
            profile=Path("profile.json"),
            metrics=Path("m.json"),
            **{name: Path(f"{name}.parquet") for name in tables},
        )

    return run


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_planted_in_a_file_is_dropped_and_counted(
    prepare: Callable[[bytes], None], form: str
) -> None:
    put_params()
    prepare(FORMATS[form]([*CLEAN, *planted()]))
    dropped = {row.id: row.reason for row in read_table(Path("dropped.parquet"), Rejection)}
    assert dropped == {f"p{n}": reason for n, (_, reason) in enumerate(PLANTS.values())}
    pool = {e.id for e in read_table(Path("pool.parquet"), QAExample)}
    assert pool == {e.id for e in CLEAN}
    counted = json.loads(Path("m.json").read_text(encoding="utf-8"))["n_dropped"]
    assert sum(counted.values()) == len(PLANTS)


def test_without_a_bound_only_the_very_context_is_dropped(
    prepare: Callable[[bytes], None],
) -> None:
    put_params(max_test_overlap_fraction=None)
    prepare(FORMATS["SQuAD"]([*CLEAN, *planted()]))
    dropped = read_table(Path("dropped.parquet"), Rejection)
    assert [row.reason for row in dropped] == ["context_in_test_set"]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[QAExample]], str]:
    """Return what holds a pool at its gate, as it stands."""
    monkeypatch.chdir(tmp_path)
    put_params()
    validate: Any = importlib.import_module("stages.validate").validate
    write_table(Path("test/squad.parquet"), [TEST], QAExample)

    def hold(pool: list[QAExample]) -> str:
        write_table(Path("pool.parquet"), pool, QAExample)
        closing: str = validate(
            artefact="pool",
            table=Path("pool.parquet"),
            reference=Path("test"),
            report=Path("report.json"),
            page=Path("page.html"),
        )
        return closing

    return hold


def test_the_gate_lets_a_clean_pool_pass(gate: Callable[[list[QAExample]], str]) -> None:
    assert "expectations hold for 6 rows" in gate(CLEAN)


@pytest.mark.parametrize("what", PLANTS)
def test_the_gate_refuses_a_pool_in_which_it_is_planted(
    gate: Callable[[list[QAExample]], str], what: str
) -> None:
    with pytest.raises(ValidationFailed) as error:
        gate([*CLEAN, PLANTS[what][0]])
    assert "1 of" in str(error.value)
    assert "context_not_in_test" in str(error.value)
    assert "'p' (row 6)" in str(error.value)
