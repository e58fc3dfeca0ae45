"""Stage prepare: test sets, golds, clusters and reserve from raw files, all accounted for."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import DataError
from augqa.formats import to_squad
from augqa.records import Cluster, GoldTexts, QAExample, Rejection
from augqa.tables import read_table
from tests.examples import example
from tests.scripts import function

PARAMS = Path("params.yaml").read_text(encoding="utf-8")
TRAIN = [
    example(f"q{n}", context=f"Mary Shelley wrote number {n // 2}.", question=f"Who is {n}?")
    for n in range(12)
]
OUTPUTS = ("pool", "seed_questions", "reserve", "dropped")

Prepare = Callable[..., dict[str, Any]]


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Return what runs the stage on raw files: content by file name; it returns the metrics."""
    stage = function("prepare")
    monkeypatch.chdir(tmp_path)

    def run(
        files: dict[str, Any],
        *,
        absent: tuple[str, ...] = (),
        data: dict[str, Any] | None = None,
        **own: Any,
    ) -> dict[str, Any]:
        params = yaml.safe_load(PARAMS)
        params["data"] |= data or {}
        # These texts are too much alike for it; tests/test_planted_leaks.py has others.
        near = {"max_test_overlap_fraction": None}
        params["prepare"] |= {"n_pool": 4, "n_seed_questions": 2, **near, **own}
        Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        raw = Path("raw")
        raw.mkdir(exist_ok=True)
        sets = {}
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (raw / name).write_text(text, encoding="utf-8")
            set_name = name.partition(".")[0]
            sets[set_name] = {"file": name, "content": f"sha256:{set_name}"}
        manifest = {
            "sets": sets,
            "test_sets": [*(name for name in sets if name != "train"), *absent],
            "not_available": list(absent),
        }
        (raw / "manifest.json").write_text(json.dumps(manifest))
        stage(
            raw=raw,
            test=Path("test"),
            clusters=Path("clusters"),
            profile=Path("profile.json"),
            metrics=Path("m.json"),
            **{name: Path(f"{name}.parquet") for name in OUTPUTS},
        )
        metrics: dict[str, Any] = json.loads(Path("m.json").read_text())
        return metrics

    return run


def ids(name: str) -> list[str]:
    return [e.id for e in read_table(Path(f"{name}.parquet"), QAExample)]


def dropped() -> dict[str, str]:
    return {row.id: row.reason for row in read_table(Path("dropped.parquet"), Rejection)}


def squad(*examples: QAExample, title: str = "") -> dict[str, Any]:
    content = to_squad(examples)
    content["data"][0]["title"] = title
    return content


DEV = squad(example("d1", context="A test context by Mary Shelley."), title="Poets")


def test_every_test_set_of_any_name_and_format_becomes_a_table(prepare: Prepare) -> None:
    shift = "context,question,answer,id\nA cat sat.,What sat?,cat,m1\n"
    metrics = prepare({"train.json": squad(*TRAIN), "dev.json": DEV, "my_shift.csv": shift})
    assert {path.stem for path in Path("test").glob("*.parquet")} == {"dev", "my_shift"}
    assert metrics["test"] == {"dev": 1, "my_shift": 1}
    assert metrics["content"]["my_shift"] == "sha256:my_shift"
    assert not Path("test/golds").exists()


def test_a_set_that_is_not_there_is_named_for_whoever_goes_over_the_tables(
    prepare: Prepare,
) -> None:
    metrics = prepare({"train.json": squad(*TRAIN), "dev.json": DEV}, absent=("reddit", "mine"))
    assert metrics["not_available"] == ["reddit", "mine"]
    assert json.loads(Path("test/sets.json").read_text()) == {
        "not_available": ["reddit", "mine"],
        "n_unanswerable": {},
    }


def test_clusters_are_articles_or_contexts_where_there_is_no_title(prepare: Prepare) -> None:
    untitled = example("u1", context="No title by Mary Shelley.")
    prepare({"train.json": squad(*TRAIN), "dev.json": DEV, "other.json": squad(untitled)})
    (titled,) = read_table(Path("clusters/dev.parquet"), Cluster)
    assert (titled.id, titled.article) == ("d1", "Poets")
    (other,) = read_table(Path("clusters/other.parquet"), Cluster)
    assert other.article == other.context_id == untitled.context_id


def test_answers_that_are_no_span_are_kept_to_score_by(prepare: Prepare) -> None:
    qa = {
        "qid": "m1",
        "question": "Who?",
        "answers": ["Mary", "Mrs Shelley"],
        "detected_answers": [{"text": "Mary", "char_spans": [[0, 3]]}],
    }
    prepare({"train.json": squad(*TRAIN), "mrqa.jsonl": {"context": "Mary wrote.", "qas": [qa]}})
    (golds,) = read_table(Path("test/golds/mrqa.parquet"), GoldTexts)
    assert golds == GoldTexts(id="m1", texts=("Mrs Shelley",))


def test_without_a_reserve_its_table_is_empty(prepare: Prepare) -> None:
    prepare({"train.json": squad(*TRAIN), "dev.json": DEV})
    assert ids("reserve") == []


