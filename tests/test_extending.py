"""What a plug-in adds without an edit elsewhere, from a module in a temporary folder."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.blends import KINDS, Materials, Sizes
from augqa.context_writer import CONTEXT_WRITERS
from augqa.errors import ParamsError
from augqa.params import Params, load_params
from augqa.reader.architectures import ARCHITECTURES, architecture_of
from augqa.records import GeneratedContext, QAExample
from augqa.registry import load_plugins
from augqa.tables import read_table, write_table
from tests.examples import example
from tests.scripts import function

KIND = """
from typing import Literal

from augqa.blends import KINDS, REAL, Kind, Recipe, sized
from augqa.schema import PositiveInt


class ShortRecipe(Recipe):
    kind: Literal["short"]
    max_question_words: PositiveInt


def make(of, knobs, seed):
    short = [e for e in of.pool if len(e.question.split()) <= knobs.max_question_words]
    return sized(short, recipe=of.recipe, what="short", n_examples=None, seed=seed)


KINDS.register(
    Kind(
        name="short",
        about="real examples with short questions",
        knobs=ShortRecipe,
        origins=(REAL,),
        make=make,
        asked=lambda knobs, sizes: (None, 0),
    )
)
"""

WRITER = '''
"""Writes the same sentence for every seed question."""

from pydantic import Field

from augqa.context_writer import CONTEXT_WRITERS, Entry
from augqa.metrics import Usage
from augqa.records import GeneratedContext
from augqa.schema import Section


class Settings(Section):
    sentence: str = Field(min_length=1)


class Parrot:
    usage = Usage()

    def __init__(self, sentence):
        self.sentence = sentence

    def contexts(self, seeds):
        for seed in seeds:
            yield GeneratedContext(
                id=f"{seed.id}/c1",
                source_id=seed.id,
                text=self.sentence,
                failure=None,
                model="parrot",
                finish_reason="stop",
                prompt_tokens=0,
                completion_tokens=0,
                prompt_sha256="0" * 64,
                style="parrot",
            )


def load(own, given):
    return Parrot(own.sentence)


CONTEXT_WRITERS.register(Entry(name="parrot", settings=Settings, load="parrot:load"))
'''
ARCHITECTURE = """
from augqa.reader.architectures import ARCHITECTURES, Architecture

ARCHITECTURES["dragonbert"] = Architecture(packs=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a folder with params.yaml and plugins/."""
    (tmp_path / "plugins").mkdir()
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    KINDS.unregister("short")
    CONTEXT_WRITERS.unregister("parrot")
    ARCHITECTURES.pop("dragonbert", None)
    for name in ("short_questions", "parrot", "dragons", "broken"):
        sys.modules.pop(name, None)
    Params.model_rebuild(force=True)


def edit(**values: object) -> None:
    path = Path("params.yaml")
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        params[key] = {**params[key], **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def test_a_plugin_adds_a_kind_of_recipe_with_its_knobs(folder: Path) -> None:
    (folder / "plugins/short_questions.py").write_text(KIND, encoding="utf-8")
    edit(
        plugins=["short_questions"],
        blend={"curt": {"kind": "short", "max_question_words": 3}},
        regimes=["curt"],
    )
    knobs = load_params().blend["curt"]
    rows = [example("a"), example("b", question="Who was it that wrote Frankenstein?")]
    made = KINDS.get(knobs.kind).make(Materials("curt", {"pool": lambda: rows}), knobs, 1)
    assert [e.id for e in made.examples] == ["a"]
    assert KINDS.get("short").asked(knobs, Sizes(n_pool=2, n_reserve=0)) == (None, 0)


def test_a_plugin_s_knobs_are_checked_like_any_other(folder: Path) -> None:
    (folder / "plugins/short_questions.py").write_text(KIND, encoding="utf-8")
    edit(plugins=["short_questions"], blend={"curt": {"kind": "short", "max_question_words": 0}})
    with pytest.raises(ParamsError, match=r"blend\.curt\.max_question_words: .*greater than 0"):
        load_params()


def test_a_plugin_adds_a_context_writer_with_its_settings(folder: Path) -> None:
    (folder / "plugins/parrot.py").write_text(WRITER, encoding="utf-8")
    own = {"writer": "parrot", "parrot": {"sentence": "Mary Shelley wrote it."}}
    edit(plugins=["parrot"], generate_contexts=own)
    write_table(folder / "seeds.parquet", [example("a"), example("b")], QAExample)
    function("generate_contexts")(
        seed_questions=folder / "seeds.parquet",
        contexts=folder / "contexts.parquet",
        metrics=folder / "m.json",
    )
    rows = read_table(folder / "contexts.parquet", GeneratedContext)
    assert [(row.id, row.text) for row in rows] == [
        ("a/c1", "Mary Shelley wrote it."),
        ("b/c1", "Mary Shelley wrote it."),
    ]


def test_a_plugin_adds_an_architecture_of_readers(folder: Path) -> None:
    (folder / "plugins/dragons.py").write_text(ARCHITECTURE, encoding="utf-8")
    assert not architecture_of("dragonbert").packs
    edit(plugins=["dragons"])
    load_params()
    assert architecture_of("dragonbert").packs


@pytest.mark.usefixtures("folder")
def test_a_plugin_that_is_not_there_is_named() -> None:
    edit(plugins=["nowhere"])
    with pytest.raises(ParamsError, match="plugins: no module 'nowhere' in plugins/"):
        load_params()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library", "plugins: broken needs no_such_library"),
        ("def (", "plugins: broken cannot be imported"),
        ("from augqa.blends import nothing", "plugins: broken cannot be imported"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named_with_the_reason(
    text: str, message: str, folder: Path
) -> None:
    (folder / "plugins/broken.py").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=message):
        load_plugins(["broken"])


@pytest.mark.parametrize("name", ["../evil", "a b", "", "os;x"])
@pytest.mark.usefixtures("folder")
def test_a_plugin_s_name_is_that_of_a_module(name: str) -> None:
    with pytest.raises(ParamsError, match="is not the name of a module"):
        load_plugins([name])


@pytest.mark.parametrize(
    ("plugins", "says"),
    [
        ([None], "plugins.0"),
        ([3, "augqa_absent"], "plugins: no module 'augqa_absent'"),
        (["no-module"], "plugins: 'no-module' is not the name of a module"),
    ],
)
def test_a_plugin_that_cannot_be_is_named_with_the_file(
    tmp_path: Path, plugins: list[Any], says: str
) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values | {"plugins": plugins}), encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_what_the_code_of_a_plugin_raises_is_named_with_its_line(folder: Path) -> None:
    (folder / "plugins/broken.py").write_text("\n1 / 0\n", encoding="utf-8")
    values = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(values | {"plugins": ["broken"]})
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params()
    assert "plugins: broken cannot be imported: ZeroDivisionError" in str(caught.value)
    assert "broken.py, line 2)" in str(caught.value)
