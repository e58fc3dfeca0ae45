"""Faulty files: every fault counted and shown, the common cause named, repaired on request."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import DataError
from augqa.formats import Reading, read_examples

CONTEXT = "Mary Shelley wrote it in 1818. It was 1818."


def qa(id_: str, answer: Any, start: Any, **more: Any) -> dict[str, Any]:
    answers = [{"text": answer, "answer_start": start}]
    return {"id": id_, "question": f"What is {id_}?", "answers": answers, **more}


def squad(path: Path, *qas: Any, context: Any = CONTEXT) -> Path:
    content = {"data": [{"title": "", "paragraphs": [{"context": context, "qas": list(qas)}]}]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


GOOD = qa("good", "1818", 25)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.json"


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_examples(path, **settings)
    return str(caught.value)


def start_of(read: Reading, id_: str) -> int:
    (example,) = (e for e in read.examples if e.id == id_)
    return example.answers[0].start


ROW_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "not at its start": (qa("bad", "Mary Shelley", 5), "'Mary Shelley' is not at 5, found 'Shel"),
    "a fraction": (qa("bad", "1818", 25.5), "answer_start must be a whole number, found 25.5"),
    "19.0": (qa("bad", "1818", 25.0), "answer_start must be a whole number, found 25.0"),
    "text for a number": (qa("bad", "1818", "25"), "must be a whole number, found '25'"),
    "true for a number": (qa("bad", "1818", True), "must be a whole number, found True"),
    "null for a number": (qa("bad", "1818", None), "must be a whole number, found ''"),
    "NaN": (qa("bad", "1818", float("nan")), "must be a whole number, found nan"),
    "-1": (qa("bad", "Mary Shelley", -1), "answer 'Mary Shelley' has the start -1"),
    "an empty answer": (qa("bad", "", 0), "the answer is empty"),
    "a number for an answer": (qa("bad", 1818, 25), "answer must be text, found 1818"),
    "space at its edge": (qa("bad", " 1818", 24), "' 1818' begins or ends with white space"),
    "an id twice": (qa("good", "1818", 25), "id 'good' stands twice"),
    "an empty id": (qa("", "1818", 25), "must be text, found ''"),
    "a null id": (qa("x", "1818", 25) | {"id": None}, "must be text, found ''"),
    "an empty question": (qa("bad", "1818", 25, question=" "), "the question is empty"),
    "no question": ({"id": "bad", "answers": GOOD["answers"]}, "no 'question'"),
    "no answers": ({"id": "bad", "question": "When?"}, "no 'answers'"),
    "answers no list": ({"id": "bad", "question": "?", "answers": 5}, "must be a list, found 5"),
    "an answer no object": ({"id": "bad", "question": "?", "answers": [5]}, "found 5"),
    "a row no object": (["bad"], "found list of 1"),  # type: ignore[dict-item]
    "half a surrogate pair": (qa("bad", "18\ud83d", 25), "holds half of a surrogate pair"),
    "half a pair in an id": (qa("b\udc00", "1818", 25, question="When?"), "must be text"),
    "a number of 5,000 digits": (qa("bad", "1818", "DIGITS"), "must be a whole number, found '999"),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_faulty_row_is_counted_and_shown_with_place_and_value(name: str, file: Path) -> None:
    row, message = ROW_FAULTS[name]
    squad(file, GOOD, row)
    file.write_text(file.read_text().replace('"DIGITS"', "9" * 5000))
    text = refusal(file)
    assert text.startswith(f"{file} (SQuAD JSON): 1 of 2 questions cannot be used")
    assert "data[0].paragraphs[0].qas[1]" in text
    assert message in text
    assert "data.repair: true" in text
    text.encode("utf-8")  # it can be printed


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_repair_leaves_the_sound_rows_and_accounts_for_the_others(name: str, file: Path) -> None:
    squad(file, GOOD, ROW_FAULTS[name][0])
    file.write_text(file.read_text().replace('"DIGITS"', "9" * 5000))
    read = read_examples(file, repair=True)
    assert start_of(read, "good") == 25
    assert len(read.examples) + len(read.dropped) == read.n_rows == 2
    assert bool(read.repaired) == (len(read.examples) == 2)


@pytest.mark.parametrize(
    ("row", "mended", "start"),
    [
        (qa("bad", "Mary Shelley", 5), "moved_to_only_occurrence", 0),
        (qa("bad", "Mary Shelley", -1), "moved_to_only_occurrence", 0),
        (qa("bad", "1818", 25.0), "start_rewritten", 25),
        (qa("bad", "1818", "25"), "start_rewritten", 25),
        (qa("bad", " 1818", 24), "edge_space_cut", 25),
        (qa("bad", " wrote ", 3), "moved_to_only_occurrence", 13),
    ],
)
def test_what_can_be_moved_is_moved(
    row: dict[str, Any], mended: str, start: int, file: Path
) -> None:
    read = read_examples(squad(file, GOOD, row), repair=True)
    assert read.repaired == {mended: 1}
    assert start_of(read, "bad") == start
    assert read.dropped == ()


def test_an_answer_that_occurs_twice_is_dropped_where_its_start_is_trained_on(file: Path) -> None:
    squad(file, GOOD, qa("bad", "1818", 3))
    (dropped,) = read_examples(file, repair=True).dropped
    assert (dropped.id, dropped.reason) == ("bad", "answer_not_at_start")
    assert start_of(read_examples(file, repair=True, starts_matter=False), "bad") == 25


def test_an_answer_that_is_nowhere_stays_to_score_by_if_the_question_has_another(
    file: Path,
) -> None:
    row = qa("q", "1818", 25)
    row["answers"].append({"text": "in the year 1818", "answer_start": 22})
    read = read_examples(squad(file, row), repair=True)
    assert read.texts == {"q": ("in the year 1818",)}
    assert read.repaired == {"answer_left_out": 1}
    assert len(read.examples[0].answers) == 1


def test_all_faults_stand_in_one_message_the_commonest_first(file: Path) -> None:
    rows = [qa(f"q{n}", "Mary Shelley", 5) for n in range(9)] + [qa("z", True, 0)]
    text = refusal(squad(file, GOOD, *rows, qa("x", "nowhere", 0)))
    assert "11 of 12 questions" in text
    lines = text.splitlines()
    assert lines[1:3] == [
        "  10 answer_not_at_start",
        "    data[0].paragraphs[0].qas[1] (id 'q0'): answer 'Mary Shelley' is not at 5, found"
        " 'Shelley wrot'",
    ]
    assert lines[5:7] == ["    ...", "  1 wrong_type"]
    assert lines[-1].endswith("it mends 9 answers and drops 2 questions, all counted.")


# -- one rule that explains all ----------------------------------------------------------------

WIDE = "🧟🧟 Café naïve 🎉 Mary\r\nShelley\r\nwrote it."


def counted(context: str, answer: str, prefix_length: Callable[[str], int]) -> int:
    return prefix_length(context[: context.index(answer)])


RULES: dict[str, tuple[str, Callable[[str], int], str]] = {
    "utf_16": (WIDE, lambda s: len(s.encode("utf-16-le")) // 2, "counted in UTF-16 units"),
    "bytes": (WIDE, lambda s: len(s.encode()), "counted in bytes of UTF-8"),
    "crlf_as_one": (WIDE, lambda s: len(s.replace("\r\n", "\n")), "(CR LF) as one character"),
    "line_end_as_two": (
        "\nb\nMary\nShelley wrote.",
        lambda s: len(s) + s.count("\n"),
        "as two",
    ),
    "from_one": (WIDE, lambda s: len(s) + 1, "counted from 1"),
    "without_leading_space": ("  \n" + WIDE, lambda s: len(s.lstrip()), "do not count the white"),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("repair", [False, True])
def test_one_rule_that_explains_all_is_named_and_followed(
    name: str, repair: bool, file: Path
) -> None:
    context, prefix_length, says = RULES[name]
    answers = ("Mary", "Shelley", "wrote")
    squad(
        file,
        *(qa(f"q{n}", a, counted(context, a, prefix_length)) for n, a in enumerate(answers)),
        context=context,
    )
    if not repair:
        text = refusal(file)
        assert "One rule explains the wrong offsets: offsets" in text
        assert says in text
        return
    read = read_examples(file, repair=True)
    assert read.rule == name
    assert [start_of(read, f"q{n}") for n in range(3)] == [context.index(a) for a in answers]
    assert set(read.repaired) == {f"moved_by_rule_{name}"}


def test_a_rule_decides_where_an_answer_occurs_twice(file: Path) -> None:
    context = "🧟 1818, then 1818."
    starts = [context.index("1818"), context.rindex("1818")]
    rows = [qa(f"q{n}", "1818", start + 1) for n, start in enumerate(starts)]
    read = read_examples(squad(file, *rows, context=context), repair=True)
    assert [start_of(read, "q0"), start_of(read, "q1")] == starts


def test_a_rule_that_a_sound_answer_contradicts_is_none(file: Path) -> None:
    # All but one would be right from 1.
    rows = [qa("a", "Mary", 1), qa("b", "wrote", 14), qa("c", "it", 19)]
    text = refusal(squad(file, *rows))
    assert "2 of 3 questions" in text
    assert "One rule" not in text


def test_answers_that_are_nowhere_do_not_hide_the_rule(file: Path) -> None:
    rows = [qa("a", "Mary", 1), qa("b", "wrote", 14), qa("c", "nowhere", 19), qa("d", "it", -1)]
    read = read_examples(squad(file, *rows), repair=True)
    assert read.rule == "from_one"
    assert [row.id for row in read.dropped] == ["c"]


# -- contexts and whole rows -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (" \n", "1 context_empty"),
        (None, "context must be text, found None"),
        ("half \udfff", "holds half of a surrogate pair"),
        ("x" * 1_000_001, "1000001 characters, more than 1000000"),
    ],
)
def test_a_context_that_cannot_be_is_named(context: Any, message: str, file: Path) -> None:
    assert message in refusal(squad(file, GOOD, context=context))


def test_a_file_without_a_sound_row_is_refused_even_to_be_repaired(file: Path) -> None:
    squad(file, qa("a", "nowhere", 0))
    assert "no question is left: 1 answer_not_at_start" in refusal(file, repair=True)


@pytest.mark.parametrize("key", ["paragraphs", "qas", "context"])
def test_a_missing_key_of_a_parent_is_one_fault(key: str, file: Path) -> None:
    content = json.loads(squad(file, GOOD).read_text())
    broken = copy.deepcopy(content["data"][0])
    del (broken if key == "paragraphs" else broken["paragraphs"][0])[key]
    content["data"].append(broken)
    file.write_text(json.dumps(content))
    assert f"no '{key}'" in refusal(file)
    assert len(read_examples(file, repair=True).examples) == 1


def flat(path: Path, *answers: Any) -> Path:
    rows = [
        {"id": f"q{n}", "context": CONTEXT, "question": "When?", "answers": value}
        for n, value in enumerate(answers)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


SOUND = {"text": ["1818"], "answer_start": [25]}


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"text": ["a", "b"], "answer_start": [1]}, "2 texts but 1 starts"),
        ({"text": "1818", "answer_start": [25]}, "must be lists"),
        ([{"text": "1818"}], "must have 'text' and 'answer_start'"),
        (7, "must be text, or an object with 'text' and 'answer_start', or a list"),
        (None, "found None"),
    ],
)
def test_answers_of_another_form_are_named(answers: Any, message: str, file: Path) -> None:
    text = refusal(flat(file, SOUND, answers))
    assert "line 2" in text
    assert message in text


def test_a_line_that_is_not_json_is_one_fault(file: Path) -> None:
    flat(file, SOUND, SOUND)
    file.write_text(file.read_text()[:-20])
    assert "line 2: not JSON at line 1" in refusal(file)
    assert len(read_examples(file, repair=True).examples) == 1
