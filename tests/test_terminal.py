"""Texts of models and files are shown on a terminal, never obeyed."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from augqa import __main__, stage
from augqa.commands import running, sweeping
from augqa.errors import DataError
from augqa.records import GeneratedContext, QAExample
from augqa.report.experiments import ExperimentRow
from augqa.report.table import table_text
from augqa.tables import write_table
from augqa.terminal import printable
from tests.examples import example, generated_context, reported

CLEARS_THE_SCREEN = "\x1b[2J"
# A title of a window that some terminals give back as if it had been typed; a link to a file.
REPORTS_BACK = "\x1b]0;rm -rf ~\x07\x1b[21t \x1b]8;;file:///etc\x1b\\here"
HOSTILE = f"Who{CLEARS_THE_SCREEN}{REPORTS_BACK}\u202ereversed\x00\r\x9b31m?"
CONTROLS = "\x1b\x00\r\x07\x9b\u202e"


def shown(text: str) -> bool:
    """Whether nothing in a text is obeyed by a terminal."""
    return not set(text) & set(CONTROLS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Çatalhöyük – 東京\n\t42 %", "Çatalhöyük – 東京\n\t42 %"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x00\rb", r"a\x00\rb"),
        ("a\x9bb\u2028c", r"a\x9bb\u2028c"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("a\ud800b", r"a\ud800b"),
    ],
)
def test_what_a_terminal_would_obey_stands_as_its_escape(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_a_text_of_five_megabytes_is_shown_in_good_time() -> None:
    assert printable("x\x1b" * 2_500_000).count(r"\x1b") == 2_500_000


def main(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["augqa", *arguments])
    with pytest.raises(SystemExit):
        __main__.main()


def test_explain_shows_the_texts_of_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").touch()
    seed = f"../../q{CLEARS_THE_SCREEN}"
    pair = example(
        f"{seed}/c1/p0", question=HOSTILE, origin="generated", context_origin="generated"
    )
    write_table(Path("data/generated/pairs.parquet"), [pair], QAExample)
    write_table(
        Path("data/prepared/seed_questions.parquet"), [example(seed, question=HOSTILE)], QAExample
    )
    context = generated_context("A text.", id_=f"{seed}/c1")
    write_table(Path("data/generated/contexts.parquet"), [context], GeneratedContext)
    main("explain", "--pair", pair.id, monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert shown(out)
    assert out.count(r"Who\x1b[2J") == 2  # the question of the pair, and of its seed
    assert "in no training set" in out


def test_an_error_of_a_command_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main("report", f"no{CLEARS_THE_SCREEN}folder", monkeypatch=monkeypatch)
    err = capsys.readouterr().err
    assert shown(err)
    assert r"no\x1b[2Jfolder: no kept study" in err


def test_what_a_stage_logs_and_fails_with_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing() -> str:
        """Fail."""
        logging.getLogger("augqa").warning("served by %s", HOSTILE)
        raise DataError(f"{HOSTILE}: no such model")

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)
    monkeypatch.setattr(sys, "argv", ["failing"])
    with pytest.raises(SystemExit):
        stage.run(failing)
    err = capsys.readouterr().err
    assert shown(err)
    assert err.count(r"Who\x1b[2J") == 2


def test_the_table_that_is_printed_and_kept_is_shown() -> None:
    scores = {"exact_match": 1.0, "f1": 2.0, "n_questions": 3}
    names = [one.name for one in reported()]
    summary: dict[str, Any] = {
        "regimes": {"real": dict.fromkeys(names, scores)},
        "not_available": [],
    }
    words: dict[str, Any] = {key: [] for key in ("primary", "shifts", "sets", "stress")}
    words |= {"finding": HOSTILE, "visible": "", "edges": [HOSTILE], "remarks": [HOSTILE]}
    text = table_text(summary, reported(), {"words": words})
    assert shown(text)
    assert text.count(r"Who\x1b[2J") == 3


def test_no_table_is_written_as_csv() -> None:
    # A spreadsheet takes a cell that begins with = for a formula: whoever writes CSV minds that.
    for path in (*Path("src").rglob("*.py"), *Path("stages").glob("*.py")):
        code = path.read_text(encoding="utf-8")
        for call in ("csv.writer", "DictWriter", "to_csv", "write_csv"):
            assert call not in code, path


def test_commands_print_by_the_one_function_that_minds_what_it_prints() -> None:
    for path in (*Path("src/augqa/commands").glob("*.py"), Path("src/augqa/__main__.py")):
        code = path.read_text(encoding="utf-8")
        for call in ("typer.echo", "click.", "print(", "sys.stdout.write"):
            assert call not in code, path


def test_compare_shows_names_and_params_of_anybody_s_experiments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        ExperimentRow(
            name=HOSTILE, rev="a", is_baseline=False, state=None, values={"prepare.seed": text}
        )
        for text in (HOSTILE, "13")
    ]
    monkeypatch.setattr(sweeping, "_experiments", lambda: rows)
    sweeping.compare()
    out = capsys.readouterr().out
    assert shown(out)
    assert out.count(r"Who\x1b[2J") == 3


def test_run_shows_what_dvc_and_the_stages_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dvc = tmp_path / "dvc"
    dvc.write_text(f"#!{sys.executable}\nprint({HOSTILE!r})\n", encoding="utf-8")
    dvc.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    running.run(["prepare"])
    out = capsys.readouterr().out
    assert shown(out)
    assert r"Who\x1b[2J" in out


def test_check_shows_names_of_files_in_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = r'{title: M, role: shift, source: {kind: file, name: "a\e[2J.csv", sha256: null}}'
    text = Path("profiles/embedded.yaml").read_text(encoding="utf-8")
    text = text.replace("  test_sets:\n", f"  test_sets:\n    mine: {entry}\n", 1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    main("check", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert shown(out)
    assert r"mine: not available (a\x1b[2J.csv)" in out
