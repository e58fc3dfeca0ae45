"""The key is in no file, no word and no argument of a stage, however the endpoint answers."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from augqa.records import QAExample
from augqa.tables import write_table
from tests.asking_loopback import params
from tests.examples import example
from tests.loopback import ECHO, Loopback, Reply, completion
from tests.secrets import CANARY, Arguments, holds_key, leaks

ROOT = Path(__file__).parents[1]
SPOKEN = ECHO.decode()
QUOTA = {"error": {"message": f"no money for {SPOKEN}", "code": "insufficient_quota"}}


def spoken(body: dict[str, Any]) -> dict[str, Any]:
    good = completion(body, f"It was built by {SPOKEN} in 1889. It opened in May.")
    return {**good, "id": SPOKEN, "system_fingerprint": SPOKEN}


# By what the endpoint does: its answer, and the executor that asks it.
OUTCOMES: dict[str, tuple[Callable[[dict[str, Any]], Reply], str]] = {
    "good": (lambda body: Reply(content=spoken(body)), "online"),
    "401": (lambda _: Reply(status=401, content=f"wrong key {SPOKEN}".encode()), "online"),
    "429": (lambda _: Reply(status=429, content=QUOTA), "online"),
    "500": (lambda _: Reply(status=500, content=b"Traceback: " + ECHO), "online"),
    "garbage": (lambda _: Reply(content=b"\xff\x00{" + ECHO), "online"),
    "batch": (lambda body: Reply(content=spoken(body)), "openai_batch"),
    "batch file": (lambda body: Reply(content=spoken(body)), "batch_file"),
}


def repeat_key_in_batches(server: Loopback) -> None:
    """Let the results of batches repeat the key: in texts, in names and in lines that are none."""
    state = server.server.batch_api
    end = state.end

    def ended(batch: dict[str, Any]) -> None:
        end(batch)
        rows = [json.loads(line) for line in state.files[batch["output_file_id"]].splitlines()]
        for row in rows:
            row["response"]["body"]["system_fingerprint"] = CANARY
            row["response"]["body"]["choices"][0]["message"]["content"] += f" Key {CANARY}."
        lines = [json.dumps(row) for row in rows]
        lines += [f"no JSON {CANARY}", json.dumps({"custom_id": CANARY, "error": CANARY})]
        state.files[batch["output_file_id"]] = "\n".join(lines).encode()

    state.end = ended  # type: ignore[method-assign]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_key_is_nowhere_after_a_stage(tmp_path: Path, outcome: str) -> None:
    reply, executor = OUTCOMES[outcome]
    with Loopback(reply=lambda body, _n: reply(body), echo=True) as server:
        repeat_key_in_batches(server)
        values = yaml.safe_load((ROOT / "profiles/embedded.yaml").read_text(encoding="utf-8"))
        values["llm"] = params(server.base_url, max_retries=0, executor=executor).model_dump()
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        seeds = [example(f"q{number}") for number in range(3)]
        write_table(tmp_path / "seeds.parquet", seeds, QAExample)
        command = [sys.executable, str(ROOT / "stages/generate_contexts.py")]
        command += ["--seed-questions", "seeds.parquet", "--contexts", "out/contexts.parquet"]
        command += ["--metrics", "out/metrics.json"]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "OPENAI_"))}
        env |= {"AUGQA_TEST_KEY": CANARY, "DVC_ROOT": str(tmp_path), "HOME": str(tmp_path)}
        env |= {"PYTHONPATH": str(ROOT / "src")}
        arguments = Arguments()
        with arguments.watched():
            done = subprocess.run(
                command, cwd=tmp_path, env=env, capture_output=True, check=False, timeout=300
            )
        sent = {headers.get("authorization") for headers in server.server.headers}
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == (outcome in ("good", "batch")), said.decode()
    if executor != "batch_file":
        assert sent == {f"Bearer {CANARY}"}  # it was there to be repeated
    assert b"Traceback (most recent" not in said
    assert (tmp_path / ".cache").is_dir()
    assert not holds_key(said), said.decode()
    assert leaks(tmp_path) == []
    assert sys.executable.encode() in arguments.programs
    assert arguments.with_key == []


def in_a_table(path: Path) -> None:
    pq.write_table(pa.table({"text": ["a" * 9_000, f"Key {CANARY}"]}), path, compression="zstd")


def in_a_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE responses (text TEXT)")
        filler = "".join(f"{n} " for n in range(3_000))
        db.execute("INSERT INTO responses VALUES (?)", (f"{filler}{CANARY}{filler}",))
        db.commit()


def in_a_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", f"a{CANARY}" * 20)


@pytest.mark.parametrize(
    "hide",
    [
        lambda path: path.write_text(f"key={CANARY}\n"),
        lambda path: path.write_text(CANARY[8:24]),
        lambda path: path.write_bytes(gzip.compress(CANARY.encode() * 9)),
        lambda path: path.write_bytes(zlib.compress(CANARY.encode() * 9)),
        in_a_table,
        in_a_database,
        in_a_zip,
    ],
    ids=["text", "half", "gzip", "object of git", "Parquet", "SQLite", "zip"],
)
def test_the_search_finds_a_key_that_is_there(
    tmp_path: Path, hide: Callable[[Path], object]
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "clean.txt").write_text("nothing", encoding="utf-8")
    hide(tmp_path / "sub" / "hidden")
    assert leaks(tmp_path) == ["sub/hidden"]


def test_the_watch_sees_a_key_among_arguments() -> None:
    code = "import sys; print(1, flush=True); sys.stdin.read()"
    arguments = Arguments()
    command = [sys.executable, "-c", code, CANARY]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()  # until it speaks, the kernel may have no arguments of it yet
        arguments.look()
        process.communicate()
    assert any(CANARY.encode() in line for line in arguments.with_key)
