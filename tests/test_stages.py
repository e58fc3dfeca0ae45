"""The stage scripts as commands: bad input gives one message, exit code 1, no traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.formats import to_squad
from augqa.records import GeneratedContext, QAExample, Rejection, RoundTripAnswer
from augqa.tables import read_table, write_table
from tests.examples import SETS, example, generated_context

ROOT = Path(__file__).parents[1]


def run_stage(
    folder: Path, name: str, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a stage script in `folder`, as dvc would."""
    return subprocess.run(
        [sys.executable, ROOT / "stages" / f"{name}.py", *arguments],
        cwd=folder,
        env={**os.environ, "DVC_ROOT": str(folder), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def error(finished: subprocess.CompletedProcess[str]) -> str:
    """Return the message of a stage that stopped as it should."""
    assert finished.returncode == 1, finished.stderr
    assert "Traceback" not in finished.stderr
    assert ": error: " in finished.stderr
    return finished.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with params.yaml, where stages can run."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    return tmp_path


def set_params(project: Path, **changes: Any) -> None:
    """Change params by dotted key, with two underscores for the dot."""
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *parents, last = key.split("__")
        section = values
        for parent in parents:
            section = section[parent]
        section[last] = value
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def files_only(project: Path) -> None:
    """Let every set come from data/external, under its own name."""
    source = {"kind": "file", "sha256": None}
    set_params(project, data__train={**source, "name": "train.json"})
    for name in SETS:
        set_params(
            project, **{f"data__test_sets__{name}__source": {**source, "name": f"{name}.json"}}
        )


def raw_files(project: Path, train: list[QAExample], **sets: list[QAExample]) -> None:
    raw = project / "raw"
    raw.mkdir()
    for name, examples in {"train": train, **sets}.items():
        (raw / f"{name}.json").write_text(json.dumps(to_squad(examples)), encoding="utf-8")
    entries = {
        name: {"file": f"{name}.json", "content": f"sha256:{name}"} for name in ("train", *sets)
    }
    manifest = {
        "sets": entries,
        "test_sets": list(SETS),
        "not_available": [name for name in SETS if name not in sets],
    }
    (raw / "manifest.json").write_text(json.dumps(manifest))


PREPARE = (
    *("--raw", "raw", "--pool", "pool.parquet", "--seed-questions", "seed_questions.parquet"),
    *("--reserve", "reserve.parquet", "--test", "test", "--clusters", "clusters"),
    *("--dropped", "dropped.parquet", "--profile", "profile.json", "--metrics", "m.json"),
)


def test_fetch_raw_copies_the_sample_and_names_no_missing_set(project: Path) -> None:
    sample = ROOT / "data" / "sample"
    done = run_stage(project, "fetch_raw", "--sample", str(sample), "--raw", "raw")
    assert done.returncode == 0, done.stderr
    assert "fetch_raw: 6 sets (" in done.stderr
    assert (project / "raw" / "squad.json").read_bytes() == (sample / "dev.json").read_bytes()


def test_fetch_raw_names_the_shifts_that_are_not_there(project: Path) -> None:
    external = project / "data" / "external"
    external.mkdir(parents=True)
    for name in ("train", "squad", "nyt"):
        (external / f"{name}.json").write_text(json.dumps(to_squad([example()])))
    files_only(project)
    done = run_stage(project, "fetch_raw", "--sample", ".", "--raw", "raw")
    assert done.returncode == 0, done.stderr
    for name in ("new_wiki", "amazon", "reddit"):
        assert f"{name} ({external / name}.json)" in done.stderr
    manifest = json.loads((project / "raw/manifest.json").read_text())
    assert manifest["not_available"] == ["new_wiki", "amazon", "reddit"]
    assert manifest["test_sets"] == list(SETS)


def test_fetch_raw_finds_a_user_s_files_from_a_temporary_workspace(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    external = project / "data" / "external"
    external.mkdir(parents=True)
    for name in ("train", "squad"):
        (external / f"{name}.json").write_text(json.dumps(to_squad([example()])))
    files_only(project)
    workspace = tmp_path_factory.mktemp("workspace")
    shutil.copyfile(project / "params.yaml", workspace / "params.yaml")
    done = run_stage(
        workspace, "fetch_raw", "--sample", ".", "--raw", "raw", env={"DVC_ROOT": str(project)}
    )
    assert done.returncode == 0, done.stderr


def test_fetch_raw_without_the_training_file_says_how_to_get_it(project: Path) -> None:
    files_only(project)
    message = error(run_stage(project, "fetch_raw", "--sample", ".", "--raw", "raw"))
    assert "no file for the training set" in message
    assert "train.json is not there" in message
    assert "make data FROM=DIR" in message


def test_a_stage_with_wrong_params_names_the_key(project: Path) -> None:
    set_params(project, prepare__n_seed_questions=-1)
    message = error(run_stage(project, "fetch_raw", "--sample", ".", "--raw", "raw"))
    assert "prepare.n_seed_questions: Input should be greater than 0, found -1" in message


def test_prepare_nests_the_seeds_in_the_pool_and_counts_each_drop(project: Path) -> None:
    shared = "A context that a test set has."
    train = [example(f"q{n}", question=f"Who is {n}?") for n in range(8)]
    train += [example("again", question="Who is 3?")]
    train += [example("seen", context=shared, answer="test set")]
    raw_files(project, train, squad=[example("d1", context=shared, answer="context")])
    set_params(project, prepare__n_pool=5, prepare__n_seed_questions=2)
    done = run_stage(project, "prepare", *PREPARE)
    assert done.returncode == 0, done.stderr

    pool = [e.id for e in read_table(project / "pool.parquet", QAExample)]
    seeds = [e.id for e in read_table(project / "seed_questions.parquet", QAExample)]
    dropped = {r.id: r.reason for r in read_table(project / "dropped.parquet", Rejection)}
    assert len(pool) == 5
    assert set(seeds) < set(pool)
    assert dropped["again"] == "repeated_question"
    assert dropped["seen"] == "context_in_test_set"
    assert set(pool) | set(dropped) == {e.id for e in train}
    metrics = json.loads((project / "m.json").read_text())
    assert metrics["not_available"] == ["new_wiki", "nyt", "amazon", "reddit"]
    assert metrics["n_dropped"] == {
        "context_in_test_set": 1,
        "not_chosen": 3,
        "repeated_question": 1,
    }


def test_prepare_chooses_the_same_pool_whatever_the_file_order(project: Path) -> None:
    train = [example(f"q{n}", question=f"Who is {n}?") for n in range(9)]
    set_params(project, prepare__n_pool=5, prepare__n_seed_questions=2)
    chosen = []
    for order in (train, train[::-1]):
        shutil.rmtree(project / "raw", ignore_errors=True)
        raw_files(project, order, squad=[example("d1", context="Mary Shelley.")])
        assert run_stage(project, "prepare", *PREPARE).returncode == 0
        chosen.append((project / "pool.parquet").read_bytes())
    assert chosen[0] == chosen[1]


def test_more_seeds_follow_those_there_are(project: Path) -> None:
    train = [example(f"q{n}", question=f"Who is {n}?") for n in range(9)]
    raw_files(project, train, squad=[example("d1", context="Mary Shelley.")])
    chosen = []
    for n_seed_questions in (3, 7):
        set_params(project, prepare__n_seed_questions=n_seed_questions)
        assert run_stage(project, "prepare", *PREPARE).returncode == 0
        chosen.append([e.id for e in read_table(project / "seed_questions.parquet", QAExample)])
    assert len(chosen[1]) == 7
    assert chosen[1][:3] == chosen[0]


def test_prepare_refuses_more_seeds_than_there_are(project: Path) -> None:
    raw_files(project, [example()], squad=[example("d1", context="Mary Shelley.")])
    set_params(project, prepare__n_seed_questions=2, prepare__max_test_overlap_fraction=None)
    message = error(run_stage(project, "prepare", *PREPARE))
    assert "prepare.n_seed_questions is 2, but only 1 training examples" in message


def test_prepare_of_a_broken_file_names_it_and_leaves_earlier_outputs(project: Path) -> None:
    raw_files(project, [example()], squad=[example("d1", context="Mary Shelley.")])
    set_params(project, prepare__n_seed_questions=1, prepare__max_test_overlap_fraction=None)
    assert run_stage(project, "prepare", *PREPARE).returncode == 0
    before = (project / "pool.parquet").read_bytes()
    (project / "raw" / "train.json").write_text('{"data": [')
    message = error(run_stage(project, "prepare", *PREPARE))
    assert "raw/train.json: not JSON at line 1" in message
    assert (project / "pool.parquet").read_bytes() == before


def blend_arguments(regime: str) -> tuple[str, ...]:
    return (
        *("--regime", regime, "--pool", "pool.parquet", "--blends", "blends"),
        *("--metrics", "m.json"),
    )


def test_a_blend_that_asks_for_too_much_says_both_numbers(project: Path) -> None:
    write_table(project / "pool.parquet", [example()], QAExample)
    set_params(project, blend__real__n_examples=5)
    message = error(run_stage(project, "blend", *blend_arguments("real")))
    assert "5 real examples asked for, but there are only 1" in message
    assert not (project / "blends/1.parquet").exists()


def test_question_only_takes_pairs_on_real_contexts_alone(project: Path) -> None:
    write_table(project / "pool.parquet", [example()], QAExample)
    kept = [
        example("on-real", origin="generated"),
        example("on-generated", origin="generated", context_origin="generated"),
    ]
    write_table(project / "kept.parquet", kept, QAExample)
    done = run_stage(project, "blend", *blend_arguments("question_only"), "--kept", "kept.parquet")
    assert done.returncode == 0, done.stderr
    assert [e.id for e in read_table(project / "blends/1.parquet", QAExample)] == ["on-real"]


@pytest.mark.parametrize(
    ("regime", "n_examples", "n_generated"),
    [
        ("generated", 4, 4),
        ("mix", 6, 3),
        ("augment", 9, 4),
        ("augment_half", 7, 2),
        ("context_only", 3, 3),
        ("question_only", 2, 2),
        ("mix_consistent", 6, 3),
        ("mix_shuffled", 6, 3),
        ("mix_truncated", 6, 3),
        ("real_longer", 10, 0),
        ("real_more", 7, 0),
        ("copies", 10, 0),
        ("pseudo_label", 8, 3),
        ("unfiltered", 9, 4),
    ],
)
def test_each_regime_makes_a_training_set(
    project: Path, regime: str, n_examples: int, n_generated: int
) -> None:
    pool = [example(f"q{n}", question=f"Who is {n}?") for n in range(5)]
    kept = [
        example(f"q0/c{n}/p0", origin="generated", context_origin="generated") for n in range(4)
    ] + [example(f"q{n}/r/p0", origin="generated") for n in range(2)]
    contexts = [
        generated_context("Mary Shelley wrote it." if n < 3 else "Nobody knows.", id_=f"q{n}/c0")
        for n in range(5)
    ]
    write_table(project / "pool.parquet", pool, QAExample)
    write_table(project / "kept.parquet", kept, QAExample)
    write_table(project / "contexts.parquet", contexts, GeneratedContext)
    read = [
        RoundTripAnswer(id=e.id, text="1818" if n else "", score=1.0, f1=0.0 if n == 1 else 90.0)
        for n, e in enumerate(kept)
    ]
    write_table(project / "answers.parquet", read, RoundTripAnswer)
    for name in ("mix", "mix_consistent", "mix_shuffled", "mix_truncated"):
        set_params(project, **{f"blend__{name}__n_examples": 6})
    set_params(project, blend__augment__n_real=None, blend__real_longer__n_real=None)
    set_params(project, blend__real_longer__copies_per_real=1.0)
    tables = (
        "--kept",
        "kept.parquet",
        "--seed-questions",
        "pool.parquet",
        "--contexts",
        "contexts.parquet",
    )
    # The reader answered all but one of the pairs, which no filter has dropped.
    write_table(project / "reserve.parquet", [example(f"v{n}") for n in range(2)], QAExample)
    write_table(project / "rejected.parquet", [], Rejection)
    tables += ("--round-trip-answers", "answers.parquet", "--reserve", "reserve.parquet")
    tables += ("--pairs", "kept.parquet", "--rejected", "rejected.parquet")
    done = run_stage(project, "blend", *blend_arguments(regime), *tables)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((project / "m.json").read_text())
    assert (metrics["n_examples"], metrics["n_generated"]) == (n_examples, n_generated)


def test_a_missing_input_is_named_without_a_traceback(project: Path) -> None:
    done = run_stage(project, "blend", *blend_arguments("real"))
    assert done.returncode == 2
    assert "pool.parquet" in done.stderr
    assert "Traceback" not in done.stderr
