"""A cache handed on as a file: the same answers elsewhere, and nothing from a damaged file."""

import contextlib
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augqa.errors import AugQAError, DataError
from augqa.llm import sharing
from augqa.llm.cache import ResponseCache, Stored
from augqa.llm.response import Response
from augqa.llm.sharing import Imported, checksum, export_cache, import_cache
from tests.asking_loopback import KEY, requests, run
from tests.loopback import Loopback
from tests.test_commands import augqa
from tests.test_llm_cache import GOOD, TEXTS, key, response


def fill(path: Path, responses: dict[int, Response], *, finished: bool = True) -> None:
    with contextlib.closing(ResponseCache(path)) as cache:
        number = cache.begin_run()
        items = [Stored(key(n), each, run=number) for n, each in responses.items()]
        cache.store_all(items, "https://e/v1")
        if finished:
            cache.finish_run()


def content(path: Path, n: int = 20) -> dict[str, Response]:
    with contextlib.closing(ResponseCache(path)) as cache:
        return cache.find(key(number) for number in range(n))


def lines(file: Path) -> list[bytes]:
    return gzip.decompress(file.read_bytes()).split(b"\n")


def test_a_colleague_pays_for_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGQA_TEST_KEY", KEY)
    # one request has no valid text at all, one only at its second try
    faulty = {2, 1_000_005, 2_000_008, 3}
    with Loopback(fault=lambda b, _n: "empty-text" if b["seed"] in faulty else None) as server:
        mine = run(server, tmp_path / "a" / "c.sqlite", requests(8))
        export_cache(tmp_path / "a" / "c.sqlite", tmp_path / "x.gz")
        import_cache(tmp_path / "x.gz", tmp_path / "b" / "c.sqlite")
        server.calls.clear()
        theirs = run(server, tmp_path / "b" / "c.sqlite", requests(8))
        assert server.calls == []
    assert [(r.text, r.failure) for r in theirs] == [(r.text, r.failure) for r in mine]


def test_every_text_arrives_as_it_was(tmp_path: Path) -> None:
    responses = {n: response(text, refusal=None) for n, text in enumerate(TEXTS.values())}
    responses[10] = response(None, refusal="\0\u2028", latency_s=0.1 + 0.2)
    fill(tmp_path / "a", responses)
    assert export_cache(tmp_path / "a", tmp_path / "x.gz") == len(responses)
    import_cache(tmp_path / "x.gz", tmp_path / "b")
    assert content(tmp_path / "b") == content(tmp_path / "a")
    # and back to the same bytes
    export_cache(tmp_path / "b", tmp_path / "y.gz")
    assert (tmp_path / "x.gz").read_bytes() == (tmp_path / "y.gz").read_bytes()


def test_of_two_caches_the_better_responses_stay(tmp_path: Path) -> None:
    fill(tmp_path / "a", {1: response("mine"), 2: response(""), 3: response("mine")})
    fill(tmp_path / "b", {1: response("theirs"), 2: response("theirs"), 3: response(""), 4: GOOD_1})
    export_cache(tmp_path / "b", tmp_path / "x.gz")
    done = import_cache(tmp_path / "x.gz", tmp_path / "a")
    assert done == Imported(n_records=4, n_new=1, n_better=1)
    texts = {n: each.text for n in range(1, 5) for each in [content(tmp_path / "a")[key(n)]]}
    assert texts == {1: "mine", 2: "theirs", 3: "mine", 4: GOOD}


GOOD_1 = response()


def test_a_response_of_no_use_counts_as_settled_where_it_was(tmp_path: Path) -> None:
    fill(tmp_path / "a", {1: response("")})
    fill(tmp_path / "a", {2: response("")}, finished=False)
    export_cache(tmp_path / "a", tmp_path / "x.gz")
    import_cache(tmp_path / "x.gz", tmp_path / "b")
    with contextlib.closing(ResponseCache(tmp_path / "b")) as cache:
        assert cache.settled([key(1), key(2)]) == {key(1)}


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    fill(tmp_path / "a", {n: response(f"{n} {GOOD}") for n in range(10)})
    export_cache(tmp_path / "a", tmp_path / "x.gz")
    return tmp_path / "x.gz"


def changed(record: bytes, **changes: Any) -> bytes:
    """Return a line with other values, and the checksum that fits them."""
    values = {**json.loads(record), **changes}
    values["sha256"] = checksum(values)
    return json.dumps(values).encode()


