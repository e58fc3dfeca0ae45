"""Works that travel: by way of a worker the results are the same bytes as in this process."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augqa.candidates import Candidate
from augqa.context_writer.decoding import Sampling
from augqa.context_writer.face import ContextAsk
from augqa.context_writer.trained import load_trained as load_writer
from augqa.embedding import Embedding, TextEncoder
from augqa.executor.kept import KeptResults
from augqa.executor.remote import Remote
from augqa.question_generator.decoding import Writing
from augqa.question_generator.trained import load_trained
from augqa.reader import Reader
from augqa.reader.working import Answering
from tests.executing import FakeDriver
from tests.generators import lessons as generator_lessons
from tests.generators import train
from tests.readers import lessons, load, tiny_model
from tests.test_train_context_writer import train as train_writer

pytest_plugins = ["tests.generators"]


@pytest.fixture
def remote(tmp_path: Path) -> Any:
    with KeptResults(tmp_path / "kept") as kept:
        executor = Remote(FakeDriver, settings={}, kept=kept, patience_s=0)
        yield executor
        executor.close()


@pytest.fixture(params=["bert", "roberta"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    tiny_model(request.param, tmp_path / "reader")
    return load(tmp_path / "reader")


@pytest.mark.parametrize("engine", ["float32", "int8"])
def test_answers_are_the_same(reader: Reader, remote: Remote, engine: Any) -> None:
    reader = Reader(
        model=reader.model,
        tokenizer=reader.tokenizer,
        max_seq_length=32,
        doc_stride=4,
        threads=1,
        engine=engine,
    )
    asked = lessons() * 5
    here = reader.answer_all(asked, batch_size=2)
    assert reader.answer_all(asked, batch_size=2, executor=remote) == here
    assert len({answer.score for answer in here}) > 1


def test_answers_of_a_model_whose_products_are_torch_s_are_the_same(
    reader: Reader,
) -> None:
    reader.bert = None
    travelled = pickle.loads(pickle.dumps(reader))
    travelled.bert = None
    asked = lessons()
    here = reader.answer_all(asked, batch_size=2)
    assert travelled.answer_all(asked, batch_size=2) == here


def test_another_weight_is_another_key(reader: Reader) -> None:
    before = Answering(reader).key()
    assert Answering(pickle.loads(pickle.dumps(reader))).key() == before
    with torch.no_grad():
        next(reader.model.parameters())[0, 0] += 1e-6
    assert Answering(reader).key() != before


def test_another_setting_is_another_key(reader: Reader) -> None:
    before = Answering(reader).key()
    reader.n_best += 1
    assert Answering(reader).key() != before


def test_embeddings_are_the_same(remote: Remote) -> None:
    encoder = TextEncoder.load("all-MiniLM-L6-v2", threads=1)
    texts = [f"Mary Shelley wrote {n} novels." for n in range(7)]
    here = encoder.encode(texts, batch_size=2)
    found = encoder.encode(texts, batch_size=2, executor=remote)
    assert found.dtype == here.dtype
    assert np.array_equal(found, here)
    assert Embedding(encoder).key() == Embedding(pickle.loads(pickle.dumps(encoder))).key()


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_questions_are_the_same(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, remote: Remote
) -> None:
    made, _ = train(request.getfixturevalue(kind), generator_lessons()[:2], epochs=1)
    made.save(tmp_path / "generator")
    context = generator_lessons()[0].context
    asked = [
        (context, Candidate(text="Mary Shelley", start=0, kind="name")),
        (context, Candidate(text="1818", start=35, kind="date")),
        (context[:40], Candidate(text="1818", start=35, kind="date")),
    ]
    own: dict[str, Any] = {
        "n_pairs": 2,
        "num_beams": 2,
        "max_new_tokens": 12,
        "batch_size": 1,
        "threads": 1,
    }
    here = load_trained(tmp_path / "generator", **own).ask(asked)
    there = load_trained(tmp_path / "generator", **own, executor=remote).ask(asked)
    assert there == here


def test_contexts_are_the_same(
    request: pytest.FixtureRequest, tmp_path: Path, remote: Remote
) -> None:
    made, _ = train_writer(request.getfixturevalue("causal"), epochs=2)
    made.save(tmp_path / "writer")
    asks = [ContextAsk(seed=seed, number=1, style="news") for seed in generator_lessons()]
    how = Sampling(temperature=0.7, top_p=0.9, no_repeat_ngram_tokens=None, max_new_tokens=12)
    own: dict[str, Any] = {"how": how, "seed": 1, "max_words": 50, "batch_size": 1, "threads": 1}
    here = list(load_writer(tmp_path / "writer", **own).write(asks))
    there = list(load_writer(tmp_path / "writer", **own, executor=remote).write(asks))
    assert there == here
    assert len({row.text for row in here}) > 1
    assert isinstance(remote._driver, FakeDriver)
    assert remote._driver.worked_on


def test_the_key_of_a_writing_is_of_its_model_and_its_settings(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made, _ = train(request.getfixturevalue("causal"), generator_lessons()[:2], epochs=1)
    made.save(tmp_path / "generator")

    def key(num_beams: int) -> str:
        own: dict[str, Any] = {"n_pairs": 1, "max_new_tokens": 12, "batch_size": 1, "threads": 1}
        one: Any = load_trained(tmp_path / "generator", num_beams=num_beams, **own)
        return Writing(one._model, one._tokenizer, one._generation, 1, True).key()

    assert key(1) == key(1)
    assert key(1) != key(2)
