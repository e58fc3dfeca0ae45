"""Raw files: checked, copied byte for byte; and what the hub may answer."""

import json
from pathlib import Path
from typing import Any

import datasets
import httpx2
import pytest
from datasets import Dataset
from huggingface_hub import DatasetInfo, HfApi

from augqa import sources
from augqa.errors import DataError
from augqa.formats import read_examples, to_squad
from augqa.sources import (
    PARQUET_BRANCH,
    Imported,
    copy_file,
    fetch_hub,
    import_files,
    not_pinned,
    sha256,
)
from augqa.test_sets import HubSource
from tests.examples import example


def squad_file(path: Path, *ids: str) -> Path:
    path.write_text(json.dumps(to_squad(example(id_) for id_ in ids)), encoding="utf-8")
    return path


def bring(folder: Path, external: Path, **changes: Any) -> tuple[list[Imported], dict[str, str]]:
    settings = {
        "wanted": ["train.json", "squad.json"],
        "training": ["train.json"],
        "repair": False,
        "unanswerable": "refuse",
        **changes,
    }
    return import_files(folder, external, **settings)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def test_a_wrong_checksum_names_file_and_both_sums(tmp_path: Path) -> None:
    path = squad_file(tmp_path / "train.json", "q1")
    with pytest.raises(DataError, match=f"train.json: SHA-256 is {sha256(path)}.*expects 0000"):
        copy_file(path, tmp_path / "copy.json", expected_sha256="0" * 64)
    assert not (tmp_path / "copy.json").exists()


def test_import_copies_bytes_and_gives_known_files_our_names(mine: Path, tmp_path: Path) -> None:
    train = squad_file(mine / "squad-train-v1.1.json", "q1")
    squad_file(mine / "dev-v1.1.json", "q2")
    squad_file(mine / "amazon_reviews_v1.0.json", "q3")
    squad_file(mine / "my own.json", "q4")
    brought, left = bring(mine, tmp_path / "external")
    names = [one.name for one in brought]
    assert names == ["amazon.json", "my own.json", "squad.json", "train.json"]
    assert {path.name for path in (tmp_path / "external").iterdir()} == set(names)
    assert (tmp_path / "external" / "train.json").read_bytes() == train.read_bytes()
    assert brought[3].sha256 == sha256(train)
    assert left == {}


def test_import_says_why_a_file_is_not_taken(mine: Path, tmp_path: Path) -> None:
    squad_file(mine / "train.json", "q1")
    (mine / "README.md").write_text("# Mine\n")
    (mine / "broken.json").write_text("{")
    (mine / "folder").mkdir()
    (mine / ".hidden").write_text("x")
    brought, left = bring(mine, tmp_path / "external")
    assert [one.name for one in brought] == ["train.json"]
    assert set(left) == {"README.md", "broken.json"}
    assert left["broken.json"].startswith("not JSON at line 1")


def test_import_copies_nothing_where_a_wanted_file_is_broken(mine: Path, tmp_path: Path) -> None:
    squad_file(mine / "train.json", "q1")
    (mine / "dev.json").write_text("{")
    with pytest.raises(DataError, match=r"dev\.json: not JSON"):
        bring(mine, tmp_path / "external")
    assert not (tmp_path / "external").exists()


def test_two_different_files_for_one_name_are_refused(mine: Path, tmp_path: Path) -> None:
    squad_file(mine / "train.json", "q1")
    squad_file(mine / "train-v1.1.json", "q2")
    with pytest.raises(DataError, match=r"both look like train\.json, and differ"):
        bring(mine, tmp_path / "external")


def test_import_of_no_folder_and_of_an_empty_one_say_so(mine: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make data FROM=DIR"):
        bring(tmp_path / "nowhere", tmp_path / "external")
    with pytest.raises(DataError, match="no file in it can be used: it is empty"):
        bring(mine, tmp_path / "external")


def test_import_guesses_no_start_of_a_training_answer_but_of_a_test_answer(
    mine: Path, tmp_path: Path
) -> None:
    (mine / "x.csv").write_text("context,question,answer\n1818 or 1818.,When?,1818\n")
    brought, _ = bring(mine, tmp_path / "external")
    assert [one.name for one in brought] == ["x.csv"]
    with pytest.raises(DataError, match="answer_occurs_often"):
        bring(mine, tmp_path / "external", wanted=["x.csv"], training=["x.csv"])


COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "89abcdef0123456789abcdef0123456789abcdef"

# -- the hub: `datasets` loads a folder of Parquet as it does a repository there ----------------


def row(id_: str = "q1", **changes: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "title": "Frankenstein",
        "context": "Mary Shelley wrote it.",
        "question": "Who?",
        "answers": {"text": ["Mary Shelley"], "answer_start": [0]},
        **changes,
    }


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def publish(hub: Path, *rows: dict[str, Any], at: str = "train.parquet") -> None:
    (hub / at).parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(list(rows)).to_parquet(hub / at)


def fetched(hub: Path, revision: str = "main", config: str | None = None) -> Path:
    copy = hub.parent / "raw" / "train.jsonl"
    fetch_hub(str(hub), config, "train", revision, copy)
    return copy


def test_a_hub_split_becomes_lines_that_are_read_like_any_file(hub: Path) -> None:
    publish(hub, row())
    read = read_examples(fetched(hub))
    assert (read.examples[0].id, read.examples[0].answers[0].text) == ("q1", "Mary Shelley")
    assert read.titles == {"q1": "Frankenstein"}


def test_answers_as_a_list_of_objects_are_read_too(hub: Path) -> None:
    publish(hub, row(answers=[{"text": "Mary Shelley", "answer_start": 0}]))
    assert read_examples(fetched(hub)).examples[0].answers[0].start == 0


def test_on_the_parquet_branch_the_configuration_is_a_folder(hub: Path) -> None:
    publish(hub, row("new"), at="new_wiki/train/0000.parquet")
    publish(hub, row("nyt"), at="nyt/train/0000.parquet")
    (example,) = read_examples(fetched(hub, PARQUET_BRANCH, "nyt")).examples
    assert example.id == "nyt"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(), row()], "1 repeated_id"),
        ([row(answers={"text": ["a", "b"], "answer_start": [0]})], "2 texts but 1 starts"),
        ([row(answers={"text": ["Mary"], "answer_start": [5]})], "'Mary' is not at 5"),
    ],
)
def test_faulty_rows_of_the_hub_are_named_when_they_are_read(
    rows: list[dict[str, Any]], message: str, hub: Path
) -> None:
    publish(hub, *rows)
    with pytest.raises(DataError, match=message):
        read_examples(fetched(hub))


