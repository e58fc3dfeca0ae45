"""A small whole project under DVC and git: ten examples, a scripted model, a tiny reader."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from augqa.formats import to_squad
from tests.examples import example
from tests.secrets import CANARY
from tests.tiny import save_encoder

ROOT = Path(__file__).parents[1]

PLACES = ["Oslo", "Lima", "Cairo", "Quito", "Paris", "Delhi", "Dakar", "Sofia", "Riga", "Bern"]


def town(place: str) -> str:
    return f"{place} lies on a river. The tower of {place} was built in 1889 by Anna Berg."


class ScriptedModel:
    """Answers chat completions: a context to a question, two pairs to a passage.

    Its answers repeat the key that they were asked with, as some servers' do.

    Attributes:
        url: For `llm.base_url`.
        delay_s: Seconds before each answer.
        answered: How often each request was answered, by the hash of its body.
        keys: Keys that it was asked with.
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.answered: Counter[str] = Counter()
        self.keys: set[str] = set()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                prompt = json.loads(content)["messages"][-1]["content"]
                place = next(place for place in PLACES if place in prompt)
                text = town(place) + " It opened in May 1890."
                if prompt.startswith("Passage:"):
                    text = (
                        f"Question: Who built the tower of {place}?\nAnswer: Anna Berg\n"
                        f"Question: What opened in {place} one year later?\nAnswer: a castle"
                    )
                time.sleep(model.delay_s)
                message = {"role": "assistant", "content": text}
                key = self.headers["Authorization"].removeprefix("Bearer ")
                model.keys.add(key)
                self._send(
                    {
                        "id": f"chatcmpl-{key}",
                        "system_fingerprint": key,
                        "object": "chat.completion",
                        "created": 0,
                        "model": "scripted",
                        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                        "usage": {
                            "prompt_tokens": 20,
                            "completion_tokens": 10,
                            "total_tokens": 30,
                        },
                    }
                )
                model.answered[hashlib.sha256(content).hexdigest()] += 1

            def _send(self, content: dict[str, Any]) -> None:
                payload = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of a client that was killed."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    """Serve a scripted model on loopback."""
    model = ScriptedModel()
    thread = threading.Thread(target=model.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.server.shutdown()
        model.server.server_close()
        thread.join()


def words() -> str:
    """Return each word of the examples once."""
    text = " ".join(town(place) for place in PLACES) + " who what which when built tower ? opened"
    return " ".join(sorted(set(re.findall(r"\w+|[^\w\s]", text.lower()))))


def save_squad(path: Path, prefix: str, places: list[str], extra: str = "") -> None:
    examples = [
        example(
            f"{prefix}{n}",
            context=town(place) + extra,
            question=f"When was the tower of {place} built?",
            answer="1889",
        )
        for n, place in enumerate(places)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_squad(examples)), encoding="utf-8")


class Project:
    """A git and DVC repository with a copy of the pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        binaries = str(Path(sys.executable).parent)
        outer = ("GIT_", "DVC_", "MLFLOW_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(outer)}
        self.env |= {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),  # its own copy, whatever is installed
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "SCRIPTED_KEY": CANARY,
        }
        for who in ("AUTHOR", "COMMITTER"):
            self.env[f"GIT_{who}_NAME"] = self.env[f"GIT_{who}_EMAIL"] = "augqa@example.org"

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    def stages_run(self, *command: str) -> list[str]:
        """Run `dvc` or `augqa run`; return the stages it ran, in order."""
        said = self.run(*command)
        return re.findall(r"(?:Running stage '|\[stage \d+ of \d+\] )([\w@-]+)", said)

    def metrics(self, path: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / path).read_text(encoding="utf-8"))
        return loaded

    def lock(self) -> dict[str, Any]:
        """Return the stages of dvc.lock."""
        text = (self.folder / "dvc.lock").read_text(encoding="utf-8")
        return dict(yaml.safe_load(text)["stages"])


def small_params(base_url: str) -> dict[str, Any]:
    """Return the params of the small project: regimes real and mix on two test sets."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["regimes"] = ["mix"]
    params["study"]["primary"] = [{"recipe": "mix", "control": "real"}]
    file = {"kind": "file", "sha256": None}
    params["data"]["train"] = {**file, "name": "train.json"}
    for name, entry in params["data"]["test_sets"].items():
        entry["source"] = {**file, "name": f"{name}.json"}
    # The test sets are of the same towns.
    params["prepare"].update(n_pool=10, n_seed_questions=8, max_test_overlap_fraction=None)
    params["llm"].update(
        provider="openai",
        base_url=base_url,
        model="scripted",
        api_key_env="SCRIPTED_KEY",
        max_in_flight=2,
    )
    params["generate_pairs"]["method"] = "llm"
    # The tiny reader is random: what it answers in the round trip decides nothing here.
    params["filter_pairs"]["min_round_trip_f1"] = 0.0
    params["filter_pairs"]["min_duplicate_similarity"] = None
    params["blend"]["real"]["n_examples"] = None  # of ten
    params["blend"]["mix"] |= {"n_examples": 6, "generated_fraction": 0.5}
    params["reader"].update(checkpoint="encoder", max_seq_length=64, doc_stride=16)
    params["measure_quality"]["encoder"].update(checkpoint="encoder", max_tokens=64)
    params["train"]["epochs"] = 1
    params["evaluate"]["n_questions"] = 2
    return params


def new_project(folder: Path, params: dict[str, Any]) -> Project:
    """Make a project in which nothing has run, its start committed."""
    for name in ("stages", "src", "plugins", "prompts", ".dvc", "data/sample"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("tmp", "cache", "__pycache__", "*.egg-info"),
        )
    notes = [
        f"data/{name}/README.md"
        for name in ("question_generators", "context_writers", "judgements", "external/documents")
    ]
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", *notes):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    save_encoder(folder / "encoder", words(), num_hidden_layers=1)
    external = folder / "data" / "external"
    save_squad(external / "train.json", "t", PLACES)
    save_squad(external / "squad.json", "d", PLACES[:3], " It is old.")
    save_squad(external / "amazon.json", "a", PLACES[3:5], " I liked it a lot.")
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    made = Project(folder)
    made.run("git", "init", "--quiet")
    made.run("git", "add", "--all")
    made.run("git", "commit", "--quiet", "--message", "start")
    return made
