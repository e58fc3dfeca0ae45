"""Sequence-to-sequence question generators, such as T5 trained on SQuAD.

Only this module knows the text forms that public checkpoints were trained on. Two are spoken,
as defined by lm-question-generation (Ushio et al. 2022, arXiv:2210.03992):

- ``answer_aware``: ``generate question: Ada <hl> Lovelace <hl> wrote it.`` gives a question.
- ``end_to_end``: ``generate question and answer: ...`` gives ``question: ..., answer: ... | ...``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
)
from transformers.utils import logging as transformers_logging

from augqa.candidates import Candidate, answer_candidates, choose_candidates
from augqa.errors import QuestionGeneratorError
from augqa.pairs import Draft, Passage, Proposal, Refusal, in_turn
from augqa.spans import Span, window_around, windows

Form = Literal["answer_aware", "end_to_end"]

_HIGHLIGHT = "<hl>"
_PREFIXES: dict[Form, str] = {
    "answer_aware": "generate question: ",
    "end_to_end": "generate question and answer: ",
}
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# A window may take a token or two more when it is encoded by itself.
_SPARE_TOKENS = 4


@dataclass(slots=True)
class _Source:
    """One text for the model, and what it wrote.

    Attributes:
        text: The text.
        passage: Number of the passage it is from.
        candidate: The answer it asks a question for; None in form ``end_to_end``.
        window: The part of the passage it holds.
        fits: Whether the model can take it; a word longer than its input may not.
        output: What the model wrote.
        ended: Whether the model itself ended it, before the limit on new tokens.
    """

    text: str
    passage: int
    candidate: Candidate | None = None
    window: Span | None = None
    fits: bool = True
    output: str = ""
    ended: bool = False


class Seq2SeqGenerator:
    """Drafts pairs by beam search over a sequence-to-sequence checkpoint.

    Equal inputs and settings give equal drafts on the CPU, whatever the order of the passages'
    lengths, since the batches are always the same.
    """

    def __init__(
        self,
        checkpoint: str,
        *,
        form: Form,
        n_pairs: int,
        num_beams: int,
        max_source_tokens: int,
        max_new_tokens: int,
        batch_size: int,
        threads: int,
    ) -> None:
        """Load a checkpoint.

        Args:
            checkpoint: Folder, or name on the Hugging Face hub, with ``@`` and a revision or not.
            form: What the checkpoint was trained on.
            n_pairs: Answers to ask for, in each passage; form ``end_to_end`` decides itself.
            num_beams: Width of the beam search.
            max_source_tokens: Longest input; the checkpoint's own limit where that is less.
            max_new_tokens: Longest output.
            batch_size: Inputs at once.
            threads: CPU threads; another number may give other bytes.

        Raises:
            QuestionGeneratorError: If it is not there, has no safetensors weights, is no
                sequence-to-sequence model, needs code of its own, has no fast tokenizer, or was
                not trained for `form`.
        """
        torch.set_num_threads(threads)
        self._checkpoint = checkpoint
        self._form = form
        self._n_pairs = n_pairs
        self._batch_size = batch_size
        self._tokenizer, self._model = _load(checkpoint)
        # Where a folder lies is nobody's business but this machine's.
        folder = Path(checkpoint)
        self._served_name = folder.resolve().name if folder.is_dir() else checkpoint
        config = self._model.config
        # lm-question-generation notes in the config whether it trained with a prefix.
        self._prefix = _PREFIXES[form] if getattr(config, "add_prefix", True) else ""
        if form == "answer_aware" and _HIGHLIGHT not in self._tokenizer.get_vocab():
            raise QuestionGeneratorError(
                f"{checkpoint}: its vocabulary has no {_HIGHLIGHT}, so it was not trained for form"
                " answer_aware. Set generate_pairs.t5.form to end_to_end, or name another"
                " generate_pairs.t5.checkpoint."
            )
        limits = [max_source_tokens, self._tokenizer.model_max_length]
        limits += [
            limit
            for name in ("n_positions", "max_position_embeddings")
            if isinstance(limit := getattr(config, name, None), int)
        ]
        self._max_source_tokens = min(limits)
        own = self._model.generation_config
        # The checkpoint's own sampling defaults must not creep in.
        self._generation = GenerationConfig(
            do_sample=False,
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            early_stopping=True,
            decoder_start_token_id=own.decoder_start_token_id,
            bos_token_id=own.bos_token_id,
            eos_token_id=own.eos_token_id,
            pad_token_id=self._tokenizer.pad_token_id,
            forced_bos_token_id=own.forced_bos_token_id,
            forced_eos_token_id=own.forced_eos_token_id,
        )

    def propose(self, passages: Sequence[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order.

        A context longer than the model's input is read in windows of whole sentences; the window
        of an answer holds it whole.

        Raises:
            QuestionGeneratorError: If the input limit leaves no room for a context.
        """
        make = self._answer_sources if self._form == "answer_aware" else self._window_sources
        by_passage = [list(make(passage, number)) for number, passage in enumerate(passages)]
        self._answer_all([source for sources in by_passage for source in sources])

        for passage, sources in zip(passages, by_passage, strict=True):
            outcomes = [_drafts(source) for source in sources]
            refusals = [refusal for _, refused in outcomes for refusal in refused]
            if not sources:
                refusals.append(Refusal(reason="no_answer_candidate", detail=passage.text[:80]))
            yield Proposal(
                passage=passage,
                drafts=in_turn(drafts for drafts, _ in outcomes),
                refusals=tuple(refusals),
                model=self._served_name,
            )

    def _answer_sources(self, passage: Passage, number: int) -> Iterator[_Source]:
        """Yield a text for each answer, marked in its window."""
        text = passage.text
        starts, room = self._units(text), self._room(f"{_HIGHLIGHT}  {_HIGHLIGHT}")
        for candidate in choose_candidates(answer_candidates(text), text, n=self._n_pairs):
            start, end = candidate.start, candidate.end
            first, past = window_around(text, (start, end), starts, max_units=room)
            marked = f"{_HIGHLIGHT} {candidate.text} {_HIGHLIGHT}"
            yield _Source(
                f"{self._prefix}{text[first:start]}{marked}{text[end:past]}", number, candidate
            )

    def _window_sources(self, passage: Passage, number: int) -> Iterator[_Source]:
        """Yield a text for each window."""
        text = passage.text
        for first, past in windows(text, self._units(text), max_units=self._room("")):
            yield _Source(self._prefix + text[first:past], number, window=(first, past))

    def _units(self, text: str) -> list[int]:
        """Return the offset of each token of `text`."""
        encoded = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return [start for start, _ in encoded["offset_mapping"]]

    def _room(self, around: str) -> int:
        """Return how many tokens of a context fit in one input."""
        taken: int = len(self._tokenizer(self._prefix + around)["input_ids"]) + _SPARE_TOKENS
        room: int = self._max_source_tokens - taken
        if room < 1:
            raise QuestionGeneratorError(
                f"{self._checkpoint}: inputs of at most {self._max_source_tokens} tokens leave no"
                f" room for a context beside the {taken} of the prefix. Raise"
                " generate_pairs.t5.max_source_tokens."
            )
        return room

    def _answer_all(self, sources: Sequence[_Source]) -> None:
        encoded = [self._tokenizer(source.text)["input_ids"] for source in sources]
        for source, ids in zip(sources, encoded, strict=True):
            source.fits = len(ids) <= self._max_source_tokens
        # Equal lengths go together, so that little is computed on padding.
        fitting = [i for i, source in enumerate(sources) if source.fits]
        order = sorted(fitting, key=lambda i: (len(encoded[i]), sources[i].text))
        starts = range(0, len(order), self._batch_size)
        for start in tqdm(starts, "questions", unit="batch", disable=None):
            chosen = order[start : start + self._batch_size]
            batch = self._tokenizer.pad(
                {"input_ids": [encoded[i] for i in chosen]}, return_tensors="pt"
            ).to(self._model.device)
            with torch.inference_mode():
                outputs = self._model.generate(
                    input_ids=batch["input_ids"],
                    attention_mask=batch["attention_mask"],
                    generation_config=self._generation,
                )
            texts = self._tokenizer.batch_decode(outputs, skip_special_tokens=True)
            for i, ids, text in zip(chosen, outputs.tolist(), texts, strict=True):
                sources[i].output = text
                sources[i].ended = self._tokenizer.eos_token_id in ids[1:]


