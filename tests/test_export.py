"""An export is loaded by others offline, says what it is, and is there whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import DataError
from augqa.export import Exported, export
from augqa.lineage import md5
from augqa.params import load_params
from augqa.records import QAExample
from augqa.tables import write_table
from tests.examples import example, quality_metrics
from tests.readers import tiny_model

HOSTILE = "evil\x1b[2J\x00\u202e<script>alert(1)</script> | [a](http://b)\n---\nlicense: mit"
PARAMS = Path("profiles/embedded.yaml").resolve()
CARD = "---\nlibrary_name: transformers\nbase_model: tiny\n---\n\n# Reader\n"

LOADS = """
import json, sys
from pathlib import Path
import datasets
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
folder = Path(sys.argv[1])
rows = datasets.load_dataset(str(folder), cache_dir=sys.argv[2])
readers = {}
for reader in sorted((folder / "readers").iterdir()):
    model = AutoModelForQuestionAnswering.from_pretrained(reader)
    asked = AutoTokenizer.from_pretrained(reader)("who?", "Mary Shelley", return_tensors="pt")
    readers[reader.name] = model(**asked).start_logits.shape[1]
train = rows["train"]
squad = datasets.Features({
    **{name: datasets.Value("string") for name in ("id", "title", "context", "question")},
    "answers": {
        "text": datasets.List(datasets.Value("string")),
        "answer_start": datasets.List(datasets.Value("int32")),
    },
})
print(json.dumps({
    "splits": list(rows), "rows": train.to_list(), "readers": readers,
    "as_squad": train.features == squad,
}))
"""


def pair(id_: str, *, model: str = "SmolLM2-135M-Instruct") -> QAExample:
    made = example(id_, origin="generated", context_origin="generated")
    return replace(made, method="llm", model=model, prompt_sha256="a" * 64)


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def keep(pairs: list[QAExample]) -> None:
    """Write pairs as those of the last run."""
    kept = Path("data/filtered/kept.parquet")
    write_table(kept, pairs, QAExample)
    outs = [{"path": str(kept), "md5": md5(kept)}]
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"filter_pairs": {"outs": outs}}}))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand where a small run has been finished."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    params["regimes"] = ["mix"]
    params["study"]["primary"] = [{"recipe": "mix", "control": "real"}]
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    keep([pair("q1/c0/p0"), pair("q1/c0/p1")])
    put(Path("metrics/generate_contexts.json"), {"n_by_model": {"SmolLM2-135M-Instruct": 2}})
    put(Path("metrics/filter_pairs.json"), {"n_rejected": {"looping": 3}, "n_not_english": 1})
    put(Path("metrics/quality.json"), quality_metrics())
    gate = {"drift": {"success": False}, "columns": {"success": True}}
    put(Path("metrics/validation/kept.json"), {"expectations": gate})
    scores = {"squad": {"exact_match": 12.5, "f1": 34.56, "n_questions": 1500}}
    for name in ("real-1", *(f"{regime}-1" for regime in load_params().regimes)):
        model = Path("data/models") / name
        tiny_model("bert", model)
        (model / "README.md").write_text(CARD, encoding="utf-8")
        put(model / "training.json", {"run_key": name})
        put(Path(f"metrics/evaluate/{name}.json"), {"run_key": name, "sets": scores})
    return tmp_path


def exported(**terms: str) -> Exported:
    return export(Path("out"), load_params(), commit="abc123", **terms)


def card() -> tuple[dict[str, Any], str]:
    """Return the head and the body of the data set's card."""
    _, head, body = Path("out/README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def test_datasets_and_transformers_load_it_offline_as_squad_and_readers(run: Path) -> None:
    made = exported()
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(run / "home")}
    done = subprocess.run(
        [sys.executable, "-c", LOADS, str(run / "out"), str(run / "cache")],
        env=env,
        cwd=run / "data",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["splits"] == ["train"]
    assert found["as_squad"]
    first = found["rows"][0]
    assert (len(found["rows"]), first["id"]) == (made.n_pairs, "q1/c0/p0") == (2, "q1/c0/p0")
    assert first["answers"] == {"text": ["Mary Shelley"], "answer_start": [0]}
    assert tuple(found["readers"]) == tuple(sorted(made.readers))
    assert set(found["readers"].values()) == {7}  # logits, one a token


@pytest.mark.usefixtures("run")
def test_the_card_says_what_it_is_from_whom_its_terms_faults_and_quality() -> None:
    exported()
    head, body = card()
    assert head["license"] == ["cc0-1.0", "apache-2.0"]
    for words in (
        "2 pairs on 1 contexts",
        "Commit: abc123",
        "| llm | SmolLM2-135M-Instruct | 2 |",
        "a" * 64,
        "| training set, which the seed questions are of | CC0-1.0 |",
        "| language model SmolLM2-135M-Instruct | Apache-2.0 |",
        "small sample",
        "1 pairs do not read as English",
        "The gate warned of drift.",
        "| looping | 3 |",
        "| self-BLEU | 12.34 |",
    ):
        assert words in body
    assert "warned of columns" not in body


@pytest.mark.usefixtures("run")
def test_a_reader_s_card_has_its_scores_and_the_terms_of_what_it_learned_from() -> None:
    exported(reader_license="MIT")
    for name, has_llm in (("real-1", False), ("mix-1", True)):
        text = Path(f"out/readers/{name}/README.md").read_text(encoding="utf-8")
        head = yaml.safe_load(text.split("---\n")[1])
        assert head["license"] == ["mit", "cc0-1.0", *(["apache-2.0"] if has_llm else [])]
        assert head["library_name"] == "transformers"
        assert "| squad | 12.5 | 34.6 | 1,500 |" in text
        assert ("language model" in text) is has_llm


@pytest.mark.usefixtures("run")
def test_a_licence_that_nobody_stated_is_said_to_be_so() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    del params["data"]["train"]["license"]
    params["llm"] |= {"provider": "openai", "model": "gpt-9"}
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    exported()
    head, body = card()
    assert head["license"] == ["other"]
    assert body.count("| not stated |") == 2


@pytest.mark.usefixtures("run")
def test_a_licence_that_the_user_knows_is_taken() -> None:
    exported(llm_license="Llama 3 Community License")
    head, body = card()
    assert head["license"] == ["cc0-1.0", "other"]
    assert "| Llama 3 Community License |" in body


def test_hostile_names_and_ids_are_text_in_a_card_and_name_no_file(run: Path) -> None:
    keep([pair("../../../up/c0/p0", model=HOSTILE)])
    put(Path("metrics/generate_contexts.json"), {"n_by_model": {HOSTILE: 2}})
    before = {path for path in run.rglob("*") if "out" not in path.parts}
    export(Path("out"), load_params(), commit=HOSTILE, llm_license=HOSTILE)
    head, body = card()
    assert head["license"] == ["cc0-1.0", "other"]
    for mark in ("<script", "\x1b", "\x00", "\u202e", "\nlicense: mit", "[a]("):
        assert mark not in body
    assert "evil" in body
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"README.md", "data", "readers"}
    assert {path for path in run.rglob("*") if "out" not in path.parts} == before


