"""The cache's file in bad condition or in bad places: healed, or refused with what to do."""

import contextlib
import logging
import multiprocessing
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from augqa.errors import GenerationError
from augqa.llm import cache_healing, cache_tables
from augqa.llm.cache import ResponseCache, Stored
from augqa.llm.response import Response
from tests.test_llm_cache import GOOD, key, response

VERSION_1 = """
CREATE TABLE responses (
    key TEXT PRIMARY KEY, endpoint TEXT NOT NULL, text TEXT, model TEXT, finish_reason TEXT,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, refusal TEXT,
    system_fingerprint TEXT, latency_s REAL NOT NULL, attempts INTEGER NOT NULL,
    stored_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) WITHOUT ROWID;
CREATE TABLE submissions (
    submission TEXT PRIMARY KEY, endpoint TEXT NOT NULL, batch TEXT,
    collected INTEGER NOT NULL DEFAULT 0
);
INSERT INTO submissions VALUES ('s', 'e', 'batch-1', 0);
"""
TEXTS = {0: GOOD, 1: "", 2: "a\0b\u2028c", 3: None}


def old_file(path: Path, n: int = 500) -> None:
    """Make a file as version 1 had it."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)
        db.executemany(
            "INSERT INTO responses (key, endpoint, text, prompt_tokens, completion_tokens,"
            " latency_s, attempts) VALUES (?,'e',?,1,2,0.25,1)",
            [(key(i), TEXTS.get(i, GOOD * 80)) for i in range(n)],
        )
        db.commit()


def fill(path: Path, n: int) -> None:
    with contextlib.closing(ResponseCache(path)) as cache, cache.together():
        cache.store_all([Stored(key(i), response(f"{i} " + GOOD * 80)) for i in range(n)], "e")


def found(path: Path, n: int) -> dict[str, Response]:
    with contextlib.closing(ResponseCache(path)) as cache:
        return cache.find(key(i) for i in range(n))


def test_an_old_file_is_brought_up_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    old_file(path)
    size = path.stat().st_size
    with contextlib.closing(ResponseCache(path)) as cache:
        kept = cache.find(key(i) for i in range(500))
        assert {i: kept[key(i)].text for i in TEXTS} == TEXTS
        assert len(kept) == 500
        assert cache.execute("SELECT * FROM submissions") == [("s", "e", "batch-1", 0)]
        # rules hold for what was there before
        assert cache.store(key(0), "e", response("Other.")).text == GOOD
        assert cache.store(key(1), "e", response("Other.")).text == "Other."
    assert path.stat().st_size < 0.6 * size


def test_a_conversion_that_is_stopped_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.sqlite"
    old_file(path)
    with monkeypatch.context() as patch:
        patch.setattr(cache_tables, "key_in_file", lambda _key: 1 / 0)
        with pytest.raises(GenerationError):
            ResponseCache(path)
    assert len(found(path, 500)) == 500


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "c.sqlite", 1)
    with contextlib.closing(sqlite3.connect(tmp_path / "c.sqlite")) as db:
        db.execute("PRAGMA user_version=3")
    with pytest.raises(GenerationError, match="version 3"):
        ResponseCache(tmp_path / "c.sqlite")


def asides(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if ".damaged-" in path.name)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_put_aside_with_a_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(content)
    fill(path, 3)
    assert len(found(path, 3)) == 3
    (aside,) = asides(tmp_path)
    assert aside.read_bytes() == content
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert str(path) in warning
    assert str(aside) in warning


def test_a_damaged_file_takes_no_other_ones_place(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "c.sqlite").write_bytes(b"%d" % number * 5000)
        fill(tmp_path / "c.sqlite", 1)
    assert {path.read_bytes()[:1] for path in asides(tmp_path)} == {b"0", b"1", b"2"}


def damage(path: Path) -> bytes:
    """Write over a page of responses in the middle of a file."""
    content = bytearray(path.read_bytes())
    page = (len(content) // 2) // 16384 * 16384
    content[page : page + 16384] = b"\xff" * 16384
    path.write_bytes(content)
    return bytes(content)


def test_what_can_be_read_of_a_damaged_file_is_used_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.sqlite"
    fill(path, 3000)
    with contextlib.closing(ResponseCache(path)) as cache:
        cache.execute("CREATE TABLE submissions (submission TEXT PRIMARY KEY, batch TEXT)")
        cache.execute("INSERT INTO submissions VALUES ('s', 'batch-1')")
    content = damage(path)
    with pytest.raises(GenerationError, match=r"c\.sqlite.*Run again"):
        found(path, 3000)
    kept = found(path, 3000)
    assert 2900 < len(kept) < 3000  # one page of some fifteen is gone
    assert all(kept[key(i)].text == f"{i} " + GOOD * 80 for i in range(3000) if key(i) in kept)
    with contextlib.closing(ResponseCache(path)) as cache:
        assert cache.execute("SELECT * FROM submissions") == [("s", "batch-1")]
    (aside,) = asides(tmp_path)
    assert aside.read_bytes() == content
    assert f"{len(kept)} responses could be read" in caplog.text


def test_a_damaged_old_file_gives_what_can_be_read_too(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    old_file(path, 3000)
    damage(path)
    with contextlib.suppress(GenerationError):
        ResponseCache(path).close()
    assert 2000 < len(found(path, 3000)) < 3000
    assert len(asides(tmp_path)) == 1


def test_healing_that_is_stopped_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.sqlite"
    fill(path, 3000)
    damage(path)
    with pytest.raises(GenerationError):
        found(path, 3000)
    with monkeypatch.context() as patch:
        patch.setattr(cache_healing, "sync", lambda _path: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(GenerationError, match="full"):
            ResponseCache(path)
    assert asides(tmp_path) == []
    assert len(found(path, 3000)) > 2900


def test_a_full_disk_is_told_and_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    fill(path, 100)
    with contextlib.closing(ResponseCache(path)) as cache:
        cache.execute(f"PRAGMA max_page_count={cache.execute('PRAGMA page_count')[0][0] + 3}")
        many = [Stored(key(i), response(GOOD * 80)) for i in range(100, 1000)]
        with pytest.raises(GenerationError, match=r"c\.sqlite.*[Ff]ree some space"):
            cache.store_all(many, "e")
        assert len(cache.find(key(i) for i in range(100))) == 100
    assert len(found(path, 100)) == 100


def test_a_lock_that_another_holds_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.sqlite"
    fill(path, 1)
    monkeypatch.setattr(cache_tables, "BUSY_TIMEOUT_S", 0.2)
    with (
        contextlib.closing(ResponseCache(path)) as cache,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GenerationError, match="Another process has held it"):
            cache.store(key(5), "e", response())
        other.execute("ROLLBACK")
        assert cache.store(key(5), "e", response()) == response()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o500)
    with pytest.raises(GenerationError, match=r"c\.sqlite"):
        ResponseCache(tmp_path / "a" / "c.sqlite")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(GenerationError, match=r"a/c\.sqlite"):
        ResponseCache(tmp_path / "a" / "c.sqlite")


def test_a_read_only_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "c.sqlite", 1)
    connect = sqlite3.connect

    def read_only(path: Path, **options: Any) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", uri=True, **options)

    monkeypatch.setattr(cache_tables.sqlite3, "connect", read_only)
    cache = ResponseCache(tmp_path / "c.sqlite")
    assert cache.find([key(0)])
    with pytest.raises(GenerationError, match="is read-only"):
        cache.store(key(1), "e", response())
    cache.close()


def store_many(path: str, first: int) -> None:
    """Store 300 responses one by one, half of them also stored by the other one."""
    with contextlib.closing(ResponseCache(Path(path))) as cache:
        for i in range(first, first + 300):
            cache.store(key(i), "e", response("" if i % 2 and first else f"{i}"))


@pytest.mark.parametrize("network", [False, True], ids=["local", "network"])
def test_two_that_open_and_write_at_once_lose_nothing(tmp_path: Path, network: bool) -> None:
    # forked, so that the patch holds there too
    context = multiprocessing.get_context("fork")
    with pytest.MonkeyPatch.context() as patch:
        if network:
            patch.setattr(cache_tables, "file_system", lambda _folder: "nfs4")
        workers = [
            context.Process(target=store_many, args=(str(tmp_path / "c.sqlite"), first))
            for first in (0, 150)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    kept = found(tmp_path / "c.sqlite", 450)
    assert [kept[key(i)].text for i in range(300)] == [f"{i}" for i in range(300)]
    assert len(kept) == 450


def test_on_a_network_file_system_the_file_does_without_wal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.sqlite"
    fill(path, 3)
    monkeypatch.setattr(cache_tables, "file_system", lambda _folder: "nfs")
    with contextlib.closing(ResponseCache(path)) as cache:
        assert cache.execute("PRAGMA journal_mode") == [("truncate",)]
        assert cache.execute("PRAGMA synchronous") == [(2,)]
        assert len(cache.find(key(i) for i in range(3))) == 3


def test_a_file_in_use_with_wal_is_refused_from_over_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.sqlite"
    monkeypatch.setattr(cache_tables, "BUSY_TIMEOUT_S", 0.2)
    with contextlib.closing(ResponseCache(path)) as local:
        local.store(key(0), "e", response())
        monkeypatch.setattr(cache_tables, "file_system", lambda _folder: "nfs")
        with pytest.raises(GenerationError, match=r"c\.sqlite"):
            ResponseCache(path)


def test_the_file_system_of_a_folder_is_the_innermost_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = str(tmp_path).replace(" ", "\\040")
    mounts = f"/dev/a / ext4 rw 0 0\nhost:/b {here} nfs4 rw 0 0\nx {here}/lo overlay rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: mounts)
    for name, kind in (("", "nfs4"), ("sub", "nfs4"), ("local", "nfs4"), ("lo", "overlay")):
        assert cache_tables.file_system(tmp_path / name) == kind
    assert cache_tables.file_system(Path("/somewhere")) == "ext4"


def test_a_file_that_is_moved_away_is_simply_begun_again(tmp_path: Path) -> None:
    fill(tmp_path / "c.sqlite", 3)
    shutil.move(tmp_path / "c.sqlite", tmp_path / "d.sqlite")
    assert found(tmp_path / "c.sqlite", 3) == {}
    assert len(found(tmp_path / "d.sqlite", 3)) == 3
