"""Training question generators, on tiny random checkpoints, and using what was trained."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from augqa.candidates import Candidate
from augqa.errors import QuestionGeneratorError, TrainingError
from augqa.pairs import Draft, Passage, placed
from augqa.question_generator import Lora, load_trained, train_question_generator
from augqa.question_generator import training as training_module
from augqa.question_generator.decoding import Source
from augqa.question_generator.encoding import causal_ids
from augqa.question_generator.lessons import (
    IGNORED,
    CausalLessons,
    Seq2SeqLessons,
    attention_mask,
    make_row,
)
from augqa.records import GeneratedContext, QAExample
from augqa.tables import read_table, write_table
from tests.examples import example
from tests.scripts import function
from tests.test_question_generator import save_tokenizer
from tests.test_train import FakeTracking
from tests.tiny import tiny_t5

ROOT = Path(__file__).parents[1]
WORDS = ("Passage", "Sentence", "Answer", "Question", "Frankenstein", "Who", "When")
LIMITS = {"max_source_tokens": 64, "max_question_tokens": 12}


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tokenizer = save_tokenizer(folder, special=(), words=WORDS)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def seq2seq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-t5"
    tokenizer = save_tokenizer(folder, special=(), words=WORDS)  # it does not know <hl> yet
    tiny_t5(tokenizer, num_layers=2).save_pretrained(folder)
    return folder


def lessons() -> list[QAExample]:
    ada = "Ada wrote in 1818. Shelley wrote what Mary wrote."
    return [
        example("a", question="Who wrote Frankenstein?"),
        example("b", question="When Mary wrote?", answer="1818"),
        example("c", context=ada, question="Who wrote in 1818?", answer="Ada"),
        example("d", context=ada, question="When Ada wrote?", answer="1818"),
        example("e", context=ada, question="what wrote Mary?", answer="Shelley"),
    ]


def train(checkpoint: Path, examples: list[QAExample] | None = None, /, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "kind": "seq2seq" if "t5" in checkpoint.name else "causal",
        "checkpoint": str(checkpoint),
        "seed": 1,
        "n_examples": None,
        "layers": "all",
        "lora": None,
        "epochs": 2,
        "batch_size": 2,
        "pass_tokens": 96,
        "share_contexts": True,
        **LIMITS,
        "learning_rate": 1e-2,
        "warmup_fraction": 0.1,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "threads": 1,
    }
    return train_question_generator(lessons() if examples is None else examples, **values | changes)


def digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


def changed(base: Path, trained: Path) -> set[str]:
    before = load_file(base / "model.safetensors")
    after = load_file(trained / "model.safetensors")
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


# --- What is learned ---------------------------------------------------------------------------


def test_only_the_questions_and_their_ends_are_learned() -> None:
    # A context of two tokens; question 1 asks with 20 21 and is 30, question 2 with 22 and 31 32.
    row = make_row([10, 11], [([20, 21], [30, 2]), ([22], [31, 32, 2])])
    assert row.tokens == [10, 11, 20, 21, 30, 22, 31, 32]
    assert row.segments == [0, 0, 1, 1, 1, 2, 2, 2]
    assert row.positions == [0, 1, 2, 3, 4, 2, 3, 4]
    assert row.labels == [IGNORED, IGNORED, IGNORED, 30, 2, 31, 32, 2]


def test_a_question_sees_its_context_and_itself_alone() -> None:
    seen = attention_mask(torch.tensor([[0, 1, 1, 2, -1]]))[0, 0] == 0
    assert seen.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [1, 0, 0, 0, 1],  # padding must see something, or its attention is no number
    ]


def causal_lessons(folder: Path, **changes: Any) -> CausalLessons:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    limits: dict[str, Any] = {**LIMITS, "pass_tokens": 96, "share_contexts": True, **changes}
    return CausalLessons(tokenizer, lessons(), **limits)


def test_questions_on_one_context_have_the_loss_they_have_alone(causal: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(causal).eval()
    shared, alone = causal_lessons(causal), causal_lessons(causal, share_contexts=False)
    assert [unit.ids for unit in shared.units] == [("a", "b"), ("c", "d", "e")]
    assert [unit.ids for unit in alone.units] == [("a",), ("b",), ("c",), ("d",), ("e",)]
    with torch.no_grad():
        losses = [float(part.loss(model, np.arange(len(part.units)))) for part in (shared, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_causal_loss_is_that_of_transformers(causal: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(causal).eval()
    tokenizer = AutoTokenizer.from_pretrained(causal)
    part = causal_lessons(causal, share_contexts=False)
    first = lessons()[0]
    head, cue = causal_ids(tokenizer, first.context, (0, 12), max_source_tokens=64)
    aim = [*tokenizer(first.question, add_special_tokens=False)["input_ids"], 1]
    ids = torch.tensor([[*head, *cue, *aim]])
    labels = torch.tensor([[-100] * (len(head) + len(cue)) + aim])
    with torch.no_grad():
        expected = float(model(input_ids=ids, labels=labels).loss) * len(aim)
        found = float(part.loss(model, np.array([0])))
    assert found == pytest.approx(expected, rel=1e-5)
    assert part.units[0].n_targets == len(aim)


def test_the_sequence_to_sequence_loss_is_that_of_transformers(tmp_path: Path) -> None:
    tokenizer = save_tokenizer(tmp_path, words=WORDS)
    model = tiny_t5(tokenizer).eval()
    part = Seq2SeqLessons(tokenizer, lessons()[:2], **LIMITS)
    marked = "generate question: <hl> Mary Shelley <hl> wrote Frankenstein in 1818."
    source = torch.tensor([tokenizer(marked)["input_ids"]])
    labels = torch.tensor([tokenizer(lessons()[0].question)["input_ids"]])
    with torch.no_grad():
        expected = float(model(input_ids=source, labels=labels).loss) * labels.shape[1]
        found = float(part.loss(model, np.array([0])))
        both = float(part.loss(model, np.array([0, 1])))
        second = float(part.loss(model, np.array([1])))
    assert found == pytest.approx(expected, rel=1e-5)
    assert both == pytest.approx(found + second, rel=1e-5)  # padding changes nothing


def test_examples_that_do_not_fit_are_left_out_with_a_reason(causal: Path) -> None:
    long = example("z", question="Who " * 20)
    _, report = train(causal, [*lessons(), long], epochs=1)
    assert [(row.id, row.reason) for row in report.left_out] == [("z", "question_too_long")]
    assert report.n_examples == 5


def test_a_smaller_choice_lies_in_a_larger_one() -> None:
    few, many = (training_module._chosen(lessons(), n, seed=3) for n in (2, 4))
    assert many[:2] == few
    assert training_module._chosen(lessons()[::-1], 4, seed=3) == many


# --- Training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_training_gives_the_same_bytes_again_and_learns(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    checkpoint = request.getfixturevalue(kind)
    for name in ("one", "two"):
        made, report = train(checkpoint, epochs=8)
        made.save(tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert report.loss_per_part[-1] < 0.8 * report.loss_per_part[0]
    for file in (tmp_path / "one").glob("*.json"):
        assert str(checkpoint.parent) not in file.read_text(encoding="utf-8"), file.name


def test_a_drawn_output_row_is_the_same_again(seq2seq: Path, tmp_path: Path) -> None:
    untied = tmp_path / "tiny-t5"
    shutil.copytree(seq2seq, untied)
    config = T5Config.from_pretrained(seq2seq, tie_word_embeddings=False)
    torch.manual_seed(1)
    T5ForConditionalGeneration(config).save_pretrained(untied)
    for name in ("one", "two"):
        made, _ = train(untied, epochs=1)
        made.save(tmp_path / name)
        torch.rand(1)  # what was drawn elsewhere must not matter
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_the_top_layers_train_alone(causal: Path, tmp_path: Path) -> None:
    made, report = train(causal, layers=1)
    made.save(tmp_path / "made")
    names = changed(causal, tmp_path / "made")
    assert {name for name in names if ".layers." in name} == {
        name for name in names if ".layers.2." in name
    }
    assert not any("embed" in name for name in names)
    assert report.n_trained_weights < report.n_weights / 2


def test_adapters_change_their_targets_alone(causal: Path, tmp_path: Path) -> None:
    made, report = train(causal, layers=2, lora=Lora(rank=2, alpha=4, targets=("q_proj",)))
    made.save(tmp_path / "made")
    assert changed(causal, tmp_path / "made") == {
        f"model.layers.{layer}.self_attn.q_proj.weight" for layer in (1, 2)
    }
    assert report.n_trained_weights == 2 * 2 * (16 + 16)  # layers, rank, in and out


def test_adapters_give_the_same_bytes_again(seq2seq: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        made, _ = train(seq2seq, lora=Lora(rank=2, alpha=4))
        made.save(tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


class Killed(Exception):
    pass


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = request.getfixturevalue(kind)
    whole, expected = train(checkpoint)
    whole.save(tmp_path / "whole")
    monkeypatch.setattr(training_module, "_SAVE_EVERY_S", -1.0)
    save_state = training_module.save_state

    def kill_at_three(*arguments: Any, **values: Any) -> None:
        save_state(*arguments, **values)
        if values["step"] == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "save_state", kill_at_three)
        with pytest.raises(Killed):
            train(checkpoint, resume=tmp_path / "run")
    parts: list[int] = []
    resumed, report = train(
        checkpoint, resume=tmp_path / "run", on_part=lambda part, _: parts.append(part)
    )
    resumed.save(tmp_path / "resumed")
    assert report.loss_per_part == expected.loss_per_part
    assert parts == list(range(1, len(report.loss_per_part) + 1))
    assert digests(tmp_path / "whole") == digests(tmp_path / "resumed")


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from augqa.question_generator import training
from tests.test_train_question_generator import train
training._SAVE_EVERY_S = -1.0
save = training.save_state
def save_and_die(*arguments, **values):
    save(*arguments, **values)
    if values["step"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
training.save_state = save_and_die
train(Path(sys.argv[1]), resume=Path(sys.argv[2]))
"""


