"""What a command says where there is nothing for it to work on: one line, with what to do."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from augqa import __main__
from augqa.commands.place import in_project, lacking
from tests.test_commands import ROOT, begin

# Arguments that each command takes, each right in its form.
ARGUMENTS = {
    "check": [],
    "run": [],
    "table": [],
    "profile": ["cpu"],
    "data": ["mine"],
    "grow": [],
    "sweep": ["blend.augment.generated_share", "0.5"],
    "compare": [],
    "gather": [],
    "explain": ["augment", "amazon"],
    "export": ["out"],
    "results": ["cpu"],
    "docs": [],
    "cache export": ["responses.gz"],
    "cache import": ["responses.gz"],
}
# It reads a folder that it is given.
ANYWHERE = {"report"}
OF_A_REPOSITORY = ("run", "grow", "sweep", "compare", "gather", "results")


Said = Callable[..., str]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Said:
    """Return what gives the one line with which a command fails."""

    def line_of(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["augqa", *arguments])
        with pytest.raises(SystemExit) as left:
            __main__.main()
        err = capfd.readouterr().err
        assert left.value.code == 1
        (line,) = err.splitlines()
        return str(line)

    return line_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with params.yaml and a commit, entered."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    begin(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_is_tried() -> None:
    group: Any = typer.main.get_command(__main__.app)
    names = {
        f"{name} {inner}".strip()
        for name in group.list_commands(None)
        for inner in getattr(group.get_command(None, name), "commands", [""])
    }
    assert names == {*ARGUMENTS, *ANYWHERE}


@pytest.mark.parametrize("command", ARGUMENTS.keys())
def test_outside_a_project_a_command_says_where_to_go_and_leaves_nothing(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*command.split(), *ARGUMENTS[command]]
    line = said(*words)
    assert line == f"augqa: error: {tmp_path}: no project of augqa is in this folder." + (
        " Go to your clone of it."
    )
    assert list(tmp_path.iterdir()) == []


def test_below_a_project_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    line = said("run")
    assert line.endswith(f"It is in {tmp_path}: go there.")


def test_help_is_given_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["augqa", "run", "--help"])
    with pytest.raises(SystemExit) as left:
        __main__.main()
    assert left.value.code == 0
    assert "Run what params.yaml asks for" in capsys.readouterr().out


@pytest.mark.parametrize("command", OF_A_REPOSITORY)
@pytest.mark.parametrize("repository", [False, True], ids=["no repository", "no commit"])
def test_what_needs_dvc_is_refused_where_git_has_no_commit(
    command: str, repository: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    if repository:
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    line = said(command, *ARGUMENTS[command])
    assert "git has no commit of this folder, and DVC needs one: `git init" in line


@pytest.mark.parametrize("name", ["dvc", "git"])
def test_a_program_that_is_not_there_is_named_with_what_to_do(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    bin_ = project / "bin"
    bin_.mkdir()
    if name == "dvc":
        (bin_ / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(bin_))
    line = said("sweep", "blend.mix.generated_fraction", "0.1")
    assert line.startswith(f"augqa: error: {name} is not ")


def test_a_file_that_is_missing_is_no_program() -> None:
    assert lacking(FileNotFoundError(2, "No such file", "params.yaml")) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("profile", "embeded"), "no profile 'embeded': .* - did you mean 'embedded'?"),
        (("profile", "../params"), r"no profile '\.\./params': choose one of confirm"),
        (("results", "studdy"), "no profile 'studdy': .* - did you mean 'study'?"),
        (("results", ""), "no profile is named: choose one of confirm"),
        (("explain", "augmented", "squad"), "did you mean 'augment'?"),
        (("explain", "augment"), "say which number: `augqa explain real amazon`"),
        (
            ("sweep", "blend.augment.generated_shar", "0.5"),
            "did you mean 'blend.augment.generated_share'?",
        ),
        (("data", "nowhere"), "nowhere: no such folder"),
        (("export", "profiles"), "profiles"),
        (("cache", "export", "x.gz"), "there is no response cache"),
        (("cache", "import", "x.gz"), "x.gz: there is no such file"),
        (("report", "docs/results/none"), "docs/results/none: no kept study"),
        (("explain", "augment", "squad"), r"metrics/evaluate/augment-1\.json: .*`augqa run`"),
        (("table",), r"metrics/summary\.json: .*Run `augqa run`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_misspelt_word_or_a_missing_thing_is_named(
    words: tuple[str, ...], message: str, project: Path, said: Said
) -> None:
    shutil.copytree(ROOT / "profiles", project / "profiles")
    assert re.search(message, said(*words))


@pytest.mark.parametrize("command", [["profile", "cpu"], ["results", "cpu"]])
@pytest.mark.usefixtures("project")
def test_without_profiles_it_is_said_how_to_have_them_back(command: list[str], said: Said) -> None:
    line = said(*command)
    assert line.endswith("profiles: no profile is there. `git checkout profiles` brings them.")


def test_every_text_says_the_same_command_to_run_the_pipeline() -> None:
    # `dvc repro` looks at no params first, and stops at a lock file that was cut short.
    texts = [*Path("src").rglob("*.py"), *Path("src").rglob("*.html"), *Path("stages").glob("*.py")]
    told = re.compile(r"\b[Rr]un[\s\"f]+`dvc repro|^dvc repro|<code>dvc repro", re.MULTILINE)
    assert [str(p) for p in texts if told.search(p.read_text(encoding="utf-8"))] == []


def test_a_wrapped_command_keeps_its_name_and_words() -> None:
    def example() -> None:
        """Say so."""

    assert (in_project(example).__name__, in_project(example).__doc__) == ("example", "Say so.")
