"""What comes from outside besides files of questions: Parquet, params, answers of models.

`python -m tests.fuzz.outside --examples 10000` tries so many of each; the tests a few hundred.
"""

import argparse
import functools
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augqa.chatter import without_chatter
from augqa.errors import AugQAError
from augqa.llm.cache import Response
from augqa.llm.inbound import Again, read_completion
from augqa.params import load_params
from augqa.prompts import finish_context, parse_pairs, parse_question
from augqa.records import QAExample
from augqa.refusals import is_refusal
from augqa.tables import read_table, write_table
from augqa.terminal import printable
from tests.examples import example
from tests.fuzz.qa_files import ANY, TOKENS, check
from tests.test_formats import flat
from tests.work import no_hang

PARAMS = Path(__file__).parents[2] / "profiles/embedded.yaml"


def damaged(draw: st.DrawFn, content: bytes, tokens: list[bytes]) -> bytes:
    """Return a content with some bytes cut, doubled, replaced or put in."""
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 40)))
        put = draw(st.sampled_from(tokens) | st.binary(max_size=4) | st.just(content[at:end] * 2))
        content = content[:at] + put + content[end:]
    return content


# --- Parquet: of anybody, as a training set; and our own, as a table ---------------------------


@functools.cache
def our_table() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        write_table(path, [example("q1"), example("q2", question="Who?")], QAExample)
        return path.read_bytes()


@st.composite
def parquet_files(draw: st.DrawFn) -> bytes:
    """Draw Parquet of any columns, of the ones wanted with any values, or damaged."""
    if draw(st.booleans()):
        return damaged(draw, our_table(), TOKENS)
    rows: list[dict[str, Any]] = flat()
    for row in rows:
        for name in draw(st.sets(st.sampled_from(["id", "context", "question", "answers"]))):
            row[name] = draw(ANY)
    buffer = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_pylist(rows), buffer)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeEncodeError):
        return our_table()  # no such table can be made
    return damaged(draw, buffer.getvalue(), TOKENS) if draw(st.booleans()) else buffer.getvalue()


def check_parquet(content: bytes) -> None:
    """Read it as a training set, and as a table of ours: rows, or one error of ours."""
    check(content, repair=True, unanswerable="drop", starts_matter=True)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        path = Path(file.name)
        path.write_bytes(content)
        try:
            with no_hang():
                rows = read_table(path, QAExample)
        except AugQAError as error:
            refusal = str(error)
        else:
            refusal = str(path)
            assert all(isinstance(row, QAExample) for row in rows)
        assert refusal.startswith(str(path))


# --- params.yaml -------------------------------------------------------------------------------


@functools.cache
def params_text() -> str:
    return PARAMS.read_text(encoding="utf-8")


YAML_TOKENS = [
    *(b": - ? | > & * ! % @ ` { } [ ] , # ' \" <<: --- ... !!python/object:os.system".split(b" ")),
    b"\n\t",
    b"\n  ",
    b"&a [*a, *a]",
    b".nan",
    b".inf",
    b"1e999",
    b"0o17",
    b"2026-13-45",
    b"null",
    b"[" * 500,
    b"9" * 5_000,
    "🧟\u202e".encode(),
]


