"""What runs again after a change of code, over real DVC: touch X, these stages run, no other."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READERS = {"train_real", "train", "evaluate_real", "evaluate", "answer_round_trip"}


class Project:
    """The pipeline in a git and DVC repository of its own, its code hashed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        outer = ("GIT_", "DVC_")
        env = {k: v for k, v in os.environ.items() if not k.startswith(outer)}
        binaries = str(Path(sys.executable).parent)
        self.env = env | {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
        }
        for name in ("stages", "src", "plugins", "prompts", ".dvc"):
            shutil.copytree(
                ROOT / name,
                folder / name,
                ignore=shutil.ignore_patterns("tmp", "cache", "__pycache__", "*.egg-info"),
            )
        for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
            shutil.copyfile(ROOT / name, folder / name)
        self.run("git", "init", "--quiet")
        self.run("dvc", "repro", "hash_code")

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stages_of_other_code(self) -> set[str]:
        """Return the stages that DVC would run again since the code was last hashed."""
        before = self.hashes()
        self.run("dvc", "repro", "hash_code")
        after = self.hashes()
        scripts = {name for name in after if after[name] != before[name]}
        deps = json.loads(self.run("dvc", "status", "--json"))
        changed = set()
        for stage, entries in deps.items():
            told = json.dumps(entries)
            if any(f"data/code/{script}" in told for script in scripts):
                changed.add(stage.split("@")[0])
        return changed

    def hashes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "data/code").iterdir()}

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_words_in_report_tracking_and_docstrings_rerun_the_summary_alone(project: Project) -> None:
    project.edit("src/augqa/records.py", '"""A span of a context.', '"""A piece of a context.')
    project.edit("src/augqa/tracking/versions.py", '"champion"', '"best"')
    project.edit("src/augqa/stage.py", "(%.1f s)", "(%.2f s)")
    assert project.stages_of_other_code() == set()
    page = next(iter((project.folder / "src/augqa/report").glob("*.css")))
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert project.stages_of_other_code() == {"summarize"}


def test_another_field_of_a_record_reruns_whoever_reads_records(project: Project) -> None:
    project.edit("src/augqa/records.py", "    score: float\n", "    score: float\n    n: int = 0\n")
    changed = project.stages_of_other_code()
    assert READERS | {"prepare", "generate_contexts", "filter_pairs", "blend"} <= changed


def test_the_reader_s_code_reruns_readers_and_no_generation(project: Project) -> None:
    module = project.folder / "src/augqa/reader/training.py"
    module.write_text(module.read_text(encoding="utf-8") + "\nX = 1\n", encoding="utf-8")
    changed = project.stages_of_other_code()
    assert changed >= READERS
    assert not changed & {"generate_contexts", "generate_pairs", "blend", "blend_real", "prepare"}


def test_a_prompt_reruns_what_asks_a_model(project: Project) -> None:
    prompt = next(iter((project.folder / "src/augqa/prompts").glob("*.md")))
    prompt.write_text(prompt.read_text(encoding="utf-8") + "\nBe brief.\n", encoding="utf-8")
    changed = project.stages_of_other_code()
    assert "generate_contexts" in changed
    assert not changed & READERS


def test_a_plugin_reruns_what_uses_a_catalogue(project: Project) -> None:
    project.edit("params.yaml", "plugins: []", "plugins: [mine]")
    (project.folder / "plugins" / "mine.py").write_text("X = 1\n", encoding="utf-8")
    project.stages_of_other_code()
    (project.folder / "plugins" / "mine.py").write_text("X = 1  # one\n", encoding="utf-8")
    assert project.stages_of_other_code() == set()
    (project.folder / "plugins" / "mine.py").write_text("X = 2\n", encoding="utf-8")
    changed = project.stages_of_other_code()
    assert "blend" in changed
    assert "train" not in changed