def _drafts(source: _Source) -> tuple[list[Draft], list[Refusal]]:
    if not source.fits:
        return [], [Refusal(reason="longer_than_input", detail=source.text[:80])]
    if source.candidate is None:
        drafts, refusals = parse_end_to_end(source.output, ended=source.ended)
        return [replace(draft, window=source.window) for draft in drafts], refusals
    if not source.ended:
        return [], [Refusal(reason="output_cut_off", detail=source.output)]
    answer = source.candidate
    return [Draft(question=source.output, answer=answer.text, start=answer.start)], []


def parse_end_to_end(output: str, *, ended: bool) -> tuple[list[Draft], list[Refusal]]:
    """Read ``question: Who?, answer: Ada | question: ...``.

    Args:
        output: Text of the model.
        ended: Whether the model ended it; else the last piece is cut off and refused.
    """
    drafts, refusals = [], []
    pieces = output.split("|")
    for number, piece in enumerate(pieces):
        piece = piece.strip()
        if not ended and number == len(pieces) - 1:
            refusals.append(Refusal(reason="output_cut_off", detail=piece))
            continue
        question, found, answer = piece.rpartition(", answer:")
        if not found or not question.startswith("question:"):
            refusals.append(Refusal(reason="not_a_pair", detail=piece))
            continue
        drafts.append(
            Draft(question=question.removeprefix("question:").strip(), answer=answer.strip())
        )
    return drafts, refusals


