"""What the stages do not import: what they would pay for before they do anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readers import tiny_model
from tests.scripts import SCRIPTS

# Seconds of CPU each, in the order of what they cost.
TOWERS = (
    *("transformers", "torch._dynamo", "sympy", "torch", "mlflow", "great_expectations"),
    *("datasets", "sklearn", "scipy", "pandas", "openvino_genai", "openai"),
)
# Each stage imports these of them, and no other, before it has read its params.
WANTED = {
    "answer_round_trip": {"torch"},
    "evaluate": {"torch"},
    "train": {"torch"},
    "validate": {"pandas"},
}
TOLD = "import sys; print(*[name for name in {towers} if name in sys.modules])"


def loaded(code: str) -> set[str]:
    """Return the towers that a process has imported at the end of `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{TOLD.format(towers=TOWERS)}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("stage", WANTED)
def test_a_stage_imports_no_more_than_it_needs_before_it_begins(stage: str) -> None:
    assert stage in SCRIPTS
    assert loaded(f"import stages.{stage}") == WANTED[stage]


def test_a_client_that_asks_online_needs_no_library_of_batches(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from augqa import llm\n"
        "from tests.asking_loopback import params\n"
        "os.environ['AUGQA_TEST_KEY'] = 'any'\n"
        f"path = Path({str(tmp_path / 'responses.sqlite')!r})\n"
        "with llm.open_client(params('http://127.0.0.1:1/v1'), cache_path=path):\n"
        "    pass"
    )
    assert loaded(code) == set()


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_saved_reader_answers_without_transformers(kind: str, tmp_path: Path) -> None:
    tiny_model(kind, tmp_path)
    (tmp_path / "reader.json").write_text(
        '{"max_seq_length": 32, "doc_stride": 4, "max_answer_tokens": 8, "n_best": 5}'
    )
    code = (
        "from pathlib import Path; from augqa.reader import Reader\n"
        f"reader = Reader.load(Path({str(tmp_path)!r}), threads=1)\n"
        "assert reader.answer('who wrote frankenstein?', 'mary shelley wrote it.').is_answer"
    )
    assert loaded(code) == {"torch"}


def test_a_reader_is_trained_and_saved_without_the_modules_of_transformers(tmp_path: Path) -> None:
    tiny_model("bert", tmp_path / "from")
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.examples import example\n"
        "from augqa.reader import train_reader\n"
        "asked = [example('q', context='london is a city .', question='what ?', answer='london')]\n"
        f"reader, _ = train_reader(asked, checkpoint=Path({str(tmp_path / 'from')!r}), seed=1,"
        " max_seq_length=32, doc_stride=4, max_answer_tokens=8, n_best=5, threads=1, epochs=1,"
        " batch_size=2, learning_rate=1e-3, warmup_fraction=0.1, weight_decay=0.01,"
        " max_grad_norm=1.0)\n"
        f"reader.save(Path({str(tmp_path / 'to')!r}))\n"
        "assert 'transformers.modeling_utils' not in sys.modules"
    )
    # Its tokenizer and config are read, and written, by transformers.
    assert loaded(code) == {"torch", "transformers"}


def test_logging_imports_mlflow_without_pandas_and_scipy() -> None:
    code = "from augqa import tracking; tracking.training_run"
    assert loaded(code) == {"mlflow"}


def test_asking_for_tracking_does_not_import_mlflow() -> None:
    assert loaded("from augqa import tracking") == set()
