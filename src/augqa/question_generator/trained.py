"""Question generators that `train_question_generator` made: what they were made for, and use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from augqa.candidates import Candidate
from augqa.checkpoints import Kind
from augqa.errors import QuestionGeneratorError
from augqa.finetuning.record import check_form, read_record
from augqa.question_generator import settings
from augqa.question_generator.causal import CausalGenerator
from augqa.question_generator.entries import Given
from augqa.question_generator.forms import PREFIXES, causal_sha256, seq2seq_sha256
from augqa.question_generator.proposals import Draft, QuestionGenerator, Refusal
from augqa.question_generator.seq2seq import Seq2SeqGenerator

RECORD = "question_generator.json"

_PARAM = "generate_pairs.trained.checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What the user of a trained question generator must know; lies beside its weights.

    Attributes:
        kind: What it is.
        base: Name of the checkpoint it was trained from.
        prompt_sha256: Hash of the form it was trained on.
        max_source_tokens: Longest input it was trained on.
    """

    kind: Kind
    base: str
    prompt_sha256: str
    max_source_tokens: int


class AnswerAware(QuestionGenerator, Protocol):
    """Writes the question to an answer."""

    def ask(self, asked: Sequence[tuple[str, Candidate]]) -> list[Draft | Refusal]:
        """Return the question to each answer of a context, in their order."""
        ...


def load(own: settings.Trained, given: Given) -> AnswerAware:
    """Return the generator of the folder that params name, or else of the one trained here.

    Raises:
        QuestionGeneratorError: As `load_trained`.
    """
    folder = given.trained if own.checkpoint is None else Path(own.checkpoint)
    return load_trained(
        folder or Path(),
        **own.model_dump(exclude={"checkpoint"}),
        n_pairs=given.n_pairs,
        choose=given.choose,
        executor=given.executor,
    )


def load_trained(folder: Path, **settings: Any) -> AnswerAware:
    """Load a question generator that was trained here.

    Args:
        folder: What `TrainedModel.save` wrote.
        settings: ``n_pairs``, ``choose``, ``num_beams``, ``max_new_tokens``, ``batch_size``,
            ``threads`` and ``executor``, as of `CausalGenerator`.

    Raises:
        QuestionGeneratorError: If the folder or its record is missing or damaged, or the model was
            trained on another form than this version asks in.
    """
    trained = read_record(
        folder / RECORD,
        Trained,
        refused=QuestionGeneratorError,
        absent=f"{_PARAM}: {folder} has no {RECORD}, so it was not made by"
        " train_question_generator. Name the kind in question_generators and run `augqa run`, or"
        " use method t5 for a checkpoint of other origin.",
    )
    causal = trained.kind == "causal"
    own = causal_sha256() if causal else seq2seq_sha256("answer_aware", PREFIXES["answer_aware"])
    check_form(
        folder,
        trained_on=trained.prompt_sha256,
        asked_in=own,
        refused=QuestionGeneratorError,
    )
    settings |= {"max_source_tokens": trained.max_source_tokens, "param": _PARAM}
    if causal:
        return CausalGenerator(str(folder), **settings)
    return Seq2SeqGenerator(str(folder), form="answer_aware", **settings)
