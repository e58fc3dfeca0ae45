"""SQuAD v1.1 JSON is read strictly: each fault is named with file, record and value."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from augqa.squad import load_json, parse_squad, read_squad, to_squad

from augqa.errors import DataError

CONTENT: dict[str, Any] = {
    "version": "1.1",
    "data": [
        {
            "title": "Frankenstein",
            "paragraphs": [
                {
                    "context": "Mary Shelley wrote it in 1818. 🧟 It was 1818.",
                    "qas": [
                        {
                            "id": "q1",
                            "question": "Who wrote it?",
                            "answers": [{"text": "Mary Shelley", "answer_start": 0}],
                        },
                        {
                            "id": "q2",
                            "question": "When?",
                            "answers": [{"text": "1818", "answer_start": 40}],
                        },
                    ],
                }
            ],
        }
    ],
}


def changed(change: Any) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    change(content["data"][0]["paragraphs"][0])
    return content


def test_offsets_count_characters_not_bytes() -> None:
    examples = list(parse_squad(CONTENT, where="f.json"))
    assert examples[1].answers[0].start == 40
    assert examples[1].context[40:44] == "1818"


def test_examples_on_one_context_share_its_id() -> None:
    first, second = parse_squad(CONTENT, where="f.json")
    assert first.context_id == second.context_id


def test_writing_and_reading_gives_the_same_examples() -> None:
    examples = list(parse_squad(CONTENT, where="f.json"))
    assert list(parse_squad(to_squad(examples), where="g.json")) == examples


def test_the_keys_of_squadshifts_are_allowed() -> None:
    content = {**CONTENT, "version": "1.0", "split": "test"}
    assert len(list(parse_squad(content, where="f.json"))) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["qas"][0]["answers"][0].update(answer_start=5), "'Mary Shelley' is not at 5"),
        (lambda p: p["qas"][0]["answers"][0].update(answer_start="0"), "must be int, found '0'"),
        (lambda p: p["qas"][1].update(id="q1"), "id 'q1' stands twice"),
        (lambda p: p.update(context=" \n"), "the context is empty"),
        (lambda p: p["qas"][1].pop("question"), "no key 'question'"),
        (lambda p: p["qas"][1].update(answers=[]), "no answer"),
        (lambda p: p["qas"][1].update(question=" "), "the question is empty"),
        (lambda p: p.update(qas={"id": 1}), "'qas' must be list"),
    ],
)
def test_a_broken_record_is_named_with_file_place_and_value(change: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        list(parse_squad(changed(change), where="data/raw/train.json"))
    text = str(caught.value)
    assert text.startswith("data/raw/train.json: data[0].paragraphs[0]")
    assert message in text


@pytest.mark.parametrize("content", [[], {"rows": []}, {"data": []}, {"data": [{"context": "x"}]}])
def test_another_schema_is_refused(content: Any) -> None:
    with pytest.raises(DataError, match=r"f\.json"):
        list(parse_squad(content, where="f.json"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: no such file"):
        read_squad(tmp_path / "nowhere.json")


def test_a_truncated_file_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(CONTENT, indent=1)[:200], encoding="utf-8")
    with pytest.raises(DataError, match=r"cut\.json: not JSON at line \d+, column \d+.*cut short"):
        read_squad(path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bytes.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        load_json(path)