@pytest.mark.parametrize("n_pool", [4, None])
def test_the_reserve_is_seen_by_no_other_part(n_pool: int | None, prepare: Prepare) -> None:
    test_context = example("seen", context="A test context by Mary Shelley.")
    train = squad(*TRAIN, test_context)
    metrics = prepare({"train.json": train, "dev.json": DEV}, n_reserve=3, n_pool=n_pool)
    reserve = read_table(Path("reserve.parquet"), QAExample)
    pool = read_table(Path("pool.parquet"), QAExample)
    assert metrics["n_reserve"] == len(reserve) == 3
    assert not {e.context_id for e in reserve} & {e.context_id for e in pool}
    assert test_context.context_id not in {e.context_id for e in reserve}
    # Each is in one place.
    everything = [*ids("pool"), *ids("reserve"), *dropped()]
    assert sorted(everything) == sorted([*(e.id for e in TRAIN), "seen"])
    if n_pool is None:
        assert dropped()["seen"] == "context_in_test_set"
        assert metrics["n_dropped"]["context_in_reserve"] == 1


def test_a_reserve_does_not_change_pool_and_seeds(prepare: Prepare) -> None:
    files = {"train.json": squad(*TRAIN), "dev.json": DEV}
    made = []
    for n_reserve in (0, 4):
        prepare(files, n_reserve=n_reserve)
        made.append([Path(f"{name}.parquet").read_bytes() for name in ("pool", "seed_questions")])
    assert made[0] == made[1]


def test_seeds_that_the_reserve_leaves_no_room_for_are_refused(prepare: Prepare) -> None:
    with pytest.raises(
        DataError, match=r"n_seed_questions is 11, but the reserve leaves a pool of"
    ):
        prepare(
            {"train.json": squad(*TRAIN), "dev.json": DEV},
            n_pool=None,
            n_seed_questions=11,
            n_reserve=2,
        )


def misplaced(id_: str, answer: str, start: int, context: str = "Mary met Ann, Ann Mary.") -> Any:
    """Return an article with one question whose answer may be elsewhere."""
    answers = [{"text": answer, "answer_start": start}]
    qas = [{"id": id_, "question": "Who?", "answers": answers}]
    return {"title": "", "paragraphs": [{"context": context, "qas": qas}]}


def test_a_repair_counts_what_it_mends_and_drops(prepare: Prepare) -> None:
    train, dev = squad(*TRAIN), squad(example("d1", context="Written by Mary Shelley."))
    train["data"] += [
        misplaced("moved", "Mary Shelley", 5, "By Mary Shelley, 1818."),
        misplaced("lost", "Ann", 0),
    ]
    dev["data"] += [misplaced("nowhere", "Percy", 0), misplaced("first", "Mary", 9)]
    files = {"train.json": train, "dev.json": dev}
    with pytest.raises(DataError, match=r"data\.repair: true"):
        prepare(files)
    metrics = prepare(files, data={"repair": True}, n_pool=None)
    assert metrics["n_repaired"] == {
        "train": {"moved_to_only_occurrence": 1},
        "dev": {"moved_to_first_occurrence": 1},
    }
    assert metrics["n_dropped"] == {"answer_not_at_start": 2}
    assert metrics["n_train"] == 14
    rows = {row.id: row for row in read_table(Path("dropped.parquet"), Rejection)}
    assert set(rows) == {"lost", "nowhere"}
    assert rows["lost"].detail == "answer 'Ann' is not at 0, found 'Mar'"
    assert rows["nowhere"].detail.startswith("test set dev: answer 'Percy'")
    assert "moved" in ids("pool")


def test_unanswerable_questions_are_dropped_on_request(prepare: Prepare) -> None:
    train = squad(*TRAIN)
    train["data"][0]["paragraphs"][0]["qas"].append(
        {"id": "none", "question": "Where?", "answers": [], "is_impossible": True}
    )
    files = {"train.json": train, "dev.json": DEV}
    with pytest.raises(DataError, match=r"data\.unanswerable: drop"):
        prepare(files)
    dev = copy.deepcopy(DEV)
    dev["data"][0]["paragraphs"][0]["qas"].append(
        {"id": "none in dev", "question": "Where?", "answers": [], "is_impossible": True}
    )
    metrics = prepare({**files, "dev.json": dev}, data={"unanswerable": "drop"})
    assert metrics["n_dropped"]["unanswerable"] == 2
    assert metrics["n_unanswerable"] == {"train": 1, "dev": 1}
    about = json.loads(Path("test/sets.json").read_text())
    assert about["n_unanswerable"] == {"dev": 1}
    assert dropped()["none"] == "unanswerable"


@pytest.mark.parametrize(
    "bad", ["../../../up", "/etc/passwd", "a\x00b", "C:\\\\x", "con", ".", "..", "n" * 5000]
)
def test_ids_and_titles_name_no_file(prepare: Prepare, tmp_path: Path, bad: str) -> None:
    def files(prefix: str) -> set[Path]:
        train = [replace(one, id=f"{prefix}{one.id}") for one in TRAIN]
        test = [example(f"{prefix}t", context="Of another text, 1818.", answer="1818")]
        raw = {"train.json": to_squad(train), "squad.json": to_squad(test)}
        raw["squad.json"]["data"][0]["title"] = prefix or "plain"
        prepare(raw)
        return set(tmp_path.parent.rglob("*"))

    assert files("") == files(bad)
    assert all(id_.startswith(bad) for id_ in ids("pool"))