def test_no_path_of_this_machine_is_in_it(run: Path) -> None:
    exported()
    for path in Path("out").rglob("*"):
        if path.is_file():
            assert str(run).encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("run")
def test_an_empty_folder_is_taken_and_all_in_it_can_be_read_by_others() -> None:
    Path("out").mkdir()
    Path("data/models/real-1/config.json").chmod(0o400)  # as DVC protects its files
    exported()
    assert Path("out/README.md").is_file()
    assert all(path.stat().st_mode & 0o044 for path in [Path("out"), *Path("out").rglob("*")])


def _a_file(path: Path) -> None:
    path.write_text("mine", encoding="utf-8")


def _a_folder(path: Path) -> None:
    path.mkdir()
    _a_file(path / "notes.txt")


def _a_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("put_there", [_a_file, _a_folder, _a_link])
def test_what_is_there_is_refused_and_left_alone(
    run: Path, put_there: Callable[[Path], None]
) -> None:
    put_there(Path("out"))
    before = sorted(run.rglob("*"))
    with pytest.raises(DataError, match="there is something already"):
        exported()
    assert sorted(run.rglob("*")) == before


def test_an_export_that_fails_leaves_nothing(run: Path) -> None:
    shutil.rmtree("data/models/mix-1")
    before = sorted(run.rglob("*"))
    with pytest.raises(DataError, match="mix-1: no such reader"):
        exported()
    assert sorted(run.rglob("*")) == before


@pytest.mark.usefixtures("run")
def test_pairs_that_are_not_of_the_last_run_are_refused() -> None:
    write_table(Path("data/filtered/kept.parquet"), [pair("q2/c0/p0")], QAExample)
    with pytest.raises(DataError, match=r"not the pairs that dvc\.lock names"):
        exported()


@pytest.mark.usefixtures("run")
def test_a_reader_that_is_not_the_measured_one_is_refused() -> None:
    put(Path("data/models/mix-1/training.json"), {"run_key": "another"})
    with pytest.raises(DataError, match="mix-1: not the reader that was measured"):
        exported()
