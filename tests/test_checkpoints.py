"""Checkpoints found by name and loaded safely; what cannot be used is refused in one line."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from augqa.checkpoint_source import find_checkpoint
from augqa.checkpoints import load_language_model, load_reader, load_reader_tokenizer
from augqa.errors import CheckpointError
from augqa.packaged_models import packaged_path
from augqa.reader.parameters import read_parameters
from tests.tiny import checkpoint, encoder, tiny_t5, tiny_tokenizer

__all__ = ["checkpoint", "encoder"]  # the fixtures

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def load(folder: Any) -> None:
    source = find_checkpoint(folder, param="reader.checkpoint")
    load_reader(source, head_seed=None)
    load_reader_tokenizer(source)


def refusal(folder: Any) -> str:
    """Return the message for a checkpoint that cannot be a reader: one line with the param."""
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    message = str(caught.value)
    assert message.startswith(f"reader.checkpoint {str(folder)!r}: ")
    assert "\n" not in message
    return message


@pytest.fixture
def broken(checkpoint: Path, tmp_path: Path) -> Path:
    """Return a copy of a checkpoint, to be damaged."""
    return Path(shutil.copytree(checkpoint, tmp_path / "broken"))


# ---- finding


@pytest.mark.parametrize(
    ("named", "name", "revision"),
    [
        ("org/model", "org/model", None),
        ("model", "model", None),
        ("org/model@v1.0", "org/model", "v1.0"),
        ("org/model@refs/pr/4", "org/model", "refs/pr/4"),
        ("bert-base-uncased@main", "bert-base-uncased", "main"),
        (f"org/model@{COMMIT}", "org/model", COMMIT),
    ],
)
def test_a_hub_name_may_end_in_a_revision(named: str, name: str, revision: str | None) -> None:
    source = find_checkpoint(named, param="p")
    assert (source.name, source.revision, source.folder) == (name, revision, None)
    assert source.served_name == named


@pytest.mark.parametrize("named", ["a/b/c", "org/model@", "org/model@a b", "org model", "@v1"])
def test_what_is_neither_folder_nor_hub_name_is_refused(named: str) -> None:
    assert "not a hub name such as org/model" in refusal(named)


def test_a_folder_is_found_from_a_temporary_workspace(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(checkpoint.parent))
    monkeypatch.chdir(tmp_path)
    source = find_checkpoint(f"./{checkpoint.name}", param="p")
    load_reader(source, head_seed=None)
    assert source.served_name == checkpoint.name


def test_a_missing_folder_is_never_asked_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for named in (tmp_path / "gone", "data/gone", "./gone"):
        assert "no such folder" in refusal(named)


def test_a_packaged_language_model_is_no_reader() -> None:
    assert "holds a language model" in refusal("SmolLM2-135M-Instruct")


def test_a_file_of_weights_is_no_folder(checkpoint: Path) -> None:
    assert "Name the folder" in refusal(checkpoint / "model.safetensors")


# ---- unusable folders


def test_pickled_weights_are_refused(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    torch.save({}, broken / "pytorch_model.bin")
    assert "pytorch_model.bin. Weights in pickle can run code" in refusal(broken)


def test_code_of_the_checkpoints_own_is_never_run(broken: Path, tmp_path: Path) -> None:
    marker = tmp_path / "was_run"
    (broken / "modeling_own.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    config = json.loads((broken / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModelForQuestionAnswering": "modeling_own.Own",
        },
    }
    (broken / "config.json").write_text(json.dumps(config))
    refusal(broken)
    assert not marker.exists()


def test_weights_that_are_cut_off_are_refused(broken: Path) -> None:
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "no question-answering model" in refusal(broken)


def test_a_cut_off_language_model_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = "[SEP]"
    tokenizer.save_pretrained(tmp_path)
    tiny_t5(tokenizer).save_pretrained(tmp_path)
    load_language_model(str(tmp_path), "seq2seq", param="p")
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:-9])
    with pytest.raises(CheckpointError, match=r"^p '.*': no usable weights: .*\n?$"):
        load_language_model(str(tmp_path), "seq2seq", param="p")


def test_a_cut_off_gguf_file_is_refused(tmp_path: Path) -> None:
    whole = packaged_path("SmolLM2-135M-Instruct", param="p")
    with whole.open("rb") as file:
        (tmp_path / "half.gguf").write_bytes(file.read(4096))
    with pytest.raises(CheckpointError, match=r"^p '.*half\.gguf': no usable config"):
        load_language_model(str(tmp_path / "half.gguf"), "causal", param="p")


def test_a_missing_tokenizer_is_not_made_up(broken: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (broken / name).unlink()
    assert "no tokenizer beside the weights" in refusal(broken)


def test_a_damaged_tokenizer_is_refused(broken: Path) -> None:
    (broken / "tokenizer.json").write_text('{"version": "1.0"')
    assert "no tokenizer: " in refusal(broken)


def test_a_slow_tokenizer_is_refused(broken: Path) -> None:
    (broken / "tokenizer.json").unlink()
    (broken / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    assert "slow" in refusal(broken)


def test_a_sentencepiece_vocabulary_names_the_extra_that_reads_it(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (broken / "tokenizer.json").unlink()
    settings = {"tokenizer_class": "DebertaV2Tokenizer"}
    (broken / "tokenizer_config.json").write_text(json.dumps(settings))
    (broken / "spm.model").write_bytes(b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)  # as if it were not installed
    assert 'pip install "augqa[sentencepiece]"' in refusal(broken)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"model_type": "no-such"}', "{}"])
def test_an_unusable_config_is_refused(broken: Path, content: str) -> None:
    (broken / "config.json").write_text(content)
    assert "no question-answering model" in refusal(broken)


@pytest.mark.parametrize("heads", [0, "0", 10**30])
def test_a_config_that_no_layer_can_be_made_of_is_refused(broken: Path, heads: Any) -> None:
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "num_attention_heads": heads}))
    assert read_parameters(broken, head_seed=1) is None
    assert refusal(broken)


def test_a_config_that_is_nested_without_end_is_left_to_transformers(broken: Path) -> None:
    (broken / "config.json").write_text("[" * 100_000)
    assert read_parameters(broken, head_seed=1) is None


def test_an_incomplete_encoder_is_refused(broken: Path) -> None:
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    assert "weights of the encoder are missing" in refusal(broken)


def test_an_encoder_without_a_head_is_refused_for_answering(encoder: Path) -> None:
    assert "has no question-answering head" in refusal(encoder)


# ---- the hub


class Hub(BaseHTTPRequestHandler):
    """The hub's addresses of files, for one repository that is there."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._reply(with_body=False)

    def do_GET(self) -> None:
        self._reply(with_body=True)

    def _reply(self, *, with_body: bool) -> None:
        type(self).asked.append(f"{self.command} {self.path}")
        faults = {
            "/org/missing/": (404, "RepoNotFound"),
            "/org/gated/": (403, "GatedRepo"),
            "/org/model/resolve/gone/": (404, "RevisionNotFound"),
            "/org/busy/": (503, None),
        }
        status, code = next(
            (fault for start, fault in faults.items() if self.path.startswith(start)), (200, None)
        )
        *start, name = self.path.partition("/resolve/refs%2Fpr%2F4/")
        file = self.folder / (name or "no")
        if status == 200 and not (start[0] == "/org/model" and file.is_file()):
            status, code = 404, "EntryNotFound"
        body = file.read_bytes() if status == 200 else b""
        self.send_response(status)
        if code is not None:
            self.send_header("X-Error-Code", code)
        if status == 200:
            self.send_header("ETag", f'"{name}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def hub(folder: Path) -> Iterator[tuple[str, list[str]]]:
    handler = type("OneHub", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.asked  # type: ignore[attr-defined]
    server.shutdown()


@contextmanager
def no_server() -> Iterator[tuple[str, list[Any]]]:
    """Serve nothing: each connection is closed at once, and counted."""
    connections: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    connection, address = listening.accept()
                    connections.append(address)
                    connection.close()

        Thread(target=refuse, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", connections


ASK = """
import json, sys
from augqa.checkpoint_source import find_checkpoint
from augqa.checkpoints import load_reader, load_reader_tokenizer
from augqa.errors import AugQAError
for name in sys.argv[1:]:
    message = None
    try:
        source = find_checkpoint(name, param="reader.checkpoint")
        load_reader(source, head_seed=None)
        load_reader_tokenizer(source)
    except AugQAError as error:
        message = str(error)
    print(json.dumps([name, message]))
"""


def ask(endpoint: str, home: Path, *names: str) -> dict[str, str | None]:
    """Load readers in a process of their own: the hub's address is read when it is imported."""
    finished = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return dict(map(json.loads, finished.stdout.splitlines()))


def test_the_hub_is_asked_once_and_a_fault_is_one_line(checkpoint: Path, tmp_path: Path) -> None:
    faults = {
        "org/missing": "no such folder here, and no such model on the hub",
        "org/gated": "its owner must grant access",
        "org/model@gone": "is on the hub, but has no revision gone",
        "org/bare": "has no config.json",
        "org/busy": "the hub cannot be reached",
    }
    pinned = f"org/model@{COMMIT}"
    with hub(checkpoint) as (endpoint, asked):
        found = ask(endpoint, tmp_path, *faults, "org/model@refs/pr/4", pinned)
    assert found["org/model@refs/pr/4"] is None
    for name, fault in faults.items():
        message = found[name]
        assert message is not None
        assert message.startswith(f"reader.checkpoint {name!r}: ")
        assert fault in message
        assert "\n" not in message
        repository, _, revision = name.partition("@")
        assert sum(f"/{repository}/resolve/{revision}" in address for address in asked) == 1
    # The commit behind the pull request is in the cache by now: nobody is asked for it.
    assert found[pinned] is None
    assert [address for address in asked if COMMIT in address] == []

    with no_server() as (endpoint, connections):
        without_network = ask(endpoint, tmp_path, "org/model@refs/pr/4", "org/other")
    assert without_network["org/model@refs/pr/4"] is None
    message = without_network["org/other"]
    assert message is not None
    assert message.startswith("reader.checkpoint 'org/other': no such folder here, and the hub")
    assert "\n" not in message
    assert len(connections) <= 4, "asked again and again"  # transformers alone: forty
