"""Using a question generator that was trained here, and the stage that trains it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)

from augqa.candidates import Candidate
from augqa.errors import QuestionGeneratorError
from augqa.executor import batching
from augqa.question_generator.decoding import Source
from augqa.question_generator.placing import placed
from augqa.question_generator.proposals import Draft, Passage
from augqa.question_generator.trained import load_trained
from augqa.records import GeneratedContext, QAExample
from augqa.tables import read_table, write_table
from tests.generators import LIMITS, ROOT, digests, lessons, train
from tests.scripts import function
from tests.test_train import FakeTracking

pytest_plugins = ["tests.generators"]


def use(folder: Path, **changes: Any) -> Any:
    values = {"n_pairs": 2, "num_beams": 1, "max_new_tokens": 12, "batch_size": 3, "threads": 1}
    return load_trained(folder, **{**values, **changes})


@pytest.fixture(scope="module", params=["causal", "seq2seq"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / request.param
    made, _ = train(request.getfixturevalue(request.param), lessons()[:2], epochs=80)
    made.save(folder)
    return folder


def test_a_trained_generator_asks_what_it_has_learned(trained: Path) -> None:
    context = lessons()[0].context
    asked = [
        (context, Candidate(text="Mary Shelley", start=0, kind="name")),
        (context, Candidate(text="1818", start=35, kind="date")),
    ]
    drafts = use(trained).ask(asked)
    learned = ["Who wrote Frankenstein ?", "When Mary wrote ?"]
    if trained.name == "causal":
        assert [draft.question for draft in drafts] == learned
    # So small a T5 learns the questions, but not which answer each one is for.
    assert {draft.question for draft in drafts} <= set(learned)
    assert [(draft.answer, draft.start) for draft in drafts] == [("Mary Shelley", 0), ("1818", 35)]


@pytest.mark.parametrize("num_beams", [1, 2])
def test_equal_passages_give_equal_proposals_in_any_order(trained: Path, num_beams: int) -> None:
    passages = [
        Passage(id=f"s{n}/c0", text=text, origin="generated")
        for n, text in enumerate(["Mary Shelley wrote in 1818.", "Ada wrote. It was 1843 then."])
    ]
    made = use(trained, num_beams=num_beams)
    one = list(made.propose(passages))
    assert list(made.propose(passages[::-1])) == one[::-1]
    assert {proposal.model for proposal in one} == {trained.name}
    assert len({proposal.prompt_sha256 for proposal in one}) == 1


def test_passages_are_read_a_block_at_a_time_and_asked_about_as_ever(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = [
        Passage(id=f"s{n}/c0", text=f"Mary Shelley wrote in 181{n}.", origin="generated")
        for n in range(5)
    ]
    made = use(trained)
    at_once = list(made.propose(passages))
    monkeypatch.setattr(batching, "BLOCK", 2)
    left = iter(passages)
    first = next(proposals := made.propose(left))
    assert len(list(left)) == 3
    assert [first, *proposals] == at_once[:2]
    assert list(made.propose(passages)) == at_once


def test_a_context_without_an_answer_is_refused(trained: Path) -> None:
    (proposal,) = use(trained).propose([Passage(id="s/c", text="...", origin="generated")])
    assert [refusal.reason for refusal in proposal.refusals] == ["no_answer_candidate"]


def test_a_word_longer_than_the_input_is_refused_not_cut(trained: Path) -> None:
    made = use(trained)
    made._max_source_tokens = 12
    (found,) = made.ask([("1818 " * 40, Candidate(text="1818", start=0, kind="date"))])[:1]
    assert not isinstance(found, Draft) or len(found.question) < 200


ODD = st.text(
    st.sampled_from([*"aB1 .?\n\r\t", "\u0301", "\u200b", "\u200d", "👩", "🚀", "ש", "é", "中"]),
    max_size=60,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=ODD, after=ODD)
def test_offsets_are_exact_in_any_text(
    causal_generator: Any, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    def answered(sources: list[Source], **_: Any) -> None:
        for source in sources:
            source.output, source.ended = "who?", True

    monkeypatch.setattr("augqa.question_generator.causal.decode", answered)
    text = f"{before} Mary Shelley wrote it in 1818. {after}"
    passage = Passage(id="s/c", text=text, origin="generated")
    (proposal,) = causal_generator.propose([passage])
    pairs, _ = placed(proposal, method="trained", n_pairs=9)
    assert pairs
    for pair in pairs:  # a QAExample with a wrong offset cannot exist
        assert pair.prompt_sha256 == proposal.prompt_sha256


@pytest.fixture(scope="module")
def causal_generator(causal: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("offsets")
    made, _ = train(causal, epochs=1)
    made.save(folder)
    return use(folder, n_pairs=9)


def test_a_folder_of_other_origin_is_refused(causal: Path) -> None:
    with pytest.raises(QuestionGeneratorError, match="was not made by train_question_generator"):
        use(causal)


def test_another_prompt_form_is_refused(trained: Path, tmp_path: Path) -> None:
    values = json.loads((trained / "question_generator.json").read_text())
    text = json.dumps({**values, "prompt_sha256": "0" * 64})
    (tmp_path / "question_generator.json").write_text(text)
    with pytest.raises(QuestionGeneratorError, match="another prompt form"):
        use(tmp_path)
    (tmp_path / "question_generator.json").write_text("{}")
    with pytest.raises(QuestionGeneratorError, match="damaged"):
        use(tmp_path)


# --- The stages --------------------------------------------------------------------------------


def test_the_stage_trains_what_generate_pairs_then_uses(
    causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_stage, generate = function("train_question_generator"), function("generate_pairs")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["question_generators"] = ["causal"]
    params["train_question_generator"] |= {**LIMITS, "epochs": 30, "batch_size": 2, "threads": 1}
    params["train_question_generator"]["causal"] |= {
        "checkpoint": str(causal),
        "layers": "all",
        "learning_rate": 1e-2,
    }
    params["generate_pairs"] |= {"method": "trained", "pairs_per_context": 2}
    params["generate_pairs"]["trained"] |= {"max_new_tokens": 12, "threads": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_table(tmp_path / "pool.parquet", lessons(), QAExample)
    tracking = FakeTracking()
    train_stage.__globals__["tracking"] = tracking

    def run(name: str) -> Path:
        folder = tmp_path / name / "causal"
        train_stage(
            kind="causal",
            pool=tmp_path / "pool.parquet",
            model=folder,
            metrics=tmp_path / "m.json",
        )
        return folder

    assert digests(run("one")) == digests(run("two"))
    assert [epoch for epoch, _ in tracking.epochs] == [*range(1, 11)] * 2
    assert json.loads((tmp_path / "m.json").read_text())["n_examples"] == 5

    contexts = [
        GeneratedContext(
            id=f"{e.id}/c0",
            source_id=e.id,
            text=e.context,
            failure=None,
            model="m",
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=1,
            prompt_sha256="0" * 64,
            style="news",
        )
        for e in lessons()[::3]
    ]
    write_table(tmp_path / "contexts.parquet", contexts, GeneratedContext)
    write_table(tmp_path / "seed_questions.parquet", lessons(), QAExample)
    generate(
        seed_questions=tmp_path / "seed_questions.parquet",
        contexts=tmp_path / "contexts.parquet",
        pairs=tmp_path / "pairs.parquet",
        rejected=tmp_path / "rejected.parquet",
        metrics=tmp_path / "g.json",
        question_generators=tmp_path / "one",
    )
    pairs = read_table(tmp_path / "pairs.parquet", QAExample)
    assert pairs
    assert {(pair.method, pair.model) for pair in pairs} == {("trained", "causal")}
    assert all(len(pair.prompt_sha256 or "") == 64 for pair in pairs)


def test_the_bases_weights_are_found_in_their_package() -> None:
    from augqa.checkpoint_source import find_checkpoint  # noqa: PLC0415

    source = find_checkpoint("SmolLM2-135M-Instruct", param="p")
    assert source.gguf_file is not None
    assert (Path(source.name) / source.gguf_file).is_file()


def test_a_trained_seq2seq_checkpoint_is_read_by_transformers(
    seq2seq: Path, tmp_path: Path
) -> None:
    made, _ = train(seq2seq, epochs=1)
    made.save(tmp_path)
    assert "<hl>" in AutoTokenizer.from_pretrained(tmp_path).get_vocab()
    AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
