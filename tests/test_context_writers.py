"""Writers of contexts: the catalogue, styles, the choice among tries, and the stage."""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.context_writer import CONTEXT_WRITERS, Given, load_context_writer
from augqa.context_writer.choosing import ChoosingWriter, draw_style
from augqa.context_writer.decoding import Sampled
from augqa.context_writer.face import ContextAsk
from augqa.context_writer.judging import AskedReader, loops, repeated_fraction, verdict
from augqa.errors import CheckpointError, ParamsError
from augqa.metrics import Usage
from augqa.params import load_params
from augqa.reader.answering import ReaderAnswer
from augqa.records import GeneratedContext, QAExample
from augqa.tables import read_table, write_table
from tests.chat_server import Model
from tests.examples import example
from tests.executing import Stopped
from tests.scripts import function
from tests.test_train_context_writer import train as train_writer

pytest_plugins = ["tests.chat_server", "tests.generators"]

GENERATE_CONTEXTS = function("generate_contexts")
GOOD = "Mary Shelley wrote the novel Frankenstein in 1818."
BARE = "The novel Frankenstein came out in 1818."
LOOP = "Mary Shelley wrote it and then " * 9


class Scripted:
    """Writes what a test says: texts by seed, in the order of the tries; None fails."""

    def __init__(self, **texts: list[str | None]) -> None:
        self.texts = texts
        self.asked: list[str] = []
        self.usage = Usage(metrics={"list_cost_usd": 0.5})

    def write(self, asks: Iterable[ContextAsk]) -> Iterator[GeneratedContext]:
        for ask in asks:
            self.asked.append(ask.id)
            text = self.texts[ask.seed.id][ask.number - 1]
            yield GeneratedContext(
                id=ask.id,
                source_id=ask.seed.id,
                text=text or "",
                failure=None if text else "refusal",
                model="m",
                finish_reason="stop",
                prompt_tokens=10,
                completion_tokens=1,
                prompt_sha256="0",
                style=ask.style,
            )


