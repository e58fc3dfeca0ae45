"""The whole pipeline under DVC: ten examples, a scripted language model, a tiny reader."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from augqa.formats import to_squad
from tests.examples import example
from tests.tiny import save_encoder

ROOT = Path(__file__).parents[1]

PLACES = ["Oslo", "Lima", "Cairo", "Quito", "Paris", "Delhi", "Dakar", "Sofia", "Riga", "Bern"]


def town(place: str) -> str:
    return f"{place} lies on a river. The tower of {place} was built in 1889 by Anna Berg."


class ScriptedModel(BaseHTTPRequestHandler):
    """Answers chat completions: a context to a question, two pairs to a passage."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        place = next(place for place in PLACES if place in prompt)
        text = town(place) + " It opened in May 1890."
        if prompt.startswith("Passage:"):
            text = (
                f"Question: Who built the tower of {place}?\nAnswer: Anna Berg\n"
                f"Question: What opened in {place} one year later?\nAnswer: a castle"
            )
        self._send(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": "scripted",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": text},
                    }
                ],
                "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
            }
        )

    def _send(self, content: dict[str, Any]) -> None:
        payload = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ScriptedModel)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


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
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "SCRIPTED_KEY": "any",
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
        """Run a dvc command; return the stages it ran, in order."""
        return re.findall(r"Running stage '([^']+)'", self.run(*command))

    def metrics(self, path: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / path).read_text(encoding="utf-8"))
        return loaded


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, base_url: str) -> Project:
    """Return a project in which `dvc repro` has run once."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("stages", "src", "plugins", "prompts", ".dvc", "data/sample"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("tmp", "cache", "__pycache__", "*.egg-info"),
        )
    notes = [
        f"data/{name}/README.md"
        for name in ("question_generators", "context_writers", "external/documents")
    ]
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", *notes):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    save_encoder(folder / "encoder", words(), num_hidden_layers=1)
    external = folder / "data" / "external"
    save_squad(external / "train.json", "t", PLACES)
    save_squad(external / "squad.json", "d", PLACES[:3], " It is old.")
    save_squad(external / "amazon.json", "a", PLACES[3:5], " I liked it a lot.")

    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["regimes"] = ["mix"]
    params["study"]["primary"] = [{"recipe": "mix", "control": "real"}]
    file = {"kind": "file", "sha256": None}
    params["data"]["train"] = {**file, "name": "train.json"}
    for name, entry in params["data"]["test_sets"].items():
        entry["source"] = {**file, "name": f"{name}.json"}
    params["prepare"].update(n_pool=10, n_seed_questions=8)
    params["llm"].update(
        provider="openai", base_url=base_url, model="scripted", api_key_env="SCRIPTED_KEY"
    )
    params["generate_pairs"]["method"] = "llm"
    # The tiny reader is random: what it answers in the round trip decides nothing here.
    params["filter_pairs"]["min_round_trip_f1"] = 0.0
    params["filter_pairs"]["min_duplicate_similarity"] = None
    params["blend"]["mix"] |= {"n_examples": 6, "generated_fraction": 0.5}
    params["reader"].update(checkpoint="encoder", max_seq_length=64, doc_stride=16)
    params["measure_quality"]["encoder"].update(checkpoint="encoder", max_tokens=64)
    params["train"]["epochs"] = 1
    params["evaluate"]["n_questions"] = 2
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    made = Project(folder)
    made.run("git", "init", "--quiet")
    made.run("git", "add", "--all")
    made.run("git", "commit", "--quiet", "--message", "start")
    made.run("dvc", "repro")
    made.run("git", "add", "--all")
    made.run("git", "commit", "--quiet", "--message", "results")
    return made


def test_the_pipeline_ends_with_a_summary_of_every_regime_and_set(project: Project) -> None:
    summary = project.metrics("metrics/summary.json")
    assert set(summary["regimes"]) == {"real", "mix"}
    for sets in summary["regimes"].values():
        assert set(sets) == {"squad", "amazon"}
        for scores in sets.values():
            assert set(scores) == {"exact_match", "f1", "n_questions"}
            assert scores["n_questions"] == 2
    assert summary["not_available"] == ["new_wiki", "nyt", "reddit"]


def test_each_pair_that_is_not_kept_has_a_row_that_says_why(project: Project) -> None:
    # Each of eight contexts gives one pair whose answer stands in it and one whose answer does not.
    generated = project.folder / "data" / "generated"
    pairs = pq.read_table(generated / "pairs.parquet").to_pylist()
    rejected = pq.read_table(generated / "pairs_rejected.parquet").to_pylist()
    assert [pair["answers"][0]["text"] for pair in pairs] == ["Anna Berg"] * 8
    assert [row["reason"] for row in rejected] == ["answer_not_a_span"] * 8


def test_quality_is_measured_beside_real_data_and_pairs_are_shown(project: Project) -> None:
    quality = project.metrics("metrics/quality.json")
    assert set(quality["contexts"]["sets"]) == {"real", "generated", "kept"}
    assert set(quality["two_sample_auc"]["contexts"]) == {"real", "squad", "amazon"}
    # The two contexts of this test set do not make five folds.
    assert quality["two_sample_auc"]["contexts"]["amazon"]["kept"] is None
    # Each generated context holds its seed's answer, and so does that of any other town.
    assert quality["seed_questions"]["shuffled"]["seed_answer_fraction"] == 1.0
    cards = (project.folder / "report" / "pairs.html").read_text(encoding="utf-8")
    n_kept = project.metrics("metrics/filter_pairs.json")["n_kept"]
    assert cards.count('<span class="soft">kept</span>') == n_kept
    assert cards.count('<article class="card g') >= 8


def test_predictions_have_a_text_for_each_question(project: Project) -> None:
    folder = project.folder / "data" / "predictions" / "mix-1"
    assert {path.stem for path in folder.glob("*.parquet")} == {"squad", "amazon"}
    assert {path.stem for path in (folder / "scores").iterdir()} == {"squad", "amazon"}
    table = pq.read_table(folder / "amazon.parquet")
    assert table.schema.names == ["id", "text"]
    assert table.num_rows == 2


def test_the_mix_has_its_size_and_its_fraction(project: Project) -> None:
    metrics = project.metrics("metrics/blend/mix.json")
    assert (metrics["n_examples"], metrics["n_generated"]) == (6, 3)


def test_a_second_repro_runs_nothing_and_leaves_git_clean(project: Project) -> None:
    assert project.stages_run("dvc", "repro") == []
    assert "up to date" in project.run("dvc", "status")
    assert project.run("git", "status", "--porcelain") == ""


def test_another_fraction_runs_only_what_depends_on_it(project: Project) -> None:
    ran = project.stages_run("dvc", "exp", "run", "-S", "blend.mix.generated_fraction=0.25")
    assert ran == [
        "blend@mix",
        "validate_blend@mix",
        "train@mix-1",
        "evaluate@mix-1",
        "summarize",
    ]
    assert project.metrics("metrics/blend/mix.json")["n_generated"] == 2
