"""The sequence-to-sequence generator on a tiny T5 with random weights and a word tokenizer."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    T5ForConditionalGeneration,
)

from augqa.errors import CheckpointError, QuestionGeneratorError
from augqa.question_generator.proposals import Draft, Passage, Refusal
from augqa.question_generator.seq2seq import Seq2SeqGenerator, parse_end_to_end
from tests.tiny import tiny_t5

TEXT = "generate question and answer : , . | ? who when what wrote in Mary Shelley Ada 1818"
CONTEXT = "Mary Shelley wrote the novel in 1818. It rained in Bath."


def save_tokenizer(
    folder: Path, *, special: Sequence[str] = ("<hl>",), words: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    vocabulary = ["<pad>", "</s>", "<unk>", *special, *TEXT.split(), *words]
    inner = Tokenizer(WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    inner.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=list(special),
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-t5"
    tokenizer = save_tokenizer(folder)
    tiny_t5(tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def broken(checkpoint: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkpoint to break."""
    return Path(shutil.copytree(checkpoint, tmp_path / "broken"))


def generator(checkpoint: Path | str, **changes: Any) -> Seq2SeqGenerator:
    settings: dict[str, Any] = {
        "form": "answer_aware",
        "n_pairs": 2,
        "num_beams": 2,
        "max_source_tokens": 64,
        "max_new_tokens": 6,
        "batch_size": 3,
        "threads": 1,
    }
    return Seq2SeqGenerator(str(checkpoint), **{**settings, **changes})


def passage(text: str = CONTEXT, id_: str = "s1/c1") -> Passage:
    return Passage(id=id_, text=text, origin="generated")


class Spy:
    """Stands in for the model: notes its inputs, answers each with the same ids."""

    def __init__(self, made: Seq2SeqGenerator, words: str, *, ended: bool = True) -> None:
        self.tokenizer = made._tokenizer
        self.inputs: list[str] = []
        self.batches: list[int] = []
        ids = self.tokenizer(words, add_special_tokens=False)["input_ids"]
        self.ids = [0, *ids, *([1] if ended else [])]
        self.device = torch.device("cpu")
        made._model = self

    def to(self, device: str) -> "Spy":
        self.device = torch.device(device)
        return self

    def generate(self, *, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        self.inputs += self.tokenizer.batch_decode(input_ids)
        self.batches.append(len(input_ids))
        return torch.tensor([self.ids] * len(input_ids))


def test_random_weights_give_drafts_for_the_chosen_answers(checkpoint: Path) -> None:
    made = generator(checkpoint, max_new_tokens=12)
    spoken = [list(p.drafts) + list(p.refusals) for p in made.propose([passage()])]
    assert len(spoken[0]) == 2
    for part in spoken[0]:
        if isinstance(part, Draft):
            assert part.start is not None
            assert CONTEXT[part.start :].startswith(part.answer)
        else:
            assert part.reason == "output_cut_off"


def test_equal_inputs_give_equal_drafts_in_any_order(checkpoint: Path) -> None:
    passages = [passage(), passage("Ada wrote it in 1843. Bob read 12 pages.", "s2/c1")]
    one = list(generator(checkpoint).propose(passages))
    assert list(generator(checkpoint).propose(passages)) == one
    assert list(generator(checkpoint).propose(passages[::-1])) == one[::-1]
    assert [proposal.passage.id for proposal in one] == ["s1/c1", "s2/c1"]
    assert {proposal.model for proposal in one} == {"tiny-t5"}  # not where the folder lies


def test_the_answer_is_marked_in_its_context(checkpoint: Path) -> None:
    made = generator(checkpoint)
    spy = Spy(made, "who wrote in 1818 ?")
    (proposal,) = made.propose([passage("Mary Shelley wrote in 1818.")])
    assert spy.inputs[0] == "generate question : <hl> Mary Shelley <hl> wrote in 1818 . </s>"
    assert spy.inputs[1] == "generate question : Mary Shelley wrote in <hl> 1818 <hl> . </s>"
    assert proposal.drafts == (
        Draft(question="who wrote in 1818 ?", answer="Mary Shelley", start=0),
        Draft(question="who wrote in 1818 ?", answer="1818", start=22),
    )


def test_a_checkpoint_trained_without_prefix_gets_none(broken: Path) -> None:
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "add_prefix": False}))
    made = generator(broken, form="end_to_end")
    spy = Spy(made, "what ?")
    list(made.propose([passage("Mary wrote.")]))
    assert spy.inputs == ["Mary wrote . </s>"] or spy.inputs == ["Mary wrote. </s>"]


def test_batches_go_by_length_and_are_full(checkpoint: Path) -> None:
    made = generator(checkpoint, form="end_to_end")
    spy = Spy(made, "what ?")
    texts = ["Ada wrote in 1818.", "Ada wrote.", "Ada wrote in 1818 in 1818.", "Ada wrote in."]
    list(made.propose([passage(text, f"s{n}/c1") for n, text in enumerate(texts)]))
    assert spy.batches == [3, 1]
    assert "in 1818 in 1818" in spy.inputs[-1]


def test_a_long_context_is_read_in_windows_of_sentences(checkpoint: Path) -> None:
    made = generator(checkpoint, form="end_to_end", max_source_tokens=18)
    spy = Spy(made, "question : who ? , answer : Ada")
    text = "Ada wrote in 1818. Mary wrote in 1818. Shelley wrote in 1818."
    (proposal,) = made.propose([passage(text)])
    shown = sorted(line.split(" : ", 1)[1] for line in spy.inputs)
    assert shown == [
        "Ada wrote in 1818 . </s>",
        "Mary wrote in 1818 . </s>",
        "Shelley wrote in 1818 . </s>",
    ]
    assert proposal.refusals[0].reason == "not_a_pair"  # the word tokenizer parts "question:"