@st.composite
def params_files(draw: st.DrawFn) -> bytes:
    """Draw params with bytes changed, or with any values in the place of some."""
    if draw(st.booleans()):
        encoding = draw(st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16", "latin-1"]))
        content = params_text().encode("utf-8").decode("utf-8").encode(encoding, "replace")
        return damaged(draw, content, YAML_TOKENS)
    values = yaml.safe_load(params_text())
    for _ in range(draw(st.integers(1, 3))):
        place: Any = values
        key = draw(st.sampled_from(sorted(place)))
        while isinstance(place[key], dict) and place[key] and draw(st.booleans()):
            place, key = place[key], draw(st.sampled_from(sorted(place[key], key=str)))
            place = place if key in place else values
            key = key if key in place else "llm"
        place[key] = draw(ANY)
    try:
        return yaml.safe_dump(values).encode("utf-8")
    except (yaml.YAMLError, UnicodeEncodeError, ValueError):
        return params_text().encode()


def check_params(content: bytes) -> None:
    """Load params: sound ones, or one short message that a terminal shows as it is."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        path = Path(file.name)
        path.write_bytes(content)
        try:
            with no_hang():
                load_params(path)
        except AugQAError as error:
            refusal = str(error)
        else:
            refusal = str(path)
        assert str(path) in refusal
        assert len(refusal) < 20_000
        assert printable(refusal) == refusal


# --- Answers of language models ----------------------------------------------------------------

LABELS = "Question: Answer: Q: A: 1. 2) ** ``` ```json { } [ ] <think> </think> Passage:"
SPOKEN = [
    *LABELS.split(" "),
    *("\n", "  ", "Sure! Here is", "I'm sorry, but I can't", "?", "？", "\x00", "\x1b[31m"),
    *("\ud800", "\u202e", '{"question": "Who?", "answer": "Ada"}', "[" * 3_000, " " * 2_000),
    *("\n" * 2_000, "9" * 5_000, '"pairs":', "Ada", "Who built it", "a" * 3_000, "**" * 500),
]
texts = st.lists(st.sampled_from(SPOKEN) | st.text(max_size=6), max_size=30).map(" ".join)


def check_text(text: str) -> None:
    """Read a model's text in every way that it is read: in time, as text that can be kept."""
    with no_hang():
        context, reason = finish_context(text, finish_reason="length", max_words=50)
        pairs = parse_pairs(text)
        question = parse_question(text)
        is_refusal(text)
        without_chatter(text)
    assert (context == "") == (reason is not None)
    assert pairs.pairs or pairs.refusals
    kept = [context, question, *(refusal.detail for refusal in pairs.refusals)]
    for pair in pairs.pairs:
        assert pair.question.strip()
        assert pair.answer.strip()
        kept += [pair.question, pair.answer]
    for one in kept:
        assert "\x00" not in one
        assert "\x1b" not in one
        one.encode("utf-8")


ANSWER: Mapping[str, Any] = {
    "id": "c",
    "model": "m",
    "system_fingerprint": "f",
    "choices": [
        {"finish_reason": "stop", "message": {"role": "assistant", "content": "It was Ada."}}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}
ANSWER_TOKENS = [*TOKENS, b'"content":', b'"choices":', b"data: ", b"[DONE]", b"<html>"]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Draw bodies of answers with bytes changed, or with any values in the place of some."""
    content = json.loads(json.dumps(ANSWER))
    choice = content["choices"][0]
    for place, key in (
        (content, "choices"),
        (content, "usage"),
        (content, "model"),
        (content, "system_fingerprint"),
        (content["usage"], "completion_tokens"),
        (choice, "finish_reason"),
        (choice, "message"),
        (choice["message"], "content"),
    ):
        if draw(st.integers(0, 3)) == 0:
            place[key] = draw(ANY)
    return damaged(draw, json.dumps(content).encode(), ANSWER_TOKENS)


def check_answer(content: bytes) -> None:
    """Take an answer in: checked, or to be asked for again."""
    try:
        with no_hang():
            response = read_completion(content, latency_s=0.0, attempts=1)
    except Again as again:
        said = again
    else:
        _check_response(response)
        return
    assert said.reason
    f"{said.reason}{said.detail}".encode()


def _check_response(response: Response) -> None:
    for text in (response.text, response.model, response.finish_reason):
        (text or "").encode("utf-8")
    assert 0 <= response.prompt_tokens < 1e9
    assert 0 <= response.completion_tokens < 1e9


TARGETS: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "Parquet": (parquet_files(), check_parquet),
    "params": (params_files(), check_params),
    "texts of models": (texts, check_text),
    "answers of endpoints": (answers(), check_answer),
}


def fuzz(name: str, n: int, *, derandomize: bool) -> Callable[[], None]:
    """Return what checks so many cases of a target."""
    strategy, property_ = TARGETS[name]
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=derandomize,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(given(strategy)(property_))


def main() -> None:
    """Try many of each; an example that breaks a promise is made small and shown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--only", choices=TARGETS)
    options = parser.parse_args()
    for name in [options.only] if options.only else TARGETS:
        fuzz(name, options.examples, derandomize=False)()
        print(f"{name}: {options.examples} cases", flush=True)


if __name__ == "__main__":
    main()