DAMAGES = {
    "another text": lambda line: line.replace(b"Ada", b"Eva"),
    "another key": lambda line: line.replace(b"0004", b"0044"),
    "another endpoint": lambda line: line.replace(b"//e/", b"//f/"),
    "another checksum": lambda line: line.replace(b'"sha256":"', b'"sha256":"0'),
    "half a line": lambda line: line[: len(line) // 2],
    "no JSON": lambda _line: b"{",
    "a list": lambda _line: b"[]",
    "nested": lambda _line: b"[" * 100_000,
    "endless number": lambda line: line.replace(b'"attempts":1', b'"attempts":' + b"9" * 5000),
    "no UTF-8": lambda line: line.replace(b"Ada", b"\xff"),
    "nothing": lambda _line: b"",
    "a field more": lambda line: changed(line, more=1),
    "no hash as key": lambda line: changed(line, key="a"),
    "key in capitals": lambda line: changed(line, key="A" * 64),
    "key a number": lambda line: changed(line, key=4),
    "key out of order": lambda line: changed(line, key=key(1)),
    "key twice": lambda line: changed(line, key=key(3)),
    "tokens below 0": lambda line: changed(line, prompt_tokens=-1),
    "tokens beyond": lambda line: changed(line, completion_tokens=10**30),
    "no seconds": lambda line: changed(line, latency_s=float("nan")),
    "half a surrogate": lambda line: changed(line, text="\ud800"),
    "half a surrogate in the endpoint": lambda line: changed(line, endpoint="\ud800"),
    "text a list": lambda line: changed(line, text=[]),
    "unknown grade": lambda line: changed(line, grade=3),
    "grade a truth": lambda line: changed(line, grade=True),
    "settled a number": lambda line: changed(line, settled=1),
    "valid without text": lambda line: changed(line, text=""),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_line_is_named_and_nothing_of_the_file_is_imported(
    tmp_path: Path, exported: Path, damage: Any
) -> None:
    parts = lines(exported)
    parts[5] = damage(parts[5])
    assert parts[5] != lines(exported)[5]
    exported.write_bytes(gzip.compress(b"\n".join(parts)))
    fill(tmp_path / "b", {0: response("mine")})
    with pytest.raises(DataError, match=r"x\.gz, line 6: "):
        import_cache(exported, tmp_path / "b")
    assert content(tmp_path / "b") == {key(0): response("mine")}


@pytest.mark.parametrize("n_lines", [0, 1, 5, 10])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, exported: Path, n_lines: int) -> None:
    parts = lines(exported)[:n_lines]
    exported.write_bytes(gzip.compress(b"".join(part + b"\n" for part in parts)))
    with pytest.raises(DataError, match=rf"x\.gz, line {max(n_lines, 1)}: "):
        import_cache(exported, tmp_path / "b")
    assert content(tmp_path / "b") == {}


@pytest.mark.parametrize("place", [0, 5, 0.3, 0.6, -9, -1])
def test_a_file_with_a_damaged_byte_is_refused(
    tmp_path: Path, exported: Path, place: float
) -> None:
    packed = bytearray(exported.read_bytes())
    number = int(place * len(packed)) if isinstance(place, float) else int(place)
    packed[number] ^= 0x55
    if number == 5:  # a time stamp, which nothing depends on
        import_cache(exported, tmp_path / "b")
        return
    exported.write_bytes(packed)
    with pytest.raises(DataError, match=r"x\.gz, line "):
        import_cache(exported, tmp_path / "b")
    assert content(tmp_path / "b") == {}


@pytest.mark.parametrize("n_bytes", [0, 1, 30, 200])
def test_a_packed_file_without_its_end_is_refused(
    tmp_path: Path, exported: Path, n_bytes: int
) -> None:
    exported.write_bytes(exported.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match=r"x\.gz, line [12]: "):
        import_cache(exported, tmp_path / "b")


@pytest.mark.parametrize(
    "header",
    [
        {"format": "other", "version": 1, "n_records": 0},
        {"format": "augqa-responses", "version": 2, "n_records": 0},
        {"format": "augqa-responses", "version": 1, "n_records": None},
        {"format": "augqa-responses", "version": 1, "n_records": -1},
        {"format": "augqa-responses", "version": 1, "n_records": 1},
        [],
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, header: Any) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(json.dumps(header).encode() + b"\n"))
    with pytest.raises(DataError, match=r"x\.gz, line 1"):
        import_cache(tmp_path / "x.gz", tmp_path / "b")


def test_a_line_without_end_is_given_up(
    tmp_path: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_MAX_LINE_BYTES", 1000)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = lines(exported)[0] + b"\n"
    bomb = packer.compress(head) + packer.compress(b" " * 10_000_000) + packer.flush()
    exported.write_bytes(bomb)
    with pytest.raises(DataError, match=r"line 2: has no end within 1000 bytes"):
        import_cache(exported, tmp_path / "b")


def test_an_export_that_fails_leaves_the_former_one(
    tmp_path: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = exported.read_bytes()
    fill(tmp_path / "a", {n: response() for n in range(10, 20)})
    monkeypatch.setattr("os.fsync", lambda _handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(AugQAError, match=r"x\.gz: cannot be written: disk full"):
        export_cache(tmp_path / "a", exported)
    assert exported.read_bytes() == former
    assert not list(tmp_path.glob("*.partial"))


def test_the_commands_hand_a_cache_on(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    fill(folders[0] / ".cache" / "llm" / "responses.sqlite", {1: response()})
    folders[1].mkdir()
    for folder in folders:
        (folder / "dvc.yaml").touch()  # as in a project
    file = str(tmp_path / "x.gz")
    done = augqa(folders[0], "cache", "export", file)
    assert (done.returncode, done.stdout.split()[0]) == (0, "1"), done.stderr
    done = augqa(folders[1], "cache", "import", file)
    assert done.returncode == 0, done.stderr
    assert "1 responses in" in done.stdout
    assert content(folders[1] / ".cache" / "llm" / "responses.sqlite") == {key(1): response()}


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_command_without_its_file_says_so(tmp_path: Path, command: str) -> None:
    (tmp_path / "dvc.yaml").touch()  # as in a project
    done = augqa(tmp_path, "cache", command, str(tmp_path / "x.gz"))
    assert done.returncode == 1
    assert done.stderr.startswith("augqa: error: ")
    assert "no project" not in done.stderr
    assert "Traceback" not in done.stderr


def record(number: int, **changes: Any) -> bytes:
    """Return a line of a sound file, or one with other values and the checksum that fits them."""
    names = ("text", "model", "finish_reason", "prompt_tokens", "completion_tokens", "refusal")
    names += ("system_fingerprint", "latency_s", "attempts")
    values = {name: getattr(GOOD_1, name) for name in names}
    values |= {"key": key(number), "endpoint": "e", "grade": 1, "settled": True, "sha256": ""}
    return changed(json.dumps(values).encode(), **changes)


simple = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just([])
fields = st.sampled_from(sorted(json.loads(record(1))))
records = st.builds(
    lambda number, changes: record(number, **changes),
    st.integers(0, 3),
    st.just({}) | st.dictionaries(fields, simple, max_size=2),
)
cuts = st.builds(lambda line, at: line[:at], records, st.integers(0, 300))
headers = st.integers(-1, 4).map(
    lambda n: json.dumps({"format": "augqa-responses", "version": 1, "n_records": n}).encode()
)
bodies = st.lists(records | cuts | st.binary(max_size=20), max_size=4)
exports = st.builds(
    lambda header, body, end: b"\n".join([header, *body]) + end,
    headers | st.binary(max_size=30),
    bodies | st.integers(0, 4).map(lambda n: [record(number) for number in range(n)]),
    st.sampled_from([b"\n", b"", b"\n\n"]),
)
sound = st.lists(st.text(max_size=5), max_size=4).map(
    lambda texts: b"".join(
        [
            json.dumps(
                {"format": "augqa-responses", "version": 1, "n_records": len(texts)}
            ).encode()
            + b"\n",
            *(record(n, text=t, grade=int(bool(t.strip()))) + b"\n" for n, t in enumerate(texts)),
        ]
    )
)
files = (
    sound.map(gzip.compress)
    | exports.map(gzip.compress)
    | exports
    | exports.map(lambda e: gzip.compress(e)[:-9])
)


def check_import(content_of_file: bytes, folder: Path) -> bool:
    """Import one file: all of it, or none with a named line; return whether it was taken."""
    file, cache = folder / "f.gz", folder / "f.sqlite"
    file.write_bytes(content_of_file)
    fill(cache, {0: response("mine")})
    before = content(cache)
    fault = None
    try:
        done = import_cache(file, cache)
    except DataError as error:
        fault = str(error)
    if fault is not None:
        assert f"{file}, line " in fault
        assert content(cache) == before
        return False
    after = content(cache)
    assert after[key(0)] == response("mine")
    assert len(after) == 1 + done.n_new
    return True


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(files)
def test_no_file_whatever_breaks_an_import_or_goes_in_by_half(
    tmp_path_factory: pytest.TempPathFactory, content_of_file: bytes
) -> None:
    check_import(content_of_file, tmp_path_factory.mktemp("import"))