def _load(checkpoint: str) -> tuple[Any, Any]:
    """Return tokenizer and model, in float32, with every weight of the checkpoint's own."""
    name, _, revision = checkpoint.partition("@")
    if Path(checkpoint).is_dir():
        name, revision = checkpoint, ""
    elif not _HUB_NAME.fullmatch(name):
        raise QuestionGeneratorError(
            f"generate_pairs.t5.checkpoint {checkpoint!r}: no such folder, and not a hub name such"
            " as org/model or org/model@revision"
        )
    hub: dict[str, Any] = {"revision": revision or None, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(name, **hub)
    except (OSError, ValueError, KeyError) as error:
        raise QuestionGeneratorError(f"{checkpoint}: no usable config: {_first(error)}") from error
    if not config.is_encoder_decoder:
        raise QuestionGeneratorError(
            f"{checkpoint}: a {config.model_type} is no sequence-to-sequence model. Name a T5 or"
            " BART checkpoint for question generation in generate_pairs.t5.checkpoint."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, **hub)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise QuestionGeneratorError(f"{checkpoint}: no tokenizer: {_first(error)}") from error
    if not tokenizer.is_fast:
        raise QuestionGeneratorError(
            f"{checkpoint}: its tokenizer {type(tokenizer).__name__} is a slow one, which gives no"
            " character offsets. Choose a checkpoint with a tokenizer.json."
        )
    # Without its files, transformers makes up a tokenizer that knows no word.
    known = tokenizer.decode(
        tokenizer(_PREFIXES["end_to_end"])["input_ids"], skip_special_tokens=True
    )
    if not known.strip():
        raise QuestionGeneratorError(
            f"{checkpoint}: no tokenizer beside the weights, or one without English words. Put its"
            " tokenizer.json there."
        )
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    # The check below says what its report says, in one line.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, report = AutoModelForSeq2SeqLM.from_pretrained(
            name,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **hub,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise QuestionGeneratorError(
            f"{checkpoint}: no usable weights: {_first(error)}. They must be safetensors: a pickled"
            " pytorch_model.bin is not opened."
        ) from error
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
    missing = sorted(report["missing_keys"])
    if missing:
        raise QuestionGeneratorError(
            f"{checkpoint}: {len(missing)} weights are missing, the first one is {missing[0]}: its"
            " questions would be random"
        )
    n_rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > n_rows:
        raise QuestionGeneratorError(
            f"{checkpoint}: its tokenizer has {len(tokenizer)} tokens, but its weights only"
            f" {n_rows}: they are not of one model"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return tokenizer, model.to(device).eval()


def _first(error: Exception) -> str:
    """Return the first line of a library's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
