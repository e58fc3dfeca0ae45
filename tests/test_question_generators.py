"""The catalogue of question generators: ours, and one that a user brings."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from augqa.errors import ParamsError
from augqa.params import Params, load_params
from augqa.question_generator import (
    QUESTION_GENERATORS,
    Entry,
    Given,
    load_question_generator,
    question_generator_title,
)
from augqa.question_generator.making import make_pairs
from augqa.question_generator.proposals import Passage
from augqa.records import QAExample, Rejection
from augqa.registry import resolve

OWN = '''
"""Asks the same question of every context."""

from pydantic import Field

from augqa.metrics import Usage
from augqa.question_generator import QUESTION_GENERATORS, Entry
from augqa.question_generator.proposals import Draft, Proposal
from augqa.schema import Section


class Settings(Section):
    question: str = Field(min_length=1)


class Same:
    usage = Usage(metrics={"n_asked": 1})

    def __init__(self, question):
        self.question = question

    def propose(self, passages):
        return iter(
            [
                Proposal(
                    passage=passage,
                    drafts=(Draft(question=self.question, answer=passage.text.split()[0]),),
                )
                for passage in passages
            ]
        )


def load(settings, given):
    return Same(settings.question)


QUESTION_GENERATORS.register(
    Entry(name="same", settings=Settings, load="own_generator:load", title="{question}")
)
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a question generator of a user's own into plugins/; forget it afterwards."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "own_generator.py").write_text(OWN, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "plugins"), *sys.path])
    yield
    QUESTION_GENERATORS.unregister("same")
    sys.modules.pop("own_generator", None)
    Params.model_rebuild(force=True)


def params(tmp_path: Path, **changes: object) -> Path:
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    values["generate_pairs"] |= changes
    values["plugins"] = ["own_generator"] if "same" in changes.values() else []
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", QUESTION_GENERATORS.names())
def test_what_loads_a_generator_can_be_found(name: str) -> None:
    assert callable(resolve(QUESTION_GENERATORS.get(name).load))


@pytest.mark.parametrize("name", QUESTION_GENERATORS.names())
def test_each_generator_says_who_makes_the_pairs(name: str) -> None:
    own = load_params().generate_pairs
    assert question_generator_title(name, own.own(name), llm="Lovelace-1")


def test_a_misspelt_generator_is_refused_with_all_names(tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError,
        match=r"no question generator 'clozes': choose one of llm, hybrid, cloze, t5, trained",
    ):
        load_params(params(tmp_path, method="clozes"))


@pytest.mark.usefixtures("own")
def test_a_user_s_own_generator_makes_pairs_like_ours(tmp_path: Path) -> None:
    found = load_params(params(tmp_path, method="same", same={"question": "Who?"}))
    own = found.generate_pairs.own("same")
    generator = load_question_generator(
        "same", own, Given(n_pairs=1, endpoint=found.llm, trained=None, prompts=None)
    )
    pairs: list[QAExample] = []
    rejected: list[Rejection] = []
    counts = make_pairs(
        generator,
        [Passage(id="s1/c1", text="Ada wrote.", origin="generated")],
        [Rejection(id="s2/c1", reason="refusal")],
        method="same",
        n_pairs=1,
        keep=pairs.append,
        reject=rejected.append,
    )
    assert [(pair.method, pair.question, pair.answers[0].text) for pair in pairs] == [
        ("same", "Who?", "Ada")
    ]
    assert [row.id for row in rejected] == ["s2/c1"]
    assert counts.metrics()["n_rejected"] == {"refusal": 1}
    assert question_generator_title("same", own, llm="m") == "Who?"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("section", "message"),
    [
        (None, r"generate_pairs\.same: "),
        ({"question": ""}, r"generate_pairs\.same\.question: "),
        ({"question": "Who?", "loud": True}, r"same\.loud: is not a known key"),
    ],
)
def test_a_user_s_own_section_is_held_to_its_schema(
    tmp_path: Path, section: object, message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        load_params(params(tmp_path, method="same", same=section))


def test_a_section_of_nobody_is_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"generate_pairs\.same: is not a known key"):
        load_params(params(tmp_path, same={"question": "Who?"}))


def test_two_generators_of_one_name_are_refused() -> None:
    with pytest.raises(ParamsError, match="twice"):
        QUESTION_GENERATORS.register(Entry(name="cloze", settings=None, load="a:b", title="t"))
