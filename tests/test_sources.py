"""Raw files: found under their known names, checked, copied byte for byte."""

import json
import shutil
from pathlib import Path

import pytest
from augqa.squad import read_squad, to_squad
from datasets import Dataset

from augqa.errors import DataError
from augqa.sources import copy_set, fetch_hub, find_set, import_files, sha256
from tests.examples import example


def squad_file(path: Path, *ids: str) -> Path:
    path.write_text(json.dumps(to_squad(example(id_) for id_ in ids)), encoding="utf-8")
    return path


def test_a_set_is_found_under_its_publisher_s_name(tmp_path: Path) -> None:
    path = squad_file(tmp_path / "amazon_reviews_v1.0.json", "q1")
    assert find_set(tmp_path, "amazon") == path
    assert find_set(tmp_path, "reddit") is None


def test_two_different_files_for_one_set_are_refused(tmp_path: Path) -> None:
    squad_file(tmp_path / "train.json", "q1")
    squad_file(tmp_path / "train-v1.1.json", "q2")
    with pytest.raises(DataError, match="both look like set train"):
        find_set(tmp_path, "train")


def test_a_wrong_checksum_names_file_and_both_sums(tmp_path: Path) -> None:
    path = squad_file(tmp_path / "train.json", "q1")
    with pytest.raises(DataError, match=f"train.json: SHA-256 is {sha256(path)}.*expects 0000"):
        copy_set(path, tmp_path / "copy.json", expected_sha256="0" * 64)
    assert not (tmp_path / "copy.json").exists()


def test_import_copies_bytes_and_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    train = squad_file(mine / "squad-train-v1.1.json", "q1")
    squad_file(mine / "dev-v1.1.json", "q2")
    found = import_files(mine, tmp_path / "external")
    assert found == {"train": sha256(train), "squad": sha256(mine / "dev-v1.1.json")}
    assert (tmp_path / "external" / "train.json").read_bytes() == train.read_bytes()


def test_import_copies_nothing_where_one_file_is_broken(tmp_path: Path) -> None:
    squad_file(tmp_path / "train.json", "q1")
    (tmp_path / "dev.json").write_text("{")
    with pytest.raises(DataError, match=r"dev\.json: not JSON"):
        import_files(tmp_path, tmp_path / "external")
    assert not (tmp_path / "external").exists()


def test_import_needs_a_dev_set(tmp_path: Path) -> None:
    squad_file(tmp_path / "train.json", "q1")
    with pytest.raises(DataError, match=r"no file for set squad: expected squad\.json or dev"):
        import_files(tmp_path, tmp_path / "external")


def test_import_of_no_folder_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make data FROM=DIR"):
        import_files(tmp_path / "nowhere", tmp_path / "external")


def test_a_hub_split_becomes_a_squad_file(tmp_path: Path) -> None:
    # `datasets` loads a folder of Parquet as it does a hub repository.
    row = {
        "id": "q1",
        "title": "",
        "context": "Mary Shelley wrote it.",
        "question": "Who?",
        "answers": {"text": ["Mary Shelley"], "answer_start": [0]},
    }
    (tmp_path / "hub").mkdir()
    Dataset.from_list([row]).to_parquet(tmp_path / "hub" / "train.parquet")
    fetch_hub(str(tmp_path / "hub"), None, "train", "main", tmp_path / "raw" / "train.json")
    (loaded,) = read_squad(tmp_path / "raw" / "train.json")
    assert (loaded.id, loaded.answers[0].text) == ("q1", "Mary Shelley")


def test_a_hub_split_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    Dataset.from_list([{"text": "x"}]).to_parquet(tmp_path / "hub" / "train.parquet")
    with pytest.raises(DataError, match=r"no column \['answers', 'context', 'id', 'question'\]"):
        fetch_hub(str(tmp_path / "hub"), None, "train", "main", tmp_path / "train.json")


def test_a_hub_that_cannot_be_reached_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The variable is read when the libraries are imported, which other tests may have done.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"set data\.source to files"):
        fetch_hub("nobody/no-such-set", None, "train", "main", tmp_path / "train.json")
    shutil.rmtree(tmp_path)
