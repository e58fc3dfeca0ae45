"""Results files of batches as they come: every line is an answer, a reason, or named as unread."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augqa.errors import GenerationError
from augqa.llm.batch_results import Row, Unread, read_results
from tests.asking_loopback import KEY
from tests.loopback import Loopback, answer_text, completion
from tests.test_llm_batch import run
from tests.work import no_hang


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)


BODY = {"model": "m", "messages": [{"content": "x"}]}
GOOD = {"status_code": 200, "body": completion(BODY, "A text.")}


def line(**fields: Any) -> bytes:
    row = {"custom_id": "k", "response": GOOD, "error": None, **fields}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")


def with_text(text: str) -> bytes:
    return line(response={"status_code": 200, "body": completion(BODY, text)})


def texts(content: bytes) -> list[str | None]:
    """Return the texts of a file whose lines are all answers."""
    found = []
    for row in read_results(content):
        assert isinstance(row, Row), row
        assert row.response is not None, row
        found.append(row.response.text)
    return found


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85"])
def test_a_text_may_hold_what_else_may_end_a_line(end: str) -> None:
    # raw in the file, as JSON allows
    content = with_text("a§b").replace("§".encode(), end.encode()) + b"\n" + with_text("c")
    assert texts(content) == [f"a{end}b", "c"]


@pytest.mark.parametrize("end", list("\x0b\x0c\x1c\x1d\x1e"))
def test_a_control_that_may_end_a_line_ends_none(end: str) -> None:
    found = texts(with_text(f"a{end}b") + b"\n" + with_text("c"))
    assert len(found) == 2
    assert found[1] == "c"
    # raw, which strict JSON does not allow: no other line is lost
    raw = with_text("a§b").replace("§".encode(), end.encode()) + b"\n" + with_text("c")
    assert [row.line for row in read_results(raw)] == [1, 2]


FILES: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda lines: lines,
    "no last newline": lambda lines: lines.rstrip(b"\n"),
    "CRLF": lambda lines: lines.replace(b"\n", b"\r\n"),
    "empty lines": lambda lines: b"\n \n" + lines.replace(b"\n", b"\n\r\n\t\n"),
    "BOM": lambda lines: codecs.BOM_UTF8 + lines,
    "UTF-16": lambda lines: lines.decode().encode("utf-16"),
    "UTF-16-BE with BOM": lambda lines: codecs.BOM_UTF16_BE + lines.decode().encode("utf-16-be"),
    "UTF-16-LE": lambda lines: lines.decode().encode("utf-16-le"),
    "UTF-16-BE": lambda lines: lines.decode().encode("utf-16-be"),
    "UTF-32": lambda lines: lines.decode().encode("utf-32"),
}


@pytest.mark.parametrize("form", FILES.values(), ids=FILES)
def test_a_file_is_read_in_each_form(form: Callable[[bytes], bytes]) -> None:
    lines = with_text("Stra\u00dfe\u2028\U0001f600") + b"\n" + with_text("b") + b"\n"
    assert texts(form(lines)) == ["Stra\u00dfe\u2028\U0001f600", "b"]


def test_a_line_that_is_no_utf_8_keeps_no_other_from_being_read() -> None:
    latin = with_text("Stra\u00dfe").decode().encode("latin-1")
    first, odd, last = read_results(b"\n".join([with_text("a"), latin, with_text("c")]))
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(odd, Unread)
    assert (odd.line, "not UTF-8" in odd.fault) == (2, True)


ODD_LINES: dict[str, bytes] = {
    "no JSON": b"{",
    "cut off": line()[:50],
    "a list": b"[1]",
    "a number": b"7",
    "nested": b"[" * 200_000,
    "an endless number": b'{"custom_id": ' + b"1" * 5000 + b"}",
    "custom_id null": line(custom_id=None),
    "custom_id a list": line(custom_id=["k"]),
    "custom_id a number": line(custom_id=5),
    "custom_id empty": line(custom_id=""),
    "no custom_id": b'{"response": null}',
}


@pytest.mark.parametrize("odd", ODD_LINES.values(), ids=ODD_LINES)
def test_a_line_that_belongs_to_no_request_is_named(odd: bytes) -> None:
    before, found, after = read_results(b"\n".join([line(), odd, line()]))
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(found, Unread)
    assert found.line == 2
    assert 0 < len(found.fault) < 200


def body(**changes: Any) -> dict[str, Any]:
    return {"status_code": 200, "body": {**completion(BODY, "A text."), **changes}}


REASONS: dict[str, tuple[dict[str, Any], str]] = {
    "error as text": ({"response": None, "error": "Server busy!"}, "server_busy"),
    "error a number": ({"response": None, "error": 7}, "no_answer"),
    "error a list": ({"response": None, "error": ["x"]}, "no_answer"),
    "error empty": ({"response": None, "error": {}}, "no_answer"),
    "error with a code": ({"response": None, "error": {"code": "batch_expired"}}, "expired"),
    "error cancelled": ({"response": None, "error": {"code": "batch_cancelled"}}, "cancelled"),
    "error with a number": ({"response": None, "error": {"code": 503}}, "http_503"),
    "error without code": ({"response": None, "error": {"message": "No such."}}, "no_such"),
    "error, long": ({"response": None, "error": "x" * 500}, "x" * 60),
    "nothing": ({"response": None, "error": None}, "no_answer"),
    "response a text": ({"response": "A."}, "malformed_response"),
    "response a list": ({"response": [GOOD]}, "malformed_response"),
    "status 500": ({"response": {"status_code": 500, "body": {}}}, "http_500"),
    "status as text": ({"response": {"status_code": "429", "body": {}}}, "http_429"),
    "status words": ({"response": {"status_code": "fine", "body": {}}}, "malformed_response"),
    "status null": ({"response": {**GOOD, "status_code": None}}, "malformed_response"),
    "status a truth": ({"response": {**GOOD, "status_code": True}}, "malformed_response"),
    "status beyond": ({"response": {**GOOD, "status_code": 10**20}}, "malformed_response"),
    "body null": ({"response": {"status_code": 200, "body": None}}, "malformed_response"),
    "body a text": ({"response": {"status_code": 200, "body": "A."}}, "malformed_response"),
    "body a list": ({"response": {"status_code": 200, "body": [1]}}, "malformed_response"),
    "no choices": ({"response": body(choices=[])}, "empty_choices"),
    "choices a number": ({"response": body(choices=3)}, "malformed_response"),
}


@pytest.mark.parametrize(("fields", "reason"), REASONS.values(), ids=REASONS)
def test_a_request_without_an_answer_has_a_reason(fields: dict[str, Any], reason: str) -> None:
    (row,) = read_results(line(**fields))
    assert row == Row(line=1, key="k", response=None, reason=reason)


@pytest.mark.parametrize("status", [200, "200", 200.0])
def test_a_good_status_is_one_in_any_form(status: Any) -> None:
    assert texts(line(response={**GOOD, "status_code": status})) == ["A text."]


NAMES = (
    *("custom_id", "response", "error", "status_code", "body", "choices", "message", "content"),
    *("usage", "prompt_tokens", "finish_reason", "model", "code", "refusal"),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["200", "k" * 64, 200, 1e30, "batch_expired"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
json_lines = values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
real_lines = st.fixed_dictionaries(
    {}, optional={"custom_id": values, "response": values, "error": values}
).map(lambda fields: line(**fields))
pieces = st.one_of(
    json_lines, real_lines, st.binary(max_size=40), st.sampled_from([b"", b"\r", codecs.BOM_UTF8])
)
contents = st.lists(pieces, max_size=6).map(b"\n".join)


def check(content: bytes) -> None:
    """Hold one file to what is promised of every file."""
    n_lines = content.count(b"\n") + 1
    found = list(read_results(content))
    assert len(found) <= n_lines or 0 in content  # UTF-16 counts otherwise
    for row in found:
        if isinstance(row, Unread):
            assert row.fault
        else:
            assert (row.response is None) == (row.reason is not None)
            assert row.key


@settings(max_examples=300, deadline=None)
@given(contents)
def test_no_content_whatever_breaks_the_reading(content: bytes) -> None:
    check(content)


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'"', b"\n", b"\xff", with_text("a") + b"\n"])
def test_a_long_file_takes_no_time_in_the_square_of_its_length(unit: bytes) -> None:
    content = unit * (32_000_000 // len(unit))
    with no_hang():
        for _ in read_results(content):
            pass


def answers(folder: Path, name: str, *, end: str = "\n", edit: Any = None) -> list[str]:
    """Answer the requests in a folder, as `vllm run-batch` does; return their keys."""
    rows = [json.loads(each) for each in (folder / "requests.jsonl").read_text().split("\n")[:-1]]
    lines = [
        line(
            custom_id=row["custom_id"],
            response={
                "status_code": 200,
                "body": completion(row["body"], answer_text(row["body"])),
            },
        ).decode()
        for row in rows
    ]
    if edit is not None:
        edit(lines)
    (folder / name).write_text("".join(each + end for each in lines), newline="")
    return [row["custom_id"] for row in rows]


def test_a_file_with_odd_lines_gives_all_its_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache, folder = tmp_path / "c.sqlite", tmp_path / "batch"

    def edit(lines: list[str]) -> None:
        first, second = lines[0], lines[1]
        lines[1] = line(custom_id=None).decode()
        lines.insert(0, line(custom_id="other").decode())
        lines.append(first)
        lines.append("{" + second)

    with Loopback() as server:
        with pytest.raises(GenerationError):
            run(server, cache, 6, "batch_file")
        answers(folder, "results.jsonl", end="\r\n", edit=edit)
        with pytest.raises(GenerationError, match=r"1 requests wait.*line 3 custom_id is no text"):
            run(server, cache, 6, "batch_file")
        answers(folder, "rest.jsonl")
        results = run(server, cache, 6, "batch_file")
    assert [failure for _, _, failure in results] == [None] * 6
    for words in ("line 1 has the unknown custom_id 'other'", "of an earlier one", "is no JSON"):
        assert words in caplog.text


def test_an_answer_beside_an_error_for_the_same_request_counts(tmp_path: Path) -> None:
    cache, folder = tmp_path / "c.sqlite", tmp_path / "batch"

    def edit(lines: list[str]) -> None:
        bad = {"response": {"status_code": 400, "body": {}}}
        keys = [json.loads(each)["custom_id"] for each in lines]
        lines.insert(0, line(custom_id=keys[0], **bad).decode())
        lines.append(line(custom_id=keys[1], **bad).decode())

    with Loopback() as server:
        with pytest.raises(GenerationError):
            run(server, cache, 3, "batch_file")
        answers(folder, "results.jsonl", edit=edit)
        results = run(server, cache, 3, "batch_file")
    assert [failure for _, _, failure in results] == [None] * 3
