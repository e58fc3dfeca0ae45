"""Files made to break a parser: mutated from sound ones, and rows of any values.

`python -m tests.fuzz.qa_files 10000` tries so many of each kind, more than the tests have time for.
"""

import gzip
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augqa.errors import DataError
from augqa.formats import Reading, read_examples
from tests.test_formats import FORMATS, flat, lines, mrqa, squad
from tests.work import no_hang

# Bytes that mean something to one of the parsers.
TOKENS = [
    *(b"\x00 \xff \xed\xa0\x80 \xef\xbb\xbf \\ud800 \\u0000 \" ' , ; | { } [ ] : < \\".split(b" ")),
    *(b"\n \r\n \t -1 1e999 NaN null true 19.0 1e5".split(b" ")),
    b"\r",
    b"9" * 5000,
    b"[" * 5000,
    b'{"data":',
    "🧟".encode(),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a sound file with some bytes cut, doubled, replaced or put in; packed or not."""
    names = [name for name in FORMATS if "Parquet" not in name and not name.endswith("gzip")]
    content = FORMATS[draw(st.sampled_from(names))]()
    encoding = draw(st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16", "utf-32"]))
    content = content.decode().encode(encoding)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 40)))
        put = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(content[at:end] * 2))
        content = content[:at] + put + content[end:]
    if draw(st.booleans()):
        content = gzip.compress(content)
        cut = draw(st.integers(0, len(content)))
        content = content[:cut] if draw(st.booleans()) else content
    return content


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Mary", "🧟 Mary", "\ud800", "Mary ", "19.0", "0", "-1", "9" * 400]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "answer_start", "qas", "context", "answers", "id", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for key, inner in items:
        if isinstance(inner, dict | list):
            found += _places(inner, (*path, key))
        else:
            found.append((*path, key))
    return found


@st.composite
def replaced(draw: st.DrawFn) -> bytes:
    """Draw sound JSON, some values of it replaced by any others."""
    content: Any = draw(st.sampled_from([squad, flat, mrqa, lambda: flat(as_list=True)]))()
    for _ in range(draw(st.integers(1, 4))):
        *parents, last = draw(st.sampled_from(_places(content)))
        target = content
        try:
            for key in parents:
                target = target[key]
            target[last] = draw(ANY)
        except (TypeError, KeyError, IndexError):  # an earlier one took its place away
            continue
    if isinstance(content, list) and draw(st.booleans()):
        return lines(content).encode()
    return json.dumps(content).encode()


def check(content: bytes, *, repair: bool, unanswerable: Any, starts_matter: bool) -> None:
    """Read a file: examples or one clear refusal, no hang, nothing lost uncounted."""
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(content)
        try:
            with no_hang():
                read = read_examples(
                    path, repair=repair, unanswerable=unanswerable, starts_matter=starts_matter
                )
        except DataError as error:
            refusal = str(error)
        else:
            refusal = str(path)
            _check_reading(read, repair=repair, unanswerable=unanswerable)
        assert refusal.startswith(str(path))
        refusal.encode("utf-8")


def _check_reading(read: Reading, *, repair: bool, unanswerable: str) -> None:
    assert read.examples
    assert len(read.examples) + len(read.dropped) == read.n_rows
    assert len({e.id for e in read.examples}) == len(read.examples)
    if not repair:
        assert not read.repaired
        assert {row.reason for row in read.dropped} <= {"unanswerable"}
    if unanswerable == "refuse":
        assert "unanswerable" not in {row.reason for row in read.dropped}
    # Whatever is in a table can be written.
    for example in read.examples:
        f"{example.id}{example.context}{example.question}".encode()
    for row in read.dropped:
        f"{row.id}{row.detail}".encode()
    for texts in (*read.texts.values(), read.titles.values()):
        "".join(texts).encode()


SETTINGS: dict[str, Any] = {
    "repair": st.booleans(),
    "unanswerable": st.sampled_from(["refuse", "drop"]),
    "starts_matter": st.booleans(),
}


def fuzz(strategy: st.SearchStrategy[bytes], n: int, *, derandomize: bool) -> Callable[[], None]:
    """Return what checks so many files of a strategy."""
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=derandomize,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(given(content=strategy, **SETTINGS)(check))


if __name__ == "__main__":
    for strategy in (mutated(), replaced()):
        fuzz(strategy, int(sys.argv[1]), derandomize=False)()
    print(f"2 x {sys.argv[1]} files: examples or one clear refusal each")