def test_the_window_of_an_answer_holds_it_whole(checkpoint: Path) -> None:
    made = generator(checkpoint, max_source_tokens=20, n_pairs=8)
    spy = Spy(made, "who ?")
    text = "Who wrote it? " * 5 + "Mary Shelley wrote it. " + "What rained? " * 5
    (proposal,) = made.propose([passage(text)])
    names = [draft for draft in proposal.drafts if draft.answer == "Mary Shelley"]
    assert len(names) == 1
    assert any("<hl> Mary Shelley <hl>" in line for line in spy.inputs)
    assert all(line.count("<hl>") == 2 for line in spy.inputs)


def test_a_word_longer_than_the_input_is_refused_not_cut(checkpoint: Path) -> None:
    made = generator(checkpoint, form="end_to_end", max_source_tokens=12)
    made._max_source_tokens = 6
    (proposal,) = Seq2SeqGenerator.propose(_roomy(made), [passage("who wrote in 1818")])
    assert [refusal.reason for refusal in proposal.refusals] == ["longer_than_input"]


def _roomy(made: Seq2SeqGenerator) -> Seq2SeqGenerator:
    """Let windows be cut too long, as where a single word is longer than the input."""
    made._room = lambda _: 99  # type: ignore[method-assign]
    return made


def test_an_output_without_an_end_is_refused(checkpoint: Path) -> None:
    made = generator(checkpoint)
    Spy(made, "who wrote", ended=False)
    (proposal,) = made.propose([passage("Mary Shelley wrote.")])
    assert proposal.drafts == ()
    assert proposal.refusals == (Refusal(reason="output_cut_off", detail="who wrote"),)


@pytest.mark.parametrize("text", ["...", "it rains and rains", "שלום", "👩\u200d🚀\r\n"])
def test_a_context_without_an_answer_candidate_is_refused(checkpoint: Path, text: str) -> None:
    (proposal,) = generator(checkpoint).propose([passage(text)])
    assert [refusal.reason for refusal in proposal.refusals] == ["no_answer_candidate"]


@pytest.mark.parametrize(
    ("output", "drafts", "reasons"),
    [
        ("question: Who?, answer: Ada", [("Who?", "Ada")], []),
        (
            "question: Who, answer: or what?, answer: Ada | question: When?, answer: 1843",
            [("Who, answer: or what?", "Ada"), ("When?", "1843")],
            [],
        ),
        ("question: Who? | answer: Ada", [], ["not_a_pair", "not_a_pair"]),
        ("", [], ["not_a_pair"]),
        ("question: , answer: ", [("", "")], []),  # for `placed` to refuse
    ],
)
def test_end_to_end_output_is_parted_into_pairs(
    output: str, drafts: list[tuple[str, str]], reasons: list[str]
) -> None:
    found, refusals = parse_end_to_end(output, ended=True)
    assert [(draft.question, draft.answer) for draft in found] == drafts
    assert [refusal.reason for refusal in refusals] == reasons


def test_the_last_pair_of_an_output_cut_off_is_refused() -> None:
    found, refusals = parse_end_to_end("question: Who?, answer: Ada | question: W", ended=False)
    assert [draft.answer for draft in found] == ["Ada"]
    assert refusals == [Refusal(reason="output_cut_off", detail="question: W")]


# --- Checkpoints that do not fit ---------------------------------------------------------------


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere'.* no such folder"):
        generator(tmp_path / "nowhere")


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no usable config"):
        generator(tmp_path)


def test_an_encoder_is_no_question_generator(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4
    )
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="a bert is no sequence-to-sequence model"):
        generator(tmp_path)


def test_a_checkpoint_without_tokenizer_is_refused(broken: Path) -> None:
    (broken / "tokenizer.json").unlink()
    (broken / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match="no tokenizer"):
        generator(broken, form="end_to_end")


def test_a_tokenizer_of_another_model_is_refused(broken: Path) -> None:
    save_tokenizer(broken, special=[f"<{n}>" for n in range(99)])
    with pytest.raises(CheckpointError, match="are not of one model"):
        generator(broken)


def test_a_slow_tokenizer_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(CheckpointError, match="is a slow one"):
        generator(checkpoint)


def test_pickled_weights_are_not_opened(broken: Path) -> None:
    weights = T5ForConditionalGeneration.from_pretrained(broken).state_dict()
    torch.save(weights, broken / "pytorch_model.bin")
    (broken / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no usable weights: .*safetensors"):
        generator(broken)


def test_weights_that_are_missing_are_not_drawn_at_random(broken: Path) -> None:
    config = json.loads((broken / "config.json").read_text())
    layers = {"num_layers": 2, "num_decoder_layers": 2}
    (broken / "config.json").write_text(json.dumps({**config, **layers}))
    with pytest.raises(CheckpointError, match="weights are missing"):
        generator(broken)


def test_code_of_a_checkpoint_is_not_run(broken: Path) -> None:
    config = json.loads((broken / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    (broken / "config.json").write_text(json.dumps(config))
    (broken / "own.py").write_text("raise SystemExit('code was run')\n")
    with pytest.raises(CheckpointError, match="no usable config"):
        generator(broken)


def test_a_checkpoint_without_highlights_knows_no_answers(broken: Path) -> None:
    save_tokenizer(broken, special=())
    with pytest.raises(QuestionGeneratorError, match="vocabulary has no <hl>"):
        generator(broken)
    generator(broken, form="end_to_end")


def test_a_limit_without_room_for_a_context_says_so(checkpoint: Path) -> None:
    with pytest.raises(QuestionGeneratorError, match="at most 5 tokens leave no room"):
        list(generator(checkpoint, max_source_tokens=5).propose([passage()]))