def test_a_hub_split_of_another_schema_names_all_that_was_asked_for(hub: Path) -> None:
    publish(hub, {"text": "x"})
    with pytest.raises(DataError, match="'main': no column 'context'; it has text") as caught:
        fetched(hub)
    assert str(hub) in str(caught.value)
    assert "config None, split 'train', revision 'main'" in str(caught.value)


def test_an_unknown_split_is_one_line_that_names_the_known_ones(hub: Path) -> None:
    publish(hub, row(), at="test.parquet")
    with pytest.raises(DataError, match=r"split 'train', .*test.*Check its path") as caught:
        fetched(hub)
    assert "\n" not in str(caught.value)


def raising(error: Exception) -> Any:
    def load_dataset(*_: Any, **__: Any) -> Any:
        raise error

    return load_dataset


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("Dataset scripts are no longer supported, but found squadshifts.py"),
            "made by a script.*set its revision to refs/convert/parquet",
        ),
        (ConnectionError("Couldn't reach 'a/b' on the Hub\nmore"), "hub cannot be reached.*Check"),
        (httpx2.ConnectError("no route"), "the hub cannot be reached"),
        (httpx2.ConnectTimeout("slow"), "the hub cannot be reached"),
        (
            caused(datasets.exceptions.DatasetGenerationError("wrapped"), ConnectionError("x")),
            "the hub cannot be reached",
        ),
        (
            datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub"),
            "doesn't exist on the Hub. Check its path",
        ),
        (ValueError("BuilderConfig 'x' not found. Available: ['y']"), r"Available: \['y'\]"),
        (ValueError(), "ValueError. Check its path"),
    ],
)
def test_what_the_hub_answers_is_one_line_with_data_set_config_split_and_revision(
    error: Exception, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "load_dataset", raising(error))
    monkeypatch.setattr(sources, "resolved_commit", lambda *_: None)
    with pytest.raises(DataError, match=message) as caught:
        fetch_hub("a/b", "c", "test", "refs/pr/7", tmp_path / "x.jsonl")
    text = str(caught.value)
    asked = "hub data set 'a/b', config 'c', split 'test', revision 'refs/pr/7'"
    assert text.startswith(asked)
    assert "\n" not in text
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(
    ("revision", "asked"),
    [
        (PARQUET_BRANCH, {"data_dir": "nyt", "revision": PARQUET_BRANCH}),
        (f"{PARQUET_BRANCH}@{OTHER}", {"data_dir": "nyt", "revision": OTHER}),
        ("refs/pr/7", {"name": "nyt", "revision": "refs/pr/7"}),
        ("7b6d24c", {"name": "nyt", "revision": "7b6d24c"}),
        (OTHER, {"name": "nyt", "revision": OTHER}),
    ],
)
@pytest.mark.parametrize("commit", [None, COMMIT])
def test_a_revision_is_passed_on_slashes_included(
    revision: str,
    asked: dict[str, str],
    commit: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[dict[str, Any]] = []

    def load_dataset(path: str, **settings: Any) -> Dataset:
        calls.append({"path": path, **settings})
        return Dataset.from_list([row()])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    # The hub knows the commit, or does not say.
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: DatasetInfo(id="a/b", sha=commit))
    pinned = OTHER if OTHER in revision else None
    loaded = fetch_hub("a/b", "nyt", "test", revision, tmp_path / "x.jsonl")
    assert loaded == (pinned or commit)
    asked = {**asked, "revision": pinned or commit or asked["revision"]}
    assert calls == [{"path": "a/b", "split": "test", **asked}]


def test_a_revision_that_may_move_is_named_with_its_commit() -> None:
    def source(revision: str) -> HubSource:
        return HubSource(kind="hub", path="a/b", config=None, split="test", revision=revision)

    by_name = {
        "nyt": source(PARQUET_BRANCH),
        "amazon": source(f"{PARQUET_BRANCH}@{OTHER}"),
        "squad": source(OTHER),
        "reddit": source("main"),
        "absent": source("main"),
    }
    found = {name: {"commit": COMMIT} for name in ("nyt", "amazon", "squad", "reddit")}
    said = not_pinned(by_name, found)
    assert f"nyt ({PARQUET_BRANCH}@{COMMIT}), reddit (main@{COMMIT})" in said
    assert "amazon" not in said
    assert "squad" not in said
    assert not_pinned({"squad": by_name["squad"]}, found) == ""


def test_a_hub_that_is_switched_off_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The variable is read when the libraries are imported, which other tests may have done.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"hub cannot be reached.*take the set from a file"):
        fetch_hub("nobody/no-such-set", None, "train", "main", tmp_path / "train.jsonl")