def test_a_training_that_was_killed_goes_on_to_the_same_bytes(causal: Path, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(causal), str(tmp_path / "run")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    for name, folder in (("whole", None), ("resumed", tmp_path / "run")):
        made, _ = train(causal, resume=folder)
        made.save(tmp_path / name)
    assert digests(tmp_path / "whole") == digests(tmp_path / "resumed")


# --- What does not fit -------------------------------------------------------------------------


def test_a_state_of_another_training_is_refused(
    causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_module, "_SAVE_EVERY_S", -1.0)
    train(causal, resume=tmp_path)
    with pytest.raises(TrainingError, match="not a checkpoint of this training"):
        train(causal, layers=1, resume=tmp_path)


def test_an_infinite_loss_names_step_and_examples(causal: Path) -> None:
    with pytest.raises(
        QuestionGeneratorError, match=r"the loss is \S+ at step \d+ of \d+, in a batch of [a-e], "
    ):
        train(causal, learning_rate=1e30, max_grad_norm=1e30, epochs=20)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": "no/where/at/all"}, r"causal\.checkpoint 'no/where/at/all': no such"),
        ({"kind": "seq2seq"}, "a llama is no sequence-to-sequence model"),
        ({"layers": 4}, "has 3 layers, so its top 4"),
        ({"lora": Lora(rank=2, alpha=4, targets=("query",))}, "is called query. Choose LoRA"),
        ({"max_source_tokens": 128}, "more than the 128 positions"),
        ({"max_question_tokens": 2}, "all 5 are left out, the first one, .*question_too_long"),
        ({"n_examples": 0}, "the training set is empty"),
    ],
)
def test_a_training_that_cannot_be_is_refused(
    causal: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(QuestionGeneratorError, match=message):
        train(causal, **changes)


def test_a_slow_tokenizer_is_refused(causal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(QuestionGeneratorError, match="is a slow one"):
        train(causal)


def test_an_encoder_is_no_causal_model(causal: Path, tmp_path: Path) -> None:
    shutil.copytree(causal, tmp_path / "bert")
    config = BertConfig(
        vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(QuestionGeneratorError, match="a bert is no causal language model"):
        train(tmp_path / "bert")


def test_a_model_that_mixes_questions_up_is_refused(
    causal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = train(causal, epochs=8)  # random weights hardly attend to anything
    made.save(tmp_path)

    def all_before(segments: torch.Tensor) -> torch.Tensor:
        return attention_mask(torch.zeros_like(segments))

    monkeypatch.setattr("augqa.question_generator.lessons.attention_mask", all_before)
    with pytest.raises(QuestionGeneratorError, match="share_contexts to false"):
        train(tmp_path)


def test_a_sequence_to_sequence_checkpoint_is_no_causal_one(seq2seq: Path) -> None:
    with pytest.raises(QuestionGeneratorError, match="a t5 is no causal language model"):
        train(seq2seq, kind="causal")


# --- Use ---------------------------------------------------------------------------------------


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
    write_table(tmp_path / "seeds.parquet", lessons(), QAExample)
    generate(
        seeds=tmp_path / "seeds.parquet",
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
    from augqa.question_generator.checkpoints import find_checkpoint  # noqa: PLC0415

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