class Finding:
    """A reader that finds the answer in the texts that hold a word, and notes what it is asked."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.asked: list[str] = []

    def answers(self, seeds: list[QAExample], texts: list[str]) -> list[bool]:
        assert len(seeds) == len(texts)
        self.asked += texts
        return [self.word in text for text in texts]


def chosen(
    writer: Scripted, choose: str, n: int = 3, reader: Finding | None = None
) -> tuple[list[GeneratedContext], Usage]:
    choosing = ChoosingWriter(
        writer=writer,
        contexts_per_seed=n,
        choose=choose,  # type: ignore[arg-type]
        styles={"news": 1.0},
        seed=1,
        reader=reader,  # type: ignore[arg-type]
    )
    found = list(choosing.contexts([example(id_) for id_ in writer.texts]))
    return found, choosing.usage


def test_the_best_try_is_the_first_good_one_and_no_more_are_made() -> None:
    writer = Scripted(a=[BARE, GOOD, GOOD], b=[GOOD, BARE, BARE])
    found, usage = chosen(writer, "best")
    assert [row.id for row in found] == ["a/c2", "b/c1"]
    assert writer.asked == ["a/c1", "b/c1", "a/c2"]
    assert [(row.n_tries, row.prompt_tokens) for row in found] == [(2, 20), (1, 10)]
    assert usage.metrics == {"n_tries": 3, "n_chosen_good": 2, "list_cost_usd": 1.0}


def test_without_a_good_try_the_best_one_is_kept() -> None:
    found, usage = chosen(Scripted(a=[BARE, LOOP, None], b=[None, None, None]), "best")
    assert [(row.id, row.failure) for row in found] == [("a/c2", None), ("b/c1", "refusal")]
    assert usage.metrics["n_chosen_good"] == 0


def test_a_reader_that_does_not_find_the_answer_has_another_try_made() -> None:
    other = "It was Mary Shelley. Frankenstein is a novel."
    writer = Scripted(a=[other, GOOD, GOOD], b=[BARE, other, other], c=[BARE, BARE, None])
    found, usage = chosen(writer, "best", reader=(reader := Finding("wrote")))
    # Of two that the reader does not answer, the first of the best: with the answer.
    assert [row.id for row in found] == ["a/c2", "b/c2", "c/c1"]
    assert [row.n_tries for row in found] == [2, 3, 3]
    assert usage.metrics["n_chosen_good"] == 1
    # Asked about those alone that hold the answer.
    assert sorted(reader.asked) == sorted([other, GOOD, other, other])


class Reading:
    """Answers as `Reader` does, from a table."""

    def __init__(self, **answers: str) -> None:
        self.found = answers

    def answer_texts(self, _: list[str], texts: list[str], **__: Any) -> list[ReaderAnswer]:
        return [ReaderAnswer(text=self.found[text], start=0, score=1.0) for text in texts]


def test_a_reader_finds_the_answer_if_half_of_its_words_are_right() -> None:
    # Of "Mary Shelley": F1 100, 67 and 50; of "M" none.
    given = {"a": "Mary Shelley", "b": "Shelley", "c": "poet Shelley", "d": "M"}
    asked = AskedReader(reader=Reading(**given))  # type: ignore[arg-type]
    assert asked.answers([example("q")] * 4, list(given)) == [True, True, True, False]


def test_a_reader_that_is_not_there_is_named(tmp_path: Path) -> None:
    params = load_params().generate_contexts
    own = params.model_copy(update={"choose": "best", "reader": f"{tmp_path}/reader"})
    given = Given(
        params=own, endpoint=load_params().llm, trained=None, prompts=None, documents=None
    )
    with pytest.raises(CheckpointError, match=r"generate_contexts\.reader '.*/reader': no such"):
        load_context_writer("llm", None, given)


def test_all_tries_are_kept_in_the_order_of_the_seeds() -> None:
    found, usage = chosen(Scripted(a=[BARE, GOOD], b=[None, GOOD]), "all", 2)
    assert [row.id for row in found] == ["a/c1", "a/c2", "b/c1", "b/c2"]
    assert usage.metrics == {"list_cost_usd": 0.5}


def test_a_style_is_drawn_by_its_weight_and_by_the_seed_question_alone() -> None:
    styles = {"news": 3.0, "forum": 1.0, "review": 0.0}
    drawn = [draw_style(f"q{n}", styles, seed=1) for n in range(2000)]
    shares = Counter(drawn)
    assert set(shares) == {"news", "forum"}
    assert 0.70 < shares["news"] / 2000 < 0.80
    assert draw_style("q7", dict(reversed(styles.items())), seed=1) == drawn[7]
    assert drawn != [draw_style(f"q{n}", styles, seed=2) for n in range(2000)]


def test_a_context_is_judged_by_answer_loop_and_question() -> None:
    seed = {"question": "Who wrote the novel Frankenstein?", "answer": "Mary Shelley"}
    assert verdict(GOOD, **seed).good
    assert not verdict(BARE, **seed).answer_kept
    assert not verdict(LOOP, **seed).sound
    # A part of a word is not the answer.
    assert not verdict("Mary Shelleyan wrote.", **seed).answer_kept
    assert verdict(GOOD, **seed) > verdict(LOOP, **seed) > verdict(BARE, **seed)


def test_a_text_that_says_the_same_again_goes_in_a_loop() -> None:
    assert repeated_fraction("a b c d") == 0.0
    assert repeated_fraction("a b c d a b c d") == pytest.approx(1 / 5)
    assert loops(LOOP)
    assert not loops(GOOD)
    assert not loops("")


def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"styles": {"encyclopaedic": 1.0}}, "style 'encyclopaedic' is not one of encyclopedic"),
        ({"styles": {"news": 0.0}}, "no style has a weight above 0"),
        ({"styles": {"news": -1.0}}, r"styles\.news: .*greater than or equal to 0"),
        ({"writer": "lllm"}, "no context writer 'lllm': choose one of llm, trained, documents"),
        ({"writer": "trained"}, r"set context_writers to \[causal\]"),
        ({"condition": "answer"}, r"generate_contexts\.condition: "),
        ({"reader": "org/reader"}, "reader is asked where choose is best alone"),
        (
            {"reader": "data/models/real-1", "choose": "best"},
            "copy it, say to data/external/reader",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    given = values()
    given["generate_contexts"] |= changes
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    with pytest.raises(ParamsError, match=message):
        load_params(path)


def test_there_are_three_writers() -> None:
    assert CONTEXT_WRITERS.names() == ("llm", "trained", "documents")


# --- The stage ---------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model) -> Path:
    """Return a folder with params.yaml and two seeds, entered; its language model is `model`."""
    given = values()
    given["llm"] |= {"provider": "openai", "base_url": model.url, "model": "tiny"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    write_table(tmp_path / "seed_questions.parquet", [example("a"), example("b")], QAExample)
    shutil.copytree("prompts", tmp_path / "prompts")
    (tmp_path / "documents").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return tmp_path


def generate(project: Path, **changes: Any) -> tuple[list[GeneratedContext], dict[str, Any]]:
    given = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    given["generate_contexts"] |= changes
    (project / "params.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    GENERATE_CONTEXTS(
        seed_questions=project / "seed_questions.parquet",
        contexts=project / "contexts.parquet",
        metrics=project / "m.json",
        prompts=project / "prompts",
        documents=Path("documents"),
    )
    metrics = json.loads((project / "m.json").read_text(encoding="utf-8"))
    return read_table(project / "contexts.parquet", GeneratedContext), metrics


def test_the_answer_is_shown_where_the_condition_says_so(project: Path, model: Model) -> None:
    model.answer = lambda _: GOOD
    generate(project)
    generate(project, condition="question_and_answer")
    generate(project, condition="question_answer_and_context")
    shown = [body["messages"][-1]["content"] for body in model.asked[::2]]
    assert [("Answer: Mary Shelley" in text, "Text: Mary" in text) for text in shown] == [
        (False, False),
        (True, False),
        (True, True),
    ]


def test_a_prompt_of_the_user_s_own_is_sent_and_hashed(project: Path, model: Model) -> None:
    model.answer = lambda _: GOOD
    ours, _ = generate(project)
    (project / "prompts" / "tickets.md").write_text("[[user]]\nTicket: {{question}}\n")
    own, _ = generate(project, prompt="prompts/tickets.md")
    assert model.asked[-1]["messages"] == [
        {"role": "user", "content": "Ticket: Who wrote Frankenstein?"}
    ]
    assert own[0].prompt_sha256 != ours[0].prompt_sha256


def test_a_file_of_the_user_s_own_is_a_style_too(project: Path, model: Model) -> None:
    model.answer = lambda _: GOOD
    (project / "prompts" / "tickets.md").write_text("[[user]]\nTicket: {{question}}\n")
    rows, _ = generate(project, styles={"prompts/tickets.md": 1.0})
    assert {row.style for row in rows} == {"prompts/tickets.md"}


def test_tries_go_on_until_the_answer_is_kept(project: Path, model: Model) -> None:
    model.answer = lambda _: GOOD if len(model.asked) > 2 else BARE
    given = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    given["llm"]["max_in_flight"] = 1
    (project / "params.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    rows, metrics = generate(project, choose="best", contexts_per_seed=3)
    assert [row.id for row in rows] == ["a/c2", "b/c2"]
    assert (metrics["n_requests"], metrics["n_tries"], metrics["prompt_tokens"]) == (4, 4, 28)


def test_contexts_that_a_trained_writer_wrote_are_not_written_again_after_a_stop(
    project: Path, causal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_writer(causal, epochs=1)[0].save(project / "writer")
    n_written, n_until_stop = 0, 1
    write = Sampled._write

    def counted(self: Sampled, prompts: Any) -> Any:
        nonlocal n_written
        if n_written == n_until_stop:
            raise Stopped
        n_written += 1
        return write(self, prompts)

    monkeypatch.setattr(Sampled, "_write", counted)
    own = load_params(project / "params.yaml").generate_contexts.trained.model_dump()
    own |= {"checkpoint": str(project / "writer"), "batch_size": 1, "threads": 1}
    how = {"writer": "trained", "styles": {"news": 1.0}, "trained": own}
    with pytest.raises(Stopped):
        generate(project, **how)
    n_until_stop = 2
    rows, _ = generate(project, **how)
    assert n_written == 2
    assert [row.id for row in rows] == ["a/c1", "b/c1"]
    assert list((project / ".cache" / "executor").glob("*.kept")) == []


def test_documents_need_no_model(project: Path, model: Model) -> None:
    (project / "documents" / "a.txt").write_text("The pump stands still since Monday. " * 9)
    rows, metrics = generate(project, writer="documents")
    assert {row.origin for row in rows} == {"real"}
    assert (metrics["n_documents"], metrics["n_contexts"]) == (1, 1)
    assert model.asked == []
